# SPDX-License-Identifier: MIT
"""Submissions wait for others' jobs on a buffer that its maker synchronises (AMDGPU_GEM_CREATE_EXPLICIT_SYNC)."""

from __future__ import annotations

from typing import Any

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.cs import amdgpu_cs_sync_rings
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_CREATE_EXPLICIT_SYNC

BUG = Bug(caught_by=("O51c",))


@replaces(amdgpu_cs_sync_rings)
def sync_rings(original: Original, p: Any, bo_list: Any) -> None:
    flags = {bo: bo.flags for bo in bo_list.bos}
    for bo in flags:
        bo.flags &= ~AMDGPU_GEM_CREATE_EXPLICIT_SYNC
    try:
        original(p, bo_list)
    finally:
        for bo, kept in flags.items():
            bo.flags = kept
