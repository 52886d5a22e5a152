"""The faintest change that meets a condition, and goes on meeting it after edits.

Each step looks at the photo as it would be written, through random edits (expectation over
transformation, Athalye et al. 2018, doi:10.48550/arXiv.1707.07397), and adds the gradient to a
running mean (dual averaging, Nesterov 2009, doi:10.1007/s10107-007-0149-x). The change tried next
is the one that gains most by that mean for the contrast that is seen of it, in closed form
(`cvpire.attacks.faint_change.sensitivity`); its contrast follows what the last looks fell short of.
In the end trials (`cvpire.edits.trials`), which are other edits, tell how faint the change may
become: the least contrast that passes them by a reserve.

A large photo is searched at a smaller size, since a classifier sees it small, and the change found
is enlarged. Every change is held within the bound, and is one of whole grey levels in the file.

Images and bounds are those of `cvpire.attacks.base`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cvpire.attacks.base import (
    SAFETY_MARGIN,
    AttackResult,
    AttackStep,
    StepCallback,
    check_inputs,
    in_levels,
)
from cvpire.attacks.conditions import Condition
from cvpire.attacks.faint_change.least_scale import least_scale
from cvpire.attacks.faint_change.sensitivity import ContrastCost
from cvpire.edits.differentiable import EDITS, random_edit, rounded
from cvpire.edits.posting import Edit
from cvpire.edits.trials import draw_trials, trial_size
from cvpire.images.photo import Photo
from cvpire.images.tensors import to_image, to_photo
from cvpire.images.transparency import BACKGROUNDS, composite_images, seen_images
from cvpire.images.views import RESIZED_SIDE

# A larger photo is searched at about so many pixels.
_WORK_PIXELS = 360_000

# The most of the running gradient that a step keeps; until then it is the mean of all gradients.
_MEMORY = 0.95

# The contrast follows slack by the mean of the last looks less their deviation, of which each step
# keeps so much, and changes by no more than this factor a step.
_KEPT, _MOST_FACTOR = 0.7, 1.2

# The first change has a contrast within these limits.
_FIRST_CONTRASTS = (0.2, 2.0)

# A look that gained less than this share of the mean gain says nothing of what more would gain.
_LEAST_SHARE = 0.25

# So many images of the size that classifiers see are looked at together. More take no less time
# each, and larger ones no more memory than these (a network holds 100 times its input).
_TOGETHER = 4
_PIXELS_TOGETHER = _TOGETHER * RESIZED_SIDE**2

# How often a look at a photo that is searched small is that of a reader without antialiasing.
_ALIASED = 0.1

# Calls of the trials, and how near to the least contrast they go.
_MOST_TRIALS, _TRIAL_PRECISION = 6, 1.05

# Of a change that is only looked at as it is, which takes next to no time.
_MOST_LOOKS, _LOOK_PRECISION = 16, 1.005


@dataclass(frozen=True)
class FaintSettings:
    """What a change is to survive, and how hard to search.

    Attributes:
        edits: that it is to survive, one of `cvpire.edits.differentiable.EDITS`.
        steps: of the search.
        views: looks at the photo in a step. Three in each made no change fainter.
        margin: slack, in logits, that each look is to have; one that has it counts no more.
        reserve: slack, in logits, that the trials are to be passed by.
        masking: see `cvpire.attacks.faint_change.sensitivity.ContrastCost`.
        contrast: None for the least that passes; else the visible contrast to spend, without
            trials (see `cvpire.attacks.faint_change.sensitivity.ContrastCost`).
    """

    edits: str
    steps: int
    views: int = 1
    margin: float = 1.5
    reserve: float = 0.15
    masking: float = 0.25
    contrast: float | None = None

    def __post_init__(self) -> None:
        if self.edits not in EDITS:
            raise ValueError(f"expected edits of {', '.join(EDITS)}, got {self.edits!r}")


class Surrogate(NamedTuple):
    """An additional classifier that is attacked jointly, for transfer to one that nobody can ask.

    Attributes:
        differentiable: images (n, 3, H, W) to logits.
        condition: to reach, for all sights of the images that the search is given.
    """

    differentiable: Callable[[Tensor], Tensor]
    condition: Condition


def find_faint_change(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    epsilon_map: Tensor,
    condition: Condition,
    settings: FaintSettings,
    *,
    seed: int,
    differentiable: Callable[[Tensor], Tensor] | None = None,
    to_size: Callable[[Tensor], Tensor] = lambda images: images,
    surrogates: Sequence[Surrogate] = (),
    read: Callable[[Tensor], Tensor] | None = None,
    alpha: Tensor | None = None,
    on_step: StepCallback | None = None,
) -> AttackResult:
    """Search, for each image by itself, the faintest change within its bound that does it.

    Args:
        model: (n, 3, H, W) in [0, 1], of any size, to logits (n, classes), float32: it decides.
        images: (N, 3, H, W) in [0, 1], multiples of 1/255.
        epsilon_map: (N, 1, H, W), 0 or more: how far each channel may move, in [0, 1] units.
        condition: what to reach, for these N images.
        settings: what to survive, and how hard to search.
        seed: of the edits.
        differentiable: see `cvpire.attacks.least_change.search.find_least_change`.
        to_size: from images to those of the size that the model looks at, with their gradient;
            the model answers for both alike. Images of one size are looked at together, which takes
            a third less time. By default they stay as they are.
        surrogates: each is shown one more edit of each sight a step.
        read: from an image to what is seen of its file, (sights, 3, H, W), with the image's
            gradient; by default of a lossless file. A photo that is searched small is only read in
            full.
        alpha: (N, 1, H, W) or (1, 1, H, W) in [0, 1], of images with transparency: what is seen of
            them on each background (see `cvpire.images.transparency`) is edited, and is to meet the
            condition. None where they are opaque.
        on_step: told after each step; an answer that is true stops the search.

    Returns:
        The changed images and, for each, whether it meets the condition *without* an edit, which is
        all that can be known for sure: `cvpire.rehearsal` tells what it survives.

    Raises:
        ValueError: for images or a bound other than the above.
    """
    check_inputs(images, epsilon_map)
    result = images.clone()
    success = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    slack = torch.full((len(images),), -torch.inf)
    steps = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    stopped = False
    for row in range(len(images)):
        one = slice(row, row + 1)
        present = condition.select(torch.tensor([row], device=images.device))
        opacity = None if alpha is None else alpha.expand(len(images), -1, -1, -1)[one]
        sights = _Sights(images[one], epsilon_map[one], opacity, read)
        every = row * sights.count + torch.arange(sights.count, device=images.device)
        beside = [Surrogate(s.differentiable, s.condition.select(every)) for s in surrogates]
        search = _Search(sights, model, to_size, present, beside, settings, seed)

        def tell(row: int = row, search: _Search = search) -> bool:
            slack[row] = search.slack
            met = success.cpu().clone()
            met[row] = search.slack > SAFETY_MARGIN
            return on_step is not None and bool(
                on_step(AttackStep(search.step, most_steps(settings), met, slack.clone()))
            )

        stopped = search.run(differentiable or model, tell)
        steps[row] = search.step
        result[one] = sights.written(search.best)
        success[row] = search.is_met
        if stopped:
            break
    return AttackResult(result, success, steps, stopped)


def most_steps(settings: FaintSettings) -> int:
    """The most steps that a search takes, calls of the trials included."""
    if settings.contrast is not None:
        return settings.steps
    return settings.steps + (_MOST_LOOKS if settings.edits == "none" else _MOST_TRIALS)


class _Sights:
    """What is seen of one image as it changes, at the size that is searched at.

    A sight is the image itself or, where it has transparency, the image on a background. Changes
    are those that are *seen*, (1, 3, h, w) in [0, 1] units: a clear pixel must change by more.

    Attributes:
        clean: (1, 3, h, w) in [0, 1] each, without a change.
        bound: (1, 1, h, w) in [0, 1], the most that is seen of a change.
        count: of the sights.
        scale: the width that is searched at, as a share of the image's.
    """

    def __init__(
        self,
        image: Tensor,
        epsilon_map: Tensor,
        alpha: Tensor | None,
        read: Callable[[Tensor], Tensor] | None,
    ) -> None:
        self._image, self._epsilon_map, self._alpha, self._read = image, epsilon_map, alpha, read
        clean, bound = [image], epsilon_map
        if alpha is not None:
            clean = [composite_images(image, alpha, background) for background in BACKGROUNDS]
            bound = epsilon_map * alpha
        self.clean, self.bound = [_shrink(sight) for sight in clean], _shrink(bound)
        self.count = len(clean)
        self.scale = self.bound.shape[-1] / image.shape[-1]
        self._aliased: list[Tensor] | None = None
        self._is_full_size = self.bound.shape[-2:] == image.shape[-2:]

    def held(self, change: Tensor) -> Tensor:
        """The change within its bound, at the size that is searched at."""
        return torch.maximum(torch.minimum(change, self.bound), -self.bound)

    def written(self, change: Tensor) -> Tensor:
        """(1, 3, H, W): the changed image, by whole grey levels within its bound."""
        changed = self._image.clone()
        limit = in_levels(self._epsilon_map[0, 0])
        most = limit.floor()
        # A channel at a time, to hold little at once.
        for channel, plane in enumerate(changed[0]):
            wanted = self._full_size(change[:, channel : channel + 1])[0, 0] * 255.0
            wanted = torch.maximum(torch.minimum(wanted, limit), -limit).round_()
            wanted = torch.maximum(torch.minimum(wanted, most), -most)
            plane.mul_(255.0).round_().add_(wanted).clamp_(0.0, 255.0).div_(255.0)
        return changed

    def _full_size(self, change: Tensor) -> Tensor:
        """(1, C, H, W): what the image must change by, for so much to be seen."""
        if not self._is_full_size:
            size = self._image.shape[-2:]
            change = F.interpolate(change, size, mode="bicubic", align_corners=False)
        if self._alpha is None:
            return change
        return torch.where(self._alpha > 0.0, change / self._alpha.clamp_min(1.0 / 255.0), 0.0)

    def aliased(self, change: Tensor) -> list[Tensor]:
        """What a reader without antialiasing gets of the full sights, each so changed.

        It takes a few pixels and passes over the others, which no smaller sight tells of.
        """
        size = (RESIZED_SIDE, RESIZED_SIDE)
        if self._aliased is None:
            mixed = [self._image]
            if self._alpha is not None:
                mixed = [composite_images(self._image, self._alpha, b) for b in BACKGROUNDS]
            self._aliased = [F.interpolate(sight, size, mode="bilinear") for sight in mixed]
        read = F.interpolate(change, size, mode="bilinear")
        return [(sight + read).clamp(0.0, 1.0) for sight in self._aliased]

    def of_file(self, changed: Tensor) -> Tensor:
        """(sights, 3, H, W): all that is seen of the file of a changed image (1, 3, H, W)."""
        return seen_images(changed, self._alpha) if self._read is None else self._read(changed)

    def changed(self, change: Tensor) -> list[Tensor]:
        """The sights, (1, 3, h, w) each, of the image so changed, with the change's gradient.

        At a smaller size the file's rounding averages out, and its codec's blocks are too large.
        """
        if not self._is_full_size:
            return [(sight + change).clamp(0.0, 1.0) for sight in self.clean]
        image = (self._image + self._full_size(change)).clamp(0.0, 1.0)
        if self._read is None and self._alpha is None:
            return [rounded(image)]
        return list(self.of_file(image).chunk(self.count))


class _Search:
    """The search on one image, at the size it is searched at.

    Attributes:
        best: (1, 3, h, w), the change as it is seen: the faintest that passes its trials, or else
            the last one that was tried.
        is_met: whether the image, so changed and written, meets the condition.
        slack: the least among the last step's looks.
        step: steps taken.
    """

    def __init__(
        self,
        sights: _Sights,
        model: Callable[[Tensor], Tensor],
        to_size: Callable[[Tensor], Tensor],
        condition: Condition,
        surrogates: Sequence[Surrogate],
        settings: FaintSettings,
        seed: int,
    ) -> None:
        self._sights, self._condition = sights, condition
        self._model, self._to_size = model, to_size
        self._surrogates, self._settings = surrogates, settings
        self._draw = random.Random(seed)
        self._trials = draw_trials(settings.edits, seed + 1)
        self._cost = ContrastCost(
            [(sight[0] * 255.0).cpu().numpy() for sight in sights.clean],
            (sights.bound[0, 0] * 255.0).cpu().numpy(),
            scale=sights.scale,
            masking=settings.masking,
        )
        self._gain = np.zeros((3, *sights.bound.shape[-2:]), np.float32)
        self._direction = torch.zeros_like(sights.clean[0])
        self._pace: _Pace | None = None
        self.best = torch.zeros_like(sights.clean[0])
        self.is_met = False
        self.slack = -math.inf
        self.step = 0

    def run(self, differentiable: Callable[[Tensor], Tensor], tell: Callable[[], bool]) -> bool:
        """Search until the steps are over; whether `tell` stopped it.

        Args:
            differentiable: the model in a form for gradients.
            tell: told after each step.
        """
        if not bool(self._sights.bound.any()):
            self._keep(0.0)
            return False
        contrast = 0.0
        for _ in range(self._settings.steps):
            contrast = self._look(differentiable, contrast)
            self.step += 1
            if tell():
                self._keep(contrast)
                return True
        if self._settings.contrast is not None:
            self._keep(contrast)
            return False
        return self._make_faint(contrast, tell)

    def _look(self, differentiable: Callable[[Tensor], Tensor], contrast: float) -> float:
        """Look at the change of this contrast; the contrast that is tried next."""
        settings, sights = self._settings, self._sights
        with torch.enable_grad():
            change = sights.held(contrast * self._direction).requires_grad_(True)
            seen = sights.changed(change)
            views = [
                view
                for _ in range(settings.views)
                for view in self._edited(seen, change, settings.edits)
            ]
            logits = _logits(differentiable, [self._to_size(view) for view in views])
            condition = self._condition.select(torch.zeros(len(logits), dtype=torch.int64))
            shortfalls = [condition.shortfall(logits, margin=settings.margin)]
            for other in self._surrogates:
                for at, sight in enumerate(seen):
                    theirs = other.condition.select(torch.tensor([at]))
                    edited = random_edit(sight, self._draw, settings.edits)
                    shortfalls.append(
                        theirs.shortfall(other.differentiable(edited), margin=settings.margin)
                    )
            shortfall = torch.cat(shortfalls).mean()
            (gradient,) = torch.autograd.grad(shortfall, change)
        # Of each look, the sight that falls the shortest counts: all are to meet the condition.
        slack = condition.slack(logits.detach()).view(-1, sights.count).amin(dim=1)
        self.slack = float(slack.min())
        if bool(gradient.isfinite().all()):  # else it says nothing, and would never be forgotten
            kept = min(_MEMORY, self.step / (self.step + 1.0))
            self._gain *= kept
            self._gain -= (1.0 - kept) * gradient[0].cpu().numpy()
        best = self._cost.best_change(self._gain)
        self._direction = torch.from_numpy(best)[None].to(gradient) / 255.0
        if self._pace is None:
            self._pace = _Pace(float(slack.mean()), settings)
            gained = float((self._gain * best).sum()) / 255.0
            contrast = self._pace.first(float(shortfall.detach()), gained)
        else:
            contrast = self._pace.next(contrast, slack)
        return contrast

    def _edited(self, seen: Sequence[Tensor], change: Tensor, edits: str) -> Sequence[Tensor]:
        """An edit of each sight; of a large photo, at times what an aliased reader gets of it."""
        if edits == "posting" and self._sights.scale < 1.0 and self._draw.random() < _ALIASED:
            return self._sights.aliased(change)
        return [random_edit(sight, self._draw, edits) for sight in seen]

    def _make_faint(self, contrast: float, tell: Callable[[], bool]) -> bool:
        """Find the least contrast that passes; whether `tell` stopped it."""
        assert self._pace is not None
        is_stopped = False
        fallback = 0.0

        def surplus(contrast: float) -> float:
            nonlocal is_stopped, fallback
            if is_stopped:
                return -1.0
            self.step += 1
            seen = self._seen(self._at(contrast))
            as_written, tried = self._least_slack(seen), self._trial_slack(seen)
            self.slack = min(as_written, tried)
            fallback = contrast
            is_stopped = tell()
            # A little beyond the margin, since it is asked for once more in the end.
            return min(as_written - 1.01 * SAFETY_MARGIN, tried - self._settings.reserve)

        is_plain = not self._trials
        found = least_scale(
            surplus,
            contrast,
            min(self._pace.start - self._settings.reserve, -SAFETY_MARGIN),
            precision=_LOOK_PRECISION if is_plain else _TRIAL_PRECISION,
            most=_MOST_LOOKS if is_plain else _MOST_TRIALS,
        )
        self._keep(fallback if found is None else found)
        return is_stopped

    def _keep(self, contrast: float) -> None:
        self.best = self._at(contrast)
        self.is_met = self._least_slack(self._seen(self.best)) > SAFETY_MARGIN

    def _at(self, contrast: float) -> Tensor:
        return self._sights.held(contrast * self._direction)

    def _seen(self, change: Tensor) -> Tensor:
        """(sights, 3, H, W): all that is seen of the written file."""
        with torch.no_grad():
            return self._sights.of_file(self._sights.written(change))

    def _trial_slack(self, seen: Tensor) -> float:
        """The least, over all trials of these sights; infinite where there are no trials."""
        if not self._trials:
            return math.inf
        photos = [trial_size(to_photo(sight[None])) for sight in seen]
        tries = [(trial, photo) for trial in self._trials for photo in photos]

        def seen_after(one: tuple[Edit, Photo]) -> Tensor:
            trial, photo = one
            return self._to_size(to_image(trial(photo).pixels).to(seen))

        # A few at a time, to hold few images at once.
        with ThreadPoolExecutor(torch.get_num_threads()) as workers:
            return min(
                self._least_slack(*workers.map(seen_after, tries[at : at + _TOGETHER]))
                for at in range(0, len(tries), _TOGETHER)
            )

    def _least_slack(self, *images: Tensor) -> float:
        """The least, by the model, among images (n, 3, H, W) of any sizes."""
        with torch.no_grad():
            logits = _logits(self._model, images)
        condition = self._condition.select(torch.zeros(len(logits), dtype=torch.int64))
        return float(condition.slack(logits).min())


def _logits(model: Callable[[Tensor], Tensor], images: Sequence[Tensor]) -> Tensor:
    """The logits of images (n, 3, H, W) of any sizes, in their order.

    Those of one size are given to the model together, as many as `_PIXELS_TOGETHER` allow.
    """
    alike: dict[torch.Size, list[int]] = {}
    for place, image in enumerate(images):
        alike.setdefault(image.shape, []).append(place)
    logits: dict[int, Tensor] = {}
    for shape, places in alike.items():
        most = max(1, _PIXELS_TOGETHER // (shape[0] * shape[-2] * shape[-1]))
        for at in range(0, len(places), most):
            few = places[at : at + most]
            found = model(torch.cat([images[place] for place in few]))
            logits.update(zip(few, found.chunk(len(few)), strict=True))
    return torch.cat([logits[place] for place in range(len(images))])


class _Pace:
    """How strong the next change is to be: slack grows about linearly with contrast.

    Args:
        start: mean slack of the clean photo, under edits.
        settings: of the search.
    """

    def __init__(self, start: float, settings: FaintSettings) -> None:
        self.start = start
        self._settings = settings
        self._mean: float | None = None
        self._variance = 0.0

    def first(self, shortfall: float, gained: float) -> float:
        """The first contrast, by what a contrast of 1 gains of the shortfall."""
        if self._settings.contrast is not None:
            return self._settings.contrast / 4.0
        least, most = _FIRST_CONTRASTS
        return min(max(0.3 * shortfall / gained, least), most) if gained > 0.0 else least

    def next(self, contrast: float, slack: Tensor) -> float:
        """The contrast after one of which the looks had this slack."""
        if self._settings.contrast is not None:
            return min(contrast * _MOST_FACTOR, self._settings.contrast)
        rates = ((slack - self.start) / contrast).double()
        rates = rates[rates.isfinite()]
        if len(rates) == 0:
            return contrast
        mean = float(rates.mean())
        variance = float(rates.var()) if len(rates) > 1 else 0.0
        if self._mean is None:
            self._mean, self._variance = mean, variance
        self._mean = _KEPT * self._mean + (1.0 - _KEPT) * mean
        self._variance = _KEPT * self._variance + (1.0 - _KEPT) * variance
        rate = max(self._mean - self._variance**0.5, _LEAST_SHARE * self._mean)
        factor = math.inf
        if rate > 0.0:
            factor = max(self._settings.reserve - self.start, SAFETY_MARGIN) / (rate * contrast)
        return contrast * min(max(factor, 1.0 / _MOST_FACTOR), _MOST_FACTOR)


def _shrink(images: Tensor) -> Tensor:
    """(1, C, H, W) at the size that is searched at: the same for small photos."""
    height, width = images.shape[-2:]
    scale = math.sqrt(_WORK_PIXELS / (height * width))
    if scale >= 1.0:
        return images
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return F.interpolate(images, size, mode="bilinear", antialias=True)
