# SPDX-License-Identifier: MIT
"""Fences that stand for several others (drivers/dma-buf/dma-fence-array.c)."""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, FenceCallback
from amdgpu_hw.mock.kernel.wait import WaitQueue

__all__ = ("DmaFenceArray",)


class DmaFenceArray(DmaFence):
    """Signals when all of its fences have; its error is that of the first one that failed.

    Looks at its fences when asked, and listens to them only when somebody waits for it, as
    `dma_fence_array_enable_signaling`.
    """

    __slots__ = ("_armed", "_done", "_pending", "fences")

    def __init__(self, fences: Sequence[DmaFence], context: int, seqno: int) -> None:
        self.fences = tuple(fences)
        self._armed = False
        self._done = False
        self._pending = 0
        super().__init__(context, seqno, "dma_fence_array", "unbound")

    @property
    def signaled(self) -> bool:
        """Whether all fences have signalled; the first to notice signals the array (`dma_fence_array_signaled`)."""
        if not self._done and not self._armed and all(fence.signaled for fence in self.fences):
            self._finish()
        return self._done

    @signaled.setter
    def signaled(self, value: bool) -> None:
        self._done = value

    def add_callback(self, fn: FenceCallback) -> bool:
        """As `DmaFence.add_callback`; starts to listen to the fences."""
        self._enable_signaling()
        return super().add_callback(fn)

    @property
    def wait_queue(self) -> WaitQueue:
        """As `DmaFence.wait_queue`; starts to listen to the fences."""
        self._enable_signaling()
        return super().wait_queue

    def set_deadline(self, deadline_ns: int) -> None:
        """Pass the hint on to all fences."""
        for fence in self.fences:
            fence.set_deadline(deadline_ns)

    def _enable_signaling(self) -> None:
        if self._armed or self.signaled:
            return
        self._armed = True
        # Every fence is counted before the first can call back.
        self._pending = len(self.fences)
        for fence in self.fences:
            if not fence.add_callback(self._fence_signaled):
                self._fence_signaled(fence)

    def _fence_signaled(self, _fence: DmaFence) -> None:
        self._pending -= 1
        if not self._pending:
            self._finish()

    def _finish(self) -> None:
        # signal() asks `signaled` first, which must not find the array finished a second time.
        self._armed = True
        self.signal(next((fence.error for fence in self.fences if fence.error), 0))
