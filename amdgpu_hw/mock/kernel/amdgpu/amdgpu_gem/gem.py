# SPDX-License-Identifier: MIT
"""Buffer ioctls and handle hooks: amdgpu_gem.c without GEM_CREATE, GEM_USERPTR and GEM_VA."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import drm_to_adev
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_hmm import check_user_pages_owner
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo, amdgpu_bo_fence, amdgpu_bo_set_tiling_flags
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import vm as amdgpu_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AMDGPU_GPU_PAGE_SHIFT
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import (
    AmdgpuVmUpdateCtx,
    amdgpu_vm_update_ctx_fini,
    leak_update_ctx,
)
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ
from amdgpu_hw.mock.kernel.drm.drm_exec import drm_exec_fini, lock_all
from amdgpu_hw.mock.kernel.drm.drm_gem import DrmGemObject
from amdgpu_hw.mock.kernel.errno_ import KernelError, errno_name
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi.amdgpu_drm import (
    AMDGPU_GEM_CREATE_NO_CPU_ACCESS,
    AMDGPU_GEM_CREATE_VM_ALWAYS_VALID,
    AMDGPU_GEM_DOMAIN_CPU,
    AMDGPU_GEM_DOMAIN_GTT,
    AMDGPU_GEM_DOMAIN_VRAM,
    AMDGPU_GEM_LIST_HANDLES_FLAG_IS_IMPORT,
    AMDGPU_GEM_METADATA_OP_GET_METADATA,
    AMDGPU_GEM_METADATA_OP_SET_METADATA,
    AMDGPU_GEM_OP_GET_GEM_CREATE_INFO,
    AMDGPU_GEM_OP_GET_MAPPING_INFO,
    AMDGPU_GEM_OP_SET_PLACEMENT,
    GEM_CREATE_IN,
    GEM_LIST_HANDLES,
    GEM_LIST_HANDLES_ENTRY,
    GEM_METADATA,
    GEM_MMAP_IN,
    GEM_MMAP_OUT,
    GEM_OP,
    GEM_VM_ENTRY,
    GEM_WAIT_IDLE_IN,
    GEM_WAIT_IDLE_OUT,
)

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
    from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller
    from amdgpu_hw.mock.variants import Variant

__all__ = (
    "amdgpu_gem_list_handles_ioctl",
    "amdgpu_gem_metadata_ioctl",
    "amdgpu_gem_mmap_ioctl",
    "amdgpu_gem_object_close",
    "amdgpu_gem_object_open",
    "amdgpu_gem_op_ioctl",
    "amdgpu_gem_wait_idle_ioctl",
    "gem_object_lookup",
)

_PLACEMENTS = AMDGPU_GEM_DOMAIN_CPU | AMDGPU_GEM_DOMAIN_GTT | AMDGPU_GEM_DOMAIN_VRAM
_METADATA_BYTES = 256
_INT_MAX = (1 << 31) - 1


def gem_object_lookup(filp: DrmFile, handle: int) -> AmdgpuBo:
    """Find the BO of a handle; ENOENT for an unknown one. The reference is borrowed."""
    bo: AmdgpuBo | None = filp.object_idr.find(handle)  # type: ignore[assignment]  # amdgpu's are AmdgpuBo
    if bo is None:
        raise KernelError(errno.ENOENT, f"no BO {handle}")
    return bo


# -- handles ------------------------------------------------------------------------------------------------------


def amdgpu_gem_object_open(obj: DrmGemObject, filp: DrmFile) -> None:
    """Attach a BO to the address space of the file that gets a handle; EPERM for what belongs to another one.

    The kernel locks the BO here; nothing sleeps while the model changes the attachment, so it need not.

    Leaves out: eviction fences, and KFD's address spaces.
    """
    assert isinstance(obj, AmdgpuBo), "an object of another driver"
    check_user_pages_owner(obj, filp.pid)
    vm = filp.driver_priv.vm
    if obj.flags & AMDGPU_GEM_CREATE_VM_ALWAYS_VALID and not obj.is_always_valid(vm):
        raise KernelError(errno.EPERM, "always-valid BO of another address space")
    bo_va = amdgpu_vm.amdgpu_vm_bo_find(vm, obj)
    if bo_va is None:
        amdgpu_vm.amdgpu_vm_bo_add(obj.adev, vm, obj)
    else:
        bo_va.ref_count += 1


def amdgpu_gem_object_close(obj: DrmGemObject, filp: DrmFile) -> Blocking[None] | None:
    """Detach a BO when the file's last handle goes away (KERNEL.md 3.8).

    Sleeps, uninterruptibly, only for locks; where the CPU writes page tables also, interruptibly, for what a job would
    wait for.

    Leaves out: eviction fences.
    """
    assert isinstance(obj, AmdgpuBo), "an object of another driver"
    vm = filp.driver_priv.vm
    bo_va = amdgpu_vm.amdgpu_vm_bo_find(vm, obj)
    needs_jobs = obj.domain == AMDGPU_GEM_DOMAIN_VRAM or (bo_va is not None and bool(bo_va.valids))
    waits = vm.use_cpu_for_update or (needs_jobs and obj.adev.mman.ib_pool.exhausted)
    if waits or vm.root_resv.locked or obj.resv.locked:
        return _detach_sleeping(obj, filp, needs_jobs)
    _detach_locked(obj, filp)
    return None


def _detach_sleeping(bo: AmdgpuBo, filp: DrmFile, needs_jobs: bool) -> Blocking[None]:
    locked = yield from lock_all((bo.resv, filp.driver_priv.vm.root_resv), interruptible=False)
    try:
        if needs_jobs:
            yield from bo.adev.mman.ib_pool.wait()
        _detach_locked(bo, filp)
    finally:
        drm_exec_fini(locked)


def _detach_locked(bo: AmdgpuBo, filp: DrmFile) -> None:
    adev, vm = bo.adev, filp.driver_priv.vm
    bo_va = amdgpu_vm.amdgpu_vm_bo_find(vm, bo)
    if bo_va is None:
        return
    bo_va.ref_count -= 1
    if bo_va.ref_count:
        return
    ctx = AmdgpuVmUpdateCtx(adev, vm)
    try:
        amdgpu_vm.amdgpu_vm_bo_del(ctx, bo_va)
        if amdgpu_vm.amdgpu_vm_ready(vm):
            fence = amdgpu_vm.amdgpu_vm_clear_freed(ctx)
            if fence is not None:
                # Keeps the memory until the entries are zeroed; GEM_WAIT_IDLE sees it.
                amdgpu_bo_fence(bo, fence, shared=True)
    except KernelError as error:
        adev.err(f"failed to clear page tables on GEM object close (-{errno_name(error.errno)})")
    finally:
        if adev.variant.finishes_context_on_close:
            amdgpu_vm_update_ctx_fini(ctx)
        else:
            leak_update_ctx(ctx)  # F2


# -- GEM_MMAP -------------------------------------------------------------------------------------------------------


def amdgpu_gem_mmap_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DRM_IOCTL_AMDGPU_GEM_MMAP: the offset to mmap() the node with; ENOENT, EPERM without CPU access, for userptr."""
    handle, _ = GEM_MMAP_IN.unpack_from(data)
    GEM_MMAP_OUT.pack_into(data, 0, 0)
    bo = gem_object_lookup(filp, handle)
    if bo.user_pages is not None:
        raise KernelError(errno.EPERM, "userptr")
    if bo.flags & AMDGPU_GEM_CREATE_NO_CPU_ACCESS:
        raise KernelError(errno.EPERM, "NO_CPU_ACCESS")
    GEM_MMAP_OUT.pack_into(data, 0, bo.mmap_offset)
    return 0


