"""Which number format this machine's processor multiplies fastest."""

from __future__ import annotations

from functools import cache

import torch


@cache
def has_fast_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16: AMX's tiles or AVX-512's."""
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
