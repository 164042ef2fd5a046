# SPDX-License-Identifier: MIT
"""Contexts: the entities a client submits to, and what it can learn about resets (amdgpu_ctx.c)."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import SCHED_JOBS
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm import vm as amdgpu_vm
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_wait
from amdgpu_hw.mock.kernel.drm.drm_auth import drm_is_current_master
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.fault_injection import AllocSite
from amdgpu_hw.mock.kernel.idr import Idr, Xarray
from amdgpu_hw.mock.kernel.kernel import capable
from amdgpu_hw.mock.kernel.scheduler.sched_main import (
    DRM_SCHED_PRIORITY_HIGH,
    DRM_SCHED_PRIORITY_LOW,
    DRM_SCHED_PRIORITY_NORMAL,
    DrmSchedEntity,
    Guilty,
    to_drm_sched_fence,
)
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = (
    "AMDGPU_GFX_PIPE_PRIO_HIGH",
    "AMDGPU_GFX_PIPE_PRIO_NORMAL",
    "AmdgpuCtx",
    "AmdgpuCtxEntity",
    "AmdgpuCtxMgr",
    "amdgpu_ctx_add_fence",
    "amdgpu_ctx_fini",
    "amdgpu_ctx_get",
    "amdgpu_ctx_get_entity",
    "amdgpu_ctx_get_fence",
    "amdgpu_ctx_ioctl",
    "amdgpu_ctx_mgr_entity_flush",
    "amdgpu_ctx_mgr_fini",
    "amdgpu_ctx_mgr_usage",
    "amdgpu_ctx_num_entities",
    "amdgpu_ctx_priority_is_valid",
    "amdgpu_ctx_priority_override",
    "amdgpu_ctx_put",
    "amdgpu_ctx_wait_prev_fence",
)

AMDGPU_VM_MAX_NUM_CTX = 4096
"""Context ids of a file are below this."""

AMDGPU_GFX_PIPE_PRIO_NORMAL = 1
AMDGPU_GFX_PIPE_PRIO_HIGH = 2
"""`enum amdgpu_gfx_pipe_priority`: GFX and compute rings are grouped by it; other rings have one group."""

amdgpu_ctx_num_entities = {
    drm.AMDGPU_HW_IP_GFX: 1,
    drm.AMDGPU_HW_IP_COMPUTE: 4,
    drm.AMDGPU_HW_IP_DMA: 2,
    drm.AMDGPU_HW_IP_UVD: 1,
    drm.AMDGPU_HW_IP_VCE: 1,
    drm.AMDGPU_HW_IP_UVD_ENC: 1,
    drm.AMDGPU_HW_IP_VCN_DEC: 1,
    drm.AMDGPU_HW_IP_VCN_ENC: 1,
    drm.AMDGPU_HW_IP_VCN_JPEG: 1,
    drm.AMDGPU_HW_IP_VPE: 1,
}
"""Rings a context can name, by IP."""

_SCHED_PRIORITY = {
    drm.AMDGPU_CTX_PRIORITY_VERY_LOW: DRM_SCHED_PRIORITY_LOW,
    drm.AMDGPU_CTX_PRIORITY_LOW: DRM_SCHED_PRIORITY_LOW,
    drm.AMDGPU_CTX_PRIORITY_NORMAL: DRM_SCHED_PRIORITY_NORMAL,
    drm.AMDGPU_CTX_PRIORITY_HIGH: DRM_SCHED_PRIORITY_HIGH,
    drm.AMDGPU_CTX_PRIORITY_VERY_HIGH: DRM_SCHED_PRIORITY_HIGH,
}

_WITHOUT_BALANCE = (
    drm.AMDGPU_HW_IP_UVD,
    drm.AMDGPU_HW_IP_UVD_ENC,
    drm.AMDGPU_HW_IP_VCN_DEC,
    drm.AMDGPU_HW_IP_VCN_ENC,
)
"""IPs whose entities stay on one ring: where there is none, drm_sched_entity_init refuses it on every kernel."""

_FENCE_MASK = SCHED_JOBS - 1
_LATEST = (1 << 64) - 1
"""Sequence number that means the last submission."""


class AmdgpuCtxEntity:
    """`struct amdgpu_ctx_entity`: one ring of a context; ``fences`` are its last submissions by sequence number."""

    __slots__ = ("entity", "fences", "hw_ip", "sequence", "time_spend")

    def __init__(self, hw_ip: int, entity: DrmSchedEntity) -> None:
        self.hw_ip = hw_ip
        self.entity = entity
        self.sequence = 1
        """Number of the next submission."""
        self.fences: list[DmaFence | None] = [None] * SCHED_JOBS
        self.time_spend = 0
        """Time on the ring, in ns, of the submissions that are not in ``fences`` any more."""


class AmdgpuCtx:
    """`struct amdgpu_ctx`. Entities are made when first used; ``guilty`` is shared by all of them."""

    __slots__ = (
        "entities",
        "generation",
        "guilty",
        "init_priority",
        "mgr",
        "override_priority",
        "preamble_presented",
        "refcount",
        "reset_counter",
        "reset_counter_query",
        "stable_pstate",
    )

    def __init__(self, mgr: AmdgpuCtxMgr, generation: int, priority: int) -> None:
        adev = mgr.adev
        self.mgr = mgr
        self.refcount = 1
        """The id, and submissions that sleep: freeing the id does not take the entities away from under them."""
        self.entities: dict[tuple[int, int], AmdgpuCtxEntity] = {}
        self.guilty = Guilty()
        self.generation = generation
        self.init_priority = priority
        self.override_priority = drm.AMDGPU_CTX_PRIORITY_UNSET
        self.preamble_presented = False
        self.reset_counter = adev.gpu_reset_counter
        self.reset_counter_query = adev.gpu_reset_counter
        owner = adev.stable_pstate_ctx
        self.stable_pstate: int = owner.stable_pstate if owner is not None else adev.stable_pstate

    @property
    def priority(self) -> int:
        """The priority in effect (AMDGPU_CTX_PRIORITY_*)."""
        if self.override_priority == drm.AMDGPU_CTX_PRIORITY_UNSET:
            return self.init_priority
        return self.override_priority


class AmdgpuCtxMgr:
    """`struct amdgpu_ctx_mgr`: the contexts of an open file by id."""

    __slots__ = ("adev", "contexts", "fpriv", "time_spend")

    def __init__(self, adev: AmdgpuDevice, fpriv: AmdgpuFpriv) -> None:
        self.adev = adev
        self.fpriv = fpriv
        self.contexts: Idr[AmdgpuCtx] = Xarray() if adev.variant.xarray_contexts else Idr()
        self.time_spend: dict[int, int] = {}
        """By IP: ns on rings of submissions that no entity remembers any more."""

    def entities(self) -> Iterator[AmdgpuCtxEntity]:
        """Every entity of every context."""
        for _, ctx in self.contexts.items():
            yield from ctx.entities.values()


def amdgpu_ctx_priority_is_valid(priority: int) -> bool:
    """Tell whether a number is one of the priorities a client may ask for."""
    return priority in _SCHED_PRIORITY


# -- entities -----------------------------------------------------------------------------------------------------


def amdgpu_ctx_get_entity(ctx: AmdgpuCtx, hw_ip: int, instance: int, ring: int) -> AmdgpuCtxEntity:
    """Return the entity for a ring, made on first use.

    EINVAL for a ring there cannot be; the error of the entity's last job as long as that is the last one.
    """
    centity = ctx.entities.get((hw_ip, ring))
    if centity is None or instance:
        if hw_ip >= ctx.mgr.adev.variant.hw_ip_num:
            raise KernelError(errno.EINVAL, f"unknown HW IP type: {hw_ip}")
        if instance:
            raise KernelError(errno.EINVAL, f"invalid ip instance: {instance}")
        if ring >= amdgpu_ctx_num_entities[hw_ip]:
            raise KernelError(errno.EINVAL, f"invalid ring: {hw_ip} {ring}")
        centity = _amdgpu_ctx_init_entity(ctx, hw_ip, ring)
    error = centity.entity.error
    if error:
        raise KernelError(-error, "the entity's last job failed")
    return centity


def _amdgpu_ctx_init_entity(ctx: AmdgpuCtx, hw_ip: int, ring: int) -> AmdgpuCtxEntity:
    """Make the entity for a ring; EINVAL where there is none.

    Leaves out: partitions (xcp), and that an entity of a video engine stays on one ring.
    """
    adev = ctx.mgr.adev
    # Without a ring of that IP there is no scheduler: drm_sched_entity_init makes an entity that has no run queue.
    scheds = adev.get_scheds(hw_ip, _amdgpu_ctx_get_hw_prio(ctx, hw_ip))
    if not scheds and (adev.variant.refuses_absent_rings or hw_ip in _WITHOUT_BALANCE):
        raise KernelError(errno.EINVAL, f"no ring of IP {hw_ip}")
    guilty = ctx.guilty if adev.variant.guilty_is_sticky else None
    entity = DrmSchedEntity(scheds, _SCHED_PRIORITY[ctx.priority], guilty)
    centity = ctx.entities[hw_ip, ring] = AmdgpuCtxEntity(hw_ip, entity)
    return centity


def _amdgpu_ctx_get_hw_prio(ctx: AmdgpuCtx, hw_ip: int) -> int:
    """Which group of rings a context uses.

    Leaves out: priorities of the rings of VCE and VCN.
    """
    if hw_ip in (drm.AMDGPU_HW_IP_GFX, drm.AMDGPU_HW_IP_COMPUTE) and ctx.priority > drm.AMDGPU_CTX_PRIORITY_NORMAL:
        return AMDGPU_GFX_PIPE_PRIO_HIGH
    return AMDGPU_GFX_PIPE_PRIO_NORMAL


def amdgpu_ctx_priority_override(ctx: AmdgpuCtx, priority: int) -> None:
    """Change the priority of a context from outside (SCHED); UNSET gives the original one back."""
    ctx.override_priority = priority
    for centity in ctx.entities.values():
        centity.entity.set_priority(_SCHED_PRIORITY[ctx.priority])
        if centity.hw_ip in (drm.AMDGPU_HW_IP_GFX, drm.AMDGPU_HW_IP_COMPUTE):
            hw_prio = _amdgpu_ctx_get_hw_prio(ctx, centity.hw_ip)
            centity.entity.modify_sched(ctx.mgr.adev.get_scheds(centity.hw_ip, hw_prio))


# -- fences -------------------------------------------------------------------------------------------------------


def amdgpu_ctx_add_fence(centity: AmdgpuCtxEntity, fence: DmaFence) -> int:
    """Remember a submission; returns its sequence number. The one 32 before it must be done."""
    sequence = centity.sequence
    other = centity.fences[sequence & _FENCE_MASK]
    if other is not None:
        centity.time_spend += _amdgpu_ctx_fence_time(other)
    centity.fences[sequence & _FENCE_MASK] = fence
    centity.sequence = sequence + 1
    return sequence


def _amdgpu_ctx_fence_time(fence: DmaFence | None) -> int:
    """How long a submission was, or has been, on its ring, in ns."""
    s_fence = to_drm_sched_fence(fence) if fence is not None else None
    if s_fence is None or not s_fence.scheduled_ns:
        return 0
    return (s_fence.timestamp if s_fence.signaled else time.monotonic_ns()) - s_fence.scheduled_ns


def _amdgpu_ctx_entity_time(centity: AmdgpuCtxEntity) -> int:
    return centity.time_spend + sum(_amdgpu_ctx_fence_time(fence) for fence in centity.fences)


def amdgpu_ctx_mgr_usage(mgr: AmdgpuCtxMgr) -> dict[int, int]:
    """Time that a file's submissions have spent on rings, by IP, in ns."""
    usage = dict(mgr.time_spend)
    for centity in mgr.entities():
        usage[centity.hw_ip] = usage.get(centity.hw_ip, 0) + _amdgpu_ctx_entity_time(centity)
    return usage