# -- GEM_WAIT_IDLE, GEM_METADATA ----------------------------------------------------------------------------------


def amdgpu_gem_wait_idle_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int | Blocking[int]:
    """DRM_IOCTL_AMDGPU_GEM_WAIT_IDLE: ENOENT; status 1 when ``timeout`` (absolute ns) passed first.

    Waits for what uses the memory, not for page-table updates (BOOKKEEP).
    """
    handle, _flags, timeout = GEM_WAIT_IDLE_IN.unpack_from(data)
    resv = gem_object_lookup(filp, handle).resv
    idle = resv.test_signaled(DMA_RESV_USAGE_READ)
    deadline = None if timeout >> 63 else timeout
    if idle or (deadline is not None and deadline <= dev.kernel.now()):
        return _gem_wait_idle_done(data, idle)
    return _wait_idle_sleeping(data, resv, deadline)


def _wait_idle_sleeping(data: bytearray, resv: DmaResv, deadline: int | None) -> Blocking[int]:
    idle = yield from resv.wait(DMA_RESV_USAGE_READ, True, deadline)
    return _gem_wait_idle_done(data, idle)


def _gem_wait_idle_done(data: bytearray, idle: bool) -> int:
    data[: GEM_WAIT_IDLE_IN.size] = bytes(GEM_WAIT_IDLE_IN.size)
    GEM_WAIT_IDLE_OUT.pack_into(data, 0, not idle, 0)
    return 0


