# SPDX-License-Identifier: MIT
"""Rings: what the driver keeps for each queue of the hardware (amdgpu_ring.c, amdgpu_ib.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_fence import AmdgpuFenceDriver, amdgpu_fence_emit
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import AMDGPU_GFXHUB
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_get_stub
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.ring import Ring
    from amdgpu_hw.gpu_model.work import Ib
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmGpuScheduler

__all__ = (
    "SCHED_HW_SUBMISSION",
    "SCHED_JOBS",
    "AmdgpuRing",
    "amdgpu_ctx_num_entities",
    "amdgpu_ib_schedule",
    "amdgpu_ring_max_ibs",
)

SCHED_JOBS = 32
"""Module parameter sched_jobs: unfinished submissions of one context entity."""
SCHED_HW_SUBMISSION = 2
"""Module parameter sched_hw_submission: jobs on a ring at a time."""
PAGE_QUEUE_HW_SUBMISSION = 256
"""The same for the first SDMA page queue (amdgpu_ring_init)."""

amdgpu_ctx_num_entities = {
    drm.AMDGPU_HW_IP_GFX: 1,
    drm.AMDGPU_HW_IP_COMPUTE: 4,
    drm.AMDGPU_HW_IP_DMA: 2,
    drm.AMDGPU_HW_IP_UVD: 1,
    drm.AMDGPU_HW_IP_VCE: 1,
    drm.AMDGPU_HW_IP_UVD_ENC: 1,
    drm.AMDGPU_HW_IP_VCN_DEC: 1,
    drm.AMDGPU_HW_IP_VCN_ENC: 1,
    drm.AMDGPU_HW_IP_VCN_JPEG: 1,
    drm.AMDGPU_HW_IP_VPE: 1,
}
"""Rings a context can name, by IP."""

_SDMA_IB_ALIGNMENT = 32
"""In bytes; the lower bits of an address are not in the packet (sdma_v*_ring_emit_ib)."""
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


def _amdgpu_ring_emit_ib(ring: AmdgpuRing, ib: Ib) -> Ib:
    """Return an IB as the ring's packet names it; no ioctl checks the address or that there is a constant engine.

    Where the kernel has a BUG_ON(), its worker for the ring dies and the machine with it. Here the job fails.
    """
    adev = ring.adev
    gfx = adev.identity.gc_version[0]
    if ring.hw_ip == drm.AMDGPU_HW_IP_DMA:
        return ib._replace(va=ib.va & -_SDMA_IB_ALIGNMENT)
    # Later kernels refuse such an IB in the ioctl, and run it as any other when told to let it through.
    no_ce = gfx >= _GFX_WITHOUT_CE and not adev.variant.blocks_ce_ibs
    if ib.flags & drm.AMDGPU_IB_FLAG_CE and ring.hw_ip == drm.AMDGPU_HW_IP_GFX and no_ce:
        adev.err(f"kernel BUG in gfx_v{gfx}_0_ring_emit_ib_gfx: there is no constant engine")
        raise KernelError(errno.EINVAL, "IB for an engine that is not there")
    if ib.va & 3 and gfx >= _GFX_WITH_ALIGNED_IBS:
        adev.err(f"kernel BUG in gfx_v{gfx}_0_ring_emit_ib: IB at {ib.va:#x}")
        raise KernelError(errno.EINVAL, "IB that does not start at a dword")
    return ib._replace(va=ib.va & ~3)


def amdgpu_ib_schedule(ring: AmdgpuRing, job: AmdgpuJob) -> DmaFence:
    """Write a job to the ring; returns its hardware fence.

    The kernel brackets the IBs with cache flushes and, where the job depends on another one of the same ring, a
    pipeline sync. The model's rings finish one job before they begin the next, so these would do nothing.
    """
    adev = ring.adev
    if adev.ddev.unplugged:
        adev.err(f"couldn't schedule ib on ring <{ring.name}>")
        raise KernelError(errno.EINVAL, "the ring is gone")
    for index, ib in enumerate(job.ibs):
        if ib.va & _SDMA_IB_ALIGNMENT - 1 or ib.flags & drm.AMDGPU_IB_FLAG_CE:
            job.ibs[index] = _amdgpu_ring_emit_ib(ring, ib)
    fence = amdgpu_fence_emit(ring, job)
    fence.work = work = job.hardware_work(fence.done)
    ring.hw.submit(work)
    return fence
