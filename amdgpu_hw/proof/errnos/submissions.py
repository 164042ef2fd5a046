# SPDX-License-Identifier: MIT
"""Errors of submissions and their order, chunk by chunk (KERNEL.md 2.7; row O59): those that are alike on every GPU.

A client has the context ``ctx``, ``nops`` for compute and SDMA, buffers of one ``page``, of two ``pages`` and of one
``user_page`` of its own memory, and the syncobjs ``signaled`` and ``empty``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from errno import EINVAL, ENOENT
from typing import Any, TypeAlias

from amdgpu_hw.proof.errnos import NO_HANDLE
from amdgpu_hw.uapi import amdgpu_drm as drm

__all__ = ("ROWS", "Chunk", "Wrong")

Chunk: TypeAlias = "Callable[[Any], tuple[int, bytes]]"
"""Makes the id and the data of a chunk with the client's help."""

COMPUTE, SDMA, NO_IP = drm.AMDGPU_HW_IP_COMPUTE, drm.AMDGPU_HW_IP_DMA, 10
_IN, _OUT = drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN, drm.AMDGPU_CHUNK_ID_SYNCOBJ_OUT
_WAIT, _SIGNAL = drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_WAIT, drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_SIGNAL
_DEPENDENCIES, _SCHEDULED = drm.AMDGPU_CHUNK_ID_DEPENDENCIES, drm.AMDGPU_CHUNK_ID_SCHEDULED_DEPENDENCIES
_LATEST = (1 << 64) - 1
_FOR_SUBMIT = 2


@dataclass(frozen=True)
class Wrong:
    """A submission, and what kernels answer; 0 for one that is in order although it may not look so."""

    why: str
    errno: int
    chunks: tuple[Chunk, ...]
    bo_list: int = 0


def _ib(ip: int = COMPUTE, ring: int = 0, instance: int = 0) -> Chunk:
    def made(client: Any) -> tuple[int, bytes]:
        va, size = client.nops(ip)
        where = {"ip_type": ip, "ip_instance": instance, "ring": ring}
        return drm.AMDGPU_CHUNK_ID_IB, drm.CS_CHUNK_IB.pack(va_start=va, ib_bytes=size, **where)

    return made


def _raw(chunk_id: int, data: bytes = b"") -> Chunk:
    return lambda _: (chunk_id, data)


def _syncobjs(chunk_id: int, *names: str) -> Chunk:
    """Syncobjs by the client's name for them; ``unknown`` is none."""

    def made(client: Any) -> tuple[int, bytes]:
        return chunk_id, b"".join(drm.CS_CHUNK_SEM.pack(handle=_handle(client, name)) for name in names)

    return made


def _points(chunk_id: int, *points: tuple[str, int], flags: int = 0) -> Chunk:
    def made(client: Any) -> tuple[int, bytes]:
        records = (
            drm.CS_CHUNK_SYNCOBJ.pack(handle=_handle(client, name), point=point, flags=flags) for name, point in points
        )
        return chunk_id, b"".join(records)

    return made


def _dependency(sequence: int, chunk_id: int = _DEPENDENCIES, unknown: bool = False, **where: int) -> Chunk:
    def made(client: Any) -> tuple[int, bytes]:
        ctx = NO_HANDLE if unknown else client.ctx
        return chunk_id, drm.CS_CHUNK_DEP.pack(**{"ip_type": COMPUTE, **where}, ctx_id=ctx, handle=sequence)

    return made


def _handle(client: Any, name: str) -> int:
    return NO_HANDLE if name == "unknown" else int(getattr(client, name))


def _fence(offset: int, name: str = "page") -> Chunk:
    def made(client: Any) -> tuple[int, bytes]:
        return drm.AMDGPU_CHUNK_ID_FENCE, drm.CS_CHUNK_FENCE.pack(handle=_handle(client, name), offset=offset)

    return made


def _buffers(*names: str) -> Chunk:
    return lambda client: (
        drm.AMDGPU_CHUNK_ID_BO_HANDLES,
        drm.BO_LIST_IN.pack(
            operation=0xFFFF_FFFF,
            list_handle=0xFFFF_FFFF,
            bo_number=len(names),
            bo_info_size=8,
            bo_info_ptr=client.entries(*(_handle(client, name) for name in names)),
        ),
    )


