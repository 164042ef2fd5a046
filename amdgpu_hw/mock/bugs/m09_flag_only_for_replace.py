# SPDX-License-Identifier: MIT
"""The flag is looked at for REPLACE only: explicit UNMAP and CLEAR wait."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, wants_explicit_sync
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.mock.variants import Variant
from amdgpu_hw.uapi import amdgpu_drm as drm

BUG = Bug(caught_by=("B07", "B09"), slow=True)


@replaces(wants_explicit_sync)
def wrong_wants_explicit_sync(original: Original, variant: Variant, args: GemVa) -> bool:
    return original(variant, args) and args.operation == drm.AMDGPU_VA_OP_REPLACE
