# SPDX-License-Identifier: MIT
"""Command buffers on their way to a ring, and the memory of those that the kernel itself builds (amdgpu_ib.c).

Of the kernel's pools only the "delayed" one is modelled. It is small, one for each device, and serves the page-table
jobs of every process, clears and moves. A job holds its part until it has *finished*, so jobs that wait for a gate can
use it up for everybody (KERNEL.md E15).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_fence import amdgpu_fence_emit
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import SDMA_IB_ALIGNMENT, amdgpu_ring_emit_ib, user_fence_address
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, WaitQueue
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing

__all__ = ("DelayedIbPool", "amdgpu_ib_schedule")

_QWORD_SIZE = 8
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


def amdgpu_ib_schedule(ring: AmdgpuRing, job: AmdgpuJob) -> DmaFence:
    """Write a job to the ring; returns its hardware fence.

    The kernel brackets the IBs with cache flushes and, where the job depends on another one of the same ring, a
    pipeline sync. The model's rings finish one job before they begin the next, so these would do nothing.

    Leaves out: EINVAL for a job with an IB but no VMID and for SECURE IBs on rings that cannot, frame control, shadow,
    GDS and SPM switches, conditional execution.
    """
    adev = ring.adev
    if adev.ddev.unplugged:
        adev.err(f"couldn't schedule ib on ring <{ring.name}>")
        raise KernelError(errno.EINVAL, "the ring is gone")
    for index, ib in enumerate(job.ibs):
        if ib.va & SDMA_IB_ALIGNMENT - 1 or ib.flags & drm.AMDGPU_IB_FLAG_CE:
            job.ibs[index] = amdgpu_ring_emit_ib(ring, ib)
    if job.uf_address is not None and job.uf_address % _QWORD_SIZE:
        job.uf_address = user_fence_address(ring, job.uf_address)
    fence = amdgpu_fence_emit(ring, job)
    fence.work = work = job.hardware_work(fence.done)
    ring.hw.submit(work)
    return fence
