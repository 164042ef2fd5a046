# SPDX-License-Identifier: MIT
"""What the kernel remembers of a mapping: how it is mapped, not how that was asked for."""

from __future__ import annotations

import pytest

from amdgpu_hw.address_space import PageOptions, SyncOptions
from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.evidence.mapping_info import StoredMapping, stored_mappings
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.words import flag_words
from amdgpu_hw.uapi import amdgpu_drm as uapi

TILE = 64 * KiB
FLAGS: tuple[PageOptions, ...] = (
    {},
    {"readable": False},
    {"writeable": False},
    {"executable": True},
    {"noalloc": True},
    {"mtype": uapi.AMDGPU_VM_MTYPE_NC},
    {"mtype": uapi.AMDGPU_VM_MTYPE_WC},
    {"mtype": uapi.AMDGPU_VM_MTYPE_CC},
    {"mtype": uapi.AMDGPU_VM_MTYPE_UC},
    {"mtype": uapi.AMDGPU_VM_MTYPE_RW},
    {"writeable": False, "mtype": uapi.AMDGPU_VM_MTYPE_UC, "noalloc": True},
)
"""One bit more or less than usual, each memory type, and several at once."""
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


@pytest.mark.parametrize("how", ["MAP", "REPLACE of the same pages", "CLEAR of the middle"])
@behaviour(
    "O85",
    "a mapping has the flags that it was made with, and so has what is left of it",
    rule="What reads them back maps the same again with them (amdgpu_gem_op_ioctl, amdgpu_vm_bo_clear_mappings).",
)
def test_a_mapping_keeps_its_flags(gpu: Gpu, must: Must, always_valid: Buffer, how: str) -> None:
    """Each bit by itself: what the GPU may do, the memory type, NOALLOC."""
    tile = gpu.reserve(TILE)
    for options in FLAGS:
        if how == "REPLACE of the same pages":
            tile.map(always_valid)
            wanted = tile.replace(always_valid, **options).flags
        else:
            wanted = tile.map(always_valid, **options).flags
            if how == "CLEAR of the middle":
                tile.part(PAGE_SIZE, PAGE_SIZE).clear()
        must.did(f"{how} with {flag_words(wanted)}, GET_MAPPING_INFO")
        mappings = told(gpu, always_valid)
        must.equal(len(mappings), 2 if how == "CLEAR of the middle" else 1, "the number of mappings that are told is")
        for mapping in mappings:
            must.equal(flag_words(mapping.flags), flag_words(wanted), "a mapping is told as")
        tile.clear()


def told(gpu: Gpu, buffer: Buffer) -> list[StoredMapping]:
    """What GET_MAPPING_INFO tells; not testable where there is none."""
    try:
        return stored_mappings(gpu, buffer)
    except FeatureMissing as error:
        raise NotTestable(str(error), missing="mapping_info") from None
