# SPDX-License-Identifier: MIT
"""The VM ioctl: amdgpu_vm_ioctl of amdgpu_vm.c."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import AMDGPU_GFXHUB, amdgpu_vmid_alloc_reserved, amdgpu_vmid_free_reserved
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("amdgpu_vm_ioctl",)


def amdgpu_vm_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DRM_IOCTL_AMDGPU_VM: reserve a VMID of the graphics hub for the file, or give it back."""
    op, flags = drm.VM_IN.unpack_from(data)
    if flags:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    fpriv: AmdgpuFpriv = filp.driver_priv
    if op == drm.AMDGPU_VM_OP_RESERVE_VMID:
        amdgpu_vmid_alloc_reserved(fpriv.adev, fpriv.vm, AMDGPU_GFXHUB)
    elif op == drm.AMDGPU_VM_OP_UNRESERVE_VMID:
        amdgpu_vmid_free_reserved(fpriv.adev, fpriv.vm, AMDGPU_GFXHUB)
    else:
        raise KernelError(errno.EINVAL, f"op {op}")
    return 0
