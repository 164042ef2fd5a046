# SPDX-License-Identifier: MIT
"""What the DRM core calls in amdgpu: a file is opened, closed, asks for information (amdgpu_kms.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AmdgpuCtxMgr, amdgpu_ctx_mgr_fini
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice, drm_to_adev
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import AMDGPU_GFXHUB, amdgpu_vmid_free_reserved
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.info import INFO_QUERIES
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_userq import AmdgpuUsermodeQueue, amdgpu_userq_mgr_fini
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import vm as amdgpu_vm
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.idr import Idr, Xarray
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_PROC_OPTIONS_OP_KFD_SIGBUS_DELAY, INFO, PROC_OPTIONS
from amdgpu_hw.uapi.amdgpu_info import AMDGPU_INFO_UQ_FW_AREAS

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuVm
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = (
    "AmdgpuFpriv",
    "amdgpu_driver_open_kms",
    "amdgpu_driver_postclose_kms",
    "amdgpu_info_ioctl",
    "amdgpu_proc_options_ioctl",
)


class AmdgpuFpriv:
    """`struct amdgpu_fpriv`: what an open file has besides its handles.

    ``prt_va`` holds the file's PRT mappings. The kernel also maps a CSA (with preemption) and the seq64 page into
    every VM, in the part of the address space that user space cannot use; neither is in the model.
    """

    __slots__ = ("adev", "bo_list_handles", "csa_va", "ctx_mgr", "prt_va", "userqs", "vm")

    def __init__(self, adev: AmdgpuDevice, vm: AmdgpuVm, prt_va: AmdgpuBoVa) -> None:
        self.adev = adev
        self.vm = vm
        self.prt_va = prt_va
        self.csa_va: AmdgpuBoVa | None = None
        self.ctx_mgr = AmdgpuCtxMgr(adev, self)
        self.bo_list_handles: Idr[AmdgpuBoList] = Xarray() if adev.variant.xarray_contexts else Idr()
        self.userqs: Idr[AmdgpuUsermodeQueue] = Idr()


def amdgpu_driver_open_kms(dev: DrmDevice, filp: DrmFile) -> None:
    """Give a new file its address space.

    Leaves out: RAS, runtime PM, partitions, running out of PASIDs, and what the class says about CSA and seq64.
    """
    adev = drm_to_adev(dev)
    vm = amdgpu_vm.amdgpu_vm_init(adev, filp)
    filp.driver_priv = AmdgpuFpriv(adev, vm, amdgpu_vm.amdgpu_vm_bo_add(adev, vm, None))
    adev.vms[id(vm.page_table)] = vm


def amdgpu_driver_postclose_kms(dev: DrmDevice, filp: DrmFile) -> Blocking[None]:
    """Take everything away from a file that is gone: contexts, address space, BO lists.

    Leaves out: handles of UVD and VCE, CSA and seq64; a PASID is never given out again.
    """
    fpriv: AmdgpuFpriv = filp.driver_priv
    adev, vm = fpriv.adev, fpriv.vm
    yield from amdgpu_userq_mgr_fini(fpriv)
    yield from vm.root_resv.lock(interruptible=False)
    try:
        ctx = amdgpu_vm.AmdgpuVmUpdateCtx(adev, vm)
        amdgpu_vm.amdgpu_vm_bo_del(ctx, fpriv.prt_va)
        amdgpu_vm.amdgpu_vm_update_ctx_fini(ctx)
    finally:
        vm.root_resv.unlock()
    amdgpu_ctx_mgr_fini(fpriv.ctx_mgr)
    amdgpu_vmid_free_reserved(adev, vm, AMDGPU_GFXHUB)
    yield from amdgpu_vm.amdgpu_vm_fini(adev, vm)
    adev.vms.pop(id(vm.page_table), None)
    for handle, bo_list in fpriv.bo_list_handles.items():
        fpriv.bo_list_handles.remove(handle)
        bo_list.put()


def amdgpu_proc_options_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DRM_IOCTL_AMDGPU_PROC_OPTIONS: options of KFD, which no process here uses, are accepted without effect."""
    op, _value = PROC_OPTIONS.unpack_from(data)
    if op != AMDGPU_PROC_OPTIONS_OP_KFD_SIGBUS_DELAY:
        raise KernelError(errno.EINVAL, f"option {op}")
    return 0


def amdgpu_info_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DRM_IOCTL_AMDGPU_INFO: as much of the answer as the caller has room for.

    Leaves out: partitions (xcp), virtual functions, displays, UVD and VCE in the answers.
    """
    pointer, size, query, arg0, arg1, arg2, arg3 = INFO.unpack_from(data)
    if not size or not pointer:
        raise KernelError(errno.EINVAL, "no room for a reply")
    answer = INFO_QUERIES.get(query)
    fpriv: AmdgpuFpriv = filp.driver_priv
    if query > fpriv.adev.variant.newest_info_query:
        answer = None
    if answer is None or (query == AMDGPU_INFO_UQ_FW_AREAS and not fpriv.adev.variant.has_userq_ioctls):
        raise KernelError(errno.EINVAL, f"unknown query {query:#x}")
    reply = answer(fpriv.adev, fpriv, arg0, arg1, arg2, arg3)
    caller.copy_to_user(pointer, reply if len(reply) <= size else reply[:size])
    return 0
