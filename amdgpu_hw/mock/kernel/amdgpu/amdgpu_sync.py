# SPDX-License-Identifier: MIT
"""Which fences a job has to wait for: the model of amdgpu_sync.c."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_wait
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import dma_fence_chain_contained, dma_fence_chain_for_each
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DMA_RESV_USAGE_READ, DmaResv
from amdgpu_hw.mock.kernel.scheduler.sched_main import to_drm_sched_fence
from amdgpu_hw.mock.kernel.wait import Blocking

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmSchedJob

__all__ = (
    "AMDGPU_FENCE_OWNER_KFD",
    "AMDGPU_FENCE_OWNER_UNDEFINED",
    "AMDGPU_FENCE_OWNER_VM",
    "AMDGPU_SYNC_ALWAYS",
    "AMDGPU_SYNC_EQ_OWNER",
    "AMDGPU_SYNC_EXPLICIT",
    "AMDGPU_SYNC_NE_OWNER",
    "AmdgpuSync",
    "SyncMode",
    "amdgpu_sync_get_owner",
    "amdgpu_sync_kfd",
    "amdgpu_sync_resv",
    "amdgpu_sync_same_dev",
    "amdgpu_sync_test_fence",
)

AMDGPU_FENCE_OWNER_UNDEFINED: Any = 0
"""Moves, clears, other drivers, user queues."""
AMDGPU_FENCE_OWNER_VM: Any = 1
"""Page-table updates."""
AMDGPU_FENCE_OWNER_KFD: Any = 2


class SyncMode(Enum):
    """`enum amdgpu_sync_mode`."""

    ALWAYS = "always"
    NE_OWNER = "other owners"
    EQ_OWNER = "same owner"
    EXPLICIT = "explicit"


AMDGPU_SYNC_ALWAYS = SyncMode.ALWAYS
AMDGPU_SYNC_NE_OWNER = SyncMode.NE_OWNER
AMDGPU_SYNC_EQ_OWNER = SyncMode.EQ_OWNER
AMDGPU_SYNC_EXPLICIT = SyncMode.EXPLICIT


class AmdgpuSync:
    """`struct amdgpu_sync`: a set of fences, the latest one of each fence context."""

    __slots__ = ("_fences",)

    def __init__(self) -> None:
        self._fences: dict[int, DmaFence] = {}

    def __iter__(self) -> Iterator[DmaFence]:
        """The fences not signalled yet."""
        return (fence for fence in self._fences.values() if not fence.signaled)

    def __bool__(self) -> bool:
        """Whether there is something left to wait for."""
        return any(not fence.signaled for fence in self._fences.values())

    @property
    def entries(self) -> int:
        """How many objects of the slab cache amdgpu_sync_entry it has: signalled fences stay until it is freed."""
        return len(self._fences)

    def fence(self, fence: DmaFence | None) -> None:
        """Remember a fence (amdgpu_sync_fence); of two with one context the later is kept."""
        if fence is None:
            return
        kept = self._fences.get(fence.context)
        if kept is None or kept.signaled or fence.seqno >= kept.seqno:
            self._fences[fence.context] = fence

    def push_to_job(self, job: DrmSchedJob) -> None:
        """Make a job depend on every unsignalled fence, and keep them for the next job (amdgpu_sync_push_to_job)."""
        for fence in self._fences.values():
            if not fence.signaled:
                job.add_dependency(fence)

    def clone(self, into: AmdgpuSync) -> None:
        """Add the unsignalled fences to another set (amdgpu_sync_clone)."""
        for fence in self._fences.values():
            if not fence.signaled:
                into.fence(fence)

    def wait(self, interruptible: bool) -> Blocking[None]:
        """Wait for all of them, one after the other (amdgpu_sync_wait)."""
        for fence in list(self._fences.values()):
            yield from dma_fence_wait(fence, interruptible)
        self._fences.clear()


def amdgpu_sync_same_dev(adev: AmdgpuDevice, fence: DmaFence) -> bool:
    """Tell whether one of our own rings runs the job behind a fence."""
    s_fence = to_drm_sched_fence(fence)
    return s_fence is not None and s_fence.sched in adev.scheds.values()


def amdgpu_sync_get_owner(fence: DmaFence | None) -> Any:
    """Return who made a fence: a VM for its submissions, or one of AMDGPU_FENCE_OWNER_*.

    Leaves out: eviction fences of KFD.
    """
    if fence is None:
        return AMDGPU_FENCE_OWNER_UNDEFINED
    s_fence = to_drm_sched_fence(fence)
    return AMDGPU_FENCE_OWNER_UNDEFINED if s_fence is None else s_fence.owner


def amdgpu_sync_test_fence(adev: AmdgpuDevice, mode: SyncMode, owner: Any, fence: DmaFence) -> bool:
    """Decide whether a job of ``owner`` has to wait for ``fence`` (the table of KERNEL.md 4.2).

    Leaves out: the warning of debug_evictions.
    """
    fence_owner = amdgpu_sync_get_owner(fence)
    # Memory that is being moved or cleared must never be used, whatever user space promises.
    if fence_owner is AMDGPU_FENCE_OWNER_UNDEFINED:
        return True
    # Eviction fences are there for evictions only; waiting for one would trigger it.
    if fence_owner is AMDGPU_FENCE_OWNER_KFD and owner is not AMDGPU_FENCE_OWNER_UNDEFINED:
        return False
    # Page-table updates are ordered by their own entity.
    if fence_owner is AMDGPU_FENCE_OWNER_VM and owner not in (
        AMDGPU_FENCE_OWNER_UNDEFINED,
        AMDGPU_FENCE_OWNER_KFD,
    ):
        return False
    if mode is AMDGPU_SYNC_ALWAYS:
        return True
    if mode is AMDGPU_SYNC_NE_OWNER:
        return not (fence_owner is owner and amdgpu_sync_same_dev(adev, fence))
    if mode is AMDGPU_SYNC_EQ_OWNER:
        return not (fence_owner is not owner and amdgpu_sync_same_dev(adev, fence))
    return False


def amdgpu_sync_resv(adev: AmdgpuDevice, sync: AmdgpuSync, resv: DmaResv, mode: SyncMode, owner: Any) -> None:
    """Collect what a job of ``owner`` has to wait for on a reservation object: KERNEL, WRITE and READ fences only."""
    for fence in resv.iter(DMA_RESV_USAGE_READ):
        # The newest link of a chain that counts stands for all older ones.
        for link in dma_fence_chain_for_each(fence):
            if amdgpu_sync_test_fence(adev, mode, owner, dma_fence_chain_contained(link)):
                sync.fence(link)
                break


def amdgpu_sync_kfd(sync: AmdgpuSync, resv: DmaResv) -> None:
    """Collect the KFD eviction fences of a reservation object."""
    for fence in resv.iter(DMA_RESV_USAGE_BOOKKEEP):
        if amdgpu_sync_get_owner(fence) is AMDGPU_FENCE_OWNER_KFD:
            sync.fence(fence)
