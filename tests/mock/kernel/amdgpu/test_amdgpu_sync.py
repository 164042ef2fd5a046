# SPDX-License-Identifier: MIT
"""Which fences a job waits for: the decision table of KERNEL.md 4.2."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import (
    AMDGPU_FENCE_OWNER_KFD,
    AMDGPU_FENCE_OWNER_UNDEFINED,
    AMDGPU_FENCE_OWNER_VM,
    AMDGPU_SYNC_ALWAYS,
    AMDGPU_SYNC_EQ_OWNER,
    AMDGPU_SYNC_EXPLICIT,
    AMDGPU_SYNC_NE_OWNER,
    AmdgpuSync,
    SyncMode,
    amdgpu_sync_resv,
)
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import DmaFenceChain
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import (
    DMA_RESV_USAGE_BOOKKEEP,
    DMA_RESV_USAGE_KERNEL,
    DMA_RESV_USAGE_READ,
    DMA_RESV_USAGE_WRITE,
    DmaResv,
)
from amdgpu_hw.mock.kernel.scheduler.sched_fence import DrmSchedFence

OURS = object()
"""The address space whose job it is."""
OTHERS = object()
OUR_SCHED: Any = SimpleNamespace(name="sdma0")
THEIR_SCHED: Any = SimpleNamespace(name="sdma0 of another GPU")
ADEV: Any = SimpleNamespace(scheds={(2, 0): OUR_SCHED})


def job_fence(owner: object, sched: Any = OUR_SCHED) -> DrmSchedFence:
    """The finished fence of a job that is under way."""
    fence = DrmSchedFence(owner)
    fence.init(sched, dma_fence_context_alloc(2), 1)
    return fence


def foreign_fence() -> DmaFence:
    """A fence of no scheduler: another driver's, a user queue's."""
    return DmaFence(dma_fence_context_alloc(), 1, "vgem", "gate")


def waits(fence: DmaFence, mode: SyncMode, owner: object = OURS, usage: int = DMA_RESV_USAGE_WRITE) -> bool:
    """Whether a job of ``owner`` waits for a fence found on a reservation object."""
    resv = DmaResv()
    resv.add_fence(fence, usage)
    sync = AmdgpuSync()
    amdgpu_sync_resv(ADEV, sync, resv, mode, owner)
    return fence in list(sync)


MODES = (AMDGPU_SYNC_ALWAYS, AMDGPU_SYNC_NE_OWNER, AMDGPU_SYNC_EQ_OWNER, AMDGPU_SYNC_EXPLICIT)


@pytest.mark.parametrize("mode", MODES)
def test_moves_and_foreign_users_are_always_waited_for(mode: SyncMode) -> None:
    """Row 1: nobody may touch memory that is being moved or cleared, explicit or not."""
    assert waits(foreign_fence(), mode)
    assert waits(job_fence(AMDGPU_FENCE_OWNER_UNDEFINED), mode, usage=DMA_RESV_USAGE_KERNEL)


@pytest.mark.parametrize("mode", MODES)
def test_kfd_evictions_are_waited_for_by_nobody_but_moves(mode: SyncMode) -> None:
    """Row 2."""
    assert not waits(job_fence(AMDGPU_FENCE_OWNER_KFD), mode)


@pytest.mark.parametrize("mode", MODES)
def test_page_table_updates_are_not_waited_for_through_reservation_objects(mode: SyncMode) -> None:
    """Row 3: their own entity orders them; submissions wait for vm->last_update instead."""
    assert not waits(job_fence(AMDGPU_FENCE_OWNER_VM), mode)


@pytest.mark.parametrize(
    ("mode", "own", "other"),
    [
        (AMDGPU_SYNC_ALWAYS, True, True),
        (AMDGPU_SYNC_NE_OWNER, False, True),
        (AMDGPU_SYNC_EQ_OWNER, True, False),
        (AMDGPU_SYNC_EXPLICIT, False, False),
    ],
)
def test_submissions_by_owner_and_mode(mode: SyncMode, own: bool, other: bool) -> None:
    """Rows 4 to 7: unmaps wait for their own VM's submissions (EQ_OWNER), or for none (EXPLICIT)."""
    assert waits(job_fence(OURS), mode) is own, f"{mode} and a job of the same VM"
    assert waits(job_fence(OTHERS), mode) is other, f"{mode} and a job of another VM"


@pytest.mark.parametrize("mode", [AMDGPU_SYNC_NE_OWNER, AMDGPU_SYNC_EQ_OWNER])
def test_jobs_of_another_gpu_count_whoever_owns_them(mode: SyncMode) -> None:
    """Rows 5 and 6 only compare owners on one device."""
    assert waits(job_fence(OURS, THEIR_SCHED), mode)
    assert waits(job_fence(OTHERS, THEIR_SCHED), mode)


def test_bookkeeping_fences_are_never_picked_up() -> None:
    """4.1: page-table, TLB and eviction fences are BOOKKEEP, which implicit synchronisation does not look at."""
    assert not waits(foreign_fence(), AMDGPU_SYNC_ALWAYS, usage=DMA_RESV_USAGE_BOOKKEEP)
    assert waits(foreign_fence(), AMDGPU_SYNC_ALWAYS, usage=DMA_RESV_USAGE_READ)


def test_a_chain_counts_if_one_of_its_links_does() -> None:
    """A foreign link inside a chain is found, and with it everything older."""
    old = foreign_fence()
    new = job_fence(OTHERS)
    chain = DmaFenceChain(DmaFenceChain(None, old, 1), new, 2)
    resv = DmaResv()
    resv.add_fence(chain, DMA_RESV_USAGE_WRITE)
    sync = AmdgpuSync()
    amdgpu_sync_resv(ADEV, sync, resv, AMDGPU_SYNC_EXPLICIT, OURS)
    (found,) = sync
    assert not found.signaled
    new.signal()
    assert not found.signaled, "the foreign link is still open"
    old.signal()
    assert found.signaled


def test_one_fence_of_a_context_is_kept_the_later_one() -> None:
    """4.4: latest wins, in whichever order they come; what has signalled makes room."""
    context = dma_fence_context_alloc()
    first, second = DmaFence(context, 1), DmaFence(context, 2)
    for order in ((first, second), (second, first)):
        sync = AmdgpuSync()
        for fence in order:
            sync.fence(fence)
        assert list(sync) == [second]
    sync.fence(other := foreign_fence())
    second.signal()
    assert list(sync) == [other]
    sync.fence(first)
    assert set(sync) == {first, other}


def test_pushing_to_a_job_keeps_the_fences_for_the_next_one() -> None:
    """One container feeds all jobs of an operation."""
    sync = AmdgpuSync()
    sync.fence(fence := foreign_fence())
    jobs = [SimpleNamespace(dependencies=[]) for _ in range(2)]
    for job in jobs:
        job.add_dependency = job.dependencies.append
        sync.push_to_job(job)  # type: ignore[arg-type]
    assert [job.dependencies for job in jobs] == [[fence], [fence]]
