# SPDX-License-Identifier: MIT
"""Rings: what the driver keeps for each queue of the hardware (amdgpu_ring.c, amdgpu_ring.h).

The kernel writes packets into the buffer of a ring. Here the model's ring (`gpu_model.ring`) is given the work itself,
so whatever only builds packets is left out.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.recover import wedged_event
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_fence import (
    AmdgpuFenceDriver,
    amdgpu_fence_driver_force_completion,
    amdgpu_ring_set_fence_errors_and_reemit,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import AMDGPU_GFXHUB
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_get_stub
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.ring import Ring
    from amdgpu_hw.gpu_model.work import PlacedIb
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_fence import AmdgpuFence
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmGpuScheduler

__all__ = (
    "SCHED_HW_SUBMISSION",
    "SCHED_JOBS",
    "SDMA_IB_ALIGNMENT",
    "AmdgpuRing",
    "amdgpu_ring_emit_ib",
    "amdgpu_ring_max_ibs",
    "amdgpu_ring_reset",
    "amdgpu_ring_soft_recovery",
    "user_fence_address",
)

SCHED_JOBS = 32
"""Module parameter sched_jobs: unfinished submissions of one context entity."""
SCHED_HW_SUBMISSION = 2
"""Module parameter sched_hw_submission: jobs on a ring at a time."""
PAGE_QUEUE_HW_SUBMISSION = 256
"""The same for the first SDMA page queue (amdgpu_ring_init)."""


SDMA_IB_ALIGNMENT = 32
"""In bytes; the lower bits of an address are not in the packet (sdma_v*_ring_emit_ib)."""
_FENCE_UNIT, _SDMA_FENCE_UNIT = 8, 4
_SDMA_WITH_WARNING = 4
_GFX_WITH_ALIGNED_IBS = 9
_GFX_WITHOUT_CE = 11

_MAX_IBS = {
    drm.AMDGPU_HW_IP_GFX: 192,
    drm.AMDGPU_HW_IP_COMPUTE: 125,
    drm.AMDGPU_HW_IP_VCN_JPEG: 16,
}


def amdgpu_ring_max_ibs(hw_ip: int) -> int:
    """How many IBs one job may have on a ring of an IP."""
    return _MAX_IBS.get(hw_ip, 49)


class AmdgpuRing:
    """`struct amdgpu_ring`: one hardware queue, its scheduler and its fences.

    ``hw`` is the queue of the hardware model. ``no_user_submission``: only the kernel uses it (SDMA page queues).
    """

    __slots__ = (
        "adev",
        "fence_drv",
        "hw",
        "hw_ip",
        "hw_submission",
        "idx",
        "name",
        "no_user_submission",
        "sched",
        "vm_hub",
        "vmid_wait",
    )

    sched: DrmGpuScheduler

    def __init__(
        self,
        adev: AmdgpuDevice,
        idx: int,
        hw_ip: int,
        name: str,
        hw: Ring,
        *,
        vm_hub: int = AMDGPU_GFXHUB,
        hw_submission: int = SCHED_HW_SUBMISSION,
        no_user_submission: bool = False,
    ) -> None:
        self.adev = adev
        self.idx = idx
        self.hw_ip = hw_ip
        self.name = name
        self.hw = hw
        self.vm_hub = vm_hub
        self.hw_submission = hw_submission
        self.no_user_submission = no_user_submission
        self.fence_drv = AmdgpuFenceDriver(adev.fence_context + idx, name)
        self.vmid_wait: DmaFence = dma_fence_get_stub()
        """What the last job that found no free VMID waits for; the next ones queue up behind it."""

    def __repr__(self) -> str:
        return f"<ring {self.name}>"


def amdgpu_ring_emit_ib(ring: AmdgpuRing, ib: PlacedIb) -> PlacedIb:
    """Return an IB as the ring's packet names it; no ioctl checks the address or that there is a constant engine.

    Where the kernel has a BUG_ON(), its worker for the ring dies and the machine with it. Here the job fails.
    """
    adev = ring.adev
    gfx = adev.identity.gc_version[0]
    if ring.hw_ip == drm.AMDGPU_HW_IP_DMA:
        return ib._replace(va=ib.va & -SDMA_IB_ALIGNMENT)
    # Later kernels refuse such an IB in the ioctl, and run it as any other when told to let it through.
    no_ce = gfx >= _GFX_WITHOUT_CE and not adev.variant.blocks_ce_ibs
    if ib.flags & drm.AMDGPU_IB_FLAG_CE and ring.hw_ip == drm.AMDGPU_HW_IP_GFX and no_ce:
        adev.err(f"kernel BUG in gfx_v{gfx}_0_ring_emit_ib_gfx: there is no constant engine")
        raise KernelError(errno.EINVAL, "IB for an engine that is not there")
    if ib.va & 3 and gfx >= _GFX_WITH_ALIGNED_IBS:
        adev.err(f"kernel BUG in gfx_v{gfx}_0_ring_emit_ib: IB at {ib.va:#x}")
        raise KernelError(errno.EINVAL, "IB that does not start at a dword")
    return ib._replace(va=ib.va & ~3)


def user_fence_address(ring: AmdgpuRing, address: int) -> int:
    """Return where the packet behind a job writes its user fence: a qword, for SDMA a dword (`*_ring_emit_fence`).

    No ioctl checks the offset in the BO. GFX8 drops the lower bits without a word; from GFX9 on current kernels warn.
    Older ones have a BUG_ON() there but for SDMA 4, as `amdgpu_ring_emit_ib` has it.
    """
    adev = ring.adev
    sdma = ring.hw_ip == drm.AMDGPU_HW_IP_DMA
    unit = _SDMA_FENCE_UNIT if sdma else _FENCE_UNIT
    version = adev.identity.sdma_version if sdma else adev.identity.gc_version
    first_to_say_so = _SDMA_WITH_WARNING if sdma else _GFX_WITH_ALIGNED_IBS
    if address % unit and version[0] >= first_to_say_so:
        where = f"{'sdma' if sdma else 'gfx'}_v{version[0]}_{version[1]}_ring_emit_fence: user fence at {address:#x}"
        if adev.variant.bugs_on_unaligned_user_fence and not (sdma and version[0] == _SDMA_WITH_WARNING):
            adev.err(f"kernel BUG in {where}")
            raise KernelError(errno.EINVAL, "user fence that is not aligned")
        adev.warn(f"WARNING: {where}")
    return address & -unit


def amdgpu_ring_soft_recovery(ring: AmdgpuRing, vmid: int, fence: DmaFence) -> bool:
    """Try to kill the waves of a job, so that it ends with ENODATA.

    Packets that only wait are not waves. The fence then keeps the error for now; a reset sets another one.

    Leaves out: trying for 10 ms: the waves die at once or not at all.
    """
    fence.set_error(-errno.ENODATA)
    if not ring.hw.kill_waves(vmid):
        return False
    ring.adev.gpu_reset_counter += 1
    return True


def amdgpu_ring_reset(ring: AmdgpuRing, job: AmdgpuJob, guilty: AmdgpuFence) -> bool:
    """Reset one ring: the guilty job ends with ETIME, what its context queued behind it with ECANCELED.

    Jobs of other contexts stay on the ring and run; before 6.17 everything on the ring was cancelled. False when the
    reset fails.

    What the kernel's callers do around it is done here: the lines in the log, the counter, the uevent, stopping and
    starting the scheduler.
    """
    adev = ring.adev
    cancels_ring = adev.variant.ring_reset_cancels_ring
    if not cancels_ring:
        adev.err(f"Starting {ring.name} ring reset")
    if adev.kernel.faults.ring_reset_fails():
        if not cancels_ring:
            adev.err(f"Ring {ring.name} reset failed")
        return False
    adev.gpu_reset_counter += 1
    if cancels_ring:
        ring.sched.stop(job)
        amdgpu_fence_driver_force_completion(ring)
        ring.sched.start()
        return True
    amdgpu_ring_set_fence_errors_and_reemit(ring, guilty)
    adev.err(f"Ring {ring.name} reset succeeded")
    wedged_event(adev, job.vm)
    return True
