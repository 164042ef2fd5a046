# SPDX-License-Identifier: MIT
"""fdinfo goes on counting buffers that have been closed.

Since 6.14 an address space keeps its own counts: amdgpu_vm_bo_del has to take off what amdgpu_vm_bo_base_init added.
"""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakKeyDictionary

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_fdinfo import _bos
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuVm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_del
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T16",))

_closed: WeakKeyDictionary[AmdgpuVm, list[AmdgpuBo]] = WeakKeyDictionary()


@replaces(amdgpu_vm_bo_del)
def bo_del(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa) -> None:
    if bo_va.bo is not None:
        _closed.setdefault(bo_va.vm, []).append(bo_va.bo)
    original(ctx, bo_va)


@replaces(_bos)
def bos(original: Original, filp: DrmFile) -> Iterator[AmdgpuBo]:
    yield from original(filp)
    yield from _closed.get(filp.driver_priv.vm, ())
