# SPDX-License-Identifier: MIT
"""Where the update fence goes: a binary syncobj, a point of a timeline, and what neither accepts."""

from __future__ import annotations

import errno

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must
from amdgpu_hw.uapi import amdgpu_drm as uapi

NEVER_A_HANDLE = 0xDEAD


@behaviour(
    "T10",
    "with point 0 the update fence replaces what is in the syncobj, and no timeline comes of it",
    needs="update_fence",
)
def test_point_0_replaces_the_fence(gpu: Gpu, must: Must) -> None:
    """A binary syncobj stays binary."""
    page = gpu.reserve(PAGE_SIZE)
    with gpu.syncobj() as syncobj:
        must.signal(page.map_prt(out=syncobj))
        must.signal(page.clear(out=syncobj))
        must.equal(syncobj.query(), 0, "the timeline of the syncobj is at", kind="note")


@behaviour(
    "T10",
    "with a point the update fence becomes that point of the timeline",
    needs=("update_fence", "timeline_syncobj"),
)
def test_point_joins_the_timeline(gpu: Gpu, must: Must) -> None:
    """Also one below the last: the kernel adds it without complaint (drm_syncobj_add_point)."""
    page = gpu.reserve(PAGE_SIZE)
    with gpu.syncobj() as timeline:
        must.signal(page.map_prt(out=(timeline, 5)))
        must.equal(timeline.query(), 5, "the timeline is at", kind="note")
        must.signal(page.clear(out=(timeline, 9)))
        must.equal(timeline.query(), 9, "then at", kind="note")
        page.map_prt(out=(timeline, 7))
        must.did("MAP PRT with point 7, which is below the last")
        must.be(timeline.wait(point=9), seen="point 9 is still there", otherwise="point 9 is lost", kind="fence")


@behaviour("T10", "points of a timeline have 64 bits", needs=("update_fence", "timeline_syncobj"))
def test_points_have_64_bits(gpu: Gpu, must: Must) -> None:
    """A point beyond 4 Gi is not the one with the same lower half, and that is not there before it."""
    page, far = gpu.reserve(PAGE_SIZE), 1 << 40
    with gpu.syncobj() as timeline:
        must.signal(page.map_prt(out=(timeline, 9)))
        must.be(
            not timeline.has_fence(far + 5),
            seen=f"point {far + 5:#x} is not there",
            otherwise=f"a timeline at point 9 has point {far + 5:#x}",
            kind="fence",
        )
        must.signal(page.clear(out=(timeline, far + 5)))
        must.equal(timeline.query(), far + 5, "then the timeline is at", kind="note")


@behaviour("T10", "an unknown syncobj for the update fence is refused, and nothing changes", needs="update_fence")
def test_unknown_syncobj_changes_nothing(gpu: Gpu, must: Must) -> None:
    """The kernel looks it up before it touches the mapping tree."""
    page = gpu.reserve(PAGE_SIZE)
    with must.refuse(errno.ENOENT, "MAP PRT with an unknown syncobj for its update fence"):
        gpu.gem_va_raw(
            operation=uapi.AMDGPU_VA_OP_MAP,
            va=page.va,
            size=page.size,
            flags=uapi.AMDGPU_VM_PAGE_PRT,
            syncobj_out=NEVER_A_HANDLE,
        )
    with must.refuse(errno.ENOENT, "UNMAP there"):
        page.unmap_prt()


@behaviour("T10", "one syncobj may be input and output of an update", needs=("update_fence", "input_fence"))
def test_one_syncobj_for_input_and_output(gpu: Gpu, must: Must) -> None:
    """The input is the fence that was in it, the output replaces that."""
    page = gpu.reserve(PAGE_SIZE)
    with gpu.syncobj(signaled=True) as syncobj:
        must.signal(page.map_prt(inputs=[syncobj], out=syncobj))
        must.signal(page.clear(inputs=[syncobj], out=syncobj))
