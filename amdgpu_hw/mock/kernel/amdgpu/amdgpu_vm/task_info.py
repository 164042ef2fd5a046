# SPDX-License-Identifier: MIT
"""Whose address space it is: amdgpu_vm_set_task_info and what prints it (amdgpu_vm.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("amdgpu_vm_print_task_info", "amdgpu_vm_set_task_info")


def amdgpu_vm_set_task_info(fpriv: AmdgpuFpriv, caller: Caller) -> None:
    """Note who uses the VM, for fault reports.

    Leaves out: the thread: the process stands for it.
    """
    vm = fpriv.vm
    if vm.pid != caller.pid:
        vm.pid = caller.pid
        vm.process_name = caller.comm


def amdgpu_vm_print_task_info(adev: AmdgpuDevice, vm: AmdgpuVm | None) -> None:
    """Say whose address space it was."""
    if vm is not None:
        adev.err(f" Process {vm.process_name} pid {vm.pid} thread {vm.process_name} pid {vm.pid}")
