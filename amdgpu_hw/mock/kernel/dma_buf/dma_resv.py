# SPDX-License-Identifier: MIT
"""Reservation objects: the fences of a buffer and what they do with it (drivers/dma-buf/dma-resv.c)."""

from __future__ import annotations

from collections.abc import Iterator

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc, wait_for_all_fences
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_array import DmaFenceArray
from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, WaitQueue, Wake

__all__ = (
    "DMA_RESV_USAGE_BOOKKEEP",
    "DMA_RESV_USAGE_KERNEL",
    "DMA_RESV_USAGE_READ",
    "DMA_RESV_USAGE_WRITE",
    "DmaResv",
    "dma_resv_usage_rw",
)

DMA_RESV_USAGE_KERNEL = 0
"""In-kernel memory management: clears and moves. Everybody must wait for these."""
DMA_RESV_USAGE_WRITE = 1
"""Implicit write synchronization."""
DMA_RESV_USAGE_READ = 2
"""Implicit read synchronization."""
DMA_RESV_USAGE_BOOKKEEP = 3
"""No implicit synchronization: page-table updates, preemption and eviction fences."""


def dma_resv_usage_rw(write: bool) -> int:
    """What one has to wait for before writing (everything implicit) or before reading (writes)."""
    return DMA_RESV_USAGE_READ if write else DMA_RESV_USAGE_WRITE


class DmaResv:
    """`struct dma_resv`. Asking for a usage gives all fences with that usage or a lower one.

    The lock is only ever *held* across a sleep by a few functions (a submission that waits for its 32nd predecessor);
    the others take it with `trylock` and do not sleep while they have it.
    """

    __slots__ = ("_fences", "_waiters", "locked", "ticket")

    def __init__(self) -> None:
        self._fences: list[tuple[DmaFence, int]] = []
        self.locked = False
        """Whether somebody holds the lock (`dma_resv_is_locked`); changed by the methods below only."""
        self.ticket = 0
        """Who holds it: the number of a `lock_all`, the older the lower; 0 for other holders."""
        self._waiters: WaitQueue | None = None

    # -- fences -----------------------------------------------------------------------------------------------

    def add_fence(self, fence: DmaFence, usage: int) -> None:
        """Add a fence that is not a container (`dma_resv_add_fence`).

        Takes the place of an earlier fence of the same context with the same or a weaker usage, or of one that has
        signalled.
        """
        entries = self._fences
        context = fence.context
        seqno = fence.seqno
        for index, (old, old_usage) in enumerate(entries):
            if (old.context == context and old_usage >= usage and seqno >= old.seqno) or old.signaled:
                entries[index] = (fence, usage)
                return
        entries.append((fence, usage))

    def iter(self, usage: int) -> Iterator[DmaFence]:
        """The unsignalled fences with ``usage`` or a lower one (`dma_resv_for_each_fence_unlocked`)."""
        for fence, fence_usage in self._fences:
            if fence_usage <= usage and not fence.signaled:
                yield fence

    def entries(self, usage: int) -> list[tuple[DmaFence, int]]:
        """As `iter`, each fence with its usage."""
        return [entry for entry in self._fences if entry[1] <= usage and not entry[0].signaled]

    def test_signaled(self, usage: int) -> bool:
        """Whether nothing is pending with ``usage`` or a lower one (`dma_resv_test_signaled`)."""
        return all(fence.signaled for fence, fence_usage in self._fences if fence_usage <= usage)

    def wait(self, usage: int, interruptible: bool = True, deadline: int | None = None) -> Blocking[bool]:
        """Sleep until the fences it has now are done (`dma_resv_wait_timeout`); False when ``deadline`` came first."""
        return wait_for_all_fences(tuple(self.iter(usage)), interruptible, deadline)

    def get_singleton(self, usage: int) -> DmaFence | None:
        """One fence for all pending ones, None when there is none (`dma_resv_get_singleton`)."""
        fences = tuple(self.iter(usage))
        if len(fences) > 1:
            return DmaFenceArray(fences, dma_fence_context_alloc(1), 1)
        return fences[0] if fences else None

    def replace_fences(self, context: int, replacement: DmaFence, usage: int) -> None:
        """Put ``replacement`` in the place of every fence of ``context`` (`dma_resv_replace_fences`)."""
        self._fences = [(replacement, usage) if entry[0].context == context else entry for entry in self._fences]

    def copy_fences(self, src: DmaResv) -> None:
        """Become a copy of ``src``'s pending fences, all usages (`dma_resv_copy_fences`)."""
        self._fences = src.entries(DMA_RESV_USAGE_BOOKKEEP)

    # -- lock -------------------------------------------------------------------------------------------------

    def trylock(self, ticket: int = 0) -> bool:
        """Take the lock if it is free; False when it is not."""
        if self.locked:
            return False
        self.locked = True
        self.ticket = ticket
        return True

    def lock(self, interruptible: bool = True) -> Blocking[None]:
        """Take the lock, sleeping while another call holds it; raises ERESTARTSYS on a signal if ``interruptible``."""
        while self.locked:
            if self._waiters is None:
                self._waiters = WaitQueue()
            if (yield Sleep((self._waiters,), None, interruptible)) is Wake.INTERRUPTED:
                raise KernelError(ERESTARTSYS)
        self.locked = True
        self.ticket = 0

    def unlock(self) -> None:
        """Give the lock back and let the next one have it."""
        if not self.locked:
            raise AssertionError("unlock of a dma_resv that nobody holds")
        self.locked = False
        if self._waiters is not None:
            self._waiters.wake_all()
