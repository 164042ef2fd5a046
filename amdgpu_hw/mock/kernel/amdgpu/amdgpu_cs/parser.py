# SPDX-License-Identifier: MIT
"""What a submission asks for: the chunks of a CS ioctl, read twice in user order (amdgpu_cs.c, pass 1 and 2).

The first pass finds out which rings are used and so how many jobs there are; the second fills them in.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.ring import PlacedIb
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import (
    AmdgpuBoList,
    amdgpu_bo_create_list_entry_array,
    amdgpu_bo_list_create,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import (
    AmdgpuCtxEntity,
    amdgpu_ctx_get,
    amdgpu_ctx_get_entity,
    amdgpu_ctx_get_fence,
    amdgpu_ctx_put,
)
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuJob, amdgpu_job_alloc
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing, amdgpu_ring_max_ibs
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.drm.drm_gem import drm_gem_object_lookup
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj, drm_syncobj_find, drm_syncobj_find_fence
from amdgpu_hw.mock.kernel.errno_ import KernelError, errno_name
from amdgpu_hw.mock.kernel.fault_injection import AllocSite
from amdgpu_hw.mock.kernel.page import PAGE_SIZE
from amdgpu_hw.mock.kernel.scheduler.sched_main import to_drm_sched_fence
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
    from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("AMDGPU_CS_GANG_SIZE", "AmdgpuCsParser", "amdgpu_cs_pass1", "amdgpu_cs_pass2")

AMDGPU_CS_GANG_SIZE = 4
_KMALLOC_MAX = 4 << 20
_INT_MAX = 0x7FFF_FFFF
_MAX_IB_DW = 0xFFFFF
"""AMDGPU_GFX_SDMA_IB_PACKET_SIZE_MAX_DW: what the size field of the packet can hold."""
_KVMALLOC_MAX = (1 << 31) - 1
_CP_GFX_SHADOW_FLAGS_INIT_SHADOW = 1
_CHUNK = struct.Struct("<IIQ")

_DEFERRED = frozenset(
    (
        drm.AMDGPU_CHUNK_ID_DEPENDENCIES,
        drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN,
        drm.AMDGPU_CHUNK_ID_SYNCOBJ_OUT,
        drm.AMDGPU_CHUNK_ID_SCHEDULED_DEPENDENCIES,
        drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_WAIT,
        drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_SIGNAL,
        drm.AMDGPU_CHUNK_ID_CP_GFX_SHADOW,
    )
)
"""Chunks that the first pass only lets through."""


class AmdgpuCsParser:
    """`struct amdgpu_cs_parser`: one submission on its way; `jobs` is a gang of up to four, `gang_leader` its leader.

    ``post_deps``: syncobjs that get the leader's fence, with the point or 0. None until a chunk asked for any.
    """

    __slots__ = (
        "adev",
        "bo_list",
        "caller",
        "chunks",
        "ctx",
        "entities",
        "filp",
        "fpriv",
        "gang_leader_idx",
        "has_preamble",
        "jobs",
        "num_ibs",
        "post_deps",
        "preemptible_ibs",
        "sync",
        "uf_bo",
        "uf_offset",
    )

    def __init__(self, adev: AmdgpuDevice, fpriv: AmdgpuFpriv, filp: DrmFile, caller: Caller, ctx_id: int) -> None:
        self.adev = adev
        self.fpriv = fpriv
        self.filp = filp
        self.caller = caller
        self.ctx = amdgpu_ctx_get(fpriv, ctx_id)
        if adev.variant.guilty_is_sticky and self.ctx.guilty.value:
            raise KernelError(errno.ECANCELED, "the context has hung the GPU")
        self.ctx.refcount += 1
        self.chunks: list[tuple[int, bytes]] = []
        self.entities: list[AmdgpuCtxEntity] = []
        self.num_ibs: list[int] = []
        self.jobs: list[AmdgpuJob] = []
        self.gang_leader_idx = 0
        self.has_preamble = False
        self.preemptible_ibs = {False: 0, True: 0}
        """IBs that may be preempted, by whether they are for the constant engine."""
        self.uf_bo: AmdgpuBo | None = None
        self.uf_offset = 0
        self.bo_list: AmdgpuBoList | None = None
        self.sync = AmdgpuSync()
        self.post_deps: list[tuple[DrmSyncobj, int]] | None = None

    @property
    def gang_leader(self) -> AmdgpuJob:
        """The job whose fence stands for the whole submission: the one of the last IB."""
        return self.jobs[self.gang_leader_idx]

    def fini(self, *, killed: bool) -> Blocking[None] | None:
        """Drop what the submission holds (amdgpu_cs_parser_fini); sleeps if the context was freed meanwhile."""
        if self.bo_list is not None:
            self.bo_list.put()
            self.bo_list = None
        if self.uf_bo is not None:
            self.uf_bo.put()
            self.uf_bo = None
        for syncobj, _ in self.post_deps or ():
            syncobj.put()
        return amdgpu_ctx_put(self.ctx, killed=killed)


# -- pass 1 -------------------------------------------------------------------------------------------------------


def amdgpu_cs_pass1(p: AmdgpuCsParser, num_chunks: int, address: int) -> None:
    """Copy the chunks from user space, find the rings, make the jobs.

    Leaves out: isolation of clients on the shaders, EINVAL for gangs of virtual functions.
    """
    checked = p.adev.variant.checks_chunks
    p.adev.kernel.faults.alloc(AllocSite.CS)
    for chunk_id, length_dw, chunk_data in _copy_chunk_headers(p.caller, num_chunks, address):
        size = length_dw * 4
        if size > _INT_MAX:
            raise KernelError(p.adev.variant.long_chunk_errno, f"chunk of {size} bytes")
        if size > _KVMALLOC_MAX:
            raise KernelError(errno.ENOMEM, f"chunk of {size} bytes")
        kdata = p.caller.copy_from_user(chunk_data, size) if size else b""
        p.chunks.append((chunk_id, kdata))
        if chunk_id == drm.AMDGPU_CHUNK_ID_IB:
            _amdgpu_cs_p1_ib(p, kdata)
        elif chunk_id == drm.AMDGPU_CHUNK_ID_FENCE:
            if checked and p.uf_bo is not None and len(kdata) >= drm.CS_CHUNK_FENCE.size:
                raise KernelError(errno.EINVAL, "a second user fence")
            _amdgpu_cs_p1_user_fence(p, kdata)
        elif chunk_id == drm.AMDGPU_CHUNK_ID_BO_HANDLES:
            _amdgpu_cs_p1_bo_handles(p, kdata)
        elif chunk_id == drm.AMDGPU_CHUNK_ID_CP_GFX_SHADOW and not p.adev.variant.has_shadow_chunk:
            raise KernelError(errno.EINVAL, "unknown chunk")
        elif chunk_id == drm.AMDGPU_CHUNK_ID_CP_GFX_SHADOW and checked:
            _require_size(kdata, drm.CS_CHUNK_CP_GFX_SHADOW.size)
        elif chunk_id not in _DEFERRED:
            raise KernelError(errno.EINVAL, f"unknown chunk {chunk_id:#x}")
    if not p.entities:
        raise KernelError(errno.EINVAL, "no IB")
    vm = p.fpriv.vm
    for centity, num_ibs in zip(p.entities, p.num_ibs, strict=True):
        p.jobs.append(amdgpu_job_alloc(p.adev, vm, centity.entity, vm, num_ibs))
    if p.ctx.generation != p.gang_leader.generation:
        raise KernelError(errno.ECANCELED, "the context is older than the page tables")


def _copy_chunk_headers(caller: Caller, num_chunks: int, address: int) -> Iterable[tuple[int, int, int]]:
    """Follow the array of pointers to chunk id, length in dwords and address of the data.

    A header that cannot be read must not win over what is wrong with a chunk before it.
    """
    if num_chunks * 8 > _KMALLOC_MAX:
        raise KernelError(errno.ENOMEM, f"{num_chunks} chunks")
    pointers = struct.unpack(f"<{num_chunks}Q", caller.copy_from_user(address, num_chunks * 8))
    size = drm.CS_CHUNK.size
    first = pointers[0]
    if pointers == tuple(range(first, first + num_chunks * size, size)):
        # libdrm keeps them in one array: one copy does for all.
        try:
            return _CHUNK.iter_unpack(caller.copy_from_user(first, num_chunks * size))
        except KernelError:
            pass  # Not all of them are there: the loop below finds out which.
    return (_CHUNK.unpack(caller.copy_from_user(pointer, size)) for pointer in pointers)


def _require_size(kdata: bytes, wanted: int) -> None:
    if len(kdata) < wanted:
        raise KernelError(errno.EINVAL, f"chunk of {len(kdata)} bytes instead of {wanted}")


def _amdgpu_cs_job_idx(p: AmdgpuCsParser, ip_type: int, ip_instance: int, ring: int) -> int:
    """Return the index of the job for a ring; a new ring makes the gang larger."""
    centity = amdgpu_ctx_get_entity(p.ctx, ip_type, ip_instance, ring)
    if centity.entity.rq is None:
        raise KernelError(errno.EINVAL, f"no ring of IP {ip_type}")
    for index, known in enumerate(p.entities):
        if known is centity:
            return index
    if len(p.entities) == AMDGPU_CS_GANG_SIZE:
        raise KernelError(errno.EINVAL, "a gang has at most four members")
    p.entities.append(centity)
    p.num_ibs.append(0)
    return len(p.entities) - 1


def _amdgpu_cs_p1_ib(p: AmdgpuCsParser, kdata: bytes) -> None:
    _require_size(kdata, drm.CS_CHUNK_IB.size)
    _, _, _, _, ip_type, ip_instance, ring = drm.CS_CHUNK_IB.unpack_from(kdata)
    index = _amdgpu_cs_job_idx(p, ip_type, ip_instance, ring)
    if p.adev.variant.limits_ibs and p.num_ibs[index] >= amdgpu_ring_max_ibs(ip_type):
        raise KernelError(errno.EINVAL, f"more than {p.num_ibs[index]} IBs")
    p.num_ibs[index] += 1
    p.gang_leader_idx = index


def _amdgpu_cs_p1_user_fence(p: AmdgpuCsParser, kdata: bytes) -> None:
    _require_size(kdata, drm.CS_CHUNK_FENCE.size)
    handle, offset = drm.CS_CHUNK_FENCE.unpack_from(kdata)
    bo = drm_gem_object_lookup(p.filp, handle)
    if not isinstance(bo, AmdgpuBo):
        raise KernelError(errno.EINVAL, f"no BO {handle} for the user fence")
    bo.get()
    if p.uf_bo is not None:
        p.uf_bo.put()
    p.uf_bo, p.uf_offset = bo, offset
    if bo.size != PAGE_SIZE or offset > bo.size - 8:
        raise KernelError(errno.EINVAL, f"user fence at {offset:#x} of a BO of {bo.size:#x} bytes")
    if bo.user_pages is not None:
        raise KernelError(errno.EINVAL, "user fence in user pages")


def _amdgpu_cs_p1_bo_handles(p: AmdgpuCsParser, kdata: bytes) -> None:
    _require_size(kdata, drm.BO_LIST_IN.size)
    if p.bo_list is not None:
        raise KernelError(errno.EINVAL, "a second BO_HANDLES chunk")
    _, _, number, size, address = drm.BO_LIST_IN.unpack_from(kdata)
    info = amdgpu_bo_create_list_entry_array(p.caller, p.adev.variant, number, size, address)
    p.bo_list = amdgpu_bo_list_create(p.filp, p.caller, info)


# -- pass 2 -------------------------------------------------------------------------------------------------------


def amdgpu_cs_pass2(p: AmdgpuCsParser) -> Blocking[None]:
    """Fill the jobs in and collect what they wait for; sleeps for a timeline point that nobody has submitted yet."""
    for chunk_id, kdata in p.chunks:
        if chunk_id == drm.AMDGPU_CHUNK_ID_IB:
            _amdgpu_cs_p2_ib(p, kdata)
        elif chunk_id == drm.AMDGPU_CHUNK_ID_DEPENDENCIES:
            _amdgpu_cs_p2_dependencies(p, kdata, scheduled=False)
        elif chunk_id == drm.AMDGPU_CHUNK_ID_SCHEDULED_DEPENDENCIES:
            _amdgpu_cs_p2_dependencies(p, kdata, scheduled=True)
        elif chunk_id == drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN:
            for (handle,) in _records("<I", kdata):
                yield from _amdgpu_syncobj_lookup_and_add(p, handle, 0, 0)
        elif chunk_id == drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_WAIT:
            for handle, flags, point in _records("<IIQ", kdata):
                yield from _amdgpu_syncobj_lookup_and_add(p, handle, point, flags)
        elif chunk_id == drm.AMDGPU_CHUNK_ID_SYNCOBJ_OUT:
            _collect_post_deps(p, ((handle, 0) for (handle,) in _records("<I", kdata)))
        elif chunk_id == drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_SIGNAL:
            _collect_post_deps(p, ((handle, point) for handle, _, point in _records("<IIQ", kdata)))
        elif chunk_id == drm.AMDGPU_CHUNK_ID_CP_GFX_SHADOW:
            _amdgpu_cs_p2_shadow(kdata)


def _records(layout: str, kdata: bytes) -> Iterator[tuple[int, ...]]:
    """Split a chunk into its records; part of one at the end is ignored (the kernel divides and rounds down)."""
    size = struct.calcsize(layout)
    return struct.iter_unpack(layout, kdata[: len(kdata) // size * size])


def _amdgpu_cs_p2_ib(p: AmdgpuCsParser, kdata: bytes) -> None:
    """Fill in an IB.

    Leaves out: copying IBs that the kernel parses (UVD, VCE), and rings without user fences.
    """
    _, flags, va_start, ib_bytes, ip_type, ip_instance, ring_index = drm.CS_CHUNK_IB.unpack_from(kdata)
    job = p.jobs[_amdgpu_cs_job_idx(p, ip_type, ip_instance, ring_index)]
    ring = job.sched.priv
    if isinstance(ring, AmdgpuRing) and ring.no_user_submission:
        raise KernelError(errno.EINVAL, f"{ring} is for the kernel only")
    if p.adev.variant.checks_chunks and ib_bytes // 4 > _MAX_IB_DW:
        raise KernelError(errno.EINVAL, f"IB of {ib_bytes} bytes")
    is_ce = bool(flags & drm.AMDGPU_IB_FLAG_CE)
    if is_ce and p.adev.variant.blocks_ce_ibs and not p.adev.debug_enable_ce_cs:
        p.adev.err("CE CS is blocked, use debug=0x400 to override")
        raise KernelError(errno.EINVAL, "constant engine IB")
    if ip_type == drm.AMDGPU_HW_IP_GFX and flags & drm.AMDGPU_IB_FLAG_PREEMPT:
        p.preemptible_ibs[is_ce] += 1
        if p.preemptible_ibs[is_ce] > 1:
            raise KernelError(errno.EINVAL, "only one IB of a submission may be preempted")
    if flags & drm.AMDGPU_IB_FLAG_PREAMBLE:
        p.has_preamble = True
    job.ibs.append(PlacedIb(va_start, ib_bytes // 4, flags))


def _amdgpu_cs_p2_dependencies(p: AmdgpuCsParser, kdata: bytes, scheduled: bool) -> None:
    for ip_type, ip_instance, ring, ctx_id, sequence in _records("<IIIIQ", kdata):
        ctx = amdgpu_ctx_get(p.fpriv, ctx_id)
        centity = amdgpu_ctx_get_entity(ctx, ip_type, ip_instance, ring)
        fence: DmaFence | None = amdgpu_ctx_get_fence(centity, sequence)
        if fence is not None and scheduled:
            s_fence = to_drm_sched_fence(fence)
            fence = s_fence.scheduled if s_fence is not None else fence
        p.sync.fence(fence)


def _amdgpu_syncobj_lookup_and_add(p: AmdgpuCsParser, handle: int, point: int, flags: int) -> Blocking[None]:
    try:
        fence = yield from drm_syncobj_find_fence(p.filp, handle, point, flags)
    except KernelError as error:
        p.adev.err(f"*ERROR* syncobj {handle} failed to find fence @ {point} (-{errno_name(error.errno)})!")
        raise
    p.sync.fence(fence)


def _collect_post_deps(p: AmdgpuCsParser, records: Iterable[tuple[int, int]]) -> None:
    if p.post_deps is not None:
        raise KernelError(errno.EINVAL, "a second chunk of syncobjs to signal")
    p.post_deps = []
    for handle, point in records:
        syncobj = drm_syncobj_find(p.filp, handle)
        if syncobj is None:
            raise KernelError(errno.EINVAL, f"no syncobj {handle} to signal")
        p.post_deps.append((syncobj.get(), point))


def _amdgpu_cs_p2_shadow(kdata: bytes) -> None:
    # The registers that firmware would keep in the shadow are not modelled, so nothing has to be remembered. The
    # kernel does not check the chunk's size; missing words read as 0 here.
    _, _, _, flags = drm.CS_CHUNK_CP_GFX_SHADOW.unpack(kdata[:32].ljust(32, b"\0"))
    if flags & ~_CP_GFX_SHADOW_FLAGS_INIT_SHADOW:
        raise KernelError(errno.EINVAL, f"shadow flags {flags:#x}")
