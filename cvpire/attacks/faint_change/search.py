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

import numpy as np
import torch
from torch import Tensor

from cvpire.attacks.base import SAFETY_MARGIN, AttackResult, check_inputs
from cvpire.attacks.conditions import Condition
from cvpire.attacks.faint_change.batches import TOGETHER, logits_of
from cvpire.attacks.faint_change.least_scale import least_scale
from cvpire.attacks.faint_change.pace import Pace
from cvpire.attacks.faint_change.sensitivity import ContrastCost
from cvpire.attacks.faint_change.settings import (
    LOOK_PRECISION,
    MOST_LOOKS,
    MOST_TRIALS,
    TRIAL_PRECISION,
    FaintSettings,
    Surrogate,
    most_steps,
)
from cvpire.attacks.faint_change.sights import Sights
from cvpire.edits.differentiable import random_edit
from cvpire.edits.posting import Edit
from cvpire.edits.trials import draw_trials, trial_size
from cvpire.images.photo import Photo
from cvpire.images.tensors import to_image, to_photo
from cvpire.watch import UNWATCHED, AttackStep, Watch

# The most of the running gradient that a step keeps; until then it is the mean of all gradients.
_MEMORY = 0.95

# How often a look at a photo that is searched small is that of a reader without antialiasing.
_ALIASED = 0.1


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
    watch: Watch = UNWATCHED,
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
        watch: told after each step.

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
    for row in range(len(images)):
        one = slice(row, row + 1)
        present = condition.select(torch.tensor([row], device=images.device))
        opacity = None if alpha is None else alpha.expand(len(images), -1, -1, -1)[one]
        sights = Sights(images[one], epsilon_map[one], opacity, read)
        every = row * sights.count + torch.arange(sights.count, device=images.device)
        beside = [Surrogate(s.differentiable, s.condition.select(every)) for s in surrogates]
        search = _Search(sights, model, to_size, present, beside, settings, seed)

        def tell(row: int = row, search: _Search = search) -> None:
            slack[row] = search.slack
            met = success.cpu().clone()
            met[row] = search.slack > SAFETY_MARGIN
            watch.step(AttackStep(search.step, most_steps(settings), met, slack.clone()))

        search.run(differentiable or model, tell)
        steps[row] = search.step
        result[one] = sights.written(search.best)
        success[row] = search.is_met
    return AttackResult(result, success, steps)


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
        sights: Sights,
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
        self._pace: Pace | None = None
        self.best = torch.zeros_like(sights.clean[0])
        self.is_met = False
        self.slack = -math.inf
        self.step = 0

    def run(self, differentiable: Callable[[Tensor], Tensor], tell: Callable[[], None]) -> None:
        """Search until the steps are over.

        Args:
            differentiable: the model in a form for gradients.
            tell: told after each step.
        """
        contrast = 0.0
        if bool(self._sights.bound.any()):
            for _ in range(self._settings.steps):
                contrast = self._look(differentiable, contrast)
                self.step += 1
                tell()
            if self._settings.contrast is None:
                contrast = self._least_contrast(contrast, tell)
        self.best = self._at(contrast)
        self.is_met = self._least_slack(self._seen(self.best)) > SAFETY_MARGIN

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
            logits = logits_of(differentiable, [self._to_size(view) for view in views])
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
            self._pace = Pace(float(slack.mean()), settings)
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

    def _least_contrast(self, contrast: float, tell: Callable[[], None]) -> float:
        """The least contrast that passes, or the last that was tried where none does."""
        assert self._pace is not None
        tried = contrast

        def surplus(contrast: float) -> float:
            nonlocal tried
            tried = contrast
            self.step += 1
            seen = self._seen(self._at(contrast))
            as_written, edited = self._least_slack(seen), self._trial_slack(seen)
            self.slack = min(as_written, edited)
            tell()
            # A little beyond the margin, since it is asked for once more in the end.
            return min(as_written - 1.01 * SAFETY_MARGIN, edited - self._settings.reserve)

        is_plain = not self._trials
        found = least_scale(
            surplus,
            contrast,
            min(self._pace.start - self._settings.reserve, -SAFETY_MARGIN),
            precision=LOOK_PRECISION if is_plain else TRIAL_PRECISION,
            most=MOST_LOOKS if is_plain else MOST_TRIALS,
        )
        return tried if found is None else found

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
        # A few at a time, to hold few images at once. The threads edit only: torch has its own.
        with ThreadPoolExecutor(torch.get_num_threads()) as workers:
            return min(
                self._least_slack(
                    *(
                        self._to_size(to_image(edited.pixels).to(seen))
                        for edited in workers.map(_edited, tries[at : at + TOGETHER])
                    )
                )
                for at in range(0, len(tries), TOGETHER)
            )

    def _least_slack(self, *images: Tensor) -> float:
        """The least, by the model, among images (n, 3, H, W) of any sizes."""
        with torch.no_grad():
            logits = logits_of(self._model, images)
        condition = self._condition.select(torch.zeros(len(logits), dtype=torch.int64))
        return float(condition.slack(logits).min())


def _edited(one: tuple[Edit, Photo]) -> Photo:
    edit, photo = one
    return edit(photo)
