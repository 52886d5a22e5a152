"""The precision of a training's convolutions: bf16 where the processor multiplies it faster."""

from __future__ import annotations

import torch


def autocast() -> torch.autocast:
    """A context in which convolutions run in bf16 on x86 processors with instructions for it.

    With AVX-512's, a step of the training takes an eighth less time; AMX's are faster still.
    Elsewhere it changes nothing.
    """
    is_faster = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=is_faster)
