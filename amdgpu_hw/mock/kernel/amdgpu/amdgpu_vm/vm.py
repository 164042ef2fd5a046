# SPDX-License-Identifier: MIT
"""Address spaces of the GPU: amdgpu_vm.c.

Two things are apart, as on real hardware. The mapping tree (`amdgpu_vm.mapping`) is what the driver believes; it
changes inside the ioctl. The page tables are what the GPU sees; they change when the jobs scheduled here have run,
and what those jobs wait for is the whole difference between implicit and explicit synchronisation.

Every function needs the lock of the root directory (`vm.root_resv`) and none sleeps, except `amdgpu_vm_wait_idle`,
`amdgpu_vm_fini`, and where the CPU writes page tables (`amdgpu_vm_cpu`). Errors are `KernelError`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.page_table import Entry, PageTable, geometry_for
from amdgpu_hw.mock.kernel.amdgpu import amdgpu_sync, amdgpu_vm_cpu, amdgpu_vm_pt, amdgpu_vm_sdma
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EQ_OWNER, AMDGPU_SYNC_EXPLICIT, AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.prt import amdgpu_vm_free_mapping, amdgpu_vm_prt_fini
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuVm, amdgpu_vm_generation
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import (
    AmdgpuVmUpdateCtx,
    amdgpu_vm_is_bo_always_valid,
    amdgpu_vm_update_ctx_add_freed_mapping,
    amdgpu_vm_update_ctx_ensure_unmap_synced,
    amdgpu_vm_update_ctx_fini,
    sync_of_update,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_tlb_fence import amdgpu_vm_tlb_fence_create
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_wait
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_BOOKKEEP, DmaResv
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.scheduler.sched_main import DRM_SCHED_PRIORITY_NORMAL, DrmSchedEntity
from amdgpu_hw.mock.kernel.ttm.ttm_bo.bo import ttm_bo_set_bulk_move
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.variants import TlbFence
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VM_PAGE_PRT

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpus.identity import ModelIdentity
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile

__all__ = (
    "AmdgpuVm",
    "AmdgpuVmManager",
    "AmdgpuVmUpdateCtx",
    "amdgpu_vm_bo_add",
    "amdgpu_vm_bo_del",
    "amdgpu_vm_bo_find",
    "amdgpu_vm_bo_invalidate",
    "amdgpu_vm_bo_update",
    "amdgpu_vm_clear_freed",
    "amdgpu_vm_delayed_free",
    "amdgpu_vm_fini",
    "amdgpu_vm_generation",
    "amdgpu_vm_handle_moved",
    "amdgpu_vm_init",
    "amdgpu_vm_is_bo_always_valid",
    "amdgpu_vm_ready",
    "amdgpu_vm_tlb_flush",
    "amdgpu_vm_update_ctx_fini",
    "amdgpu_vm_update_pdes",
    "amdgpu_vm_update_range",
    "amdgpu_vm_validate",
    "amdgpu_vm_wait_idle",
    "needs_validation",
)


class AmdgpuVmManager:
    """`adev->vm_manager`: what all address spaces of a device share."""

    def __init__(self, identity: ModelIdentity) -> None:
        self.max_pfn = identity.vm.size_gib << 18
        """Pages of an address space, the reserved ones at both ends included."""
        self.geometry = geometry_for(identity.gc_version, self.max_pfn)
        self.has_set_prt = identity.gc_version < (9,)
        """PRT is a switch of the whole device (`gmc_funcs->set_prt`), not a bit of a page's entry."""
        self.num_prt_users = 0
        """PRT mappings of all processes, and those whose removal is not over yet; counted with that switch only."""
        self.vm_update_mode = -1
        """Module parameter: whose page tables the CPU writes; -1: those of KFD where it can see all VRAM."""
        self.leaked_update_ctx: list[AmdgpuVmUpdateCtx] = []
        """Contexts that were dropped without being finished; empty on a kernel without F2 and F10."""
        self.next_pasid = 1 << 15
        """A PASID of at most 16 bits is asked for, and the large ones are given out first (amdgpu_pasid_alloc)."""

    @property
    def use_cpu_for_gfx(self) -> bool:
        """Whether the CPU writes the page tables of files that are opened now."""
        mode = self.vm_update_mode
        return mode > 0 and bool(mode & amdgpu_vm_cpu.AMDGPU_VM_USE_CPU_FOR_GFX)


# -- life ---------------------------------------------------------------------------------------------------------


