# SPDX-License-Identifier: MIT
"""A shared buffer that moves twice keeps the entries of an older attachment, if a newer one has not caught up.

amdgpu_vm_bo_invalidate goes through the attachments of the buffer, the newest first, and passes over those that know
that they have to be written: with `break` where `continue` was, what comes after such a one is not told.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import amdgpu_vm_bo_invalidate
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O88",))


@replaces(amdgpu_vm_bo_invalidate)
def invalidate(original: Original, bo: AmdgpuBo, evicted: bool) -> None:
    attachments = bo.vm_bo
    told = {}
    for vm, bo_va in reversed(attachments.items()):
        if bo_va.moved and not bo.is_always_valid(vm):
            break
        told[vm] = bo_va
    bo.vm_bo = told
    try:
        original(bo, evicted)
    finally:
        bo.vm_bo = attachments
