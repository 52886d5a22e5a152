"""The training loop: from a pretrained network and photos in memory to averaged weights.

Every random choice of a step comes from (seed, step) alone, so a resumed training goes the way that
it would have gone.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvpire.classifiers.networks.efficientnet_lite import EfficientNetLite0
from eval.errors import EvaluationError
from training.augment import augment, mix
from training.precision import autocast


@dataclass(frozen=True)
class Recipe:
    """All settings of a training.

    Attributes:
        members: trainings from the same start, each with other random choices, whose weights are
            averaged at the end.
        epochs: times that each photo is shown to a member.
        batch_size: photos a step.
        sides: for each equal part of a member's training, the sides of which each step draws one,
            in pixels. The small ones are fast and as sharp as the photos are, the large ones show
            things as large as they will be met.
        learning_rate: the highest, of AdamW, for the pretrained layers.
        head_learning_rate: the same for the last layer.
        warmup_steps: until the highest learning rate is reached; then it falls as a cosine.
        weight_decay: of AdamW.
        frozen_blocks: the stem and that many blocks stay as ImageNet left them.
        dropout: share of the pooled features left out.
        label_smoothing: share of the label given to all classes.
        soft_share: share of the target that the soft labels give.
        mixup_share: share of the steps with mixup.
        average_decay: of the running average of a member's weights.
        fitted_share: of the way from the start to the members' mean that the result goes. The rest
            keeps what ImageNet's sharp photos taught (WiSE-FT, Wortsman et al. 2022,
            doi:10.48550/arXiv.2109.01903).
        earlier_share: of an earlier training's weights, where there is one, in their average with
            the members' mean.
        seed: of all random choices.
    """

    members: int = 2
    epochs: int = 7
    batch_size: int = 64
    sides: tuple[tuple[int, ...], ...] = ((128, 160, 192), (128, 192, 224), (160, 224, 256))
    learning_rate: float = 2e-4
    head_learning_rate: float = 4e-4
    warmup_steps: int = 100
    weight_decay: float = 0.05
    frozen_blocks: int = 5
    dropout: float = 0.2
    label_smoothing: float = 0.05
    soft_share: float = 0.6
    mixup_share: float = 0.5
    average_decay: float = 0.998
    fitted_share: float = 0.8
    earlier_share: float = 2 / 3
    seed: int = 0


class Fitted(NamedTuple):
    """Where a training is.

    Attributes:
        step: steps done.
        steps: steps in all.
        loss: of the last step.
    """

    step: int
    steps: int
    loss: float


class Fitting:
    """A training that can be stopped, saved and resumed.

    Attributes:
        step: steps done, of all members.
        steps: steps in all.
        average: the running average of the present member's weights, in evaluation mode.

    Args:
        network: with pretrained weights and a new last layer; changed in place.
        normalise: images in [0, 1] to what the network takes.
        pixels: (N, 3, H, W) uint8, of all training photos.
        labels: (N,) int64.
        soft: (N, classes) probabilities, what else each photo resembles.
        recipe: the settings.
    """

    def __init__(
        self,
        network: EfficientNetLite0,
        normalise: Callable[[Tensor], Tensor],
        pixels: Tensor,
        labels: Tensor,
        soft: Tensor,
        recipe: Recipe,
    ) -> None:
        self._network = network.to(memory_format=torch.channels_last)
        self._normalise = normalise
        self._pixels = pixels
        self._labels = labels
        self._soft = soft
        self._recipe = recipe
        self._classes = network._fc.out_features
        self.step = 0
        self.steps_an_epoch = len(pixels) // recipe.batch_size
        self._member_steps = recipe.epochs * self.steps_an_epoch
        self.steps = recipe.members * self._member_steps
        _freeze(network, recipe.frozen_blocks)
        self._start = copy.deepcopy(network).eval().requires_grad_(False)
        self.average = copy.deepcopy(self._start)
        self._mean = copy.deepcopy(self._start)
        self._optimizer = self._new_optimizer()

    def run(self) -> Iterator[Fitted]:
        """Do the steps that are left, one at a time."""
        while self.step < self.steps:
            loss = self._do_step()
            self.step += 1
            if self.step % self._member_steps == 0:
                self._finish_member()
            yield Fitted(self.step, self.steps, loss)

    def result(self) -> EfficientNetLite0:
        """The mean of the finished members' weights (a "model soup", Wortsman et al. 2022,
        doi:10.48550/arXiv.2203.05482).
        """
        return copy.deepcopy(self._mean)

    def blended(self, earlier: Mapping[str, Tensor] | None = None) -> EfficientNetLite0:
        """The weights to use: the result, averaged with an earlier one, and moved back towards the
        start, by the recipe's shares.

        Args:
            earlier: what another training from the same start gave, by name.
        """
        goal = self.result()
        if earlier is not None:
            _move(goal, earlier, self._recipe.earlier_share)
        blended = copy.deepcopy(self._start)
        _move(blended, goal.state_dict(), self._recipe.fitted_share)
        return blended

    def state(self) -> dict[str, Any]:
        """All that `resume` needs, tensors and numbers only."""
        return {
            "recipe": _plain(asdict(self._recipe)),
            "step": self.step,
            "start": self._start.state_dict(),
            "network": self._network.state_dict(),
            "average": self.average.state_dict(),
            "mean": self._mean.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            EvaluationError: if it was made with another recipe.
        """
        if state["recipe"] != _plain(asdict(self._recipe)):
            raise EvaluationError("The saved training has other settings: choose another --out.")
        self._start.load_state_dict(state["start"])
        self._network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._mean.load_state_dict(state["mean"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    @torch.no_grad()
    def _finish_member(self) -> None:
        """Take the member into the mean, and begin the next one."""
        _move(self._mean, self.average.state_dict(), self._member_steps / self.step)
        if self.step < self.steps:
            self._network.load_state_dict(self._start.state_dict())
            self.average.load_state_dict(self._start.state_dict())
            self._optimizer = self._new_optimizer()

    def _new_optimizer(self) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            [
                {"params": list(parameters), "lr": 0.0, "peak": peak, "weight_decay": decay}
                for parameters, peak, decay in self._groups()
            ]
        )

    def _groups(self) -> Iterator[tuple[list[nn.Parameter], float, float]]:
        recipe = self._recipe
        head = {id(parameter) for parameter in self._network._fc.parameters()}
        trained = [parameter for parameter in self._network.parameters() if parameter.requires_grad]
        for is_head, peak in ((False, recipe.learning_rate), (True, recipe.head_learning_rate)):
            for is_matrix, decay in ((True, recipe.weight_decay), (False, 0.0)):
                yield (
                    [
                        parameter
                        for parameter in trained
                        if (id(parameter) in head) is is_head and (parameter.ndim > 1) is is_matrix
                    ],
                    peak,
                    decay,
                )

    def _do_step(self) -> float:
        recipe = self._recipe
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + self.step)
        rows = self._rows()
        part = self._member_step * len(recipe.sides) // self._member_steps
        sides = recipe.sides[part]
        side = sides[int(torch.randint(len(sides), (), generator=generator))]
        images = augment(self._pixels[rows], side, generator)
        targets = F.one_hot(self._labels[rows], self._classes).float()
        targets = targets.lerp(targets.new_tensor(1.0 / self._classes), recipe.label_smoothing)
        targets = targets.lerp(self._soft[rows], recipe.soft_share)
        if float(torch.rand((), generator=generator)) < recipe.mixup_share:
            images, targets = mix(images, targets, generator)
        images = images.contiguous(memory_format=torch.channels_last)
        with autocast():
            logits = self._forward(self._normalise(images), generator).float()
        loss = F.cross_entropy(logits, targets)
        if not bool(loss.isfinite()):
            raise FloatingPointError(f"The loss of step {self.step} is not finite.")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(
            [p for group in self._optimizer.param_groups for p in group["params"]], 5.0
        )
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * self._schedule()
        self._optimizer.step()
        self._update_average()
        return float(loss.detach())

    @property
    def _member_step(self) -> int:
        return self.step % self._member_steps

    def _rows(self) -> Tensor:
        epoch, place = divmod(self.step, self.steps_an_epoch)
        order = torch.randperm(
            len(self._labels), generator=torch.Generator().manual_seed(self._recipe.seed + epoch)
        )
        size = self._recipe.batch_size
        return order[place * size : (place + 1) * size]

    def _schedule(self) -> float:
        warm = min(1.0, (self._member_step + 1) / self._recipe.warmup_steps)
        return warm * 0.5 * (1.0 + math.cos(math.pi * self._member_step / self._member_steps))

    def _forward(self, images: Tensor, generator: torch.Generator) -> Tensor:
        # Batch norm keeps ImageNet's statistics: those of our small batches of blurred photos undo
        # in a few steps what the last layer was fitted to.
        network = self._network.eval()
        features = network.features(images)
        keep = 1.0 - self._recipe.dropout
        mask = torch.rand(features.shape, generator=generator) < keep
        logits: Tensor = network._fc(features * mask / keep)
        return logits

    @torch.no_grad()
    def _update_average(self) -> None:
        # In the first steps the average would else be the start.
        step = self._member_step
        decay = min(self._recipe.average_decay, (1.0 + step) / (10.0 + step))
        _move(self.average, self._network.state_dict(), 1.0 - decay)


def _move(network: nn.Module, goal: Mapping[str, Tensor], share: float) -> None:
    own = network.state_dict()
    for name, value in goal.items():
        if value.is_floating_point():
            own[name].lerp_(value, share)
        else:
            own[name].copy_(value)


def _freeze(network: EfficientNetLite0, blocks: int) -> None:
    for module in (network._conv_stem, network._bn0, *network._blocks[:blocks]):
        module.requires_grad_(False)


def _plain(value: Any) -> Any:
    """Tuples become lists, as a saved state has them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
