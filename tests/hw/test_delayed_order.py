# SPDX-License-Identifier: MIT
"""Delayed updates and those that follow: what was asked for last must be what the GPU sees in the end.

A submission queues what was delayed but does not wait for the clearing (`amdgpu_cs_vm_handling`), so these tests
submit, wait for the page-table jobs to drain, and only then look.
"""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.address_space import Range
from amdgpu_hw.errors import DrmError
from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import drain
from amdgpu_hw.proof.must import Must

TILE = 64 * KiB
OLD, NEW = 0x01DDA7A0, 0x2E3DA7A0
IN_ORDER = "Updates of one address take effect in the order in which they were asked for."
F1 = (
    "F1: the clear of a delayed unmap is left to the next submission (vm->delayed_freed, patch 1) and then wipes out "
    "what was mapped there meanwhile."
)

which_buffer = pytest.mark.parametrize("always", [True, False], ids=["always-valid BO", "ordinary BO"])


@behaviour("B32", "a delayed update cannot have an update fence", needs=("explicit_sync", "update_fence"))
def test_delayed_update_with_an_update_fence_is_refused(gpu: Gpu, must: Must) -> None:
    """There is no page-table job yet that the fence could be of."""
    tile = gpu.reserve(TILE)
    with gpu.syncobj() as syncobj:
        with must.refuse(errno.EINVAL, "delayed MAP PRT with a syncobj for its update fence"):
            tile.map_prt(delay=True, out=syncobj)
        must.be(not syncobj.has_fence(), seen="no fence in it", otherwise="it got a fence all the same", kind="note")
    must.accept("MAP PRT there", tile.map_prt)


@behaviour("B32a", "a delayed update leaves the syncobj for update fences alone, refused or not")
def test_delayed_update_leaves_the_syncobj_alone(gpu: Gpu, must: Must) -> None:
    """Some kernels accept the combination, and those before them do not know the field."""
    tile = gpu.reserve(TILE)
    with gpu.syncobj() as syncobj:
        try:
            tile.map_prt(delay=True, out=syncobj)
            must.did("delayed MAP PRT with a syncobj for its update fence, which is accepted here")
        except DrmError as error:
            must.did(f"delayed MAP PRT with a syncobj for its update fence, refused with {error.errno_name}")
        must.be(not syncobj.has_fence(), seen="no fence in it", otherwise="the syncobj got a fence", kind="note")


@which_buffer
@behaviour(
    "B33",
    "a MAP over a delayed UNMAP stays when that is carried out",
    rule=IN_ORDER,
    finding=F1,
    faults=True,
)
def test_map_over_a_delayed_unmap_stays(gpu: Gpu, must: Must, gpu_view: GpuView, always: bool) -> None:
    """Batch the unmaps with DELAY_UPDATE, then map: what user-space allocators of addresses do."""
    tile, new = remapped(gpu, always, delayed_map=False)
    must.did("delayed UNMAP, MAP of another BO there, a submission, then a copy from there")
    look(gpu, must, gpu_view, {"it": tile}, NEW, [new])


@which_buffer
@behaviour("B33a", "a delayed MAP over a delayed UNMAP is carried out after it", rule=IN_ORDER, faults=True)
def test_delayed_map_over_a_delayed_unmap_stays(gpu: Gpu, must: Must, gpu_view: GpuView, always: bool) -> None:
    """A submission has to clear what was unmapped before it writes what was mapped."""
    tile, new = remapped(gpu, always, delayed_map=True)
    must.did("delayed UNMAP, delayed MAP of another BO there, a submission, then a copy from there")
    look(gpu, must, gpu_view, {"it": tile}, NEW, [new])


@which_buffer
@behaviour(
    "B34",
    "a delayed REPLACE stays whatever is mapped before it is carried out",
    rule=IN_ORDER,
    finding=F1,
    faults=True,
)
def test_delayed_replace_stays(gpu: Gpu, must: Must, gpu_view: GpuView, always: bool) -> None:
    """The later MAP of the same BO writes all of its mappings, the delayed one too: then its clear comes too late."""
    old, new = (gpu.alloc(TILE, always_valid=always) for _ in range(2))
    old.fill(OLD)
    new.fill(NEW)
    tile, elsewhere = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(old)
    must.did("delayed REPLACE by another BO, MAP of that elsewhere, a submission, then copies from both")
    tile.replace(new, delay=True)
    elsewhere.map(new)
    look(gpu, must, gpu_view, {"the first": tile, "the second": elsewhere}, NEW, [new])


@behaviour(
    "B34",
    "a delayed REPLACE by PRT stays PRT whatever is mapped before it is carried out",
    rule=IN_ORDER,
    finding=F1,
    faults=True,
)
def test_delayed_replace_by_prt_stays(gpu: Gpu, must: Must, gpu_view: GpuView, always_valid: Buffer) -> None:
    """All PRT mappings of an address space belong together, so any other PRT operation is enough."""
    gpu_view.require_prt_access()
    earlier = gpu_view.provoke_fault()
    tile, elsewhere = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(always_valid)
    must.did("delayed REPLACE by PRT, MAP PRT elsewhere, a submission, then a copy from there")
    tile.replace_prt(delay=True)
    elsewhere.map_prt()
    gpu_view.flush()
    drain(gpu)
    must.equal(set(gpu_view.read(tile.va, TILE)), {0}, "the GPU read only")
    fault = vm_fault(gpu)
    must.be(fault == earlier, seen="no VM fault", otherwise=f"it is not PRT any more: touching it raised a {fault}")


def remapped(gpu: Gpu, always: bool, delayed_map: bool) -> tuple[Range, Buffer]:
    """A tile whose buffer was unmapped with delay, and another one mapped in its place."""
    old, new = (gpu.alloc(TILE, always_valid=always) for _ in range(2))
    old.fill(OLD)
    new.fill(NEW)
    tile = gpu.reserve(TILE)
    tile.map(old)
    tile.unmap(old, delay=True)
    tile.map(new, delay=delayed_map)
    return tile, new


def look(
    gpu: Gpu, must: Must, gpu_view: GpuView, tiles: dict[str, Range], expected: int, buffers: list[Buffer]
) -> None:
    """Have everything delayed carried out, and see what the GPU reads; the last submission lists the buffers."""
    gpu_view.read(gpu_view.somewhere, PAGE_SIZE, buffers)
    drain(gpu)
    for name, tile in tiles.items():
        read = int.from_bytes(gpu_view.read(tile.va, PAGE_SIZE, buffers)[:4], "little")
        must.equal(read, expected, f"from {name} the GPU read")
