# SPDX-License-Identifier: MIT
"""PRT for the whole device, as GFX6 to GFX8 have it: the users of the switch, from amdgpu_vm.c.

Before GFX9 page tables have no PRT bit. A PRT mapping is an empty entry, and a switch of the memory controller
(`gmc_v8_0_set_prt`) makes the GPU take *every* unmapped page of *every* address space for PRT. It is on as long as
somebody has a PRT mapping. Who removes one gives up his share only when its entries have been zeroed, in a callback
of that job's fence, so the switch stays on for longer than the ioctl takes (PACKETS.md 5.4, KERNEL.md 3.9 and E10).

From GFX9 on all functions here do nothing (`gmc_funcs->set_prt` is NULL).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.gmc_v8_0 import gmc_v8_0_set_prt
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VM_PAGE_PRT

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, AmdgpuVm
    from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence

__all__ = ("amdgpu_vm_free_mapping", "amdgpu_vm_prt_fini", "amdgpu_vm_prt_get")


def amdgpu_vm_prt_get(adev: AmdgpuDevice) -> None:
    """Add a user of PRT; the first one turns the switch on."""
    manager = adev.vm_manager
    if not manager.has_set_prt:
        return
    manager.num_prt_users += 1
    if manager.num_prt_users == 1:
        gmc_v8_0_set_prt(adev, True)


def _amdgpu_vm_prt_put(adev: AmdgpuDevice) -> None:
    manager = adev.vm_manager
    manager.num_prt_users -= 1
    if not manager.num_prt_users:
        gmc_v8_0_set_prt(adev, False)


def _amdgpu_vm_add_prt_cb(adev: AmdgpuDevice, fence: DmaFence | None) -> None:
    """Drop a user when ``fence`` signals, at once without one.

    Leaves out: waiting for the fence where there is no memory for the callback.
    """

    def prt_cb(_fence: DmaFence) -> None:
        _amdgpu_vm_prt_put(adev)

    if fence is None or not fence.add_callback(prt_cb):
        _amdgpu_vm_prt_put(adev)


def amdgpu_vm_free_mapping(adev: AmdgpuDevice, mapping: AmdgpuBoVaMapping, fence: DmaFence | None) -> None:
    """Forget a mapping whose entries are zeroed once ``fence`` signals (None: there is no such job)."""
    if mapping.flags & AMDGPU_VM_PAGE_PRT and adev.vm_manager.has_set_prt:
        _amdgpu_vm_add_prt_cb(adev, fence)


def amdgpu_vm_prt_fini(adev: AmdgpuDevice, vm: AmdgpuVm) -> None:
    """Keep the switch on until everything pending in a dying address space is over."""
    for fence in tuple(vm.root_resv.iter(DMA_RESV_USAGE_BOOKKEEP)):
        amdgpu_vm_prt_get(adev)
        _amdgpu_vm_add_prt_cb(adev, fence)