def amdgpu_ctx_get_fence(centity: AmdgpuCtxEntity, sequence: int) -> DmaFence | None:
    """Return the fence of a submission (~0: the last), None for one so old that it is done; EINVAL for none yet."""
    if sequence == _LATEST:
        sequence = centity.sequence - 1
    if sequence >= centity.sequence:
        raise KernelError(errno.EINVAL, f"sequence {sequence} has not been submitted")
    if sequence + SCHED_JOBS < centity.sequence:
        return None
    return centity.fences[sequence & _FENCE_MASK]


def amdgpu_ctx_wait_prev_fence(centity: AmdgpuCtxEntity) -> Blocking[None]:
    """Sleep, interruptibly, until the submission 32 before the next one is done."""
    other = centity.fences[centity.sequence & _FENCE_MASK]
    if other is not None and not other.signaled:
        yield from dma_fence_wait(other, interruptible=True)


# -- the ioctl ----------------------------------------------------------------------------------------------------


def amdgpu_ctx_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int | Blocking[int]:
    """DRM_IOCTL_AMDGPU_CTX."""
    fpriv: AmdgpuFpriv = filp.driver_priv
    op, flags, ctx_id, priority = drm.CTX_IN.unpack_from(data)
    # Old user space leaves garbage here.
    if priority not in _SCHED_PRIORITY:
        priority = drm.AMDGPU_CTX_PRIORITY_NORMAL
    if op == drm.AMDGPU_CTX_OP_SET_STABLE_PSTATE:
        if flags & ~drm.AMDGPU_CTX_STABLE_PSTATE_FLAGS_MASK or flags > drm.AMDGPU_CTX_STABLE_PSTATE_PEAK:
            raise KernelError(errno.EINVAL)
    elif flags or op not in _OPERATIONS:
        raise KernelError(errno.EINVAL)

    if op == drm.AMDGPU_CTX_OP_ALLOC_CTX:
        try:
            ctx_id = _amdgpu_ctx_alloc(fpriv, filp, caller, priority)
        except KernelError as error:
            # The id goes back to user space all the same: 0 once it had been reserved (up to 7.2), else what it was.
            reserved = error.errno == errno.EACCES and not fpriv.adev.variant.xarray_contexts
            data[:4] = bytes(4) if reserved else ctx_id.to_bytes(4, "little")
            raise
        drm.CTX_ALLOC_OUT.pack_into(data, 0, ctx_id, flags)
        return 0
    if op == drm.AMDGPU_CTX_OP_FREE_CTX:
        removed = fpriv.ctx_mgr.contexts.remove(ctx_id)
        if removed is None:
            raise KernelError(errno.EINVAL, f"no context {ctx_id}")
        blocking = amdgpu_ctx_put(removed)
        return 0 if blocking is None else _sleep(blocking)
    ctx = amdgpu_ctx_get(fpriv, ctx_id)
    if op == drm.AMDGPU_CTX_OP_QUERY_STATE:
        drm.CTX_STATE_OUT.pack_into(data, 0, 0, 0, _amdgpu_ctx_query(ctx))
    elif op == drm.AMDGPU_CTX_OP_QUERY_STATE2:
        # reset_status keeps what the caller put there: the priority (`args->out` is the same memory).
        data[:12] = drm.CTX_STATE_OUT.pack(flags=_amdgpu_ctx_query2(ctx))[:12]
    elif op == drm.AMDGPU_CTX_OP_GET_STABLE_PSTATE:
        data[:4] = ctx.mgr.adev.stable_pstate.to_bytes(4, "little")
    else:
        _amdgpu_ctx_set_stable_pstate(ctx, flags)
    return 0


