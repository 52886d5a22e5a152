"""The ways to change a photo that `python -m eval peers` compares: ours, and the best public ones.

A method gets one photo, its class, the condition and, if it is ours, the colour-variance bound, and
returns a photo of whatever precision: what it gives is rounded, written and judged like
everybody's. Peers get the condition as a classifier of two classes, unless it is plain top-1, which
they know. Their settings are their authors' own for few steps. `make peers` installs them; they are
never the product's.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cvpire.attacks.algorithm1 import Algorithm1
from cvpire.attacks.base import Search, SearchInput
from cvpire.attacks.conditions import Condition, OutOfTop
from cvpire.goals import ConditionMaker
from cvpire.images.photo import Photo
from cvpire.images.tensors import to_image
from cvpire.runs import RUNS
from eval.damage import DAMAGES, Damage, damaged
from eval.passes import CountedClassifier


@dataclass(frozen=True, eq=False)
class Task:
    """What a method is given.

    Attributes:
        classifier: images (N, 3, H, W) in [0, 1] to logits, and how often it was asked.
        image: (1, 3, H, W) in [0, 1] on the 8-bit grid.
        label: (1,) int64.
        condition: to be met.
        epsilon_map: (1, 1, H, W), the colour-variance bound of our methods; 1 for the others.
        seed: of whatever is random.
    """

    classifier: CountedClassifier
    image: Tensor
    label: Tensor
    condition: Condition
    epsilon_map: Tensor
    seed: int

    def as_classes(self) -> tuple[nn.Module, Tensor]:
        """A classifier and the class to leave, for methods that know of nothing but top-1."""
        if isinstance(self.condition, OutOfTop) and (self.condition.k, self.condition.share) == (
            1,
            1.0,
        ):
            return self.classifier, self.label
        return _TwoClasses(self.classifier, self.condition), torch.zeros_like(self.label)


@dataclass(frozen=True)
class Method:
    """One way.

    Attributes:
        name: in tables.
        title: for people, with the settings.
        change: a task to a photo (1, 3, H, W) in [0, 1].
        package: what must be installed besides the product, or "".
        is_ours: whether it is of this project, and keeps the bound.
    """

    name: str
    title: str
    change: Callable[[Task], Tensor]
    package: str = ""
    is_ours: bool = False

    @property
    def is_installed(self) -> bool:
        return not self.package or importlib.util.find_spec(self.package) is not None


class _TwoClasses(nn.Module):
    """Class 0 as long as the condition does not hold: logits (0, slack)."""

    def __init__(self, classifier: nn.Module, condition: Condition) -> None:
        super().__init__()
        self._classifier = classifier
        self._condition = condition

    def forward(self, images: Tensor) -> Tensor:
        rows = torch.zeros(len(images), dtype=torch.int64)
        slack = self._condition.select(rows).slack(self._classifier(images))
        return torch.stack((torch.zeros_like(slack), slack), dim=1)


class _FewClasses(nn.Module):
    """Some of a classifier's logits, for methods that take a gradient of each."""

    def __init__(self, classifier: nn.Module, positions: Tensor) -> None:
        super().__init__()
        self._classifier = classifier
        self._positions = positions

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self._classifier(images)
        return logits[:, self._positions]


class Rounding(nn.Module):
    """A classifier that sees what will be written, for methods that know of no grey levels.

    Else what they find between two levels is gone with the rounding. Gradients pass unchanged.
    """

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self._classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        rounded = (images.detach() * 255.0).round() / 255.0
        logits: Tensor = self._classifier(images + (rounded - images.detach()))
        return logits


def _ours(run: str) -> Callable[[Task], Tensor]:
    return lambda task: _found(RUNS[run].search, task, task.epsilon_map)


def _pire(task: Task) -> Tensor:
    """Algorithm 1 under one bound for all pixels, which is what the colour variance replaces."""
    search = Algorithm1(l1_weight=0.0, max_steps=1000, learning_rate=0.25 / 255)
    return _found(search, task, torch.full_like(task.epsilon_map, 4 / 255))


def _found(search: Search, task: Task, bound: Tensor) -> Tensor:
    given = SearchInput(task.classifier, task.image, bound, task.condition, task.seed)
    return search.find(given).images


def _ddn(steps: int) -> Callable[[Task], Tensor]:
    def change(task: Task) -> Tensor:
        from adv_lib.attacks import ddn

        adversarial: Tensor = ddn(*_asked(task), steps=steps)
        return adversarial

    return change


def _fmn(norm: float, steps: int) -> Callable[[Task], Tensor]:
    def change(task: Task) -> Tensor:
        from adv_lib.attacks import fmn

        model, image, label = _asked(task)
        adversarial: Tensor = fmn(Rounding(model), image, label, norm=norm, steps=steps)
        return adversarial

    return change


def _alma(distance: str, first: float, steps: int) -> Callable[[Task], Tensor]:
    def change(task: Task) -> Tensor:
        from adv_lib.attacks import alma

        adversarial: Tensor = alma(
            *_asked(task),
            distance=distance,
            init_lr_distance=first,
            num_steps=steps,
            levels=256,
        )
        return adversarial

    return change


def _perc_al(steps: int) -> Callable[[Task], Tensor]:
    def change(task: Task) -> Tensor:
        from adv_lib.attacks import perc_al

        model, image, label = _asked(task)
        with torch.no_grad():
            classes = model(image).shape[1]
        adversarial: Tensor = perc_al(
            model, image, label, num_classes=classes, max_iterations=steps
        )
        return adversarial

    return change


