# SPDX-License-Identifier: MIT
"""Reset of the whole GPU: amdgpu_device_gpu_recover of amdgpu_device.c; see KERNEL.md 4.7."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_fence import amdgpu_fence_driver_force_completion

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_reset import ResetSource
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm

__all__ = ("amdgpu_device_gpu_recover", "wedged_event")


def amdgpu_device_gpu_recover(adev: AmdgpuDevice, job: AmdgpuJob | None, source: ResetSource) -> None:
    """Reset the whole GPU: every job on every ring is cancelled, ``job`` is to blame, and VRAM is lost.

    What was only queued runs afterwards, unless its address space needs page tables that are gone: those
    submissions and their contexts get ECANCELED (the VM's generation has changed). Takes its time: what is submitted
    meanwhile stays queued.

    Leaves out: RAS, hives, virtual functions, KFD, the health check, a reset that fails, taking away CPU mappings, and
    sparing the hardware when the guilty job is done after all.
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
    wedged_event(adev, vm)


def _lose_vram(adev: AmdgpuDevice) -> None:
    """VRAM comes back as zeros, and with it all page tables; the VMs write theirs anew when they are next used."""
    adev.mman.lose_vram()
    for vm in adev.vms.values():
        vm.page_table.lose()


def wedged_event(adev: AmdgpuDevice, vm: AmdgpuVm | None) -> None:
    """Tell user space about a reset, and whose job it was (drm_dev_wedged_event)."""
    if adev.variant.has_wedged_uevent:
        adev.ddev.wedged_event("none", (vm.pid, vm.process_name) if vm is not None and vm.process_name else None)
