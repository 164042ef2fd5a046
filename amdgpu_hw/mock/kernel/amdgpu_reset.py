# SPDX-License-Identifier: MIT
"""What happens when a job does not end: timeout, reset of its ring, reset of the GPU.

The kernel first tries a soft recovery, which kills shader waves. What hangs on a mock GPU is a command processor
that waits for memory or met an illegal packet; no wave is to blame and soft recovery would not help, so it is left
out. See KERNEL.md 4.7.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu_fence import (
    AmdgpuFence,
    amdgpu_fence_driver_force_completion,
    amdgpu_fence_driver_guilty_force_completion,
)
from amdgpu_hw.mock.kernel.gpu_scheduler import DrmGpuSchedStat

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu_device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.amdgpu_ring import AmdgpuRing
    from amdgpu_hw.mock.kernel.amdgpu_vm_types import AmdgpuVm

__all__ = ("amdgpu_device_gpu_recover", "amdgpu_job_timedout", "amdgpu_ring_reset", "amdgpu_vm_print_task_info")

AMDGPU_RESET_SRC_JOB = 1


def amdgpu_job_timedout(ring: AmdgpuRing, job: AmdgpuJob) -> DrmGpuSchedStat:
    """Get the ring going again: reset it alone if this GPU can, else the whole GPU."""
    adev = ring.adev
    parent = job.s_fence.parent
    if not isinstance(parent, AmdgpuFence) or parent.signaled:
        return DrmGpuSchedStat.NO_HANG
    adev.err("Dumping IP State")
    adev.err("Dumping IP State Completed")
    adev.err(f"ring {ring.name} timeout, signaled seq={ring.fence_drv.last_seq}, emitted seq={ring.fence_drv.sync_seq}")
    amdgpu_vm_print_task_info(adev, job.vm)
    if adev.identity.chip.ring_reset:
        amdgpu_ring_reset(ring, parent)
    else:
        job.s_fence.set_error(-errno.ETIME)
        amdgpu_device_gpu_recover(adev, job)
    return DrmGpuSchedStat.RESET


def amdgpu_vm_print_task_info(adev: AmdgpuDevice, vm: AmdgpuVm | None) -> None:
    """Say whose address space it was."""
    if vm is not None:
        adev.err(f" Process {vm.process_name} pid {vm.pid} thread {vm.process_name} pid {vm.pid}")


def amdgpu_ring_reset(ring: AmdgpuRing, guilty: AmdgpuFence) -> None:
    """Reset one ring: the guilty job ends with ETIME, what its context queued behind it with ECANCELED.

    Jobs of other contexts stay on the ring and run.
    """
    adev = ring.adev
    adev.err(f"Starting {ring.name} ring reset")
    amdgpu_fence_driver_guilty_force_completion(guilty)
    _drop_blamed(ring)
    adev.gpu_reset_counter += 1
    adev.err(f"Ring {ring.name} reset succeeded")
    _wedged_event(adev)


def amdgpu_device_gpu_recover(adev: AmdgpuDevice, job: AmdgpuJob | None) -> None:
    """Reset the whole GPU: every job on every ring is cancelled, ``job`` is to blame, and VRAM is lost.

    What was only queued runs afterwards, unless its address space needs page tables that are gone: those
    submissions and their contexts get ECANCELED (the VM's generation has changed).
    """
    adev.in_reset = True
    adev.info(f"GPU reset begin!. Source:  {AMDGPU_RESET_SRC_JOB}")
    for ring in adev.rings:
        ring.sched.stop(job)
        if job is not None and job.sched is ring.sched:
            ring.sched.increase_karma(job)
        amdgpu_fence_driver_force_completion(ring)
        _drop_blamed(ring)
    if not adev.identity.chip.apu:
        adev.info("VRAM is lost due to GPU reset!")
        adev.vram_lost_counter += 1
    adev.gpu_reset_counter += 1
    adev.in_reset = False
    for ring in adev.rings:
        ring.sched.start()
    adev.info(f"GPU reset({adev.gpu_reset_counter}) succeeded!")
    _wedged_event(adev)


def _drop_blamed(ring: AmdgpuRing) -> None:
    """Cut off the jobs at the head of the ring that have been given an error."""
    pending = ring.fence_drv.pending
    while pending and pending[0].error:
        ring.hw.abort_current(pending[0].error)


def _wedged_event(adev: AmdgpuDevice) -> None:
    if adev.variant.has_wedged_uevent:
        adev.info("[drm] device wedged, but recovered through reset")
