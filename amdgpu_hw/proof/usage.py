# SPDX-License-Identifier: MIT
"""How much memory is in use on a GPU, by all processes: what is left of a buffer that no descriptor shows any more."""

from __future__ import annotations

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.uapi import amdgpu_info as info

__all__ = ("gtt_usage", "vram_usage")


def gtt_usage(gpu: Gpu) -> int:
    """Bytes of system memory (AMDGPU_INFO_GTT_USAGE)."""
    return int.from_bytes(gpu.query_info(info.AMDGPU_INFO_GTT_USAGE, 8), "little")


def vram_usage(gpu: Gpu) -> int:
    """Bytes of VRAM (AMDGPU_INFO_VRAM_USAGE)."""
    return int.from_bytes(gpu.query_info(info.AMDGPU_INFO_VRAM_USAGE, 8), "little")
