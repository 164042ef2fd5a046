# SPDX-License-Identifier: MIT
"""An operation with the flag leaves its update fence out."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, wants_explicit_sync
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.mock.variants import Variant

BUG = Bug(caught_by=("B06", "B07"))


@replaces(wants_explicit_sync)
def wrong_wants_explicit_sync(original: Original, variant: Variant, args: GemVa) -> bool:
    explicit: bool = original(variant, args)
    if explicit:
        args.vm_timeline_syncobj_out = 0
    return explicit
