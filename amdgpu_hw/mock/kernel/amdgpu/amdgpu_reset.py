# SPDX-License-Identifier: MIT
"""What happens when a job does not end: dump, soft recovery, reset of its ring, reset of the GPU.

From amdgpu_job.c (amdgpu_job_timedout), amdgpu_ring.c, amdgpu_device.c and amdgpu_reset.c; see KERNEL.md 4.7. The
model has no virtual functions, no xGMI hives and no RAS, so their parts of these functions are left out.
"""

from __future__ import annotations

import errno
from enum import Flag, IntEnum, auto
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_dev_coredump import amdgpu_coredump
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_fence import (
    AmdgpuFence,
    amdgpu_fence_driver_force_completion,
    amdgpu_ring_set_fence_errors_and_reemit,
)
from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmGpuSchedStat
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
    from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence

__all__ = (
    "ResetSource",
    "ResetType",
    "amdgpu_device_gpu_recover",
    "amdgpu_job_timedout",
    "amdgpu_vm_print_task_info",
    "reset_masks",
    "supported_resets",
)


class ResetSource(IntEnum):
    """`enum AMDGPU_RESET_SRCS`, as far as there are any here."""

    JOB = 1
    USER = 5
    """Somebody read amdgpu_gpu_recover in debugfs."""


class ResetType(Flag):
    """What can be reset (AMDGPU_RESET_TYPE_*)."""

    FULL = auto()
    SOFT_RESET = auto()
    """Shaders of a hung job can be killed."""
    PER_QUEUE = auto()


_LAG_PART = 4
"""A ring that is behind its modelled time by this part of the timeout is short of the host's CPU time."""
_FORGIVEN_MAX = 4
"""So many more timeouts a job gets then."""

_SDMA_WITH_QUEUE_RESET = frozenset(
    # sdma_v4_4_2_update_reset_mask, sdma_v5_0_sw_init, sdma_v5_2_sw_init, sdma_v6_0_sw_init; all of SDMA 7 as well.
    (
        *((4, 4, 2), (4, 4, 4), (4, 4, 5)),
        *((5, 0, 0), (5, 0, 2), (5, 0, 5)),
        *((5, 2, 0), (5, 2, 2), (5, 2, 3), (5, 2, 4), (5, 2, 5)),
        *((6, 0, 0), (6, 0, 2), (6, 0, 3)),
    )
)


def supported_resets(ring: AmdgpuRing) -> ResetType:
    """Tell how a hung ring can be got going again (amdgpu_ring_is_reset_type_supported)."""
    adev = ring.adev
    variant, gc, sdma = adev.variant, adev.identity.gc_version, adev.identity.sdma_version
    supported = ResetType.FULL if adev.gpu_recovery else ResetType(0)
    is_shader_engine = ring.hw_ip in (drm.AMDGPU_HW_IP_GFX, drm.AMDGPU_HW_IP_COMPUTE)
    kills_waves = gc < (10,) or variant.soft_recovery_on_rdna
    if is_shader_engine and kills_waves and not adev.debug_disable_soft_recovery:
        supported |= ResetType.SOFT_RESET
    if ring.hw_ip == drm.AMDGPU_HW_IP_GFX:
        by_queue = gc >= variant.gfx_ring_reset_since
    elif ring.hw_ip == drm.AMDGPU_HW_IP_COMPUTE:
        by_queue = gc >= (9,)
    else:
        by_queue = variant.has_sdma_ring_reset and (sdma in _SDMA_WITH_QUEUE_RESET or sdma >= (7,))
    # It also takes firmware that is recent enough, which the GPU's description stands for.
    if by_queue and adev.identity.chip.ring_reset and not adev.debug_disable_gpu_ring_reset:
        supported |= ResetType.PER_QUEUE
    return supported


def reset_masks(adev: AmdgpuDevice) -> dict[str, str]:
    """Return what the files ``*_reset_mask`` of the device say (amdgpu_show_reset_mask); none on older kernels."""
    if not adev.variant.has_reset_masks:
        return {}
    kinds = {"gfx": drm.AMDGPU_HW_IP_GFX, "compute": drm.AMDGPU_HW_IP_COMPUTE, "sdma": drm.AMDGPU_HW_IP_DMA}
    masks = {}
    for name, hw_ip in kinds.items():
        ring = next((ring for ring in adev.rings if ring.hw_ip == hw_ip), None)
        if ring is not None:
            masks[f"{name}_reset_mask"] = _show_reset_mask(supported_resets(ring))
    return masks


def _show_reset_mask(supported: ResetType) -> str:
    if not supported:
        return "unsupported\n"
    words = {
        ResetType.SOFT_RESET: "soft ",
        ResetType.PER_QUEUE: "queue ",
        ResetType.FULL: "full ",
    }
    return "".join(word for kind, word in words.items() if kind in supported) + "\n"


# -- a job has timed out ------------------------------------------------------------------------------------------