def amdgpu_vm_init(adev: AmdgpuDevice, filp: DrmFile) -> AmdgpuVm:
    """Make the address space of an open file.

    Leaves out: making and clearing the root directory, which takes no memory.
    """
    vm = AmdgpuVm(
        adev,
        PageTable(adev.identity.gc_version, adev.vm_manager.geometry),
        immediate=DrmSchedEntity(adev.vm_pte_scheds, DRM_SCHED_PRIORITY_NORMAL),
        delayed=DrmSchedEntity(adev.vm_pte_scheds, DRM_SCHED_PRIORITY_NORMAL),
        generation=amdgpu_vm_generation(adev, None),
    )
    vm.use_cpu_for_update = adev.vm_manager.use_cpu_for_gfx
    vm.pasid = adev.vm_manager.next_pasid
    adev.vm_manager.next_pasid += 1
    vm.pid, vm.process_name, vm.client_id = filp.pid, filp.comm, filp.client_id
    return vm


def amdgpu_vm_wait_idle(vm: AmdgpuVm, deadline: int | None) -> Blocking[None]:
    """Sleep until all updates of the VM have been scheduled (before 6.17: are done), or till ``deadline`` (ns)."""
    if vm.adev.variant.flush_waits_root_resv:
        yield from vm.root_resv.wait(DMA_RESV_USAGE_BOOKKEEP, True, deadline)
        yield from dma_fence_wait(vm.last_unlocked, True, deadline)
    else:
        yield from vm.immediate.flush(deadline)
        yield from vm.delayed.flush(deadline)


def amdgpu_vm_fini(adev: AmdgpuDevice, vm: AmdgpuVm) -> Blocking[None]:
    """Tear an address space down; sleeps uninterruptibly while a TLB flush is to come (E16).

    Leaves out: freeing page tables, VMIDs of hubs nobody can reserve, and KFD.
    """
    yield from dma_fence_wait(vm.last_unlocked, interruptible=False)
    yield from dma_fence_wait(vm.last_tlb_flush, interruptible=False)
    freed = [*vm.freed, *vm.delayed_freed]
    if adev.vm_manager.has_set_prt and any(mapping.flags & AMDGPU_VM_PAGE_PRT for mapping in freed):
        amdgpu_vm_prt_fini(adev, vm)
    for mapping in freed:
        amdgpu_vm_free_mapping(adev, mapping, None)
    vm.freed.clear()
    vm.delayed_freed.clear()
    vm.immediate.fini()
    vm.delayed.fini()
    if len(vm.va):
        adev.err("still active bo inside vm")


def amdgpu_vm_ready(vm: AmdgpuVm) -> bool:
    """Whether page tables can be updated: nothing of the VM is evicted and its entities still take jobs."""
    if vm.evicting or vm.immediate.stopped or vm.delayed.stopped:
        return False
    return not (vm.evicted and vm.adev.variant.always_valid_can_unready)


def needs_validation(vm: AmdgpuVm) -> bool:
    """Whether `amdgpu_vm_validate` has anything to do."""
    return bool(vm.evicted) or vm.evicting or vm.generation != amdgpu_vm_generation(vm.adev, vm)


def amdgpu_vm_validate(
    adev: AmdgpuDevice, vm: AmdgpuVm, validate: Callable[[AmdgpuBo], Blocking[None]]
) -> Blocking[None]:
    """Bring back what is evicted, and everything after a change of generation, before a submission uses the VM.

    ``validate`` brings one always-valid BO back, or raises `KernelError`.

    Leaves out: page tables one by one, which are evicted all or none, and BOs outside the VM that a compute context has
    to have (KFD).
    """
    generation = amdgpu_vm_generation(adev, vm)
    if vm.generation != generation:
        vm.generation = generation
        _amdgpu_vm_bo_reset_state_machine(vm)
        vm.immediate.fini()
        vm.delayed.fini()
        vm.immediate = DrmSchedEntity(adev.vm_pte_scheds, DRM_SCHED_PRIORITY_NORMAL)
        vm.delayed = DrmSchedEntity(adev.vm_pte_scheds, DRM_SCHED_PRIORITY_NORMAL)
    while vm.evicted:
        bo_va = next(iter(vm.evicted))
        assert bo_va.bo is not None, "PRT mappings are never evicted"
        yield from validate(bo_va.bo)
        del vm.evicted[bo_va]
        vm.moved[bo_va] = None
    vm.evicting = False


