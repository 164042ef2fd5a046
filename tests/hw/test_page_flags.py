# SPDX-License-Identifier: MIT
"""A mapping lets the GPU do with its pages what its flags say, and nothing else."""

from __future__ import annotations

import ctypes
import mmap

import pytest

from amdgpu_hw.address_space import PageOptions
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.debug_vm import require_unlisted_buffers
from amdgpu_hw.proof.must import Must
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import drm as core

TILE = 64 * KiB
OLD, NEW = 0x0DDA7A00, 0x0BADF1A6

FLAGS: dict[str, PageOptions] = {
    "readable and writeable": {},
    "readable": {"writeable": False},
    "writeable": {"readable": False},
    "executable": {"readable": False, "writeable": False, "executable": True},
}


@pytest.mark.parametrize("how", ["MAP", "REPLACE of the same pages"])
@pytest.mark.parametrize("flags", FLAGS)
@behaviour(
    "O58",
    "the GPU reads and writes through a mapping what its flags allow, and nothing else",
    rule="Each AMDGPU_VM_PAGE_* is a bit of its own in the page-table entry (amdgpu_vm_bo_update, gmc_v*_get_vm_pte).",
    faults=True,
)
def test_a_mapping_allows_what_its_flags_say(gpu: Gpu, must: Must, gpu_view: GpuView, flags: str, how: str) -> None:
    """A second mapping, which allows all, is none of its business; nor is what was allowed there before."""
    buffer = gpu.alloc(TILE, always_valid=True)
    buffer.fill(OLD)
    tile, beside = gpu.reserve(TILE), gpu.reserve(TILE)
    beside.map(buffer)
    if how == "MAP":
        tile.map(buffer, **FLAGS[flags])
    else:
        tile.map(buffer, writeable=flags != "readable and writeable")
        gpu_view.sample([tile.va])
        tile.replace(buffer, **FLAGS[flags])
    (read,) = gpu_view.sample([tile.va])
    must.did(f"{how}, a BO that is {flags} there, a read and a write by the GPU")
    may_read, may_write = "readable" in flags, "writeable" in flags
    must.equal(read == OLD, may_read, "whether the GPU got the BO's data there:")
    gpu_view.write(tile.va, [NEW])
    must.equal(buffer.read_u32() == NEW, may_write, "whether the GPU changed the BO there:")
    must.equal(gpu_view.sample([beside.va + 4]), [OLD], "through the mapping that allows all the GPU read")


@behaviour(
    "O58",
    "the GPU does not write to user memory that was given read-only, whatever its mapping allows",
    rule="The pages may be shared with others (amdgpu_ttm_tt_pte_flags: amdgpu_ttm_tt_is_readonly).",
    faults=True,
)
def test_read_only_user_memory_is_not_written(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """It is read, so that the mapping is known to be there; with VALIDATE it has pages although no job lists it."""
    require_unlisted_buffers()
    memory = mmap.mmap(-1, TILE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:4] = OLD.to_bytes(4, "little")
    view = (ctypes.c_char * TILE).from_buffer(memory)
    flags = uapi.AMDGPU_GEM_USERPTR_ANONONLY | uapi.AMDGPU_GEM_USERPTR_READONLY | uapi.AMDGPU_GEM_USERPTR_VALIDATE
    handle = gpu.ioctl(uapi.IOCTL_AMDGPU_GEM_USERPTR, addr=ctypes.addressof(view), size=TILE, flags=flags)["handle"]
    tile = gpu.reserve(TILE)
    try:
        allowed = uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_WRITEABLE
        gpu.gem_va_raw(operation=uapi.AMDGPU_VA_OP_MAP, va=tile.va, size=TILE, handle=handle, flags=allowed)
        must.did("USERPTR with READONLY, MAP of it readable and writeable, a read and a write by the GPU")
        must.equal(gpu_view.sample([tile.va]), [OLD], "there the GPU read")
        gpu_view.write(tile.va, [NEW])
        must.equal(int.from_bytes(memory[:4], "little"), OLD, "then the memory held")
    finally:
        tile.clear()
        gpu.ioctl(core.IOCTL_GEM_CLOSE, handle=handle)