def _sleep(blocking: Blocking[None]) -> Blocking[int]:
    yield from blocking
    return 0


_OPERATIONS = range(drm.AMDGPU_CTX_OP_ALLOC_CTX, drm.AMDGPU_CTX_OP_SET_STABLE_PSTATE + 1)


def amdgpu_ctx_get(fpriv: AmdgpuFpriv, ctx_id: int) -> AmdgpuCtx:
    """Return a context of a file (borrowed: who sleeps takes a reference); EINVAL for an unknown id."""
    ctx = fpriv.ctx_mgr.contexts.find(ctx_id)
    if ctx is None:
        raise KernelError(errno.EINVAL, f"no context {ctx_id}")
    return ctx


def amdgpu_ctx_put(ctx: AmdgpuCtx, *, killed: bool = False) -> Blocking[None] | None:
    """Drop a reference; the last one gives the context up, which may have to sleep: then the caller has to.

    ``killed``: the caller has been, and sleeps no more.
    """
    ctx.refcount -= 1
    if ctx.refcount:
        return None
    if killed or all(centity.entity.is_idle for centity in ctx.entities.values()):
        amdgpu_ctx_fini(ctx)
        return None
    return _flush_and_fini(ctx)


def _flush_and_fini(ctx: AmdgpuCtx) -> Blocking[None]:
    """Sleep until all jobs of a context have gone to the rings: no signal ends that but SIGKILL, after which they are
    cancelled (`drm_sched_entity_destroy`: the time-out is for tasks that exit).

    Leaves out: up to 6.12 the lock of the file's contexts is held meanwhile (amdgpu_ctx_free, `mgr->lock`).
    """
    try:
        for centity in ctx.entities.values():
            yield from centity.entity.flush()
    finally:
        amdgpu_ctx_fini(ctx)


