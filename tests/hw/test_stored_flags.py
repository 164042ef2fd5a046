# SPDX-License-Identifier: MIT
"""What the kernel remembers of a mapping: how it is mapped, not how that was asked for."""

from __future__ import annotations

import pytest

from amdgpu_hw.address_space import SyncOptions
from amdgpu_hw.evidence.mapping_info import stored_mappings
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.words import flag_words
from amdgpu_hw.uapi import amdgpu_drm as uapi

TILE = 64 * KiB
RW = uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_WRITEABLE


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"explicit_sync": True}, id="explicit MAP"),
        pytest.param({"explicit_sync": True, "delay": True}, id="delayed explicit MAP"),
    ],
)
@behaviour(
    "B40",
    "the flags of a mapping do not tell that it was made explicitly",
    needs="explicit_sync",
    rule="Checkpoint tools read the flags back (GET_MAPPING_INFO) and would ask for the same again.",
    finding="F11: AMDGPU_VM_EXPLICIT_SYNC is kept in the flags of the mapping (patch 2).",
)
def test_flags_of_a_mapping_are_not_those_of_the_request(
    gpu: Gpu, must: Must, always_valid: Buffer, how: SyncOptions
) -> None:
    """It is no property of the mapping."""
    gpu.reserve(TILE).map(always_valid, **how)
    must.did(f"{'delayed ' if how.get('delay') else ''}explicit MAP, GET_MAPPING_INFO")
    (mapping,) = stored_mappings(gpu, always_valid)
    must.be(
        not mapping.flags & uapi.AMDGPU_VM_EXPLICIT_SYNC and mapping.flags & RW == RW,
        seen=f"it is told as {flag_words(mapping.flags)}",
        otherwise=f"it is told as {flag_words(mapping.flags)}",
        kind="note",
    )
