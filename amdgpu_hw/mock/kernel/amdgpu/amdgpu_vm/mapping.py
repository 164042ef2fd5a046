# SPDX-License-Identifier: MIT
"""Operations on the mapping tree (amdgpu_vm.c, amdgpu_vm_bo_map and its neighbours).

They change what the driver believes; the page tables follow when `amdgpu_vm.vm` schedules jobs. Every function needs
the lock of the root directory, and raises `KernelError` before it has changed anything.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.prt import amdgpu_vm_free_mapping, amdgpu_vm_prt_get
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import (
    AMDGPU_GPU_PAGE_SHIFT,
    AMDGPU_GPU_PAGE_SIZE,
    AmdgpuBoVa,
    AmdgpuBoVaMapping,
    AmdgpuVm,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import (
    AmdgpuVmUpdateCtx,
    amdgpu_vm_is_bo_always_valid,
    amdgpu_vm_update_ctx_add_freed_mapping,
)
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.fault_injection import AllocSite
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VM_DELAY_UPDATE, AMDGPU_VM_EXPLICIT_SYNC, AMDGPU_VM_PAGE_PRT

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo

__all__ = (
    "amdgpu_vm_bo_clear_mappings",
    "amdgpu_vm_bo_lookup_mapping",
    "amdgpu_vm_bo_map",
    "amdgpu_vm_bo_moved",
    "amdgpu_vm_bo_replace_map",
    "amdgpu_vm_bo_unmap",
    "amdgpu_vm_verify_parameters",
    "check_conflict",
    "find_mapping",
    "kept_flags",
    "split_mapping",
)

_PAGE_MASK = AMDGPU_GPU_PAGE_SIZE - 1
_U64_MAX = (1 << 64) - 1
_REQUEST_BITS = AMDGPU_VM_DELAY_UPDATE | AMDGPU_VM_EXPLICIT_SYNC


def amdgpu_vm_verify_parameters(adev: AmdgpuDevice, bo: AmdgpuBo | None, saddr: int, offset: int, size: int) -> None:
    """Check a range in bytes: page granularity, no wrap-around, inside the BO and the address space; else EINVAL."""
    if (saddr | offset | size) & _PAGE_MASK:
        raise KernelError(errno.EINVAL, f"va {saddr:#x}, offset {offset:#x} or size {size:#x} not page aligned")
    if not size or saddr + size > _U64_MAX or offset + size > _U64_MAX:
        raise KernelError(errno.EINVAL, f"size {size:#x} is zero or wraps around")
    if bo is not None and offset + size > bo.size:
        raise KernelError(errno.EINVAL, f"offset {offset:#x} + size {size:#x} beyond the BO's {bo.size:#x}")
    if (saddr + size - 1) >> AMDGPU_GPU_PAGE_SHIFT >= adev.vm_manager.max_pfn:
        raise KernelError(errno.EINVAL, f"va {saddr:#x} + {size:#x} beyond the address space")


def kept_flags(adev: AmdgpuDevice, flags: int) -> int:
    """Return the flags a mapping keeps: all of the request's, or only those that describe pages (F11)."""
    return flags if adev.variant.stores_request_bits else flags & ~_REQUEST_BITS


def amdgpu_vm_bo_moved(bo_va: AmdgpuBoVa) -> None:
    """Have an always-valid BO's mappings written at the next submission."""
    bo_va.vm.moved[bo_va] = None


def _amdgpu_vm_bo_insert_map(bo_va: AmdgpuBoVa, mapping: AmdgpuBoVaMapping) -> None:
    """Enter a mapping into the tree and its BO's invalids (amdgpu_vm_bo_insert_map)."""
    vm = bo_va.vm
    bo_va.invalids[mapping] = None
    vm.va.insert(mapping)
    if vm.adev.kernel.tracing.buffers:
        vm.adev.kernel.tracing.amdgpu_vm_bo_map(bo_va.bo, mapping)
    if mapping.flags & AMDGPU_VM_PAGE_PRT:
        amdgpu_vm_prt_get(vm.adev)
    if not bo_va.moved and amdgpu_vm_is_bo_always_valid(vm, bo_va.bo):
        amdgpu_vm_bo_moved(bo_va)


def check_conflict(adev: AmdgpuDevice, vm: AmdgpuVm, first: int, last: int) -> None:
    """Refuse (EINVAL) pages that a mapping of any BO already covers."""
    found = vm.va.iter_first(first, last)
    if found is not None:
        adev.err(f"bo va {first:#012x}-{last:#012x} conflict with {found.start:#012x}-{found.last + 1:#012x}")
        raise KernelError(errno.EINVAL, "va range is taken")


def amdgpu_vm_bo_map(adev: AmdgpuDevice, bo_va: AmdgpuBoVa, saddr: int, offset: int, size: int, flags: int) -> None:
    """Map ``size`` bytes of the BO from ``offset`` on at ``saddr``; EINVAL for bad parameters or a taken range."""
    amdgpu_vm_verify_parameters(adev, bo_va.bo, saddr, offset, size)
    first = saddr >> AMDGPU_GPU_PAGE_SHIFT
    last = first + ((size - 1) >> AMDGPU_GPU_PAGE_SHIFT)
    check_conflict(adev, bo_va.vm, first, last)
    if adev.kernel.faults.alloc_armed:
        adev.kernel.faults.alloc(AllocSite.MAPPING)
    flags = kept_flags(adev, flags)
    _amdgpu_vm_bo_insert_map(bo_va, AmdgpuBoVaMapping(first, last, offset, flags, bo_va))


