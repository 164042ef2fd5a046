# SPDX-License-Identifier: MIT
"""One mask for all flags: PRT is accepted together with what describes real pages."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import flags_are_legal
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.mock.variants import Variant
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("B03",))


@replaces(flags_are_legal)
def wrong_flags_are_legal(original: Original, variant: Variant, flags: int) -> bool:
    return original(variant, flags & ~drm.AMDGPU_VM_PAGE_PRT)
