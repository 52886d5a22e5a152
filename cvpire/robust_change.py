"""A change that survives what happens to a posted photo: found through random edits of it.

Each step looks at the photo as it would be written and at random edits of that (expectation over
transformation, Athalye et al. 2018, doi:10.48550/arXiv.1707.07397), and goes down the mean
shortfall plus what the change costs the eye. Now and then the change is tried on edits that it was
not made for; the search ends when it passes them all.

What is sought is a share of the bound, -1 to 1, slow from pixel to pixel. So a large photo is
searched at a smaller size, since a classifier sees it small, and the share found is spread over
the full photo, whose own map of colour variance then gives the change its fine grain.

Images and bounds are those of `cvpire.attack`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.adam import adam

from cvpire.attack import (
    SAFETY_MARGIN,
    AttackResult,
    AttackStep,
    StepCallback,
    check_inputs,
    in_levels,
)
from cvpire.conditions import Condition
from cvpire.random_edits import random_edit, rounded
from cvpire.transparency import BACKGROUNDS, composite_images, seen_images
from cvpire.visibility import color_form, local_mean, local_mean_adjoint, ssim_loss

# A larger photo is searched at about so many pixels.
_WORK_PIXELS = 360_000

# So much mean CIEDE2000 weighs as much as so much lost SSIM.
_DELTA_E_UNIT, _SSIM_UNIT = 0.8, 0.01

# Adam's constants (Kingma, Ba 2015, doi:10.48550/arXiv.1412.6980): its square's memory is short,
# since a search takes some 60 steps.
_BETA1, _BETA2, _EPSILON = 0.9, 0.99, 1e-8

# dE00^2 below which a change costs nothing more: the root's slope at 0 is infinite.
_SMOOTHING = 1e-6

# Edits that a change is tried on before it is called good.
_TRIALS = 20

# How much more the shortfall weighs after a round whose change did not pass.
_HARDER = 1.5


@dataclass(frozen=True)
class RobustSettings:
    """How hard to search.

    Attributes:
        margin: slack to reach under the edits, in logits.
        weight: of the shortfall, against what the change costs the eye.
        views: looks at the photo in a step, one of them without an edit.
        round_steps: steps before each trial.
        rounds: the most rounds.
        learning_rate: of Adam, in shares of the bound.
    """

    margin: float
    weight: float
    views: int = 3
    round_steps: int = 30
    rounds: int = 3
    learning_rate: float = 0.06


class Bystander(NamedTuple):
    """Another classifier that is to be led astray on the way, so that one which nobody could ask is
    as well.

    Attributes:
        differentiable: images (n, 3, H, W) to logits.
        condition: to reach, for all sights of the images that the search is given.
    """

    differentiable: Callable[[Tensor], Tensor]
    condition: Condition


def find_robust_change(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    epsilon_map: Tensor,
    condition: Condition,
    settings: RobustSettings,
    *,
    seed: int,
    differentiable: Callable[[Tensor], Tensor] | None = None,
    bystanders: Sequence[Bystander] = (),
    read: Callable[[Tensor], Tensor] | None = None,
    alpha: Tensor | None = None,
    on_step: StepCallback | None = None,
) -> AttackResult:
    """Search, for each image by itself, a change within its bound that edits do not undo.

    Args:
        model: (n, 3, H, W) in [0, 1], of any size, to logits (n, classes), float32: it decides.
        images: (N, 3, H, W) in [0, 1], multiples of 1/255.
        epsilon_map: (N, 1, H, W), 0 or more: how far each channel may move, in [0, 1] units.
        condition: what to reach, for these N images.
        settings: how hard to search.
        seed: of the edits.
        differentiable: see `cvpire.least_change.find_least_change`.
        bystanders: classifiers whose shortfall counts as well, each on one more view a step.
        read: from an image to what is seen of its file, (sights, 3, H, W), with the image's
            gradient; by default of a lossless file. A photo that is searched small is only read in
            full.
        alpha: (N, 1, H, W) or (1, 1, H, W) in [0, 1], of images with transparency: what is seen of
            them on each background (see `cvpire.transparency`) is edited, and is to meet the
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
        index = torch.tensor([row], device=images.device)
        present = condition.select(index)
        opacity = None if alpha is None else alpha.expand(len(images), -1, -1, -1)[one]
        sights = _Sights(images[one], epsilon_map[one], opacity, read)
        every = row * sights.count + torch.arange(sights.count, device=images.device)
        beside = [Bystander(b.differentiable, b.condition.select(every)) for b in bystanders]
        search = _Search(sights, present, beside, settings, seed)

        def tell(row: int = row, search: _Search = search) -> bool:
            slack[row] = search.slack
            met = success.cpu().clone()
            met[row] = search.slack > SAFETY_MARGIN
            most = settings.rounds * settings.round_steps
            return on_step is not None and bool(
                on_step(AttackStep(search.step, most, met, slack.clone()))
            )

        full = _FullPhoto(images[one], epsilon_map[one], result[one])

        def is_met(
            share: Tensor,
            full: _FullPhoto = full,
            present: Condition = present,
            sights: _Sights = sights,
        ) -> bool:
            full.write(share)
            with torch.no_grad():
                seen = sights.of_file(full.changed)
                same = present.select(torch.zeros(len(seen), dtype=torch.int64))
                return bool(same.is_met(model(seen), margin=SAFETY_MARGIN).all())

        stopped = search.run(model, differentiable or model, is_met, tell)
        steps[row] = search.step
        full.write(search.best)
        success[row] = search.is_met
        if stopped:
            break
    return AttackResult(result, success, steps, stopped)