def amdgpu_gem_metadata_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DRM_IOCTL_AMDGPU_GEM_METADATA: ENOENT; EINVAL for more than 256 bytes; an unknown operation does nothing.

    Leaves out: EINVAL for an MMIO_REMAP BO, which nobody can make here.
    """
    handle, op, flags, tiling_info, size, blob = GEM_METADATA.unpack_from(data)
    bo = gem_object_lookup(filp, handle)
    if op == AMDGPU_GEM_METADATA_OP_GET_METADATA:
        blob = bo.metadata + blob[len(bo.metadata) :]
        GEM_METADATA.pack_into(data, 0, handle, op, bo.metadata_flags, bo.tiling_flags, len(bo.metadata), blob)
    elif op == AMDGPU_GEM_METADATA_OP_SET_METADATA:
        if size > _METADATA_BYTES:
            raise KernelError(errno.EINVAL, f"{size} bytes of metadata")
        amdgpu_bo_set_tiling_flags(bo, tiling_info)
        bo.metadata = blob[:size]
        if size:
            bo.metadata_flags = flags
    return 0


# -- GEM_OP, GEM_LIST_HANDLES -------------------------------------------------------------------------------------


def amdgpu_gem_op_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DRM_IOCTL_AMDGPU_GEM_OP: how a BO was created, where it should be, where it is mapped (KERNEL.md 2.4).

    Leaves out: waiting for the lock of the BO, and EINVAL for SET_PLACEMENT of what another GPU of a hive has mapped.
    """
    variant = drm_to_adev(dev).variant
    handle, op, value, num_entries, padding = GEM_OP.unpack_from(data)
    if padding and variant.has_mapping_info:
        raise KernelError(errno.EINVAL, "padding")
    bo = gem_object_lookup(filp, handle)
    if op == AMDGPU_GEM_OP_GET_GEM_CREATE_INFO:
        info = GEM_CREATE_IN.pack(
            bo_size=bo.size, alignment=bo.alignment, domains=bo.preferred_domains, domain_flags=bo.flags
        )
        caller.copy_to_user(value, info)
    elif op == AMDGPU_GEM_OP_SET_PLACEMENT:
        _set_placement(bo, value)
    elif op == AMDGPU_GEM_OP_GET_MAPPING_INFO and variant.has_mapping_info:
        if num_entries > _INT_MAX // GEM_VM_ENTRY.size:
            raise KernelError(variant.mapping_info_limit_errno, f"{num_entries} entries")
        bo_va = amdgpu_vm.amdgpu_vm_bo_find(filp.driver_priv.vm, bo)
        if bo_va is None:
            raise KernelError(errno.ENOENT, f"BO {handle} is being closed")
        entries = _mapping_info(bo_va)
        # Written to user space even if copying the entries fails.
        GEM_OP.pack_into(data, 0, handle, op, value, len(entries), padding)
        if entries and len(entries) <= num_entries:
            caller.copy_to_user(value, b"".join(entries))
    else:
        raise KernelError(errno.EINVAL, f"operation {op}")
    return 0


def _mapping_info(bo_va: AmdgpuBoVa) -> list[bytes]:
    """Encode the mappings of a BO, valids first, in the order of the kernel's lists."""
    return [
        GEM_VM_ENTRY.pack(
            addr=mapping.start << AMDGPU_GPU_PAGE_SHIFT,
            size=(mapping.last - mapping.start + 1) << AMDGPU_GPU_PAGE_SHIFT,
            offset=mapping.offset,
            flags=mapping.flags,
        )
        for mappings in (bo_va.valids, bo_va.invalids)
        for mapping in reversed(mappings)
    ]


def _set_placement(bo: AmdgpuBo, domains: int) -> None:
    """Change where a BO should be; it is moved by the next submission that uses it."""
    if bo.import_attach is not None and domains & AMDGPU_GEM_DOMAIN_VRAM:
        raise KernelError(errno.EINVAL, "imported BO cannot be in VRAM")
    if bo.user_pages is not None:
        raise KernelError(errno.EPERM, "user pages stay where they are")
    bo.preferred_domains = bo.allowed_domains = domains & _PLACEMENTS
    if bo.allowed_domains == AMDGPU_GEM_DOMAIN_VRAM:
        bo.allowed_domains |= AMDGPU_GEM_DOMAIN_GTT
    bo.update_settled()
    if bo.flags & AMDGPU_GEM_CREATE_VM_ALWAYS_VALID:
        amdgpu_vm.amdgpu_vm_bo_invalidate(bo, evicted=True)


def amdgpu_gem_list_handles_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DRM_IOCTL_AMDGPU_GEM_LIST_HANDLES: every BO of the file, if they all fit; else only how many there are."""
    entries, num_entries, padding = GEM_LIST_HANDLES.unpack_from(data)
    bos = list(filp.object_idr.items())
    GEM_LIST_HANDLES.pack_into(data, 0, entries, len(bos), padding)
    if not bos or num_entries < len(bos):
        return 0
    variant = drm_to_adev(dev).variant
    caller.copy_to_user(entries, b"".join(_handle_info(handle, bo, variant) for handle, bo in bos))
    return 0


def _handle_info(handle: int, obj: DrmGemObject, variant: Variant) -> bytes:
    assert isinstance(obj, AmdgpuBo), "an object of another driver"
    return GEM_LIST_HANDLES_ENTRY.pack(
        gem_handle=handle,
        flags=AMDGPU_GEM_LIST_HANDLES_FLAG_IS_IMPORT if obj.import_attach is not None else 0,
        size=obj.size,
        preferred_domains=obj.preferred_domains,
        alloc_flags=obj.flags & variant.gem_create_settable,
        alignment=obj.alignment if variant.list_handles_in_bytes else obj.alignment >> AMDGPU_GPU_PAGE_SHIFT,
    )
