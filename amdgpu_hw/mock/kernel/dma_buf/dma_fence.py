# SPDX-License-Identifier: MIT
"""Fences: something that will be done exactly once (drivers/dma-buf/dma-fence.c).

The mock kernel has one thread, so nothing here takes a lock. `DmaFence.signal` calls the callbacks directly; a
callback may signal other fences and queue work, but never runs a job: everything that moves jobs goes through the
kernel's work queue.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, WaitQueue, Wake

__all__ = (
    "DmaFence",
    "FenceCallback",
    "dma_fence_allocate_private_stub",
    "dma_fence_context_alloc",
    "dma_fence_get_stub",
    "dma_fence_is_later",
    "dma_fence_wait",
    "wait_for_all_fences",
    "wait_for_any_fence",
)

FenceCallback: TypeAlias = Callable[["DmaFence"], None]

_next_context = 1


def dma_fence_context_alloc(num: int = 1) -> int:
    """Reserve ``num`` consecutive contexts (timelines); returns the first."""
    global _next_context
    context = _next_context
    _next_context += num
    return context


class DmaFence:
    """`struct dma_fence`: signalled once, perhaps with an error.

    ``signaled`` is `dma_fence_is_signaled`; ``error`` is 0 or a negative errno and final once signalled;
    ``timestamp`` is the CLOCK_MONOTONIC time of signalling in ns, 0 before. ``dont_pipeline`` is
    DRM_SCHED_FENCE_DONT_PIPELINE: the scheduler must wait for the fence itself although its job runs on the same ring.
    """

    __slots__ = (
        "_callbacks",
        "_wait_queue",
        "context",
        "dont_pipeline",
        "driver_name",
        "error",
        "seqno",
        "signaled",
        "timeline_name",
        "timestamp",
    )

    def __init__(self, context: int, seqno: int, driver_name: str = "mock", timeline_name: str = "unbound") -> None:
        self.context = context
        self.seqno = seqno
        self.driver_name = driver_name
        self.timeline_name = timeline_name
        self.signaled = False
        self.error = 0
        self.timestamp = 0
        self.dont_pipeline = False
        self._callbacks: list[FenceCallback] | None = None
        self._wait_queue: WaitQueue | None = None

    def __repr__(self) -> str:
        state = "active" if not self.signaled else f"error {self.error}" if self.error else "signaled"
        return f"<{self.driver_name}-{self.timeline_name} {self.context}:{self.seqno} {state}>"

    def add_callback(self, fn: FenceCallback) -> bool:
        """Call ``fn(fence)`` when the fence signals. False, and no call, when it has already."""
        if self.signaled:
            return False
        if self._callbacks is None:
            self._callbacks = [fn]
        else:
            self._callbacks.append(fn)
        return True

    def remove_callback(self, fn: FenceCallback) -> bool:
        """Take back `add_callback`; False when ``fn`` has been called, or never was added."""
        if self._callbacks is None or fn not in self._callbacks:
            return False
        self._callbacks.remove(fn)
        return True

    def signal(self, error: int = 0) -> bool:
        """Mark as done with ``error`` (0 or a negative errno); False when it already was."""
        if self.signaled:
            return False
        if error:
            self.error = error
        self.signaled = True
        self.timestamp = time.monotonic_ns()
        self._notify()
        return True

    def set_error(self, error: int) -> None:
        """Say how the fence will end (`dma_fence_set_error`); must not have signalled yet."""
        if self.signaled:
            raise AssertionError(f"error {error} set on {self!r}")
        self.error = error

    def get_status(self) -> int:
        """0 while active, 1 when done, a negative errno when done with an error."""
        if not self.signaled:
            return 0
        return self.error or 1

    def set_deadline(self, deadline_ns: int) -> None:
        """Hint that somebody waits for it (absolute CLOCK_MONOTONIC, ns); most fences do not care."""

    @property
    def wait_queue(self) -> WaitQueue:
        """Woken when the fence signals; made when first asked for."""
        queue = self._wait_queue
        if queue is None:
            queue = self._wait_queue = WaitQueue()
        return queue

    def _notify(self) -> None:
        callbacks = self._callbacks
        if callbacks is not None:
            self._callbacks = None
            for fn in callbacks:
                fn(self)
        if self._wait_queue is not None:
            self._wait_queue.wake_all()


def dma_fence_is_later(f1: DmaFence, f2: DmaFence) -> bool:
    """Whether ``f1`` comes after ``f2`` on the timeline that both are on.

    Leaves out: the check that both are on one timeline, and that 32-bit numbers wrap around.
    """
    return f1.seqno > f2.seqno


_stub = DmaFence(0, 0, "stub", "stub")
_stub.signal()


def dma_fence_get_stub() -> DmaFence:
    """The one fence that has always been signalled."""
    return _stub


def dma_fence_allocate_private_stub(timestamp: int) -> DmaFence:
    """A new signalled fence that says it was done at ``timestamp`` (CLOCK_MONOTONIC, ns)."""
    fence = DmaFence(0, 0, "stub", "stub")
    fence.signal()
    fence.timestamp = timestamp
    return fence


def dma_fence_wait(fence: DmaFence, interruptible: bool = True, deadline: int | None = None) -> Blocking[bool]:
    """Sleep until the fence signals; False when ``deadline`` (absolute, ns) passed first.

    Raises ERESTARTSYS on a signal if ``interruptible``. A deadline in the past only polls.
    """
    return wait_for_all_fences((fence,), interruptible, deadline)


def wait_for_all_fences(
    fences: Sequence[DmaFence], interruptible: bool = True, deadline: int | None = None
) -> Blocking[bool]:
    """Sleep until every fence has signalled; as `dma_fence_wait`."""
    for fence in fences:
        while not fence.signaled:
            if not (yield from _sleep((fence.wait_queue,), interruptible, deadline)):
                return all(other.signaled for other in fences)
    return True


def wait_for_any_fence(
    fences: Sequence[DmaFence], interruptible: bool = True, deadline: int | None = None
) -> Blocking[int | None]:
    """Sleep until one of the fences has signalled; its index, None when the deadline passed first."""
    while True:
        for index, fence in enumerate(fences):
            if fence.signaled:
                return index
        if not (yield from _sleep(tuple(fence.wait_queue for fence in fences), interruptible, deadline)):
            return next((index for index, fence in enumerate(fences) if fence.signaled), None)


def _sleep(queues: Sequence[WaitQueue], interruptible: bool, deadline: int | None) -> Blocking[bool]:
    if deadline is not None and deadline <= time.monotonic_ns():
        return False
    wake = yield Sleep(queues, deadline, interruptible)
    if wake is Wake.INTERRUPTED:
        raise KernelError(ERESTARTSYS)
    return wake is not Wake.TIMED_OUT
