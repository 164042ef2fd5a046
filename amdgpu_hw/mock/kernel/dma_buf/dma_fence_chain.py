# SPDX-License-Identifier: MIT
"""Timelines made of fences (drivers/dma-buf/dma-fence-chain.c).

A chain node is one point: it signals when its own fence *and every earlier node* have signalled.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, FenceCallback, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.wait import WaitQueue

__all__ = (
    "DmaFenceChain",
    "dma_fence_chain_contained",
    "dma_fence_chain_find_seqno",
    "dma_fence_chain_for_each",
    "dma_fence_chain_walk",
    "to_dma_fence_chain",
)


class DmaFenceChain(DmaFence):
    """A point ``seqno`` that completes with ``fence``, after ``prev`` (`dma_fence_chain_init`).

    Signalled nodes are dropped from the chain when it is walked. A point that is not later than ``prev`` starts a new
    context, which makes what QUERY says about the timeline unreliable, as in the kernel.
    """

    __slots__ = ("_armed", "_done", "fence", "prev", "prev_seqno")

    def __init__(self, prev: DmaFence | None, fence: DmaFence, seqno: int) -> None:
        self.prev = prev
        self.fence = fence
        self.prev_seqno = 0
        self._armed = False
        self._done = False
        if isinstance(prev, DmaFenceChain) and seqno > prev.seqno:
            context = prev.context
            self.prev_seqno = prev.seqno
        else:
            context = dma_fence_context_alloc(1)
            if isinstance(prev, DmaFenceChain):
                seqno = max(prev.seqno, seqno)
        super().__init__(context, seqno, "dma_fence_chain", "unbound")

    @property
    def signaled(self) -> bool:
        """Whether this point has been reached; the first to notice signals the node (`dma_fence_chain_signaled`)."""
        if not self._done and self._first_active() is None:
            self._done = True
            self._complete()
        return self._done

    @signaled.setter
    def signaled(self, value: bool) -> None:
        self._done = value

    def add_callback(self, fn: FenceCallback) -> bool:
        """As `DmaFence.add_callback`; starts to listen to the chain."""
        self._enable_signaling()
        return super().add_callback(fn)

    @property
    def wait_queue(self) -> WaitQueue:
        """As `DmaFence.wait_queue`; starts to listen to the chain."""
        self._enable_signaling()
        return super().wait_queue

    def set_deadline(self, deadline_ns: int) -> None:
        """Pass the hint on to every fence of the chain up to here."""
        for link in dma_fence_chain_for_each(self):
            dma_fence_chain_contained(link).set_deadline(deadline_ns)

    def _first_active(self) -> DmaFence | None:
        for link in dma_fence_chain_for_each(self):
            fence = dma_fence_chain_contained(link)
            if not fence.signaled:
                return fence
        return None

    def _enable_signaling(self) -> None:
        # One callback on the first unfinished fence, moved on when it signals: signalling a long timeline does not
        # recurse through its nodes (dma_fence_chain_irq_work).
        if self._done or self._armed:
            return
        active = self._first_active()
        if active is None:
            self._done = True
            self._complete()
        else:
            self._armed = active.add_callback(self._rearm)

    def _rearm(self, _fence: DmaFence) -> None:
        self._armed = False
        self._enable_signaling()

    def _complete(self) -> None:
        self.timestamp = max(dma_fence_chain_contained(self).timestamp, self.timestamp)
        self._notify()


def to_dma_fence_chain(fence: DmaFence | None) -> DmaFenceChain | None:
    """The fence as a chain node, None when it is not one."""
    return fence if isinstance(fence, DmaFenceChain) else None


def dma_fence_chain_contained(fence: DmaFence) -> DmaFence:
    """What a chain node waits for itself; a fence that is no chain node contains itself."""
    return fence.fence if isinstance(fence, DmaFenceChain) else fence


def dma_fence_chain_walk(fence: DmaFence) -> DmaFence | None:
    """The next older link whose own fence is unfinished; drops the finished ones in between from the chain."""
    if not isinstance(fence, DmaFenceChain):
        return None
    while (prev := fence.prev) is not None:
        if isinstance(prev, DmaFenceChain):
            if not prev.fence.signaled:
                return prev
            fence.prev = prev.prev
        else:
            if not prev.signaled:
                return prev
            fence.prev = None
    return None


def dma_fence_chain_for_each(head: DmaFence | None) -> Iterator[DmaFence]:
    """The head and then every older unfinished link."""
    link = head
    while link is not None:
        yield link
        link = dma_fence_chain_walk(link)


def dma_fence_chain_find_seqno(fence: DmaFence | None, seqno: int) -> DmaFence | None:
    """The link that completes point ``seqno``; point 0 is the fence itself.

    None when the point has been reached and its node is gone. Raises EINVAL when ``fence`` is no chain, or has not got
    that far.
    """
    if not seqno:
        return fence
    if not isinstance(fence, DmaFenceChain) or fence.seqno < seqno:
        raise KernelError(errno.EINVAL, f"no point {seqno} in {fence!r}")
    for link in dma_fence_chain_for_each(fence):
        if link.context != fence.context or not isinstance(link, DmaFenceChain) or link.prev_seqno < seqno:
            return link
    return None