def amdgpu_job_timedout(ring: AmdgpuRing, job: AmdgpuJob) -> DrmGpuSchedStat:
    """Get the ring going again, with the least that helps."""
    adev = ring.adev
    if adev.ddev.unplugged:
        adev.info(f"amdgpu_job_timedout - device unplugged skipping recovery on scheduler:{ring.name}")
        return DrmGpuSchedStat.ENODEV
    parent = job.s_fence.parent
    # Timers run before other work here. The kernel finds such a job off the list, or done in the soft recovery.
    if adev.in_reset or not isinstance(parent, AmdgpuFence) or parent.signaled or _is_only_slow(adev, job):
        return DrmGpuSchedStat.NO_HANG
    _amdgpu_job_core_dump(adev, job)
    supported = supported_resets(ring)
    if ResetType.SOFT_RESET in supported and _amdgpu_ring_soft_recovery(ring, job.vmid, parent):
        adev.err(f"ring {ring.name} timeout, but soft recovered")
        return DrmGpuSchedStat.RESET
    adev.err(f"ring {ring.name} timeout, signaled seq={ring.fence_drv.last_seq}, emitted seq={ring.fence_drv.sync_seq}")
    amdgpu_vm_print_task_info(adev, job.vm)
    if adev.variant.ring_reset_cancels_ring:
        job.s_fence.set_error(-errno.ETIME)
    if ResetType.PER_QUEUE in supported and _amdgpu_ring_reset(ring, job, parent):
        return DrmGpuSchedStat.RESET
    job.s_fence.set_error(-errno.ETIME)
    if ResetType.FULL in supported:
        amdgpu_device_gpu_recover(adev, job, ResetSource.JOB)
    else:
        adev.info("GPU recovery disabled.")
        ring.sched.suspend_timeout()
    return DrmGpuSchedStat.RESET


def _is_only_slow(adev: AmdgpuDevice, job: AmdgpuJob) -> bool:
    """Tell whether a job is late because the mock executes packets more slowly than hardware, on this ring or another.

    There is no such thing in the kernel. A few times over, for an endless loop of packets looks the same.
    """
    lag = max(ring.hw.lag() for ring in adev.rings)
    if job.forgiven >= _FORGIVEN_MAX or lag * _LAG_PART < (job.sched.timeout or 0) or not lag:
        return False
    job.forgiven += 1
    adev.info(f"ring {job.sched.name}: the mock is {lag / 1e9:.2f} s behind, so its job gets more time")
    return True


def _amdgpu_job_core_dump(adev: AmdgpuDevice, job: AmdgpuJob) -> None:
    adev.info("Dumping IP State")
    adev.info("Dumping IP State Completed")
    amdgpu_coredump(adev, True, False, job)


def amdgpu_vm_print_task_info(adev: AmdgpuDevice, vm: AmdgpuVm | None) -> None:
    """Say whose address space it was."""
    if vm is not None:
        adev.err(f" Process {vm.process_name} pid {vm.pid} thread {vm.process_name} pid {vm.pid}")


def _amdgpu_ring_soft_recovery(ring: AmdgpuRing, vmid: int, fence: DmaFence) -> bool:
    """Try to kill the waves of a job, so that it ends with ENODATA (amdgpu_ring_soft_recovery).

    Packets that only wait are not waves. The fence then keeps the error for now; a reset sets another one.
    """
    fence.set_error(-errno.ENODATA)
    if not ring.hw.kill_waves(vmid):
        return False
    ring.adev.gpu_reset_counter += 1
    return True


def _amdgpu_ring_reset(ring: AmdgpuRing, job: AmdgpuJob, guilty: AmdgpuFence) -> bool:
    """Reset one ring: the guilty job ends with ETIME, what its context queued behind it with ECANCELED.

    Jobs of other contexts stay on the ring and run; before 6.17 everything on the ring was cancelled. False when the
    reset fails.
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
    _wedged_event(adev, job.vm)
    return True


# -- reset of the GPU ---------------------------------------------------------------------------------------------


def amdgpu_device_gpu_recover(adev: AmdgpuDevice, job: AmdgpuJob | None, source: ResetSource) -> None:
    """Reset the whole GPU: every job on every ring is cancelled, ``job`` is to blame, and VRAM is lost.

    What was only queued runs afterwards, unless its address space needs page tables that are gone: those
    submissions and their contexts get ECANCELED (the VM's generation has changed). Takes its time: what is submitted
    meanwhile stays queued.
    """
    if adev.in_reset:
        return
    adev.info(f"GPU reset begin!. Source:  {source.value}")
    adev.in_reset = True
    # amdgpu_device_halt_activities
    for ring in adev.rings:
        ring.sched.stop(job)
    adev.gpu_reset_counter += 1
    # amdgpu_device_pre_asic_reset
    for ring in adev.rings:
        amdgpu_fence_driver_force_completion(ring)
    adev.cancel_user_queues()
    if job is not None and job.vm is not None:
        job.sched.increase_karma(job)
    vm = job.vm if job is not None else None

    def resume() -> None:
        _gpu_resume(adev, vm)

    kernel, timing = adev.kernel, adev.gpu.timing
    if timing is None:
        resume()
    else:
        kernel.timers.call_at(kernel.now() + timing.gpu_reset, resume)


def _gpu_resume(adev: AmdgpuDevice, vm: AmdgpuVm | None) -> None:
    """The GPU is back: amdgpu_device_reinit_after_reset and amdgpu_device_sched_resume."""
    adev.in_reset = False
    if adev.ddev.unplugged:
        return
    adev.info("GPU reset succeeded, trying to resume")
    if not adev.identity.chip.apu:
        adev.info("VRAM is lost due to GPU reset!")
        adev.vram_lost_counter += 1
        _lose_vram(adev)
    for ring in adev.rings:
        # Nothing reports how a ring's jobs ended but -ECANCELED, not even that of the guilty one (drm_sched_start).
        ring.sched.start()
    adev.info(f"GPU reset({adev.gpu_reset_counter}) succeeded!")
    _wedged_event(adev, vm)


def _lose_vram(adev: AmdgpuDevice) -> None:
    """VRAM comes back as zeros, and with it all page tables; the VMs write theirs anew when they are next used."""
    adev.mman.lose_vram()
    for vm in adev.vms.values():
        vm.page_table.lose()


def _wedged_event(adev: AmdgpuDevice, vm: AmdgpuVm | None) -> None:
    if adev.variant.has_wedged_uevent:
        adev.ddev.wedged_event("none", (vm.pid, vm.process_name) if vm is not None and vm.process_name else None)
