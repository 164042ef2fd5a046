# SPDX-License-Identifier: MIT
"""Submissions: from the CS ioctl to the scheduler (amdgpu_cs.c).

The order of the steps is the order in which errors win, and, in `amdgpu_cs_vm_handling`, what later steps rely on.
Reading the chunks is in `parser`, moving the buffers in `bos`, waiting for submissions in `wait`.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList, amdgpu_bo_list_get
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.bos import amdgpu_cs_parser_bos, fault_in_user_pages
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser, amdgpu_cs_pass1, amdgpu_cs_pass2
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import amdgpu_ctx_add_fence, amdgpu_ctx_wait_prev_fence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import amdgpu_vmid_uses_reserved
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EXPLICIT, AMDGPU_SYNC_NE_OWNER, amdgpu_sync_resv
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import vm as amdgpu_vm
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.task_info import amdgpu_vm_set_task_info
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ, DMA_RESV_USAGE_WRITE, DmaResv
from amdgpu_hw.mock.kernel.drm.drm_exec import drm_exec_fini, lock_all
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import drm_syncobj_add_point, drm_syncobj_replace_fence
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.ttm.ttm_bo.bo import ttm_bo_move_to_lru_tail
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_GEM_CREATE_EXPLICIT_SYNC, CS_IN, CS_OUT

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("amdgpu_cs_ioctl", "amdgpu_cs_submit", "amdgpu_cs_sync_rings", "amdgpu_cs_vm_handling", "lock_submission")


def amdgpu_cs_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> Blocking[int]:
    """DRM_IOCTL_AMDGPU_CS: submit IBs; the result is the sequence number of the leader's entity.

    Leaves out: EHWPOISON after a RAS interrupt, and the patching of IBs for UVD and VCE.
    """
    ctx_id, bo_list_handle, num_chunks, _flags, chunks = CS_IN.unpack_from(data)
    fpriv: AmdgpuFpriv = filp.driver_priv
    adev = fpriv.adev
    if not adev.accel_working:
        raise KernelError(errno.EBUSY, "acceleration is off")
    if num_chunks == 0:
        raise KernelError(errno.EINVAL, "no chunks")
    p = AmdgpuCsParser(adev, fpriv, filp, caller, ctx_id)
    killed = False
    try:
        amdgpu_cs_pass1(p, num_chunks, chunks)
        amdgpu_vm_set_task_info(fpriv, caller)
        yield from amdgpu_cs_pass2(p)
        p.bo_list = _bo_list_of(p, bo_list_handle)
        fault_in_user_pages(p.bo_list)
        locked = yield from lock_submission(p, p.bo_list)
        try:
            # The memory of the page-table jobs is allocated with everything locked, uninterruptibly (E15).
            if adev.mman.ib_pool.exhausted:
                yield from adev.mman.ib_pool.wait()
            yield from amdgpu_cs_parser_bos(p, p.bo_list)
            amdgpu_cs_vm_handling(p, p.bo_list, locked)
            # With 32 unfinished jobs in front this sleeps, and everybody who needs one of the locks with it.
            yield from amdgpu_ctx_wait_prev_fence(p.entities[p.gang_leader_idx])
            amdgpu_cs_sync_rings(p, p.bo_list)
            CS_OUT.pack_into(data, 0, amdgpu_cs_submit(p, locked))
        finally:
            drm_exec_fini(locked)
    except GeneratorExit:
        killed = True
        raise
    finally:
        if adev.debug_vm and adev.variant.forgets_after_failed_cs and p.bo_list is not None:
            invalidate_all(p.bo_list)
        blocking = p.fini(killed=killed)
        if blocking is not None:
            yield from blocking
    return 0


def _bo_list_of(p: AmdgpuCsParser, handle: int) -> AmdgpuBoList:
    """Return the list of the submission: inline, by handle, or none; both is EINVAL."""
    if handle:
        if p.bo_list is not None:
            raise KernelError(errno.EINVAL, "BO list both inline and by handle")
        return amdgpu_bo_list_get(p.fpriv, handle)
    return p.bo_list if p.bo_list is not None else AmdgpuBoList([])


def lock_submission(p: AmdgpuCsParser, bo_list: AmdgpuBoList) -> Blocking[Sequence[DmaResv]]:
    """Lock the root directory, the listed BOs and that of the user fence (the first half of amdgpu_cs_parser_bos)."""
    resvs = [p.fpriv.vm.root_resv]
    resvs += [bo.resv for bo in bo_list.bos]
    if p.uf_bo is not None:
        resvs.append(p.uf_bo.resv)
    return (yield from lock_all(resvs, interruptible=True))


def amdgpu_cs_vm_handling(p: AmdgpuCsParser, bo_list: AmdgpuBoList, locked: Sequence[DmaResv]) -> None:
    """Bring the page tables up to date and wait for what that needs (KERNEL.md 4.5).

    What was unmapped is zeroed first, but nobody waits for it: the submission may run at the same time (E3).

    Leaves out: the directory's address in the jobs: they carry the page table itself.
    """
    adev, fpriv, vm = p.adev, p.fpriv, p.fpriv.vm
    if len(p.jobs) > 1 and not adev.identity.vm.concurrent_flush:
        for job in p.jobs:
            ring = job.sched.priv
            if isinstance(ring, AmdgpuRing) and amdgpu_vmid_uses_reserved(adev, vm, ring.vm_hub):
                raise KernelError(errno.EINVAL, "a gang cannot use a reserved VMID on this GPU")
    if not amdgpu_vm.amdgpu_vm_ready(vm):
        raise KernelError(errno.EINVAL, "the VM is not ready")
    ctx = amdgpu_vm.AmdgpuVmUpdateCtx(adev, vm)
    try:
        amdgpu_vm.amdgpu_vm_delayed_free(ctx)
        bo_vas = [fpriv.prt_va, fpriv.csa_va]
        bo_vas += [bo.vm_bo.get(vm) for bo in bo_list.bos]
        for bo_va in bo_vas:
            if bo_va is not None:
                if bo_va.invalids or bo_va.moved or bo_va.cleared or not bo_va.is_listed:
                    amdgpu_vm.amdgpu_vm_bo_update(ctx, bo_va, clear=False)
                if not bo_va.last_pt_update.signaled:
                    p.sync.fence(bo_va.last_pt_update)
        amdgpu_vm.amdgpu_vm_handle_moved(ctx, locked)
        amdgpu_vm.amdgpu_vm_update_pdes(vm)
        p.sync.fence(vm.last_update)
    finally:
        amdgpu_vm.amdgpu_vm_update_ctx_fini(ctx)
    if adev.debug_vm and not adev.variant.forgets_after_failed_cs:
        invalidate_all(bo_list)


def invalidate_all(bo_list: AmdgpuBoList) -> None:
    """Have buffers missed that a later submission does not list (debug_vm)."""
    for bo in bo_list.bos:
        amdgpu_vm.amdgpu_vm_bo_invalidate(bo, False)


def amdgpu_cs_sync_rings(p: AmdgpuCsParser, bo_list: AmdgpuBoList) -> None:
    """Make the jobs wait for others' use of the buffers (implicit), and for everything collected before.

    Leaves out: waiting for the submission 32 before, which the caller does, and remembering fences of the same ring for
    a pipeline sync.
    """
    adev, vm = p.adev, p.fpriv.vm
    bos = bo_list.bos if p.uf_bo is None else (*bo_list.bos, p.uf_bo)
    amdgpu_sync_resv(adev, p.sync, vm.root_resv, AMDGPU_SYNC_NE_OWNER, vm)
    for bo in bos:
        explicit = bo.flags & AMDGPU_GEM_CREATE_EXPLICIT_SYNC
        amdgpu_sync_resv(adev, p.sync, bo.resv, AMDGPU_SYNC_EXPLICIT if explicit else AMDGPU_SYNC_NE_OWNER, vm)
    for job in p.jobs:
        p.sync.push_to_job(job)


def amdgpu_cs_submit(p: AmdgpuCsParser, locked: Sequence[DmaResv]) -> int:
    """Number the jobs, publish their fences and queue them; returns the sequence number for user space.

    Leaves out: EAGAIN when user pages have changed since they were looked up, or (7.3) a BO outside the list waits for
    its update.
    """
    leader = p.gang_leader
    jobs = p.jobs
    for job in jobs:
        job.arm()
    if len(jobs) > 1:
        for job in jobs:
            if job is not leader:
                leader.add_dependency(job.s_fence.scheduled)
            job.gang_submit = leader.s_fence.scheduled
    fence = leader.s_fence
    ttm_bo_move_to_lru_tail(p.bo_list.bos if p.bo_list is not None else ())
    p.fpriv.vm.lru_bulk_move.move_tail()
    for resv in locked:
        # Everybody except for the gang leader uses READ.
        for job in jobs:
            if job is not leader:
                resv.add_fence(job.s_fence, DMA_RESV_USAGE_READ)
        resv.add_fence(fence, DMA_RESV_USAGE_WRITE)
    sequence = amdgpu_ctx_add_fence(p.entities[p.gang_leader_idx], fence)
    for syncobj, point in p.post_deps or ():
        if point:
            drm_syncobj_add_point(syncobj, fence, point)
        else:
            drm_syncobj_replace_fence(syncobj, fence)
    if p.has_preamble:
        p.ctx.preamble_presented = True
    if p.uf_bo is not None:
        # One that the GPU does not reach gets nothing; the kernel warns and writes somewhere.
        leader.uf_address = p.uf_bo.address + p.uf_offset if p.uf_bo.gpu_accessible else None
        leader.uf_sequence = sequence
    for job in jobs:
        job.push()
    return sequence