class _FullPhoto:
    """A photo in its own size, and what it is changed to.

    Attributes:
        changed: (1, 3, H, W) in [0, 1], the photo as last written.
    """

    def __init__(self, image: Tensor, epsilon_map: Tensor, changed: Tensor) -> None:
        self._image, self._bound, self.changed = image, epsilon_map, changed
        self._share: Tensor | None = None

    def write(self, share: Tensor) -> None:
        """Change the photo by shares (1, 3, h, w) of its bound."""
        if share is not self._share:
            self.changed.copy_(self._image)
            _apply(share, self._bound[0], self.changed[0])
            self._share = share


class _Moments(NamedTuple):
    """What Adam remembers of the gradients of one tensor.

    torch's own step, by its functional form: an `Optimizer` imports torch's compiler as it is made,
    which takes seconds.
    """

    mean: Tensor
    square: Tensor
    steps: Tensor

    @classmethod
    def of(cls, variable: Tensor) -> _Moments:
        return cls(torch.zeros_like(variable), torch.zeros_like(variable), torch.tensor(0.0))

    def step(self, variable: Tensor, gradient: Tensor, learning_rate: float) -> None:
        """Move the variable, in place, against the gradient."""
        adam(
            [variable],
            [gradient],
            [self.mean],
            [self.square],
            [],
            [self.steps],
            amsgrad=False,
            beta1=_BETA1,
            beta2=_BETA2,
            lr=learning_rate,
            weight_decay=0.0,
            eps=_EPSILON,
            maximize=False,
        )


