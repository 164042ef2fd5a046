# SPDX-License-Identifier: MIT
"""Memory for the command buffers the kernel itself builds: amdgpu_ib.c, the "delayed" pool.

One small pool per device serves the page-table jobs of every process, clears and moves. A job holds its part until
it has *finished*, so jobs that wait for a gate can use it up for everybody (KERNEL.md E15).
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, WaitQueue

__all__ = ("DelayedIbPool",)

POOL_UNITS = 1024
"""1 MiB in pieces of 1 KiB, the least a job takes."""


class DelayedIbPool:
    """A counter in units of 1 KiB.

    A caller looks at `exhausted` before it changes anything and then sleeps in `wait`; the kernel sleeps in the
    allocation itself. Both happen with the root directory locked, so nobody can tell. An operation that needs
    several jobs may overdraw the pool by those.
    """

    __slots__ = ("_waiters", "units", "used")

    def __init__(self, units: int = POOL_UNITS) -> None:
        self.units = units
        self.used = 0
        self._waiters = WaitQueue()

    @property
    def exhausted(self) -> bool:
        """Whether the next job has to wait for another one to finish."""
        return self.used >= self.units

    def take(self, fence: DmaFence) -> None:
        """Give one unit to a job until its finished fence signals."""
        if fence.add_callback(self._give_back):
            self.used += 1

    def wait(self) -> Blocking[None]:
        """Sleep, uninterruptibly, until there is room (amdgpu_sa_bo_new)."""
        while self.exhausted:
            yield Sleep((self._waiters,), None, interruptible=False)

    def _give_back(self, _fence: DmaFence) -> None:
        self.used -= 1
        self._waiters.wake_all()
