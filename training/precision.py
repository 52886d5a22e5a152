"""The precision of a training's convolutions: bf16 where the processor multiplies it faster."""

from __future__ import annotations

import torch


def autocast() -> torch.autocast:
    """A context in which convolutions run in bf16 on processors with instructions for it.

    Elsewhere it changes nothing: bf16 would only be slower there.
    """
    is_faster = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast("cpu", torch.bfloat16, enabled=is_faster)