ROWS: tuple[Wrong, ...] = (
    # Pass 1 goes through all chunks first.
    Wrong("no IB", EINVAL, (_syncobjs(_OUT, "empty"),)),
    Wrong("unknown chunk", EINVAL, (_ib(), _raw(0x77))),
    Wrong("short IB", EINVAL, (_raw(drm.AMDGPU_CHUNK_ID_IB, bytes(28)),)),
    Wrong("short user fence", EINVAL, (_ib(), _raw(drm.AMDGPU_CHUNK_ID_FENCE, bytes(4)))),
    Wrong("short BO list", EINVAL, (_ib(), _raw(drm.AMDGPU_CHUNK_ID_BO_HANDLES, bytes(20)))),
    Wrong("unknown IP", EINVAL, (_ib(NO_IP),)),
    Wrong("unknown instance", EINVAL, (_ib(instance=1),)),
    Wrong("unknown ring", EINVAL, (_ib(ring=77),)),
    Wrong("user fence in an unknown BO", EINVAL, (_ib(), _fence(0, "unknown"))),
    Wrong("user fence beyond its page", EINVAL, (_ib(), _fence(4096 - 7))),
    Wrong("user fence at the end of its page", 0, (_ib(), _fence(4096 - 8))),
    Wrong("user fence in a BO of two pages", EINVAL, (_ib(), _fence(0, "pages"))),
    Wrong("user fence in user memory", EINVAL, (_ib(), _fence(0, "user_page"))),
    Wrong("unknown BO", ENOENT, (_ib(), _buffers("unknown"))),
    Wrong("unknown BO among known", ENOENT, (_ib(), _buffers("page", "unknown"))),
    Wrong("second BO list", EINVAL, (_ib(), _buffers("page"), _buffers("unknown"))),
    Wrong("the first error counts", ENOENT, (_ib(), _buffers("unknown"), _raw(0x77))),
    Wrong("pass 1 before pass 2", EINVAL, (_ib(), _syncobjs(_IN, "unknown"), _raw(0x77))),
    # Then pass 2.
    Wrong("dependency of an unknown context", EINVAL, (_ib(), _dependency(0, unknown=True))),
    Wrong("dependency on an unknown IP", EINVAL, (_ib(), _dependency(0, ip_type=NO_IP))),
    Wrong("dependency on an unknown ring", EINVAL, (_ib(), _dependency(0, ring=77))),
    Wrong("dependency on what is to come", EINVAL, (_ib(), _dependency(1 << 32))),
    Wrong("scheduled dependency on what is to come", EINVAL, (_ib(), _dependency(1 << 32, _SCHEDULED))),
    Wrong("dependency on the latest", 0, (_ib(), _dependency(_LATEST))),
    Wrong("scheduled dependency on the latest", 0, (_ib(), _dependency(_LATEST, _SCHEDULED))),
    Wrong("part of a dependency", 0, (_ib(), _raw(_DEPENDENCIES, bytes(20)))),
    Wrong("unknown syncobj", ENOENT, (_ib(), _syncobjs(_IN, "unknown"))),
    Wrong("unknown syncobj among known", ENOENT, (_ib(), _syncobjs(_IN, "signaled", "unknown"))),
    Wrong("syncobj without a fence", EINVAL, (_ib(), _syncobjs(_IN, "empty"))),
    Wrong("syncobj without a fence, then an unknown one", EINVAL, (_ib(), _syncobjs(_IN, "empty", "unknown"))),
    Wrong("unknown syncobj, then one without a fence", ENOENT, (_ib(), _syncobjs(_IN, "unknown", "empty"))),
    Wrong("unknown timeline", ENOENT, (_ib(), _points(_WAIT, ("signaled", 0), ("unknown", 1)))),
    Wrong("unknown timeline to wait for", ENOENT, (_ib(), _points(_WAIT, ("unknown", 1), flags=_FOR_SUBMIT))),
    Wrong("point that nobody has submitted", EINVAL, (_ib(), _points(_WAIT, ("empty", 1)))),
    Wrong("point of nobody, then an unknown one", EINVAL, (_ib(), _points(_WAIT, ("empty", 1), ("unknown", 1)))),
    Wrong("unknown point, then one of nobody", ENOENT, (_ib(), _points(_WAIT, ("unknown", 1), ("empty", 1)))),
    Wrong("point that is there to wait for", 0, (_ib(), _points(_WAIT, ("signaled", 0), flags=_FOR_SUBMIT))),
    Wrong("part of a point", 0, (_ib(), _raw(_WAIT, bytes(12)))),
    Wrong("unknown syncobj to signal", EINVAL, (_ib(), _syncobjs(_OUT, "empty", "unknown"))),
    Wrong("unknown timeline to signal", EINVAL, (_ib(), _points(_SIGNAL, ("empty", 1), ("unknown", 1)))),
    Wrong("flags of a point to signal", 0, (_ib(), _points(_SIGNAL, ("empty", 1), flags=0xFF))),
    Wrong("two chunks to signal", EINVAL, (_ib(), _syncobjs(_OUT, "empty"), _points(_SIGNAL, ("empty", 1)))),
    Wrong("two empty chunks to signal", EINVAL, (_ib(), _raw(_OUT), _raw(_SIGNAL))),
    # What is behind the chunks.
    Wrong("unknown BO list", ENOENT, (_ib(),), bo_list=NO_HANDLE),
    Wrong("two BO lists", EINVAL, (_ib(), _buffers("page")), bo_list=NO_HANDLE),
    Wrong("two IBs of one queue, and one of another", 0, (_ib(), _ib(SDMA), _ib())),
)