def amdgpu_vm_bo_replace_map(
    ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, saddr: int, offset: int, size: int, flags: int
) -> None:
    """As `amdgpu_vm_bo_map`, removing first whatever was mapped there."""
    adev = ctx.adev
    amdgpu_vm_verify_parameters(adev, bo_va.bo, saddr, offset, size)
    if adev.kernel.faults.alloc_armed:
        adev.kernel.faults.alloc(AllocSite.MAPPING)
    amdgpu_vm_bo_clear_mappings(ctx, saddr, size)
    first = saddr >> AMDGPU_GPU_PAGE_SHIFT
    last = first + ((size - 1) >> AMDGPU_GPU_PAGE_SHIFT)
    flags = kept_flags(adev, flags)
    _amdgpu_vm_bo_insert_map(bo_va, AmdgpuBoVaMapping(first, last, offset, flags, bo_va))


def find_mapping(bo_va: AmdgpuBoVa, first: int) -> AmdgpuBoVaMapping | None:
    """Return this BO's mapping that starts exactly at page ``first``.

    The kernel walks both lists; as mappings never overlap, the tree has the same answer.
    """
    mapping = bo_va.vm.va.starting_at(first)
    return mapping if mapping is not None and mapping.bo_va is bo_va else None


def amdgpu_vm_bo_unmap(ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, saddr: int) -> None:
    """Remove the whole mapping that starts in the page of ``saddr``; ENOENT when this BO has none there.

    Leaves out: (7.3) waiting for user queues that have their ring or pointers there.
    """
    mapping = find_mapping(bo_va, saddr >> AMDGPU_GPU_PAGE_SHIFT)
    if mapping is None:
        raise KernelError(errno.ENOENT, f"no mapping of this BO starts at {saddr:#x}")
    ctx.vm.va.remove(mapping)
    mapping.bo_va = None
    if ctx.adev.kernel.tracing.buffers:
        ctx.adev.kernel.tracing.amdgpu_vm_bo_unmap(bo_va.bo, mapping)
    if mapping in bo_va.valids:
        del bo_va.valids[mapping]
        amdgpu_vm_update_ctx_add_freed_mapping(ctx, bo_va.bo, mapping)
    else:
        # Never written, the kernel thinks. A remnant was, and its entries stay live (E6, F18).
        del bo_va.invalids[mapping]
        amdgpu_vm_free_mapping(ctx.adev, mapping, bo_va.last_pt_update)


def split_mapping(ctx: AmdgpuVmUpdateCtx, mapping: AmdgpuBoVaMapping, first: int, last: int) -> None:
    """Keep what of a mapping lies outside pages ``first``..``last`` as new mappings on its BO's invalids."""
    bo_va = mapping.bo_va
    assert bo_va is not None, "a mapping in the tree belongs to a BO"
    remnants = []
    if mapping.start < first:
        remnants.append(AmdgpuBoVaMapping(mapping.start, first - 1, mapping.offset, mapping.flags, bo_va))
    if mapping.last > last:
        start = last + 1
        offset = mapping.offset + ((start - mapping.start) << AMDGPU_GPU_PAGE_SHIFT)
        remnants.append(AmdgpuBoVaMapping(start, mapping.last, offset, mapping.flags, bo_va))
    for remnant in remnants:
        _amdgpu_vm_bo_insert_map(bo_va, remnant)
        ctx.split[bo_va] = None


def amdgpu_vm_bo_clear_mappings(ctx: AmdgpuVmUpdateCtx, saddr: int, size: int) -> None:
    """Remove everything mapped in a range, cutting mappings at its ends; EINVAL for bad parameters.

    Leaves out: ENOMEM for the two remnants, which the kernel allocates in advance.
    """
    vm = ctx.vm
    amdgpu_vm_verify_parameters(ctx.adev, None, saddr, 0, size)
    first = saddr >> AMDGPU_GPU_PAGE_SHIFT
    last = first + ((size - 1) >> AMDGPU_GPU_PAGE_SHIFT)
    # From the highest down: the freed list is a stack, so the jobs zero by ascending address (E16).
    for mapping in reversed(vm.va.overlapping(first, last)):
        bo_va = mapping.bo_va
        assert bo_va is not None, "a mapping in the tree belongs to a BO"
        vm.va.remove(mapping)
        if mapping in bo_va.valids:
            del bo_va.valids[mapping]
        else:
            del bo_va.invalids[mapping]
        if mapping.start < first or mapping.last > last:
            split_mapping(ctx, mapping, first, last)
            mapping.start = max(mapping.start, first)
            mapping.last = min(mapping.last, last)
        mapping.bo_va = None
        # Unlike UNMAP this also frees mappings that were on invalids.
        amdgpu_vm_update_ctx_add_freed_mapping(ctx, bo_va.bo, mapping)
        if ctx.adev.kernel.tracing.buffers:
            ctx.adev.kernel.tracing.amdgpu_vm_bo_unmap(None, mapping)


def amdgpu_vm_bo_lookup_mapping(vm: AmdgpuVm, pfn: int) -> AmdgpuBoVaMapping | None:
    """Return the mapping that covers page ``pfn``."""
    return vm.va.iter_first(pfn, pfn)