class _Sights:
    """What is seen of one image as it changes, at the size that is searched at.

    A sight is the image itself or, where it has transparency, the image on a background: there a
    change is seen by as much as the pixel is opaque.

    Attributes:
        clean: (1, 3, h, w) in [0, 1] each, without a change.
        bound: (1, 1, h, w) in [0, 1], the most that is seen of a change.
        count: of the sights.
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
        self._is_full_size = self.clean[0].shape == image.shape

    def of_file(self, changed: Tensor) -> Tensor:
        """(sights, 3, H, W): all that is seen of the file of a changed image (1, 3, H, W)."""
        return seen_images(changed, self._alpha) if self._read is None else self._read(changed)

    def changed(self, share: Tensor) -> list[Tensor]:
        """The sights, (1, 3, h, w) each, of the image changed by shares (1, 3, h, w) of its bound.

        At a smaller size the file's rounding averages out, and its codec's blocks are too large.
        """
        if not self._is_full_size:
            return [(sight + share * self.bound).clamp(0.0, 1.0) for sight in self.clean]
        image = (self._image + share * self._epsilon_map).clamp(0.0, 1.0)
        if self._read is None and self._alpha is None:
            return [rounded(image)]
        return list(self.of_file(image).chunk(self.count))


class _Search:
    """The search on one image, at the size it is searched at.

    Attributes:
        best: (1, 3, h, w), shares of the bound: what passed most trials, among those that meet the
            condition if there are any.
        is_met: whether the full photo, so changed, meets the condition.
        slack: the least among the last step's views.
        step: steps taken.
    """

    def __init__(
        self,
        sights: _Sights,
        condition: Condition,
        bystanders: Sequence[Bystander],
        settings: RobustSettings,
        seed: int,
    ) -> None:
        self._sights = sights
        self._condition = condition
        self._bystanders = bystanders
        self._settings = settings
        self._draw = random.Random(seed)
        self._trials_seed = seed + 1
        levels = [(sight[0] * 255.0).cpu() for sight in sights.clean]
        self._color = [color_form(one.round()).to(sights.bound) for one in levels]
        self._structure = [ssim_loss(one).to(sights.bound) for one in levels]
        self.best = torch.zeros_like(sights.clean[0])
        self.is_met = False
        self.slack = -math.inf
        self.step = 0

    def run(
        self,
        model: Callable[[Tensor], Tensor],
        differentiable: Callable[[Tensor], Tensor],
        is_met: Callable[[Tensor], bool],
        tell: Callable[[], bool],
    ) -> bool:
        """Search until a change is good or the rounds are over; whether `tell` stopped it.

        Args:
            model: decides on edits, at the size that is searched at.
            differentiable: the same for gradients.
            is_met: whether the full photo, changed by such shares, meets the condition.
            tell: told after each step.
        """
        if not bool(self._sights.bound.any()):
            self.is_met = is_met(self.best)
            return False
        settings = self._settings
        weight, best = settings.weight, (False, -1)
        share = torch.zeros_like(self.best)
        moments = _Moments.of(share)
        for _ in range(settings.rounds):
            is_stopped = False
            for _ in range(settings.round_steps):
                self._descend(share, moments, differentiable, weight)
                self.step += 1
                if is_stopped := tell():
                    break
            now = share.clone()
            score = (is_met(now), self._trials_passed(now, model))
            if score >= best:
                self.best, self.is_met, best = now, score[0], score
            if is_stopped or score == (True, _TRIALS):
                return is_stopped
            weight *= _HARDER
        return False

    def _descend(
        self,
        share: Tensor,
        moments: _Moments,
        differentiable: Callable[[Tensor], Tensor],
        weight: float,
    ) -> None:
        with torch.enable_grad():
            variable = share.detach().requires_grad_(True)
            written = self._sights.changed(variable)
            views = [*written]
            for _ in range(self._settings.views - 1):
                views += [random_edit(sight, self._draw) for sight in written]
            logits = torch.cat([differentiable(view) for view in views])
            condition = self._condition.select(torch.zeros(len(logits), dtype=torch.int64))
            margin = self._settings.margin
            shortfalls = [condition.shortfall(logits, margin=margin)]
            for other in self._bystanders:
                for at, sight in enumerate(written):
                    seen = other.differentiable(random_edit(sight, self._draw))
                    theirs = other.condition.select(torch.tensor([at]))
                    shortfalls.append(theirs.shortfall(seen, margin=margin))
            shortfall = torch.cat(shortfalls).mean()
            (gradient,) = torch.autograd.grad(weight * shortfall, variable)
        levels = self._sights.bound * 255.0
        gradient += self._cost_gradient(share * levels) * levels
        if bool(gradient.isfinite().all()):  # else it says nothing, and would never be forgotten
            moments.step(share, gradient, self._settings.learning_rate)
            share.clamp_(-1.0, 1.0)
        self.slack = float(condition.slack(logits.detach()).min())

    def _cost_gradient(self, change: Tensor) -> Tensor:
        """How fast what a change in grey levels, (1, 3, h, w), costs the eye rises with it.

        The cost is `mean dE00 / _DELTA_E_UNIT + lost SSIM / _SSIM_UNIT`, both to second order, and
        the mean over the sights.
        """
        of_each = [
            _cost_gradient(change, form, structure_loss)
            for form, structure_loss in zip(self._color, self._structure, strict=True)
        ]
        return torch.stack(of_each).mean(dim=0)

    def _trials_passed(self, share: Tensor, model: Callable[[Tensor], Tensor]) -> int:
        draw = random.Random(self._trials_seed)
        with torch.no_grad():
            written = self._sights.changed(share)
            return sum(
                all(
                    [
                        bool(self._condition.is_met(model(random_edit(sight, draw))))
                        for sight in written
                    ]
                )
                for _ in range(_TRIALS)
            )


def _cost_gradient(change: Tensor, form: Tensor, structure_loss: Tensor) -> Tensor:
    """The same of one sight, by its quadratic form (6, h, w) and its loss of SSIM (3, h, w)."""
    red, green, blue = change[0]
    rr, gg, bb, rg, rb, gb = form
    # Of the form that is the square of dE00, whose value follows from its slopes.
    slopes = torch.stack(
        (
            2.0 * rr * red + rg * green + rb * blue,
            2.0 * gg * green + rg * red + gb * blue,
            2.0 * bb * blue + rb * red + gb * green,
        )
    )
    squared = (slopes * change[0]).sum(dim=0) / 2.0
    per_slope = torch.where(squared >= _SMOOTHING, squared.rsqrt() / 2.0, 0.0)
    color = slopes * (per_slope / red.numel())
    # SSIM hardly sees a change that is the same all over its window.
    fine = change[0] - local_mean(change[0])
    weighted = structure_loss * fine * (2.0 / fine.numel())
    structure = weighted - local_mean_adjoint(weighted)
    gradient: Tensor = color / _DELTA_E_UNIT + structure / _SSIM_UNIT
    return gradient[None]


def _shrink(images: Tensor) -> Tensor:
    """(1, C, H, W) at the size that is searched at: the same for small photos."""
    height, width = images.shape[-2:]
    scale = math.sqrt(_WORK_PIXELS / (height * width))
    if scale >= 1.0:
        return images
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return F.interpolate(images, size, mode="bilinear", antialias=True)


def _apply(share: Tensor, epsilon_map: Tensor, image: Tensor) -> None:
    """Change an image (3, H, W) in place, by whole grey levels within its bound (1, H, W).

    Args:
        share: (1, 3, h, w), of the bound.
        epsilon_map: (1, H, W).
        image: (3, H, W) in [0, 1].
    """
    limit = in_levels(epsilon_map[0])
    most = limit.floor()
    # A channel at a time, to hold little at once.
    for channel, plane in enumerate(image):
        wanted = share[:, channel : channel + 1]
        if wanted.shape[-2:] != plane.shape:
            wanted = F.interpolate(wanted, plane.shape, mode="bilinear", align_corners=False)
        change = (wanted[0, 0] * limit).round_()
        change = torch.maximum(torch.minimum(change, most), -most)
        plane.mul_(255.0).round_().add_(change).clamp_(0.0, 255.0).div_(255.0)
