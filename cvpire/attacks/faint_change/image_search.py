"""The search for the faintest change of one image, at the size that it is searched at."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cvpire.attacks.base import SAFETY_MARGIN, TargetModel
from cvpire.attacks.conditions import Condition, Measure
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
)
from cvpire.attacks.faint_change.sights import Sights
from cvpire.edits.differentiable import random_edit
from cvpire.edits.trials import draw_trials, trial_size
from cvpire.images.tensors import to_image, to_photo

# The most of the running gradient that a step keeps; until then it is the mean of all gradients.
_MEMORY = 0.95

# How often a look at a photo that is searched small is that of a reader without antialiasing.
_ALIASED = 0.1


class Surrogate(NamedTuple):
    """An additional classifier that is attacked jointly, for transfer to one that nobody can ask.

    Attributes:
        differentiable: images (n, 3, H, W) to logits.
        condition: to reach, for all sights of the images that the search is given.
    """

    differentiable: Callable[[Tensor], Tensor]
    condition: Condition


class ImageSearch:
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
        classifier: TargetModel,
        sights: Sights,
        condition: Condition,
        settings: FaintSettings,
        surrogates: Sequence[Surrogate],
        seed: int,
    ) -> None:
        self._classifier, self._fast = classifier, classifier.differentiable
        self._sights, self._condition = sights, condition
        self._settings, self._surrogates = settings, surrogates
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

    def run(self, tell: Callable[[], None]) -> None:
        """Search until the steps are over, telling after each."""
        contrast = 0.0
        if bool(self._sights.bound.any()):
            for _ in range(self._settings.steps):
                contrast = self._look(contrast)
                self.step += 1
                tell()
            if self._settings.contrast is None:
                contrast = self._least_contrast(contrast, tell)
        self.best = self._at(contrast)
        self.is_met = self._least_slack(self._seen(self.best)) > SAFETY_MARGIN

    def _look(self, contrast: float) -> float:
        """Look at the change of this contrast; the contrast that is tried next."""
        settings, sights = self._settings, self._sights
        measure = Measure(margin=settings.margin)
        with torch.enable_grad():
            change = sights.held(contrast * self._direction).requires_grad_(True)
            seen = sights.changed(change)
            views = [
                view
                for _ in range(settings.views)
                for view in self._edited(seen, change, settings.edits)
            ]
            logits = logits_of(self._fast, [self._classifier.to_size(view) for view in views])
            condition = self._condition.select(torch.zeros(len(logits), dtype=torch.int64))
            shortfalls = [condition.shortfall(logits, measure)]
            for other in self._surrogates:
                for at, sight in enumerate(seen):
                    theirs = other.condition.select(torch.tensor([at]))
                    edited = random_edit(sight, self._draw, settings.edits)
                    shortfalls.append(theirs.shortfall(other.differentiable(edited), measure))
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
            return self._sights.of_file(change)

    def _trial_slack(self, seen: Tensor) -> float:
        """The least, over all trials of these sights; infinite where there are no trials."""
        if not self._trials:
            return math.inf
        photos = [trial_size(to_photo(sight[None])) for sight in seen]
        tries = [partial(trial, photo) for trial in self._trials for photo in photos]
        # A few at a time, to hold few images at once. The threads edit only: torch has its own.
        with ThreadPoolExecutor(torch.get_num_threads()) as workers:
            return min(
                self._least_slack(
                    *(
                        self._classifier.to_size(to_image(edited.pixels).to(seen))
                        for edited in workers.map(operator.call, tries[at : at + TOGETHER])
                    )
                )
                for at in range(0, len(tries), TOGETHER)
            )

    def _least_slack(self, *images: Tensor) -> float:
        """The least, by the model, among images (n, 3, H, W) of any sizes."""
        with torch.no_grad():
            logits = logits_of(self._classifier, images)
        condition = self._condition.select(torch.zeros(len(logits), dtype=torch.int64))
        return float(condition.slack(logits).min())
