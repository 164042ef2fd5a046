# SPDX-License-Identifier: MIT
"""What the kernel must not keep: the fences that an operation collected, once it is over."""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass

import pytest

from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.evidence.slabinfo import SlabCache
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.leaks import SYNC_ENTRIES
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.uapi import amdgpu_drm as uapi

TILE = 64 * KiB
AT_ONCE = 16
"""BOs that are closed under one gate: each leaves a page-table job there, in a pool that all share (KERNEL.md E15)."""

MOST = 8192
"""Rounds that a test has the time for."""

SETTLE_S = 5.0
"""Jobs are freed, and their fences with them, some time after they are done."""


@pytest.fixture
def kept() -> Kept:
    """What the driver has collected and not given back now; not testable where nobody can tell."""
    try:
        cache = SlabCache.find(*SYNC_ENTRIES)
    except FeatureMissing as error:
        raise NotTestable(str(error), missing="slabinfo") from None
    if cache.rounds > MOST:
        raise NotTestable(
            f"{cache.name} cannot be shrunk here, and {cache.cpus} CPUs keep up to {cache.grain} objects at hand: it "
            f"would take {cache.rounds} rounds to tell a leak from that",
            missing="slabinfo",
        )
    return Kept(cache, cache.active())


@dataclass(frozen=True)
class Kept:
    """Collected fences, as a slab cache counts them."""

    cache: SlabCache
    before: int

    @property
    def rounds(self) -> int:
        """How many there have to be for a leak to show, in whole `AT_ONCE`."""
        return -(-self.cache.rounds // AT_ONCE) * AT_ONCE

    def must_not_grow(self, must: Must) -> None:
        """Others may allocate and free a few meanwhile; a leak is one for each round at least."""
        end = time.monotonic() + SETTLE_S
        while (grown := self.cache.active() - self.before) >= self.rounds // 2 and time.monotonic() < end:
            time.sleep(0.1)
        name = self.cache.name
        counted = f", counted to {self.cache.grain} objects" if self.cache.grain else ""
        must.be(
            grown < self.rounds // 2,
            seen=(f"no more {name} than before" if grown <= 0 else f"{grown} {name} more, by others") + counted,
            otherwise=f"{grown} {name} more than before, {self.rounds} rounds later, each with a fence that it keeps",
            kind="note",
        )


@behaviour(
    "F2",
    "closing mapped BOs under work in flight leaves no collected fences behind",
    needs="page_table_jobs",
    rule="amdgpu_gem_object_close begins an update of the address space, so it has to finish that too.",
    finding="F2: amdgpu_gem_object_close never finishes its context (patch 1).",
)
def test_closing_leaks_no_fences(gpu: Gpu, shut_gate: ShutGate, must: Must, kept: Kept) -> None:
    """Each round the clear has one fence to wait for, the job's."""
    tiles = [gpu.reserve(TILE) for _ in range(AT_ONCE)]
    for _ in range(kept.rounds // AT_ONCE):
        buffers = [gpu.alloc(TILE, always_valid=True) for _ in tiles]
        for tile, buffer in zip(tiles, buffers, strict=True):
            tile.map(buffer)
        with shut_gate(gpu.compute):
            for buffer in buffers:
                buffer.close()
    must.did(f"{kept.rounds} times: MAP of an always-valid BO, GEM_CLOSE with a job in flight")
    kept.must_not_grow(must)


@behaviour(
    "F10",
    "a GEM_VA that fails on one of its input fences gives the others back",
    needs="input_fence",
    finding="F10: a bad input fence jumps past the end of the context, with the fences before it collected (patch 1).",
)
def test_bad_input_fence_leaks_no_fences(gpu: Gpu, must: Must, kept: Kept) -> None:
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
        must.answer("MAP PRT with input fences [signalled, 0]", answers * kept.rounds)
    kept.must_not_grow(must)