def _amdgpu_ctx_alloc(fpriv: AmdgpuFpriv, filp: DrmFile, caller: Caller, priority: int) -> int:
    mgr = fpriv.ctx_mgr
    if not mgr.adev.variant.xarray_contexts and len(mgr.contexts) >= AMDGPU_VM_MAX_NUM_CTX - 1:
        raise KernelError(errno.ENOSPC)
    if priority > drm.AMDGPU_CTX_PRIORITY_NORMAL and not capable(caller) and not drm_is_current_master(filp):
        raise KernelError(errno.EACCES, "a priority above normal needs CAP_SYS_NICE or mastership")
    mgr.adev.kernel.faults.alloc(AllocSite.CTX)
    generation = amdgpu_vm.amdgpu_vm_generation(mgr.adev, fpriv.vm)
    return mgr.contexts.alloc(AmdgpuCtx(mgr, generation, priority))


def _amdgpu_ctx_query(ctx: AmdgpuCtx) -> int:
    """Tell whether the GPU was reset since the last time somebody asked this."""
    counter = ctx.mgr.adev.gpu_reset_counter
    was_reset = ctx.reset_counter_query != counter
    ctx.reset_counter_query = counter
    return drm.AMDGPU_CTX_UNKNOWN_RESET if was_reset else drm.AMDGPU_CTX_NO_RESET


