# SPDX-License-Identifier: MIT
"""The GEM_VA ioctl: amdgpu_gem_va_ioctl and its helpers of amdgpu_gem.c.

The order of checks is KERNEL.md 3.2, what is scheduled 3.5. An operation that need not sleep is one plain call:
with a single thread, locks that are free need not be taken. One that has input fences to look up, writes page tables
with the CPU, or finds a lock taken or the IB pool empty, goes the same way as a generator.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.page_table import VA_MASK
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import mapping as vm_mapping
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import vm as amdgpu_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AMDGPU_GPU_PAGE_SHIFT, AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import (
    AmdgpuVmUpdateCtx,
    amdgpu_vm_is_bo_always_valid,
    amdgpu_vm_update_ctx_fini,
    leak_update_ctx,
)
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_get_stub, dma_fence_wait
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_unwrap import dma_fence_unwrap_merge
from amdgpu_hw.mock.kernel.drm.drm_exec import drm_exec_fini, lock_all
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import (
    DrmSyncobj,
    drm_syncobj_add_point,
    drm_syncobj_find,
    drm_syncobj_find_fence,
    drm_syncobj_replace_fence,
)
from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError, errno_name
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.variants import InputFences, OutFence, Variant
from amdgpu_hw.uapi.amdgpu_drm import (
    AMDGPU_VA_OP_CLEAR,
    AMDGPU_VA_OP_MAP,
    AMDGPU_VA_OP_REPLACE,
    AMDGPU_VA_OP_UNMAP,
    AMDGPU_VM_DELAY_UPDATE,
    AMDGPU_VM_EXPLICIT_SYNC,
    AMDGPU_VM_MTYPE_MASK,
    AMDGPU_VM_PAGE_EXECUTABLE,
    AMDGPU_VM_PAGE_NOALLOC,
    AMDGPU_VM_PAGE_PRT,
    AMDGPU_VM_PAGE_READABLE,
    AMDGPU_VM_PAGE_WRITEABLE,
    GEM_VA,
)

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = (
    "GemVa",
    "amdgpu_gem_add_input_fence",
    "amdgpu_gem_update_timeline_node",
    "amdgpu_gem_va_ioctl",
    "amdgpu_gem_va_update_vm",
    "change_tree",
    "check_request",
    "choose_out_fence",
    "flags_are_legal",
    "leave_to_later_update",
    "operate_sleeping",
    "update_remnants",
    "wants_explicit_sync",
)

AMDGPU_GMC_HOLE_START = 0x0000_8000_0000_0000
AMDGPU_GMC_HOLE_END = 0xFFFF_8000_0000_0000
_U64_MASK = (1 << 64) - 1
_KMALLOC_MAX = 4 << 20
"""Bytes `memdup_user` can copy (KMALLOC_MAX_SIZE)."""

_VALID_FLAGS = (
    AMDGPU_VM_DELAY_UPDATE
    | AMDGPU_VM_PAGE_READABLE
    | AMDGPU_VM_PAGE_WRITEABLE
    | AMDGPU_VM_PAGE_EXECUTABLE
    | AMDGPU_VM_MTYPE_MASK
    | AMDGPU_VM_PAGE_NOALLOC
)
_PRT_FLAGS = AMDGPU_VM_DELAY_UPDATE | AMDGPU_VM_PAGE_PRT

_MAPS = (AMDGPU_VA_OP_MAP, AMDGPU_VA_OP_REPLACE)


class GemVa:
    """`struct drm_amdgpu_gem_va`, decoded."""

    __slots__ = (
        "flags",
        "handle",
        "input_fence_syncobj_handles",
        "map_size",
        "num_syncobj_handles",
        "offset_in_bo",
        "operation",
        "va_address",
        "vm_timeline_point",
        "vm_timeline_syncobj_out",
    )

    def __init__(self, data: bytearray, variant: Variant) -> None:
        (
            self.handle,
            _pad,
            self.operation,
            self.flags,
            self.va_address,
            self.offset_in_bo,
            self.map_size,
            self.vm_timeline_point,
            self.vm_timeline_syncobj_out,
            self.num_syncobj_handles,
            self.input_fence_syncobj_handles,
        ) = GEM_VA.unpack_from(data)
        # Older kernels end the struct behind map_size: nobody reads what newer user space puts there.
        if self.vm_timeline_syncobj_out and variant.out_fence is OutFence.IGNORED:
            self.vm_timeline_syncobj_out = 0
        if self.num_syncobj_handles and variant.input_fences is InputFences.IGNORED:
            self.num_syncobj_handles = 0


# -- checks -------------------------------------------------------------------------------------------------------


def flags_are_legal(variant: Variant, flags: int) -> bool:
    """Tell whether a flag word is a subset of the flags for BOs or of those for PRT."""
    extra = AMDGPU_VM_EXPLICIT_SYNC if variant.has_explicit_sync else 0
    return not flags & ~(_VALID_FLAGS | extra) or not flags & ~(_PRT_FLAGS | extra)


def wants_explicit_sync(variant: Variant, args: GemVa) -> bool:
    """Tell whether user space says itself when an unmap may happen."""
    return variant.has_explicit_sync and bool(args.flags & AMDGPU_VM_EXPLICIT_SYNC)


def check_request(adev: AmdgpuDevice, args: GemVa) -> None:
    """Check what needs no lookup, and fold the address into the 48 bits of the page tables; else EINVAL."""
    variant = adev.variant
    va = args.va_address
    if va < variant.va_reserved_bottom:
        raise KernelError(errno.EINVAL, f"va {va:#x} is in the reserved area below {variant.va_reserved_bottom:#x}")
    if AMDGPU_GMC_HOLE_START <= va < AMDGPU_GMC_HOLE_END:
        raise KernelError(errno.EINVAL, f"va {va:#x} is in the hole")
    args.va_address = va = va & VA_MASK
    limit = (adev.vm_manager.max_pfn << AMDGPU_GPU_PAGE_SHIFT) - variant.va_reserved_top
    end = va + args.map_size
    if not variant.checks_va_overflow:
        end &= _U64_MASK
    if end > limit:
        raise KernelError(errno.EINVAL, f"va {va:#x} + {args.map_size:#x} is in the reserved area above {limit:#x}")
    if not flags_are_legal(variant, args.flags):
        raise KernelError(errno.EINVAL, f"flags {args.flags:#x}")
    if not AMDGPU_VA_OP_MAP <= args.operation <= AMDGPU_VA_OP_REPLACE:
        raise KernelError(errno.EINVAL, f"operation {args.operation}")
    if args.vm_timeline_syncobj_out and args.flags & AMDGPU_VM_DELAY_UPDATE and variant.rejects_delay_with_syncobj:
        raise KernelError(errno.EINVAL, "DELAY_UPDATE with an update fence")


def _lookup_bo(filp: DrmFile, args: GemVa) -> AmdgpuBo | None:
    """Find the BO an operation needs; CLEAR and PRT need none, whatever the handle says."""
    if args.operation == AMDGPU_VA_OP_CLEAR or args.flags & AMDGPU_VM_PAGE_PRT:
        return None
    bo: AmdgpuBo | None = filp.object_idr.find(args.handle)  # type: ignore[assignment]  # amdgpu's are AmdgpuBo
    if bo is None:
        raise KernelError(errno.ENOENT, f"no BO {args.handle}")
    return bo


# -- the ioctl ----------------------------------------------------------------------------------------------------


def amdgpu_gem_va_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int | Blocking[int]:
    """DRM_IOCTL_AMDGPU_GEM_VA: map, unmap, clear or replace in the address space of the file."""
    fpriv: AmdgpuFpriv = filp.driver_priv
    adev = fpriv.adev
    args = GemVa(data, adev.variant)
    check_request(adev, args)
    bo = _lookup_bo(filp, args)
    vm = fpriv.vm
    ctx = AmdgpuVmUpdateCtx(adev, vm)
    ctx.explicit_sync_unmap = wants_explicit_sync(adev.variant, args)
    if (
        args.num_syncobj_handles
        or vm.use_cpu_for_update
        or vm.root_resv.locked
        or (bo is not None and bo.resv.locked)
        or adev.mman.ib_pool.exhausted
    ):
        return operate_sleeping(ctx, filp, caller, bo, args)
    return _operate_locked(ctx, filp, bo, args)


def operate_sleeping(
    ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, bo: AmdgpuBo | None, args: GemVa
) -> Blocking[int]:
    """Do an operation that may have to sleep: for its input fences, its locks, memory for its jobs."""
    if bo is not None:
        bo.get()
    try:
        if args.num_syncobj_handles:
            yield from amdgpu_gem_add_input_fence(ctx, filp, caller, args)
        resvs = [ctx.vm.root_resv] if bo is None else [bo.resv, ctx.vm.root_resv]
        locked = yield from lock_all(resvs, interruptible=True)
        try:
            if not args.flags & AMDGPU_VM_DELAY_UPDATE:
                yield from ctx.adev.mman.ib_pool.wait()
            return _operate_locked(ctx, filp, bo, args)
        finally:
            drm_exec_fini(locked)
    finally:
        if bo is not None:
            bo.put()


def amdgpu_gem_add_input_fence(ctx: AmdgpuVmUpdateCtx, filp: DrmFile, caller: Caller, args: GemVa) -> Blocking[None]:
    """Look the input fences up; wait for each, uninterruptibly, or collect them, as the kernel does.

    EFAULT for the array, then handle by handle: EINVAL for 0, ENOENT for an unknown one, EINVAL for one without a
    fence. On a kernel that waits, an error may come after fences have been waited for.
    """
    count = args.num_syncobj_handles
    if count * 4 > _KMALLOC_MAX:
        raise KernelError(errno.ENOMEM, f"{count} input fences")
    handles = memoryview(caller.copy_from_user(args.input_fence_syncobj_handles, 4 * count)).cast("I")
    variant = ctx.adev.variant
    waits = variant.input_fences is InputFences.BLOCK
    waits |= ctx.vm.use_cpu_for_update and variant.cpu_waits_for_inputs_unlocked
    try:
        for handle in handles:
            if not handle:
                raise KernelError(errno.EINVAL, "input fence handle 0")
            fence = yield from drm_syncobj_find_fence(filp, handle, 0, 0)
            if waits:
                yield from dma_fence_wait(fence, interruptible=False)
            else:
                ctx.sync.fence(fence)
    except KernelError:
        if not variant.finishes_context_on_error:
            leak_update_ctx(ctx)  # F10
        raise


def _operate_locked(ctx: AmdgpuVmUpdateCtx, filp: DrmFile, bo: AmdgpuBo | None, args: GemVa) -> int:
    """Do the operation; the BO and the root directory are locked."""
    bo_va: AmdgpuBoVa | None = None
    if bo is not None:
        bo_va = amdgpu_vm.amdgpu_vm_bo_find(ctx.vm, bo)
        if bo_va is None:
            raise KernelError(errno.ENOENT, "BO is not attached to this address space")
    elif args.operation != AMDGPU_VA_OP_CLEAR:
        bo_va = filp.driver_priv.prt_va
    syncobj = None
    if args.vm_timeline_syncobj_out:
        syncobj = amdgpu_gem_update_timeline_node(filp, args.vm_timeline_syncobj_out)
    try:
        change_tree(ctx, bo_va, args)
        if args.flags & AMDGPU_VM_DELAY_UPDATE or _delays_for_debugging(ctx.adev, args):
            leave_to_later_update(ctx, bo_va, args.operation)
            return 0
        fence = amdgpu_gem_va_update_vm(ctx, bo_va, args.operation)
        if syncobj is not None:
            _install_out_fence(syncobj, args.vm_timeline_point, fence)
    finally:
        amdgpu_vm_update_ctx_fini(ctx)
    return 0


def _delays_for_debugging(adev: AmdgpuDevice, args: GemVa) -> bool:
    """Tell whether debug_vm leaves the page tables to the next submission; before base also with an out syncobj."""
    return adev.debug_vm and (not args.vm_timeline_syncobj_out or adev.variant.out_fence is not OutFence.BASE)


def change_tree(ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, args: GemVa) -> None:
    """Change the mapping tree."""
    operation = args.operation
    if bo_va is None:
        vm_mapping.amdgpu_vm_bo_clear_mappings(ctx, args.va_address, args.map_size)
    elif operation == AMDGPU_VA_OP_MAP:
        vm_mapping.amdgpu_vm_bo_map(ctx.adev, bo_va, args.va_address, args.offset_in_bo, args.map_size, args.flags)
    elif operation == AMDGPU_VA_OP_UNMAP:
        vm_mapping.amdgpu_vm_bo_unmap(ctx, bo_va, args.va_address)
    else:
        vm_mapping.amdgpu_vm_bo_replace_map(ctx, bo_va, args.va_address, args.offset_in_bo, args.map_size, args.flags)


def leave_to_later_update(ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> None:
    """Leave the page tables to a later operation, and the input fences on a kernel that does not lose them (F4)."""
    if not ctx.adev.variant.merges_unused_inputs or not ctx.sync:
        return
    vm = ctx.vm
    if ctx.freed:
        vm.delayed_inputs = vm.delayed_inputs or AmdgpuSync()
        ctx.sync.clone(vm.delayed_inputs)
    if operation in _MAPS and bo_va is not None:
        bo_va.delayed_inputs = bo_va.delayed_inputs or AmdgpuSync()
        ctx.sync.clone(bo_va.delayed_inputs)


# -- page-table update and out fence ------------------------------------------------------------------------------


def amdgpu_gem_va_update_vm(ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, operation: int) -> DmaFence:
    """Schedule what makes the page tables follow the tree; returns the fence for the out syncobj.

    Errors do not reach user space: the tree keeps its new state, the ioctl succeeds (KERNEL.md 3.7).
    """
    vm = ctx.vm
    variant = ctx.adev.variant
    ready = amdgpu_vm.amdgpu_vm_ready(vm)
    failed = False
    cleared: DmaFence | None = None
    if ready:
        try:
            if variant.flushes_delayed_freed:
                cleared = _note_cleared(ctx, amdgpu_vm.amdgpu_vm_delayed_free(ctx))
            cleared = _note_cleared(ctx, amdgpu_vm.amdgpu_vm_clear_freed(ctx)) or cleared
            if operation in _MAPS and bo_va is not None:
                amdgpu_vm.amdgpu_vm_bo_update(ctx, bo_va, clear=False)
            if variant.rewrites_remnants_first and ctx.split:
                update_remnants(ctx)
            amdgpu_vm.amdgpu_vm_update_pdes(vm)
        except KernelError as error:
            failed = True
            if error.errno != ERESTARTSYS:
                ctx.adev.err(f"*ERROR* Couldn't update BO_VA (-{errno_name(error.errno)})")
    fence = choose_out_fence(ctx, bo_va, operation, cleared, ready, failed)
    if variant.merges_unused_inputs and not ctx.inputs_carried and ctx.sync:
        fence = dma_fence_unwrap_merge(fence, *ctx.sync)
    return fence


def _note_cleared(ctx: AmdgpuVmUpdateCtx, fence: DmaFence | None) -> DmaFence | None:
    if fence is not None and ctx.adev.variant.clear_sets_last_update:
        ctx.vm.last_update = fence
    return fence


def update_remnants(ctx: AmdgpuVmUpdateCtx) -> None:
    """Write what is left of cut mappings before the directories point to the tables of the split (F7 mended)."""
    for bo_va in ctx.split:
        bo = bo_va.bo
        if not bo_va.invalids:
            continue
        if bo is None or bo.resv is ctx.vm.root_resv:
            amdgpu_vm.amdgpu_vm_bo_update(ctx, bo_va, clear=False)
        elif bo.resv.trylock():
            try:
                amdgpu_vm.amdgpu_vm_bo_update(ctx, bo_va, clear=False)
            finally:
                bo.resv.unlock()


def choose_out_fence(
    ctx: AmdgpuVmUpdateCtx,
    bo_va: AmdgpuBoVa | None,
    operation: int,
    cleared: DmaFence | None,
    ready: bool,
    failed: bool,
) -> DmaFence:
    """Choose the fence that tells user space when the operation has taken effect (KERNEL.md 3.5 step 4, E8)."""
    vm = ctx.vm
    profile = ctx.adev.variant.out_fence
    maps = operation in _MAPS and bo_va is not None
    always_valid = maps and bo_va is not None and amdgpu_vm_is_bo_always_valid(vm, bo_va.bo)
    if profile is OutFence.BASE:
        if not ready:
            return dma_fence_get_stub()
        if failed or not maps or always_valid or bo_va is None or bo_va.last_pt_update.signaled:
            return vm.last_update
        if vm.last_update.signaled:
            return bo_va.last_pt_update
        return dma_fence_unwrap_merge(vm.last_update, bo_va.last_pt_update)
    if profile is OutFence.STABLE and (not ready or failed):
        return cleared or vm.last_update
    if maps and bo_va is not None:
        return vm.last_update if always_valid else bo_va.last_pt_update
    return cleared or (dma_fence_get_stub() if profile is OutFence.DEC_2025 else vm.last_update)


def amdgpu_gem_update_timeline_node(filp: DrmFile, handle: int) -> DrmSyncobj:
    """Find the out syncobj before anything changes; ENOENT for an unknown handle.

    Leaves out: allocating the node of the timeline in advance, so no ENOMEM.
    """
    syncobj = drm_syncobj_find(filp, handle)
    if syncobj is None:
        raise KernelError(errno.ENOENT, f"no out syncobj {handle}")
    return syncobj


def _install_out_fence(syncobj: DrmSyncobj, point: int, fence: DmaFence) -> None:
    """Replace the syncobj's fence, or add a point to its timeline."""
    if point:
        drm_syncobj_add_point(syncobj, fence, point)
    else:
        drm_syncobj_replace_fence(syncobj, fence)