def _superdeepfool() -> Callable[[Task], Tensor]:
    def change(task: Task) -> Tensor:
        from adv_lib.attacks import sdf

        model, image, label = _asked(task)
        with torch.no_grad():
            order = model(image)[0].argsort(descending=True)
        # The class to leave comes first, and then the highest of the others.
        others = order[order != label][: _DEEPFOOL_CLASSES - 1]
        few = _FewClasses(Rounding(model), torch.cat((label, others)))
        adversarial: Tensor = sdf(few, image, torch.zeros_like(label))
        return adversarial

    return change


def _sigma_zero(steps: int) -> Callable[[Task], Tensor]:
    def change(task: Task) -> Tensor:
        from adv_lib.attacks import sigma_zero

        model, image, label = _asked(task)
        adversarial: Tensor = sigma_zero(Rounding(model), image, label, num_steps=steps)
        return adversarial

    return change


def _pdpgd(norm: float, steps: int) -> Callable[[Task], Tensor]:
    def change(task: Task) -> Tensor:
        from adv_lib.attacks import pdpgd

        model, image, label = _asked(task)
        adversarial: Tensor = pdpgd(Rounding(model), image, label, norm=norm, num_steps=steps)
        return adversarial

    return change


def _torchattacks(name: str, **settings: float) -> Callable[[Task], Tensor]:
    def change(task: Task) -> Tensor:
        import torchattacks

        model, image, label = _asked(task)
        attack = getattr(torchattacks, name)(Rounding(model), **settings)
        adversarial: Tensor = attack(image, label)
        return adversarial

    return change


def _damage(damage: Damage) -> Callable[[Task], Tensor]:
    def change(task: Task) -> Tensor:
        levels = (task.image[0] * 255.0).round().to(torch.uint8).permute(1, 2, 0).numpy()
        return to_image(damaged(damage, Photo(np.ascontiguousarray(levels))).pixels)

    return change


def _asked(task: Task) -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(task.seed)
    model, label = task.as_classes()
    return model, task.image, label


def methods_for(condition: str) -> Sequence[Method]:
    """All methods, those of ours that are for a condition of `CONDITIONS` first."""
    ours = (
        Method(run, f"{run}, {title}", _ours(run), is_ours=True)
        for run, title in _OWN_RUNS[condition].items()
    )
    return (*ours, *_PEERS)


# As the code of DeepFool's and SuperDeepFool's authors has it: each class costs a gradient a step.
_DEEPFOOL_CLASSES = 10

# Rows that stand beside all methods: what is done to photos every day.
PLAIN_DAMAGE = tuple(
    Method(
        damage.name,
        f"plain damage, {damage.settings}" if damage.settings else "plain damage",
        _damage(damage),
    )
    for damage in DAMAGES.values()
)

_OURS, _PAPERS = "this project", "Algorithm 1 with L1"

# Of each condition, and what they are called in a table.
_OWN_RUNS: dict[str, dict[str, str]] = {
    "top1": {"Top1-min": _OURS, "Top1-L1": _PAPERS},
    "top1-50": {"Top1-50-min": _OURS, "Top1-L1-50": _PAPERS},
    "top5": {"Top5-min": _OURS, "Invisible": _OURS, "Top5-L1": _PAPERS},
}

CONDITIONS: dict[str, ConditionMaker] = {
    name: RUNS[next(iter(runs))].condition for name, runs in _OWN_RUNS.items()
}

_PEERS = (
    Method("PIRE", "Algorithm 1, one bound of 4 levels for all pixels", _pire),
    Method("DDN", "adv-lib, 40 steps", _ddn(40), "adv_lib"),
    Method("DDN-100", "adv-lib, its default of 100 steps", _ddn(100), "adv_lib"),
    Method("FMN-L2", "adv-lib, 40 steps", _fmn(2, 40), "adv_lib"),
    Method("FMN-L2-100", "adv-lib, 100 steps", _fmn(2, 100), "adv_lib"),
    Method("FMN-Linf", "adv-lib, 40 steps", _fmn(math.inf, 40), "adv_lib"),
    Method("ALMA-CIEDE2000", "adv-lib, 100 steps", _alma("ciede2000", 0.05, 100), "adv_lib"),
    Method("ALMA-SSIM", "adv-lib, 100 steps", _alma("ssim", 0.0001, 100), "adv_lib"),
    Method(
        "SuperDeepFool",
        "adv-lib, its defaults, among the photo's 10 first classes",
        _superdeepfool(),
        "adv_lib",
    ),
    Method("sigma-zero", "adv-lib, 100 steps", _sigma_zero(100), "adv_lib"),
    Method("PDPGD-L2", "adv-lib, its default of 500 steps, proximal L2", _pdpgd(2, 500), "adv_lib"),
    Method("PerC-AL", "adv-lib, 60 steps", _perc_al(60), "adv_lib"),
    Method(
        "PGD",
        "torchattacks, L-inf 2 levels, 10 steps",
        _torchattacks("PGD", eps=2 / 255, alpha=0.5 / 255, steps=10),
        "torchattacks",
    ),
    Method("C&W", "torchattacks, 50 steps", _torchattacks("CW", c=1, steps=50), "torchattacks"),
)
