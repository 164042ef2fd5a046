# SPDX-License-Identifier: MIT
"""What the mock kernel is doing, for the console; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from amdgpu_hw.mock.console.types import (
    BoState,
    ClientState,
    ContextState,
    EntityState,
    FenceState,
    FileState,
    GpuState,
    JobState,
    MachineState,
    MappingState,
    RingState,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_reset import supported_resets
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_FENCE_OWNER_UNDEFINED, AMDGPU_FENCE_OWNER_VM
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AMDGPU_GPU_PAGE_SHIFT, AmdgpuVm, amdgpu_vm_generation
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm_pt import PdesUpdate, PtesUpdate
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile, NodeFile
from amdgpu_hw.mock.kernel.scheduler.sched_fence import to_drm_sched_fence
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.board import Board
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AmdgpuCtxEntity
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing
    from amdgpu_hw.mock.kernel.file import File

__all__ = ("bos", "clients", "contexts", "files", "jobs", "mappings", "rings", "status", "updates")

_DOMAINS = {
    drm.AMDGPU_GEM_DOMAIN_CPU: "CPU",
    drm.AMDGPU_GEM_DOMAIN_GTT: "GTT",
    drm.AMDGPU_GEM_DOMAIN_VRAM: "VRAM",
}
_IP_NAMES = {drm.AMDGPU_HW_IP_GFX: "gfx", drm.AMDGPU_HW_IP_COMPUTE: "compute", drm.AMDGPU_HW_IP_DMA: "dma"}


def status(board: Board) -> MachineState:
    """The machine as a whole."""
    kernel = board.kernel
    faults = kernel.faults.pending()
    faults |= {ring.name: ", ".join(found) for ring in _rings(board) if (found := list(_ring_faults(ring)))}
    return MachineState(
        kernel=kernel.variant.name,
        bugs=tuple(bug.name for bug in board.bugs),
        gpus=tuple(_gpu(adev) for adev in board.adevs),
        gpu_time=board.gpu_time,
        oopses=kernel.oopses,
        faults=faults,
    )


def _gpu(adev: AmdgpuDevice) -> GpuState:
    return GpuState(
        index=adev.index,
        name=adev.identity.name,
        pci_address=adev.pci_address,
        unplugged=adev.ddev.unplugged,
        in_reset=adev.in_reset,
        resets=adev.gpu_reset_counter,
        vram_losses=adev.vram_lost_counter,
        vram_used=adev.mman.vram_usage,
        gtt_used=adev.mman.gtt_usage,
    )


# -- clients ------------------------------------------------------------------------------------------------------


def clients(board: Board) -> list[ClientState]:
    """The processes that have made a system call here and still live."""
    return [
        ClientState(
            pid=process.pid,
            comm=process.comm,
            threads=len(process.channels),
            asleep=sum(channel.task is not None for channel in process.channels),
        )
        for process in board.transport.processes()
    ]


def files(board: Board) -> list[FileState]:
    """The open files, in the order they were opened."""
    return [_file(file, pid, comm, descriptors) for file, pid, comm, descriptors in board.transport.open_files()]


def _file(file: File, pid: int, comm: str, descriptors: int) -> FileState:
    filp = file.filp if isinstance(file, NodeFile) else None
    fpriv = filp.driver_priv if filp is not None else None
    amdgpu = fpriv if isinstance(fpriv, AmdgpuFpriv) else None
    return FileState(
        path=file.name,
        pid=pid,
        comm=comm,
        descriptors=descriptors,
        client_id=filp.client_id if filp is not None else None,
        gpu=amdgpu.adev.index if amdgpu is not None else None,
        handles=len(filp.object_idr) if filp is not None else 0,
        syncobjs=len(filp.syncobj_idr) if filp is not None else 0,
        contexts=len(amdgpu.ctx_mgr.contexts) if amdgpu is not None else 0,
        mappings=len(amdgpu.vm.va) if amdgpu is not None else 0,
    )


def _open_amdgpu_files(board: Board, client_id: int | None) -> Iterator[tuple[DrmFile, AmdgpuFpriv]]:
    for adev in board.adevs:
        for filp in adev.ddev.filelist:
            if client_id is None or filp.client_id == client_id:
                yield filp, filp.driver_priv


def contexts(board: Board, client_id: int | None) -> list[ContextState]:
    """The contexts of one open file, or of all."""
    return [
        ContextState(
            client_id=filp.client_id,
            id=ctx_id,
            priority=ctx.priority,
            guilty=ctx.guilty.value,
            lost=ctx.generation != amdgpu_vm_generation(fpriv.adev, fpriv.vm),
            entities=tuple(
                _entity(f"{_IP_NAMES.get(hw_ip, str(hw_ip))}{ring}", centity)
                for (hw_ip, ring), centity in ctx.entities.items()
            ),
        )
        for filp, fpriv in _open_amdgpu_files(board, client_id)
        for ctx_id, ctx in fpriv.ctx_mgr.contexts.items()
    ]


def _entity(name: str, centity: AmdgpuCtxEntity) -> EntityState:
    entity = centity.entity
    return EntityState(
        name=name,
        ring=entity.rq.sched.name if entity.rq is not None else "none",
        submitted=centity.sequence - 1,
        queued=len(entity.job_queue),
        error=entity.error,
    )


def bos(board: Board, client_id: int | None) -> list[BoState]:
    """The buffers that one open file has handles of, or all do."""
    return [
        BoState(
            client_id=filp.client_id,
            handle=handle,
            size=bo.size,
            domain=_DOMAINS.get(bo.domain, "other"),
            address=bo.address,
            flags=bo.flags,
            always_valid=bo.resv is fpriv.vm.root_resv,
            handles=bo.handle_count,
            references=bo.refcount,
        )
        for filp, fpriv in _open_amdgpu_files(board, client_id)
        for handle, bo in filp.object_idr.items()
        if isinstance(bo, AmdgpuBo)
    ]


def mappings(board: Board, client_id: int, va: int, limit: int) -> list[MappingState]:
    """Up to ``limit`` mappings of an open file from address ``va`` on."""
    found: list[MappingState] = []
    for _, fpriv in _open_amdgpu_files(board, client_id):
        first, last = va >> AMDGPU_GPU_PAGE_SHIFT, fpriv.adev.vm_manager.max_pfn
        while len(found) < limit and (mapping := fpriv.vm.va.iter_first(first, last)) is not None:
            bo_va = mapping.bo_va
            found.append(
                MappingState(
                    client_id=client_id,
                    va=mapping.start << AMDGPU_GPU_PAGE_SHIFT,
                    size=mapping.last + 1 - mapping.start << AMDGPU_GPU_PAGE_SHIFT,
                    kind="PRT" if mapping.flags & drm.AMDGPU_VM_PAGE_PRT else "BO",
                    offset=mapping.offset,
                    flags=mapping.flags,
                    written=bo_va is not None and mapping in bo_va.valids,
                )
            )
            first = mapping.last + 1
    return found


# -- rings and jobs -----------------------------------------------------------------------------------------------


def _rings(board: Board) -> Iterator[AmdgpuRing]:
    for adev in board.adevs:
        yield from adev.rings


def _ring_faults(ring: AmdgpuRing) -> Iterator[str]:
    if ring.fence_drv.fault is not None:
        yield f"next fence {ring.fence_drv.fault}"
    if ring.hw.hangs_next is not None:
        yield f"next job hangs ({ring.hw.hangs_next.value})"


def rings(board: Board) -> list[RingState]:
    """The rings of all GPUs."""
    return [
        RingState(
            gpu=ring.adev.index,
            name=ring.name,
            state=ring.hw.state.value,
            held=ring.hw.held,
            at=ring.hw.where(),
            on_ring=len(ring.fence_drv.pending),
            queued=sum(len(entity.job_queue) for rq in ring.sched.sched_rq for entity in rq.entities),
            last_signaled=ring.fence_drv.last_seq,
            last_emitted=ring.fence_drv.sync_seq,
            resets=", ".join((kind.name or "").lower() for kind in supported_resets(ring)),
            fault=", ".join(_ring_faults(ring)),
        )
        for ring in _rings(board)
    ]


def jobs(board: Board) -> list[JobState]:
    """Every job that is not done, ring by ring: those on the ring first."""
    owners = {fpriv.vm: filp for filp, fpriv in _open_amdgpu_files(board, None)}
    return [state for ring in _rings(board) for state in _jobs_of(ring, owners)]


def updates(board: Board, client_id: int | None) -> list[JobState]:
    """The page-table updates that are not done, of one open file or of all, and what each waits for."""
    return [
        job
        for job in jobs(board)
        if job.what.startswith("page-table") and (client_id is None or job.client_id == client_id)
    ]


def _jobs_of(ring: AmdgpuRing, owners: dict[AmdgpuVm, DrmFile]) -> Iterator[JobState]:
    for job in ring.sched.pending_list:
        if not job.s_fence.signaled and isinstance(job, AmdgpuJob):
            yield _job(ring, job, "on the ring", 0, owners)
    for rq in ring.sched.sched_rq:
        for entity in rq.entities:
            for behind, job in enumerate(entity.job_queue):
                if isinstance(job, AmdgpuJob):
                    yield _job(ring, job, "waiting", behind, owners)


def _job(ring: AmdgpuRing, job: AmdgpuJob, state: str, behind: int, owners: dict[AmdgpuVm, DrmFile]) -> JobState:
    call, vm = job.call, job.vm
    va = size = None
    if isinstance(call, (PtesUpdate, PdesUpdate)):
        vm = ring.adev.vm_of(call.page_table)
    if isinstance(call, PtesUpdate):
        va = call.first << AMDGPU_GPU_PAGE_SHIFT
        size = call.last + 1 - call.first << AMDGPU_GPU_PAGE_SHIFT
    filp = owners.get(vm) if vm is not None else None
    return JobState(
        gpu=ring.adev.index,
        ring=ring.name,
        what=_job_name(job),
        fence=fence_name(job.s_fence),
        state=state,
        behind=behind,
        waits_for=tuple(fence_state(fence) for fence in job.dependencies if not fence.signaled),
        client_id=filp.client_id if filp is not None else None,
        va=va,
        size=size,
    )


def _job_name(job: AmdgpuJob) -> str:
    call = job.call
    if isinstance(call, PtesUpdate):
        return f"page-table update: {call.entry.kind.name} entries"
    if isinstance(call, PdesUpdate):
        return "page-table update: directories"
    return f"{job.operation.name.lower()} of the kernel" if call is not None else "submission"


# -- fences -------------------------------------------------------------------------------------------------------


def fence_name(fence: DmaFence) -> str:
    """Driver, timeline, context and number."""
    return f"{fence.driver_name} {fence.timeline_name} {fence.context}:{fence.seqno}"


def fence_state(fence: DmaFence) -> FenceState:
    """A fence in words."""
    return FenceState(name=fence_name(fence), what=_meaning(fence), signaled=fence.signaled, error=fence.error)


def _meaning(fence: DmaFence) -> str:
    s_fence = to_drm_sched_fence(fence)
    if s_fence is None:
        return f"{fence.driver_name} fence"
    owner = s_fence.owner
    if isinstance(owner, AmdgpuVm):
        what = f"submission of {owner.process_name} (pid {owner.pid})"
    elif owner == AMDGPU_FENCE_OWNER_VM:
        what = "page-table update"
    elif owner == AMDGPU_FENCE_OWNER_UNDEFINED:
        what = "move or clear of the kernel"
    else:
        what = "job"
    return what if fence is s_fence else f"{what}, to be on its ring"
