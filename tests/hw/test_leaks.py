# SPDX-License-Identifier: MIT
"""What the kernel must not keep: the fences that an operation collected, once it is over."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.evidence.slabinfo import active_objects
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.uapi import amdgpu_drm as uapi

TILE = 64 * KiB
ROUNDS = 16
SYNC_ENTRIES = "amdgpu_sync_entry"
"""One for every fence that a `struct amdgpu_sync` refers to."""


@pytest.fixture
def kept() -> int:
    """How many sync entries there are now; not testable where nobody can tell."""
    return sync_entries()


def sync_entries() -> int:
    """How many fences the driver has collected and not given back."""
    try:
        return active_objects(SYNC_ENTRIES)
    except FeatureMissing as error:
        raise NotTestable(str(error), missing="slabinfo") from None


@behaviour(
    "F2",
    "closing mapped BOs under work in flight leaves no collected fences behind",
    needs="page_table_jobs",
    rule="amdgpu_gem_object_close begins an update of the address space, so it has to finish that too.",
    finding="F2: amdgpu_gem_object_close never finishes its context (patch 1).",
)
def test_closing_leaks_no_fences(gpu: Gpu, shut_gate: ShutGate, must: Must, kept: int) -> None:
    """Each round the clear has one fence to wait for, the job's."""
    tile = gpu.reserve(TILE)
    for _ in range(ROUNDS):
        buffer = gpu.alloc(TILE, always_valid=True)
        tile.map(buffer)
        with shut_gate(gpu.compute):
            buffer.close()
    must.did(f"{ROUNDS} times: MAP of an always-valid BO, GEM_CLOSE with a job in flight")
    nothing_leaked(must, kept)


@behaviour(
    "F10",
    "a GEM_VA that fails on one of its input fences gives the others back",
    needs="input_fence",
    finding="F10: a bad input fence jumps past the end of the context, with the fences before it collected (patch 1).",
)
def test_bad_input_fence_leaks_no_fences(gpu: Gpu, must: Must, kept: int) -> None:
    """The first is fine, the second is no handle."""
    page = gpu.reserve(PAGE_SIZE)
    with gpu.syncobj(signaled=True) as syncobj:
        handles = memoryview(bytearray(8)).cast("I")
        handles[0] = syncobj.handle
        answers = [
            (
                "MAP PRT with a good and a bad input fence",
                errno.EINVAL,
                lambda: gpu.ioctl(
                    uapi.IOCTL_AMDGPU_GEM_VA,
                    operation=uapi.AMDGPU_VA_OP_MAP,
                    flags=uapi.AMDGPU_VM_PAGE_PRT,
                    va_address=page.va,
                    map_size=page.size,
                    num_syncobj_handles=2,
                    input_fence_syncobj_handles=handles.cast("B"),
                ),
            )
        ]
        must.answer("MAP PRT with input fences [signalled, 0]", answers * ROUNDS)
    nothing_leaked(must, kept)


def nothing_leaked(must: Must, before: int) -> None:
    """Others may allocate and free a few meanwhile; a leak is one for each round at least."""
    grown = sync_entries() - before
    must.be(
        grown < ROUNDS // 2,
        seen=f"no more {SYNC_ENTRIES} than before" if grown <= 0 else f"{grown} {SYNC_ENTRIES} more, by others",
        otherwise=f"{grown} {SYNC_ENTRIES} more than before, {ROUNDS} rounds later, each with a fence that it keeps",
        kind="note",
    )