def _amdgpu_ctx_query2(ctx: AmdgpuCtx) -> int:
    """Tell what has happened to the GPU since the context was made (AMDGPU_CTX_QUERY2_FLAGS_*).

    Leaves out: errors counted by RAS.
    """
    adev = ctx.mgr.adev
    flags = 0
    if ctx.reset_counter != adev.gpu_reset_counter:
        flags |= drm.AMDGPU_CTX_QUERY2_FLAGS_RESET
    if ctx.generation != amdgpu_vm.amdgpu_vm_generation(adev, ctx.mgr.fpriv.vm):
        flags |= drm.AMDGPU_CTX_QUERY2_FLAGS_VRAMLOST
    if ctx.guilty.value or (not adev.variant.guilty_is_sticky and _last_job_timed_out(ctx)):
        flags |= drm.AMDGPU_CTX_QUERY2_FLAGS_GUILTY
    if adev.in_reset:
        flags |= drm.AMDGPU_CTX_QUERY2_FLAGS_RESET_IN_PROGRESS
    return flags


def _last_job_timed_out(ctx: AmdgpuCtx) -> bool:
    return any(centity.entity.error == -errno.ETIME for centity in ctx.entities.values())


def _amdgpu_ctx_set_stable_pstate(ctx: AmdgpuCtx, pstate: int) -> None:
    """Pin the clocks; EBUSY while another context does. The state before comes back when the context goes."""
    adev = ctx.mgr.adev
    if adev.stable_pstate_ctx is not None and adev.stable_pstate_ctx is not ctx:
        raise KernelError(errno.EBUSY, "another context has pinned the clocks")
    if pstate == adev.stable_pstate:
        return
    adev.stable_pstate = pstate
    adev.stable_pstate_ctx = None if pstate == drm.AMDGPU_CTX_STABLE_PSTATE_NONE else ctx


def amdgpu_ctx_fini(ctx: AmdgpuCtx) -> None:
    """Give a context up; what its entities still have queued is cancelled."""
    time_spend = ctx.mgr.time_spend
    for centity in ctx.entities.values():
        centity.entity.fini()
        time_spend[centity.hw_ip] = time_spend.get(centity.hw_ip, 0) + _amdgpu_ctx_entity_time(centity)
    ctx.entities.clear()
    if ctx.mgr.adev.stable_pstate_ctx in (None, ctx):
        _amdgpu_ctx_set_stable_pstate(ctx, ctx.stable_pstate)


# -- the file closes ----------------------------------------------------------------------------------------------


def amdgpu_ctx_mgr_entity_flush(mgr: AmdgpuCtxMgr, deadline: int | None) -> Blocking[None]:
    """Sleep until everything submitted has been given to the rings, or ``deadline`` (absolute, ns) has passed."""
    for centity in list(mgr.entities()):
        yield from centity.entity.flush(deadline)


def amdgpu_ctx_mgr_fini(mgr: AmdgpuCtxMgr) -> None:
    """Give up every context that user space has left; `amdgpu_flush` has waited for what they had queued.

    Leaves out: 7.3 lets an exiting task wait for each entity once more, up to a second.
    """
    for ctx_id, ctx in mgr.contexts.items():
        mgr.contexts.remove(ctx_id)
        amdgpu_ctx_put(ctx, killed=True)
