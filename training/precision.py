"""The precision of a training's convolutions: bf16 where the processor multiplies it faster."""

from __future__ import annotations

import torch

from cvpire.classifiers.fast_gradients import has_fast_bfloat16


def autocast() -> torch.autocast:
    """A context in which convolutions run in bf16 on x86 processors with instructions for it.

    With AVX-512's, a step of the training takes an eighth less time; AMX's are faster still.
    Elsewhere it changes nothing.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bfloat16())
