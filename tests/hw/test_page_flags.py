# SPDX-License-Identifier: MIT
"""A mapping lets the GPU do with its pages what its flags say, and nothing else."""

from __future__ import annotations

import pytest

from amdgpu_hw.address_space import PageOptions
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must

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