def _amdgpu_vm_bo_reset_state_machine(vm: AmdgpuVm) -> None:
    """Have every mapping of the VM written again, and every directory (amdgpu_vm_bo_reset_state_machine).

    Updates queued before may have been cancelled, which would have made directories point to their tables.
    """
    vm.relocated = True
    variant = vm.adev.variant
    for mapping in vm.va.in_order():
        bo_va = mapping.bo_va
        if bo_va is None or bo_va.moved:
            continue
        if bo_va.bo is not None and not amdgpu_vm_is_bo_always_valid(vm, bo_va.bo):
            bo_va.moved = True
            vm.invalidated[bo_va] = None
            bo_va.is_listed = True
        elif variant.rewrites_prt_after_reset if bo_va.bo is None else variant.rewrites_always_valid_after_reset:
            bo_va.moved = True
            vm.moved[bo_va] = None


# -- attachments --------------------------------------------------------------------------------------------------


def amdgpu_vm_bo_find(vm: AmdgpuVm, bo: AmdgpuBo) -> AmdgpuBoVa | None:
    """Return the BO's attachment to this address space."""
    return bo.vm_bo.get(vm)


def amdgpu_vm_bo_add(adev: AmdgpuDevice, vm: AmdgpuVm, bo: AmdgpuBo | None) -> AmdgpuBoVa:
    """Attach a BO to an address space; None makes the attachment of its PRT mappings.

    Leaves out: xGMI.
    """
    bo_va = AmdgpuBoVa(vm, bo)
    if bo is not None:
        bo.vm_bo[vm] = bo_va
        if amdgpu_vm_is_bo_always_valid(vm, bo):
            ttm_bo_set_bulk_move(bo, vm.lru_bulk_move)
            if not bo.in_preferred_domain:
                _amdgpu_vm_bo_evicted(bo_va)
    return bo_va


def amdgpu_vm_bo_del(ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa) -> None:
    """Detach a BO and remove its mappings; those whose entries were written go to the freed list.

    Leaves out: the tracepoint, and xGMI.
    """
    vm = bo_va.vm
    if bo_va.bo is not None:
        bo_va.bo.vm_bo.pop(vm, None)
        ttm_bo_set_bulk_move(bo_va.bo, None)
    for state in (vm.evicted, vm.moved, vm.invalidated):
        state.pop(bo_va, None)
    for mapping in reversed(bo_va.valids):
        vm.va.remove(mapping)
        mapping.bo_va = None
        amdgpu_vm_update_ctx_add_freed_mapping(ctx, bo_va.bo, mapping)
    # The kernel takes those on invalids for never written, remnants too (E6, F18).
    for mapping in bo_va.invalids:
        vm.va.remove(mapping)
        mapping.bo_va = None
        amdgpu_vm_free_mapping(ctx.adev, mapping, bo_va.last_pt_update)
    bo_va.valids = {}
    bo_va.invalids = {}


def _amdgpu_vm_bo_evicted(bo_va: AmdgpuBoVa) -> None:
    bo_va.moved = True
    bo_va.vm.moved.pop(bo_va, None)
    bo_va.vm.evicted[bo_va] = None


def amdgpu_vm_bo_invalidate(bo: AmdgpuBo, evicted: bool) -> None:
    """Note in every address space that a BO's memory is, or has to go, elsewhere."""
    for vm, bo_va in bo.vm_bo.items():
        if evicted and amdgpu_vm_is_bo_always_valid(vm, bo):
            _amdgpu_vm_bo_evicted(bo_va)
        elif not bo_va.moved:
            bo_va.moved = True
            state = vm.moved if amdgpu_vm_is_bo_always_valid(vm, bo) else vm.invalidated
            state[bo_va] = None


# -- page-table updates -------------------------------------------------------------------------------------------


def amdgpu_vm_tlb_flush(vm: AmdgpuVm, fence: DmaFence) -> DmaFence:
    """Note that the TLB is stale once ``fence`` signals; returns the fence that says the update is complete.

    Leaves out: updates that take no lock (SVM).
    """

    def tlb_seq_cb(_fence: DmaFence) -> None:
        vm.tlb_seq += 1

    if fence.add_callback(tlb_seq_cb):
        vm.last_tlb_flush = fence
    else:
        tlb_seq_cb(fence)
    if not _needs_tlb_fence(vm):
        return fence
    tlb_fence = amdgpu_vm_tlb_fence_create(vm, fence)
    # No directory or table may be freed before the flush.
    vm.root_resv.add_fence(tlb_fence, DMA_RESV_USAGE_BOOKKEEP)
    return tlb_fence


def _needs_tlb_fence(vm: AmdgpuVm) -> bool:
    """Whether a flush has a fence of its own (need_tlb_fence); where a user queue may run it has to be waited for."""
    kind = vm.adev.variant.tlb_fence
    with_user_queues = kind is TlbFence.USER_QUEUES and bool(vm.adev.userq_ip_mask)
    return vm.is_compute_context or kind is TlbFence.ALL or with_user_queues


