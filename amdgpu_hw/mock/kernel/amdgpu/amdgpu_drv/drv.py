# SPDX-License-Identifier: MIT
"""The driver: which ioctls it has, and how a device comes to life (amdgpu_drv.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import amdgpu_bo_list_ioctl
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs import cs as amdgpu_cs
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs import wait as cs_wait
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import amdgpu_ctx_ioctl
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_debugfs import amdgpu_debugfs_init, debugfs_files
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_dma_buf import amdgpu_gem_prime_export, amdgpu_gem_prime_import
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.file import amdgpu_flush
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_fdinfo import amdgpu_show_fdinfo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_fence import amdgpu_fence_driver_force_completion
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem import gem as amdgpu_gem
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem import va as gem_va
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.create import amdgpu_gem_create_ioctl
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.dumb import amdgpu_mode_dumb_create
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.userptr import amdgpu_gem_userptr_ioctl
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms import kms as amdgpu_kms
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sched import amdgpu_sched_ioctl
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_userq import amdgpu_userq_ioctl
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_userq_fence import amdgpu_userq_signal_ioctl, amdgpu_userq_wait_ioctl
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.ioctl import amdgpu_vm_ioctl
from amdgpu_hw.mock.kernel.drm.drm_drv import (
    DRM_AUTH,
    DRM_MASTER,
    DRM_RENDER_ALLOW,
    DrmDevice,
    DrmDriver,
    DrmIoctlDesc,
    IoctlFunction,
)
from amdgpu_hw.mock.kernel.kobject import KOBJ_REMOVE
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi.drm import DRM_MINOR_RENDER_BASE

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpus.identity import ModelIdentity
    from amdgpu_hw.mock.kernel.kernel import Kernel
    from amdgpu_hw.mock.variants import Variant
    from amdgpu_hw.uapi.layout import Ioctl

__all__ = ("amdgpu_ioctls_kms", "amdgpu_kms_driver", "probe", "remove", "unbind")

DRIVER_NAME = "amdgpu"
DRIVER_DESC = "AMD GPU"
KMS_DRIVER_MAJOR = 3

_CLIENT = DRM_AUTH | DRM_RENDER_ALLOW

_IOCTLS: tuple[tuple[Ioctl, IoctlFunction, int], ...] = (
    (uapi.IOCTL_AMDGPU_GEM_CREATE, amdgpu_gem_create_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_CTX, amdgpu_ctx_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_VM, amdgpu_vm_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_SCHED, amdgpu_sched_ioctl, DRM_MASTER),
    (uapi.IOCTL_AMDGPU_BO_LIST, amdgpu_bo_list_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_FENCE_TO_HANDLE, cs_wait.amdgpu_cs_fence_to_handle_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_GEM_MMAP, amdgpu_gem.amdgpu_gem_mmap_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_GEM_WAIT_IDLE, amdgpu_gem.amdgpu_gem_wait_idle_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_CS, amdgpu_cs.amdgpu_cs_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_INFO, amdgpu_kms.amdgpu_info_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_WAIT_CS, cs_wait.amdgpu_cs_wait_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_WAIT_FENCES, cs_wait.amdgpu_cs_wait_fences_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_GEM_METADATA, amdgpu_gem.amdgpu_gem_metadata_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_GEM_VA, gem_va.amdgpu_gem_va_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_GEM_OP, amdgpu_gem.amdgpu_gem_op_ioctl, _CLIENT),
    (uapi.IOCTL_AMDGPU_GEM_USERPTR, amdgpu_gem_userptr_ioctl, _CLIENT),
)
_USERQ_IOCTLS: tuple[tuple[Ioctl, IoctlFunction], ...] = (
    (uapi.IOCTL_AMDGPU_USERQ, amdgpu_userq_ioctl),
    (uapi.IOCTL_AMDGPU_USERQ_SIGNAL, amdgpu_userq_signal_ioctl),
    (uapi.IOCTL_AMDGPU_USERQ_WAIT, amdgpu_userq_wait_ioctl),
)


def amdgpu_ioctls_kms(variant: Variant) -> dict[int, DrmIoctlDesc]:
    """Return the ioctl table of a kernel variant."""
    entries = [DrmIoctlDesc(ioctl, flags, func) for ioctl, func, flags in _IOCTLS]
    if variant.has_userq_ioctls:
        entries += [DrmIoctlDesc(ioctl, _CLIENT, func) for ioctl, func in _USERQ_IOCTLS]
    if variant.has_list_handles:
        entries.append(
            DrmIoctlDesc(uapi.IOCTL_AMDGPU_GEM_LIST_HANDLES, _CLIENT, amdgpu_gem.amdgpu_gem_list_handles_ioctl)
        )
    if variant.has_proc_options:
        entries.append(DrmIoctlDesc(uapi.IOCTL_AMDGPU_PROC_OPTIONS, _CLIENT, amdgpu_kms.amdgpu_proc_options_ioctl))
    return {entry.ioctl.nr: entry for entry in entries}


def amdgpu_kms_driver(variant: Variant) -> DrmDriver:
    """Return the driver of a kernel variant (`amdgpu_kms_driver`)."""
    return DrmDriver(
        name=DRIVER_NAME,
        desc=DRIVER_DESC,
        version=(KMS_DRIVER_MAJOR, variant.driver_minor, 0),
        date=variant.driver_date,
        ioctls=amdgpu_ioctls_kms(variant),
        has_modeset=True,
        has_syncobj=True,
        open=amdgpu_kms.amdgpu_driver_open_kms,
        postclose=amdgpu_kms.amdgpu_driver_postclose_kms,
        flush=amdgpu_flush,
        show_fdinfo=amdgpu_show_fdinfo,
        gem_object_open=amdgpu_gem.amdgpu_gem_object_open,
        gem_object_close=amdgpu_gem.amdgpu_gem_object_close,
        gem_prime_export=amdgpu_gem_prime_export,
        gem_prime_import=amdgpu_gem_prime_import,
        dumb_create=amdgpu_mode_dumb_create,
    )


def probe(kernel: Kernel, identity: ModelIdentity, index: int) -> AmdgpuDevice:
    """Find GPU number ``index`` of the machine: card<index> and renderD<128 + index> can be opened from now on."""
    adev = AmdgpuDevice(kernel, identity, index)
    adev.ddev = DrmDevice(
        kernel,
        amdgpu_kms_driver(kernel.variant),
        render_minor=DRM_MINOR_RENDER_BASE + index,
        primary_minor=index,
        unique=f"pci:{adev.pci_address}",
        syspath=adev.syspath,
    )
    adev.ddev.dev_private = adev
    amdgpu_debugfs_init(adev)
    version = f"{KMS_DRIVER_MAJOR}.{kernel.variant.driver_minor}.0"
    kernel.log.info(f"[drm] Initialized {DRIVER_NAME} {version} for {adev.pci_address} on minor {index}")
    return adev


def unbind(adev: AmdgpuDevice) -> None:
    """Let go of the GPU (amdgpu_pci_remove).

    Its nodes go away, open files answer ENODEV, and what was on the rings ends with ECANCELED. CPU mappings of its
    memory stay readable and writable here, as on a kernel that puts dummy pages behind them.
    """
    if adev.ddev.unplugged:
        return
    adev.ddev.unplug()
    for path in debugfs_files(adev).values():
        adev.kernel.unregister_node(path)
    adev.info("amdgpu: finishing device.")
    for ring in adev.rings:
        # Nobody can wait for hardware that is gone (amdgpu_fence_driver_hw_fini).
        amdgpu_fence_driver_force_completion(ring)
    adev.cancel_user_queues()


def remove(adev: AmdgpuDevice) -> None:
    """Take the GPU off its bus (pci_stop_and_remove_bus_device)."""
    if not adev.on_bus:
        return
    unbind(adev)
    adev.on_bus = False
    adev.kernel.sysfs.uevent(adev.syspath, KOBJ_REMOVE, {})
    adev.kernel.sysfs.remove_device(adev.syspath)
