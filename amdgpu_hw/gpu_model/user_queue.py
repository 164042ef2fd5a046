# SPDX-License-Identifier: MIT
"""A queue that user space feeds itself: a ring in its memory, a doorbell that says how far it has been filled.

The scheduler firmware (MES) gives it a hardware queue. A write to a doorbell is a store to memory that the mock is not
told of, so the doorbell is looked at again and again, about as often as the firmware needs to map a queue.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.packets import Engine

from .ring import Ring
from .work import IbWork, PlacedIb

if TYPE_CHECKING:
    from .gpu import GpuCore
    from .loop import TimerHandle
    from .translation import Translator

__all__ = ("ModelledUserQueue",)

DOORBELL_POLL_NS = 300_000
"""Firmware takes 300 to 500 us to map a queue (libdrm's userq_tests.c)."""


class ModelledUserQueue:
    """A compute queue with ``size`` dwords of ring at ``va``, in an address space that runs as ``vmid``.

    ``read_doorbell`` tells what was written to its doorbell last: how many dwords have been put into the ring so far,
    ever. ``on_rptr(rptr)`` is called when that many dwords have been executed, ``on_fence(rptr)`` for each
    PROTECTED_FENCE_SIGNAL with what is behind it.
    """

    def __init__(
        self,
        gpu: GpuCore,
        index: int,
        va: int,
        size: int,
        page_table: Translator,
        vmid: int,
        read_doorbell: Callable[[], int],
        on_rptr: Callable[[int], None],
        on_fence: Callable[[int], None],
    ) -> None:
        self.ring = Ring(gpu, Engine.COMPUTE, index, f"userq{index}")
        self._gpu = gpu
        self._va = va
        self._size = size
        self._page_table = page_table
        self._vmid = vmid
        self._read_doorbell = read_doorbell
        self._on_rptr = on_rptr
        self._on_fence = on_fence
        self._wptr = read_doorbell()
        self._timer: TimerHandle | None = None
        self._look_again()

    def close(self) -> None:
        """Take it off the hardware; what it has not executed is dropped."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self.ring.abort_current(-errno.ECANCELED):
            pass

    def _look_again(self) -> None:
        self._timer = self._gpu.timers.call_at(self._gpu.now() + DOORBELL_POLL_NS, self._look)

    def _look(self) -> None:
        wptr = self._read_doorbell()
        if wptr != self._wptr:
            self._execute(self._wptr, wptr)
            self._wptr = wptr
        self._look_again()

    def _execute(self, start: int, end: int) -> None:
        """Run what was put into the ring; a doorbell that was set back, or by more than the ring has, is none."""
        if not 0 < end - start <= self._size:
            return
        while start < end:
            at = start % self._size
            count = min(end - start, self._size - at)
            va = self._va + 4 * at
            self.ring.submit(
                IbWork(
                    [PlacedIb(va, count)],
                    self._page_table,
                    self._vmid,
                    on_done=partial(self._executed, start + count),
                    on_protected_fence=partial(self._told, start, va),
                )
            )
            start += count

    def _executed(self, rptr: int, error: int) -> None:
        if not error:
            self._on_rptr(rptr)

    def _told(self, start: int, va: int, behind: int) -> None:
        self._on_fence(start + (behind - va) // 4)
