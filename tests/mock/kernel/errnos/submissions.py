# SPDX-License-Identifier: MIT
"""Submissions: chunk by chunk, and what is behind the chunks (KERNEL.md 2.7, E16)."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from amdgpu_hw.memory import PAGE_SIZE as PAGE
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.errnos import NO_HANDLE, ErrnoClient

__all__ = ("SUBMISSIONS", "Submission", "cs_fields")

NEW, STABLE, OLD = "base", "6.18", "6.12"
ALL = (NEW, STABLE, OLD)
GFX, COMPUTE, SDMA = drm.AMDGPU_HW_IP_GFX, drm.AMDGPU_HW_IP_COMPUTE, drm.AMDGPU_HW_IP_DMA
EINVAL, ENOENT = errno.EINVAL, errno.ENOENT
LATEST = (1 << 64) - 1

Chunk: TypeAlias = "Callable[[ErrnoClient], tuple[int, bytes]]"


def ib(ip: int = GFX, ring: int = 0, instance: int = 0, flags: int = 0) -> Chunk:
    """An IB of NOPs."""

    def made(client: ErrnoClient) -> tuple[int, bytes]:
        va, size = client.nops(ip)
        where = {"va_start": va, "ib_bytes": size, "ip_type": ip, "ip_instance": instance, "ring": ring}
        return drm.AMDGPU_CHUNK_ID_IB, drm.CS_CHUNK_IB.pack(**where, flags=flags)

    return made


def chunk(chunk_id: int, data: bytes = b"") -> Chunk:
    """Any chunk."""
    return lambda _: (chunk_id, data)


def user_fence(size: int = PAGE, offset: int = 0) -> Chunk:
    """A user fence in a new buffer."""
    return lambda c: (drm.AMDGPU_CHUNK_ID_FENCE, drm.CS_CHUNK_FENCE.pack(handle=c.bo(size), offset=offset))


def bo_handles(*handles: int) -> Chunk:
    """An inline BO list."""
    return lambda c: (drm.AMDGPU_CHUNK_ID_BO_HANDLES, c.bo_handles_chunk(*handles))


def dependency(sequence: int, ip: int = GFX, ring: int = 0, instance: int = 0, ctx: int = 1, seq_id: int = 0) -> Chunk:
    """A dependency on a submission."""
    data = drm.CS_CHUNK_DEP.pack(ip_type=ip, ip_instance=instance, ring=ring, ctx_id=ctx, handle=sequence)
    return chunk(seq_id or drm.AMDGPU_CHUNK_ID_DEPENDENCIES, data)


def sem(chunk_id: int, handle: int) -> Chunk:
    """One syncobj by number."""
    return chunk(chunk_id, drm.CS_CHUNK_SEM.pack(handle=handle))


def new_sem(chunk_id: int) -> Chunk:
    """A new, empty syncobj."""
    return lambda c: (chunk_id, drm.CS_CHUNK_SEM.pack(handle=c.syncobj()))


def point(chunk_id: int, handle: int, flags: int = 0, at: int = 1) -> Chunk:
    """One point by number."""
    return chunk(chunk_id, drm.CS_CHUNK_SYNCOBJ.pack(handle=handle, flags=flags, point=at))


def new_point(chunk_id: int, flags: int = 0) -> Chunk:
    """A point of a new, empty syncobj."""
    return lambda c: (chunk_id, drm.CS_CHUNK_SYNCOBJ.pack(handle=c.syncobj(), flags=flags, point=1))


def shadow(flags: int = 0) -> Chunk:
    """Where the CP keeps its registers."""
    return chunk(drm.AMDGPU_CHUNK_ID_CP_GFX_SHADOW, drm.CS_CHUNK_CP_GFX_SHADOW.pack(flags=flags))


@dataclass(frozen=True)
class Submission:
    """A submission and how it ends on some kernels."""

    why: str
    expected: int
    chunks: tuple[Chunk, ...]
    variants: tuple[str, ...] = ALL
    bo_list: int = 0


_IN, _OUT = drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN, drm.AMDGPU_CHUNK_ID_SYNCOBJ_OUT
_WAIT, _SIGNAL = drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_WAIT, drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_SIGNAL
_IB, _FENCE, _BOS = drm.AMDGPU_CHUNK_ID_IB, drm.AMDGPU_CHUNK_ID_FENCE, drm.AMDGPU_CHUNK_ID_BO_HANDLES
_SCHEDULED = drm.AMDGPU_CHUNK_ID_SCHEDULED_DEPENDENCIES
_CE, _PREEMPT = drm.AMDGPU_IB_FLAG_CE, drm.AMDGPU_IB_FLAG_PREEMPT

SUBMISSIONS: tuple[Submission, ...] = (
    # -- pass 1, in user order
    Submission("unknown chunk", EINVAL, (ib(), chunk(11))),
    Submission("chunk 0", EINVAL, (ib(), chunk(0))),
    Submission("short IB", EINVAL, (chunk(_IB, bytes(28)),)),
    Submission("unknown IP", EINVAL, (ib(10),)),
    Submission("instance", EINVAL, (ib(GFX, instance=1),)),
    Submission("ring", EINVAL, (ib(GFX, ring=1),)),
    Submission("fifth compute ring", EINVAL, (ib(COMPUTE, ring=4),)),
    Submission("no ring of the IP", EINVAL, (ib(drm.AMDGPU_HW_IP_VCN_DEC),)),
    Submission("gang of four", 0, tuple(ib(COMPUTE, ring) for ring in range(4))),
    Submission("gang of five", EINVAL, (*(ib(COMPUTE, ring) for ring in range(4)), ib(SDMA))),
    Submission("49 IBs for SDMA", 0, (ib(SDMA),) * 49),
    Submission("50 IBs for SDMA", EINVAL, (ib(SDMA),) * 50),
    Submission("125 IBs for compute", 0, (ib(COMPUTE),) * 125),
    Submission("126 IBs for compute", EINVAL, (ib(COMPUTE),) * 126),
    Submission("short user fence", EINVAL, (ib(), chunk(_FENCE, bytes(4)))),
    Submission("user fence in an unknown BO", EINVAL, (ib(), chunk(_FENCE, drm.CS_CHUNK_FENCE.pack(handle=77)))),
    Submission("user fence in two pages", EINVAL, (ib(), user_fence(2 * PAGE))),
    Submission("user fence at the end", 0, (ib(), user_fence(PAGE, PAGE - 8))),
    Submission("user fence beyond the end", EINVAL, (ib(), user_fence(PAGE, PAGE - 7))),
    Submission("short BO list", EINVAL, (ib(), chunk(_BOS, bytes(20)))),
    Submission("unknown BO in the list", ENOENT, (ib(), bo_handles(NO_HANDLE))),
    Submission("second BO list", EINVAL, (ib(), bo_handles(), bo_handles(NO_HANDLE))),
    Submission("no IB", EINVAL, (new_sem(_OUT), bo_handles())),
    Submission("nothing but a short chunk", EINVAL, (chunk(_IN, bytes(4)),)),
    Submission("pass 1 before pass 2", EINVAL, (ib(), sem(_IN, NO_HANDLE), chunk(11))),
    Submission("first chunk wins", ENOENT, (ib(), bo_handles(NO_HANDLE), chunk(11))),
    Submission("first chunk wins, other order", EINVAL, (ib(), chunk(11), bo_handles(NO_HANDLE))),
    # -- pass 2, in user order
    Submission("constant engine", EINVAL, (ib(flags=_CE),), (NEW, STABLE)),
    Submission("constant engine of SDMA", EINVAL, (ib(SDMA, flags=_CE),), (NEW, STABLE)),
    Submission("one preemptible IB", 0, (ib(flags=_PREEMPT), ib())),
    Submission("two preemptible IBs", EINVAL, (ib(flags=_PREEMPT), ib(flags=_PREEMPT))),
    Submission("two preemptible IBs of compute", 0, (ib(COMPUTE, flags=_PREEMPT), ib(COMPUTE, flags=_PREEMPT))),
    Submission("dependency of an unknown context", EINVAL, (ib(), dependency(0, ctx=NO_HANDLE, instance=1))),
    Submission("dependency on an unknown IP", EINVAL, (ib(), dependency(0, ip=10))),
    Submission("dependency on an instance", EINVAL, (ib(), dependency(0, instance=1))),
    Submission("dependency on an unknown ring", EINVAL, (ib(), dependency(0, ring=1))),
    Submission("dependency on what is to come", EINVAL, (ib(), dependency(1))),
    Submission("scheduled dependency on what is to come", EINVAL, (ib(), dependency(1, seq_id=_SCHEDULED))),
    Submission("dependency on nothing yet", 0, (ib(), dependency(LATEST))),
    Submission("part of a dependency is ignored", 0, (ib(), chunk(drm.AMDGPU_CHUNK_ID_DEPENDENCIES, bytes(20)))),
    Submission("unknown syncobj", ENOENT, (ib(), sem(_IN, NO_HANDLE))),
    Submission("syncobj without fence", EINVAL, (ib(), new_sem(_IN))),
    Submission("syncobj before flags", ENOENT, (ib(), point(_WAIT, NO_HANDLE, flags=4))),
    Submission("unknown flag", EINVAL, (ib(), new_point(_WAIT, flags=4))),
    Submission("unknown timeline", ENOENT, (ib(), point(_WAIT, NO_HANDLE))),
    Submission("unknown timeline to wait long for", ENOENT, (ib(), point(_WAIT, NO_HANDLE, flags=2))),
    Submission("point not submitted", EINVAL, (ib(), new_point(_WAIT))),
    Submission("part of a point is ignored", 0, (ib(), chunk(_WAIT, bytes(12)))),
    Submission("unknown syncobj to signal", EINVAL, (ib(), sem(_OUT, NO_HANDLE))),
    Submission("unknown timeline to signal", EINVAL, (ib(), point(_SIGNAL, NO_HANDLE))),
    Submission("flags of a point to signal", 0, (ib(), new_point(_SIGNAL, flags=0xFF))),
    Submission("two chunks to signal", EINVAL, (ib(), new_sem(_OUT), new_point(_SIGNAL))),
    Submission("two empty chunks to signal", EINVAL, (ib(), chunk(_OUT), chunk(_SIGNAL))),
    Submission("shadow flags", EINVAL, (ib(), shadow(2))),
    Submission("two shadows", 0, (ib(), shadow(), shadow(1))),
    Submission("the order of chunks is that of errors", ENOENT, (ib(), sem(_IN, NO_HANDLE), shadow(2))),
    Submission("the same the other way round", EINVAL, (ib(), shadow(2), sem(_IN, NO_HANDLE))),
    # -- behind the chunks
    Submission("unknown list", ENOENT, (ib(),), bo_list=NO_HANDLE),
    Submission("two lists, one unknown", EINVAL, (ib(), bo_handles()), bo_list=NO_HANDLE),
    Submission("pass 2 before the list", EINVAL, (ib(), shadow(2)), bo_list=NO_HANDLE),
)


def cs_fields(client: ErrnoClient, chunks: Sequence[tuple[int, bytes]], ctx: int, bo_list: int = 0) -> dict[str, int]:
    """Fields of a CS with these (id, data) chunks."""
    pointers = [
        client.alloc(drm.CS_CHUNK.pack(chunk_id=chunk_id, length_dw=len(data) // 4, chunk_data=client.alloc(data)))
        for chunk_id, data in chunks
    ]
    return {
        "ctx_id": ctx,
        "bo_list_handle": bo_list,
        "num_chunks": len(chunks),
        "chunks": client.u64s(*pointers),
    }