def amdgpu_vm_update_range(
    vm: AmdgpuVm, sync: AmdgpuSync, first: int, last: int, entry: Entry, flush_tlb: bool
) -> DmaFence | None:
    """Queue a job that writes ``entry`` to pages ``first``..``last``; returns the fence of its completion.

    Missing directories and tables are added at once, but no directory points to them before the job of
    `amdgpu_vm_update_pdes`. EBUSY while the VM is being evicted, ENODEV when the device is gone. Where the CPU writes
    the entries they are there on return, and there is no fence; ERESTARTSYS if a signal ends its wait.

    Leaves out: immediate and unlocked updates (KFD, SVM), fragments, pages one by one, ENOMEM, and that before GFX9
    every update flushes.
    """
    if vm.adev.ddev.unplugged:
        raise KernelError(errno.ENODEV, "device is unplugged")
    if vm.evicting:
        raise KernelError(errno.EBUSY, "the VM's page tables are being evicted")
    if vm.use_cpu_for_update:
        amdgpu_vm_cpu.amdgpu_vm_cpu_prepare(sync)
        write = amdgpu_vm_pt.amdgpu_vm_ptes_update(vm, first, last, entry)
        amdgpu_vm_cpu.amdgpu_vm_cpu_update(vm, write, flush_tlb)
        return None
    job = amdgpu_vm_sdma.amdgpu_vm_sdma_prepare(vm, sync)
    write = amdgpu_vm_pt.amdgpu_vm_ptes_update(vm, first, last, entry)
    fence = amdgpu_vm_sdma.amdgpu_vm_sdma_commit(vm, job, write, flush_tlb)
    return amdgpu_vm_tlb_flush(vm, fence) if flush_tlb else fence


def amdgpu_vm_update_pdes(vm: AmdgpuVm) -> None:
    """Queue the job that makes directories point to the tables added since the last one, if there are any.

    ERESTARTSYS where the CPU does that and a signal ends its wait.

    Leaves out: the flush when page tables have moved, which they never do here.
    """
    if not vm.relocated:
        return
    if vm.adev.ddev.unplugged:
        raise KernelError(errno.ENODEV, "device is unplugged")
    write = amdgpu_vm_pt.amdgpu_vm_pde_update(vm)
    if vm.use_cpu_for_update:
        amdgpu_vm_cpu.amdgpu_vm_cpu_update(vm, write, flush_tlb=False)
        vm.relocated = False
        return
    vm.relocated = False
    job = amdgpu_vm_sdma.amdgpu_vm_sdma_prepare(vm, None)
    vm.last_update = amdgpu_vm_sdma.amdgpu_vm_sdma_commit(vm, job, write, flush_tlb=False)


def amdgpu_vm_clear_freed(ctx: AmdgpuVmUpdateCtx) -> DmaFence | None:
    """Queue a job per freed mapping of ``ctx`` that zeroes its entries; returns the last one's fence, if there is one.

    After an error the mapping it happened at is gone, its entries still there (KERNEL.md 3.7).
    """
    vm = ctx.vm
    variant = ctx.adev.variant
    if not ctx.freed:
        if variant.shares_sync_container and not variant.skips_empty_clear:
            amdgpu_vm_update_ctx_ensure_unmap_synced(ctx, ctx.sync)  # F9: patch 1 without patch 2
        return None
    sync = sync_of_update(ctx)
    amdgpu_vm_update_ctx_ensure_unmap_synced(ctx, sync)
    fence = None
    while ctx.freed:
        mapping = ctx.freed.pop()
        try:
            fence = amdgpu_vm_update_range(vm, sync, mapping.start, mapping.last, amdgpu_vm_pt.NO_ENTRY, flush_tlb=True)
        finally:
            amdgpu_vm_free_mapping(ctx.adev, mapping, fence)
        ctx.inputs_carried = True
    return fence


def amdgpu_vm_delayed_free(ctx: AmdgpuVmUpdateCtx) -> DmaFence | None:
    """Zero, always implicitly, what earlier operations have left: the backlog of DELAY_UPDATE and of failures."""
    vm = ctx.vm
    if not ctx.adev.variant.freed_per_update:
        return amdgpu_vm_clear_freed(ctx)
    if not vm.delayed_freed:
        return None
    backlog = AmdgpuVmUpdateCtx(ctx.adev, vm)
    if ctx.adev.variant.shares_sync_container:
        backlog.sync = ctx.sync
    if vm.delayed_inputs is not None:
        vm.delayed_inputs.clone(backlog.sync)
        vm.delayed_inputs = None
    backlog.freed, vm.delayed_freed = vm.delayed_freed, []
    try:
        return amdgpu_vm_clear_freed(backlog)
    finally:
        amdgpu_vm_update_ctx_fini(backlog)


