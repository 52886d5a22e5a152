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

from dataclasses import dataclass, replace
from typing import Any

import torch

from cvpire.attacks.base import SAFETY_MARGIN, AttackResult, SearchInput
from cvpire.attacks.conditions import OutOfTop
from cvpire.attacks.faint_change.image_search import ImageSearch, Surrogate
from cvpire.attacks.faint_change.settings import FaintSettings
from cvpire.attacks.faint_change.sights import Sights
from cvpire.classifiers.registry import find_spec, shared_classifier
from cvpire.images.transparency import seen_images
from cvpire.images.views import DEFAULT_VIEW
from cvpire.watch import AttackStep


@dataclass(frozen=True)
class FaintChange(FaintSettings):
    """Our search for the change that the eye sees least, for each image by itself.

    Its success is that of the image *without* an edit, which is all that can be known for sure:
    `cvpire.rehearsal` tells what it survives.

    Attributes:
        surrogates: names of classifiers that are attacked as well, where their weights are
            installed, so that one which nobody attacked may fail too. Each sees the whole photo at
            256x256, has its own first guess leave its first five, and is shown one more edit of
            each sight a step.
    """

    surrogates: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        settings = super().settings
        if settings.pop("surrogates"):
            ready = self.ready_surrogates
            settings["besides"] = {name: find_spec(name).weights.sha256 for name in ready}
        return settings

    @property
    def ready_surrogates(self) -> tuple[str, ...]:
        return tuple(name for name in self.surrogates if find_spec(name).is_ready)

    def against(self, classifier: str) -> FaintChange:
        return replace(self, surrogates=tuple(n for n in self.surrogates if n != classifier))

    def find(self, given: SearchInput) -> AttackResult:
        images, count = given.images, len(given.images)
        result = images.clone()
        success = torch.zeros(count, dtype=torch.bool, device=images.device)
        slack = torch.full((count,), -torch.inf)
        steps = torch.zeros(count, dtype=torch.int64, device=images.device)
        surrogates = [load_surrogate(name, given) for name in self.ready_surrogates]
        for row in range(count):
            sights = Sights(given, row)
            condition = given.condition.select(torch.tensor([row], device=images.device))
            every = row * sights.count + torch.arange(sights.count, device=images.device)
            beside = [Surrogate(s.differentiable, s.condition.select(every)) for s in surrogates]
            search = ImageSearch(given.classifier, sights, condition, self, beside, given.seed)

            def tell(row: int = row, search: ImageSearch = search) -> None:
                slack[row] = search.slack
                met = success.cpu().clone()
                met[row] = search.slack > SAFETY_MARGIN
                given.watch.step(AttackStep(search.step, self.most_steps, met, slack.clone()))

            search.run(tell)
            steps[row] = search.step
            result[row : row + 1] = sights.written(search.best)
            success[row] = search.is_met
        return AttackResult(result, success, steps)


def load_surrogate(name: str, given: SearchInput) -> Surrogate:
    """The classifier of this name, and that its own first guesses are to leave its first five."""
    images = seen_images(given.images, given.alpha)
    other = shared_classifier(name, view=DEFAULT_VIEW).to(images.device)
    with torch.no_grad():
        first = torch.cat([other(image[None]).argmax(dim=1) for image in images])
    return Surrogate(other.differentiable, OutOfTop(first, 5))