def amdgpu_vm_bo_update(ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, clear: bool) -> None:
    """Queue a job for every mapping on a BO's invalids; they are on its valids from then on.

    ``clear`` zeroes the entries instead: for a BO that has moved and could not be locked.

    Leaves out: xGMI, encryption, MTYPE, and the tracepoints.
    """
    vm, bo = bo_va.vm, bo_va.bo
    flush_tlb = clear
    if bo_va.moved and not clear:
        flush_tlb = True
        bo_va.invalids.update(bo_va.valids)
        bo_va.valids = {}
    elif bo_va.cleared != clear:
        bo_va.invalids.update(bo_va.valids)
        bo_va.valids = {}
    always_valid = amdgpu_vm_is_bo_always_valid(vm, bo)

    if bo_va.invalids:
        sync = sync_of_bo_update(ctx, bo_va, clear)
        for mapping in reversed(bo_va.invalids):
            entry = amdgpu_vm_pt.NO_ENTRY if clear else amdgpu_vm_pt.entry_of_mapping(vm.adev, bo, mapping)
            fence = amdgpu_vm_update_range(vm, sync, mapping.start, mapping.last, entry, flush_tlb)
            ctx.inputs_carried = True
            if fence is None:
                continue
            if clear or always_valid:
                vm.last_update = fence
            else:
                bo_va.last_pt_update = fence

    vm.moved.pop(bo_va, None)
    vm.invalidated.pop(bo_va, None)
    bo_va.valids.update(bo_va.invalids)
    bo_va.invalids = {}
    bo_va.cleared = clear
    bo_va.is_listed = True  # amdgpu_vm_bo_done
    if always_valid and bo is not None and not bo.in_preferred_domain:
        _amdgpu_vm_bo_evicted(bo_va)  # so that the next submission tries again
    bo_va.moved = False  # also then: only where it is moved its mappings are written again


def sync_of_bo_update(ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa, clear: bool) -> AmdgpuSync:
    """Return what the jobs of `amdgpu_vm_bo_update` wait for (KERNEL.md 4.3)."""
    adev, vm, bo = ctx.adev, bo_va.vm, bo_va.bo
    sync = sync_of_update(ctx)
    if bo_va.delayed_inputs is not None:
        bo_va.delayed_inputs.clone(sync)
        bo_va.delayed_inputs = None
    if clear:
        amdgpu_sync.amdgpu_sync_resv(adev, sync, vm.root_resv, AMDGPU_SYNC_EQ_OWNER, vm)
        if bo is not None:
            amdgpu_sync.amdgpu_sync_kfd(sync, bo.resv)
    elif bo is None:
        if adev.variant.prt_map_is_implicit:
            amdgpu_sync.amdgpu_sync_resv(adev, sync, vm.root_resv, AMDGPU_SYNC_EQ_OWNER, vm)
    else:
        amdgpu_sync.amdgpu_sync_resv(adev, sync, bo.resv, AMDGPU_SYNC_EXPLICIT, vm)
    return sync


def amdgpu_vm_handle_moved(ctx: AmdgpuVmUpdateCtx, held: Collection[DmaResv]) -> None:
    """Write the mappings of every BO that has moved, before a submission.

    ``held``: the reservation objects the caller has locked. A BO that somebody else has locked cannot be looked up;
    its entries are zeroed until it can.

    Leaves out: that Linux 7.3 never takes the lock of a userptr BO, and imports of compute contexts (KFD).
    """
    vm = ctx.vm
    try:
        for bo_va in reversed(list(vm.moved)):
            amdgpu_vm_bo_update(ctx, bo_va, clear=False)
    except KernelError:
        if ctx.adev.variant.reports_moved_errors:
            raise
        return  # F3: the posted series jumps to a clean-up that returns 0

    for bo_va in list(vm.invalidated):
        assert bo_va.bo is not None, "PRT mappings do not move"
        resv = bo_va.bo.resv
        if resv in held:
            amdgpu_vm_bo_update(ctx, bo_va, clear=False)
        elif not ctx.adev.debug_vm and resv.trylock():
            try:
                amdgpu_vm_bo_update(ctx, bo_va, clear=False)
            finally:
                resv.unlock()
        else:
            amdgpu_vm_bo_update(ctx, bo_va, clear=True)
