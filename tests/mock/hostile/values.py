# SPDX-License-Identifier: MIT
"""What a hostile client says: strategies for numbers, pointers, handles and descriptors, and for whole ioctls.

An ioctl is drawn as one that makes sense in a `World`, with some fields, and sometimes the number itself, replaced.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hypothesis import strategies as st

from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import dma_buf, sync_file
from amdgpu_hw.uapi import drm as core
from amdgpu_hw.uapi import sw_sync as sw
from amdgpu_hw.uapi import vgem_drm as vgem
from amdgpu_hw.uapi.layout import Ioctl, Member

PAGE = 4096
FOREVER = (1 << 63) - 1


class Memory(Protocol):
    """The hostile client's memory."""

    def rewind(self) -> None:
        """Use the memory for arguments again."""

    def alloc(self, content: bytes) -> int:
        """Put bytes somewhere; returns the address."""

    def write(self, address: int, content: bytes) -> None:
        """Put bytes there."""

    def place(self, name: str) -> int:
        """Address of "read_only" (a page), "end" (nothing is mapped from here on) or "zeros" (much to read)."""


class World(Protocol):
    """Where requests are made: the mock kernel in this process, or a machine over the wire."""

    fds: list[int]
    """Descriptors of every kind, in the order of `RENDER` .. `NULL`, then some that calls have given."""

    @property
    def memory(self) -> Memory:
        """The client's."""

    @property
    def ibs(self) -> Mapping[int, bytes]:
        """By engine: an IB chunk with a valid IB that does nothing."""

    def ioctl(self, fd: int, request: int, argument: int, ending: str) -> int:
        """An ioctl to its end, one way or the other: 0 or an errno, EINPROGRESS for one that is left asleep."""

    def adopt_fds(self) -> None:
        """Enter what the call has given into `fds`."""


def va_of(number: int) -> int:
    """Where BO ``number`` + 2 of the client is mapped; 3 is a PRT mapping, from 4 on nothing is."""
    return 0x100_0000 + number * 0x10_0000


@dataclass(frozen=True)
class Array:
    """A pointer to something the client puts into its memory first; ``tail`` of it lie behind the end of a page."""

    content: bytes
    at_end_of_memory: bool = False

    def address(self, world: World) -> int:
        """Put it there."""
        if not self.at_end_of_memory:
            return world.memory.alloc(self.content)
        # As much as fits in front of what is not mapped.
        end = world.memory.place("end")
        start = end - max(1, len(self.content) // 2)
        world.memory.write(start, self.content[: end - start])
        return start


@dataclass(frozen=True)
class Pointer:
    """An address near a place that is special."""

    place: str
    offset: int = 0

    def address(self, world: World) -> int:
        """It."""
        return world.memory.place(self.place) + self.offset


@dataclass(frozen=True)
class Fd:
    """One of the client's descriptors, by its place in `World.fds`."""

    index: int


@dataclass(frozen=True)
class Chunks:
    """A pointer to an array of pointers to CS chunks: (id, data, length in dwords or None for the true one)."""

    chunks: tuple[tuple[int, Any, int | None], ...]

    def address(self, world: World) -> int:
        """Put them there."""
        pointers = []
        for chunk_id, data, length_dw in self.chunks:
            content = world.ibs.get(data.ip, b"") if isinstance(data, IbChunk) else data
            where = world.memory.alloc(content) if isinstance(content, bytes) else resolve(content, world)
            length = length_dw if length_dw is not None else len(content) // 4 if isinstance(content, bytes) else 8
            header = drm.CS_CHUNK.pack(chunk_id=chunk_id, length_dw=length, chunk_data=where)
            pointers.append(world.memory.alloc(header))
        return world.memory.alloc(struct.pack(f"<{len(pointers)}Q", *pointers))


@dataclass(frozen=True)
class IbChunk:
    """An IB chunk with a valid IB that does nothing."""

    ip: int


Value = int | bytes | Array | Pointer | Fd | Chunks


def resolve(value: Any, world: World) -> int | bytes:
    """What stands in the struct."""
    if isinstance(value, Array | Chunks | Pointer):
        return value.address(world)
    if isinstance(value, Fd):
        return world.fds[value.index % len(world.fds)]
    result: int | bytes = value
    return result


# -- single values ----------------------------------------------------------------------------------------------------

EDGES32 = (0, 1, 2, 3, 0xFF, 0x100, 0xFFF, 0x1000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
EDGES64 = (
    *EDGES32,
    1 << 32,
    1 << 40,
    (1 << 47) - 1,
    1 << 47,
    1 << 48,
    0xFFFF_8000_0000_0000,
    FOREVER,
    1 << 63,
    (1 << 64) - PAGE,
    (1 << 64) - 1,
)
BAD_POINTERS: tuple[int | Pointer, ...] = (
    0,
    1,
    Pointer("read_only"),
    Pointer("read_only", PAGE - 4),
    Pointer("end", -1),
    Pointer("end", -12),
    Pointer("end"),
    Pointer("zeros"),
    0xFFFF_8880_0000_0000,
    (1 << 64) - 8,
    (1 << 64) - 1,
)

u32s = st.one_of(st.sampled_from(EDGES32), st.integers(0, 12), st.integers(0, 0xFFFFFFFF))
u64s = st.one_of(st.sampled_from(EDGES64), st.integers(0, 12), st.integers(0, (1 << 64) - 1))
handles = st.one_of(st.integers(0, 9), st.sampled_from((0x7FFFFFFF, 0xFFFFFFFF)))
flags = st.one_of(st.integers(0, 0x1F), st.integers(0, 0x3FF), u32s)
fds = st.one_of(st.integers(0, 10).map(Fd), st.sampled_from((-1, 0, 1, 2, 99, 1 << 20, 0x7FFFFFFF)))
vas = st.one_of(
    st.builds(lambda number, page: va_of(number) + page * PAGE, st.integers(0, 5), st.integers(0, 5)),
    u64s,
    u64s.map(lambda value: value & ~0xFFF),
)
sizes = st.one_of(st.integers(0, 8).map(lambda pages: pages * PAGE), st.sampled_from((1 << 21, 1 << 30)), u64s)
times = st.one_of(st.sampled_from((0, 1, FOREVER, 1 << 63, (1 << 64) - 1)), u64s)


def _array(code: str, elements: st.SearchStrategy[int]) -> st.SearchStrategy[Array]:
    content = st.lists(elements, max_size=9).map(lambda values: struct.pack(f"<{len(values)}{code}", *values))
    return st.builds(Array, content, st.sampled_from((False, False, False, True)))


pointers: st.SearchStrategy[Value] = st.one_of(
    _array("I", handles),
    _array("Q", u64s),
    st.binary(max_size=80).map(Array),
    st.sampled_from(BAD_POINTERS),
)

_BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(
        (
            "bo_info_ptr",
            "chunks",
            "date",
            "desc",
            "entries",
            "fences",
            "handles",
            "input_fence_syncobj_handles",
            "name",
            "points",
            "return_pointer",
            "sync_fence_info",
            "unique",
            "value",
        ),
        pointers,
    ),
    **dict.fromkeys(("fd", "fd2", "fence_fd"), fds),
    **dict.fromkeys(
        (
            "bo_list_handle",
            "ctx_id",
            "handle",
            "list_handle",
            "new_handle",
            "vm_timeline_syncobj_out",
            "src_handle",
            "dst_handle",
            "name_",
        ),
        handles,
    ),
    **dict.fromkeys(("flags", "domain_flags", "domains"), flags),
    **dict.fromkeys(("map_size", "bo_size", "offset_in_bo", "size"), sizes),
    **dict.fromkeys(("timeout", "timeout_nsec", "timeout_ns", "deadline_nsec", "deadline_ns"), times),
    "va_address": vas,
}

_BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "u32": u32s,
    "u64": u64s,
    "s32": u32s.map(lambda value: value - (1 << 32) if value >> 31 else value),
    "s64": u64s.map(lambda value: value - (1 << 64) if value >> 63 else value),
}


def field_values(declared: Member) -> st.SearchStrategy[Any]:
    """What a client may put into a field."""
    if declared.count is not None:
        return st.binary(max_size=declared.size)
    by_type = _BY_TYPE[declared.type]
    by_name = _BY_NAME.get(declared.name)
    if by_name is None:
        return by_type
    if declared.name == "name" and declared.type == "u32":
        return handles
    return st.one_of(by_name, by_name, by_type)


def fit(declared: Member, value: int | bytes) -> int | bytes:
    """Cut a value to what the field can hold."""
    if isinstance(value, bytes):
        return value
    bits = 8 * declared.size
    value &= (1 << bits) - 1
    return value - (1 << bits) if declared.type.startswith("s") and value >> (bits - 1) else value


# -- ioctls -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Template:
    """An ioctl that makes sense: on which descriptor of `World.fds`, and with which fields."""

    ioctl: Ioctl
    fd: int
    fields: Mapping[str, Value] = field(default_factory=dict)


def _u32s(*values: int) -> Array:
    return Array(struct.pack(f"<{len(values)}I", *values))


def _u64s(*values: int) -> Array:
    return Array(struct.pack(f"<{len(values)}Q", *values))


RENDER, CARD, VGEM, SW_SYNC, SYNC_FILE, DMA_BUF, VGEM_BUF, SYNCOBJ_FILE, EVENTFD, NULL = range(10)

_VA = {"handle": 2, "va_address": va_of(4), "map_size": PAGE, "flags": 14}
_ENTRIES = drm.BO_LIST_ENTRY.pack(bo_handle=2) + drm.BO_LIST_ENTRY.pack(bo_handle=3)
_FENCES = drm.FENCE.pack(ctx_id=1, ip_type=2, seq_no=1) * 2

TEMPLATES: tuple[Template, ...] = (
    Template(drm.IOCTL_AMDGPU_GEM_CREATE, RENDER, {"bo_size": PAGE, "alignment": PAGE, "domains": 2}),
    Template(drm.IOCTL_AMDGPU_GEM_CREATE, RENDER, {"bo_size": PAGE, "alignment": PAGE, "domains": 4}),
    Template(drm.IOCTL_AMDGPU_GEM_MMAP, RENDER, {"handle": 2}),
    Template(drm.IOCTL_AMDGPU_CTX, RENDER, {"op": 1}),
    Template(drm.IOCTL_AMDGPU_CTX, RENDER, {"op": 4, "ctx_id": 1}),
    Template(drm.IOCTL_AMDGPU_CTX, RENDER, {"op": 6, "ctx_id": 1, "flags": 4}),
    Template(drm.IOCTL_AMDGPU_CTX, RENDER, {"op": 2, "ctx_id": 1}),
    Template(drm.IOCTL_AMDGPU_BO_LIST, RENDER, {"bo_number": 2, "bo_info_size": 8, "bo_info_ptr": Array(_ENTRIES)}),
    Template(
        drm.IOCTL_AMDGPU_BO_LIST,
        RENDER,
        {"operation": 2, "list_handle": 1, "bo_number": 2, "bo_info_size": 8, "bo_info_ptr": Array(_ENTRIES)},
    ),
    Template(drm.IOCTL_AMDGPU_INFO, RENDER, {"return_pointer": Array(bytes(512)), "return_size": 512, "query": 0x16}),
    Template(drm.IOCTL_AMDGPU_GEM_METADATA, RENDER, {"handle": 2, "op": 1, "data_size_bytes": 16}),
    Template(drm.IOCTL_AMDGPU_GEM_METADATA, RENDER, {"handle": 2, "op": 2}),
    Template(drm.IOCTL_AMDGPU_GEM_WAIT_IDLE, RENDER, {"handle": 3, "timeout": (1 << 64) - 1}),
    *(Template(drm.IOCTL_AMDGPU_GEM_VA, RENDER, _VA | {"operation": operation}) for operation in (1, 4)),
    *(
        Template(drm.IOCTL_AMDGPU_GEM_VA, RENDER, _VA | {"operation": operation, "va_address": va_of(0)})
        for operation in (2, 3, 4)
    ),
    Template(
        drm.IOCTL_AMDGPU_GEM_VA,
        RENDER,
        {"operation": 4, "va_address": va_of(3), "map_size": 2 * PAGE, "flags": 16 | 1 << 10},
    ),
    Template(
        drm.IOCTL_AMDGPU_GEM_VA,
        RENDER,
        _VA
        | {
            "operation": 1,
            "vm_timeline_syncobj_out": 5,
            "vm_timeline_point": 9,
            "num_syncobj_handles": 2,
            "input_fence_syncobj_handles": _u32s(2, 4),
        },
    ),
    Template(drm.IOCTL_AMDGPU_WAIT_CS, RENDER, {"handle": 1, "timeout": FOREVER, "ip_type": 2, "ctx_id": 1}),
    Template(drm.IOCTL_AMDGPU_GEM_OP, RENDER, {"handle": 2, "value": Array(bytes(32))}),
    Template(drm.IOCTL_AMDGPU_GEM_OP, RENDER, {"handle": 4, "op": 1, "value": 2}),
    Template(drm.IOCTL_AMDGPU_GEM_OP, RENDER, {"handle": 2, "op": 2, "value": Array(bytes(256)), "num_entries": 8}),
    Template(drm.IOCTL_AMDGPU_GEM_USERPTR, RENDER, {"addr": 0x7000_0000_0000, "size": PAGE, "flags": 9}),
    Template(drm.IOCTL_AMDGPU_WAIT_FENCES, RENDER, {"fences": Array(_FENCES), "fence_count": 2, "timeout_ns": FOREVER}),
    Template(
        drm.IOCTL_AMDGPU_WAIT_FENCES,
        RENDER,
        {"fences": Array(_FENCES), "fence_count": 2, "wait_all": 1, "timeout_ns": FOREVER},
    ),
    Template(drm.IOCTL_AMDGPU_VM, RENDER, {"op": 1}),
    *(
        Template(drm.IOCTL_AMDGPU_FENCE_TO_HANDLE, RENDER, {"ctx_id": 1, "ip_type": 2, "seq_no": 1, "what": what})
        for what in range(3)
    ),
    Template(drm.IOCTL_AMDGPU_SCHED, CARD, {"op": 1, "fd": Fd(RENDER)}),
    Template(drm.IOCTL_AMDGPU_USERQ, RENDER, {"op": 1}),
    Template(
        drm.IOCTL_AMDGPU_USERQ,
        RENDER,
        {
            "op": 1,
            "ip_type": 1,
            **dict.fromkeys(("queue_va", "rptr_va", "wptr_va"), va_of(0)),
            "queue_size": PAGE,
            "doorbell_handle": 2,
            "mqd": Array(bytes(8)),
            "mqd_size": 8,
        },
    ),
    Template(drm.IOCTL_AMDGPU_USERQ, RENDER, {"op": 2, "queue_id": 1}),
    Template(drm.IOCTL_AMDGPU_USERQ_SIGNAL, RENDER, {"queue_id": 1}),
    Template(drm.IOCTL_AMDGPU_GEM_LIST_HANDLES, RENDER, {"entries": Array(bytes(400)), "num_entries": 9}),
    Template(
        drm.IOCTL_AMDGPU_CS,
        RENDER,
        {"ctx_id": 1, "num_chunks": 1, "chunks": Chunks(((drm.AMDGPU_CHUNK_ID_IB, IbChunk(2), None),))},
    ),
    Template(core.IOCTL_VERSION, RENDER, {"name_len": 9, "name": Array(bytes(9)), "desc": Array(bytes(9))}),
    Template(core.IOCTL_GET_UNIQUE, CARD, {"unique_len": 40, "unique": Array(bytes(40))}),
    Template(core.IOCTL_GET_MAGIC, CARD),
    Template(core.IOCTL_AUTH_MAGIC, CARD, {"magic": 1}),
    Template(core.IOCTL_GET_CLIENT, CARD),
    Template(core.IOCTL_GET_STATS, CARD),
    Template(core.IOCTL_SET_VERSION, CARD, {"drm_di_major": 1, "drm_di_minor": 4, "drm_dd_major": -1}),
    Template(core.IOCTL_SET_MASTER, CARD),
    Template(core.IOCTL_DROP_MASTER, CARD),
    Template(core.IOCTL_GEM_CLOSE, RENDER, {"handle": 5}),
    Template(core.IOCTL_GEM_FLINK, CARD, {"handle": 1}),
    Template(core.IOCTL_GEM_OPEN, CARD, {"name": 1}),
    Template(core.IOCTL_GEM_CHANGE_HANDLE, RENDER, {"handle": 5, "new_handle": 8}),
    Template(core.IOCTL_GET_CAP, CARD, {"capability": 1}),
    Template(core.IOCTL_SET_CLIENT_CAP, CARD, {"capability": 2, "value": 1}),
    Template(core.IOCTL_SET_CLIENT_NAME, RENDER, {"name_len": 4, "name": Array(b"name")}),
    Template(core.IOCTL_PRIME_HANDLE_TO_FD, RENDER, {"handle": 3, "flags": core.DRM_RDWR}),
    Template(core.IOCTL_PRIME_HANDLE_TO_FD, VGEM, {"handle": 1}),
    Template(core.IOCTL_PRIME_FD_TO_HANDLE, CARD, {"fd": Fd(DMA_BUF)}),
    Template(core.IOCTL_PRIME_FD_TO_HANDLE, VGEM, {"fd": Fd(DMA_BUF)}),
    Template(core.IOCTL_PRIME_FD_TO_HANDLE, RENDER, {"fd": Fd(VGEM_BUF)}),
    *(Template(core.IOCTL_MODE_CREATE_DUMB, card, {"height": 8, "width": 8, "bpp": 32}) for card in (CARD, VGEM)),
    Template(core.IOCTL_MODE_MAP_DUMB, VGEM, {"handle": 1}),
    Template(core.IOCTL_MODE_DESTROY_DUMB, VGEM, {"handle": 1}),
    Template(core.IOCTL_SYNCOBJ_CREATE, RENDER, {"flags": 1}),
    Template(core.IOCTL_SYNCOBJ_DESTROY, RENDER, {"handle": 6}),
    *(Template(core.IOCTL_SYNCOBJ_HANDLE_TO_FD, RENDER, {"handle": 4, "flags": how}) for how in range(4)),
    Template(core.IOCTL_SYNCOBJ_FD_TO_HANDLE, RENDER, {"fd": Fd(SYNCOBJ_FILE)}),
    Template(core.IOCTL_SYNCOBJ_FD_TO_HANDLE, RENDER, {"handle": 1, "fd": Fd(SYNC_FILE), "flags": 3, "point": 4}),
    Template(
        core.IOCTL_SYNCOBJ_WAIT,
        RENDER,
        {"handles": _u32s(2, 4), "count_handles": 2, "timeout_nsec": FOREVER, "flags": 1},
    ),
    Template(
        core.IOCTL_SYNCOBJ_TIMELINE_WAIT,
        RENDER,
        {
            "handles": _u32s(3, 3),
            "points": _u64s(3, 8),
            "count_handles": 2,
            "timeout_nsec": FOREVER,
            "flags": 3,
        },
    ),
    Template(core.IOCTL_SYNCOBJ_RESET, RENDER, {"handles": _u32s(2), "count_handles": 1}),
    Template(core.IOCTL_SYNCOBJ_SIGNAL, RENDER, {"handles": _u32s(1, 1), "count_handles": 2}),
    Template(
        core.IOCTL_SYNCOBJ_QUERY,
        RENDER,
        {"handles": _u32s(3, 4), "points": _u64s(0, 0), "count_handles": 2},
    ),
    Template(
        core.IOCTL_SYNCOBJ_TIMELINE_SIGNAL,
        RENDER,
        {"handles": _u32s(3, 4), "points": _u64s(9, 1), "count_handles": 2},
    ),
    Template(core.IOCTL_SYNCOBJ_TRANSFER, RENDER, {"src_handle": 4, "dst_handle": 3, "dst_point": 9}),
    Template(core.IOCTL_SYNCOBJ_TRANSFER, RENDER, {"src_handle": 3, "dst_handle": 5, "src_point": 3}),
    Template(core.IOCTL_SYNCOBJ_TRANSFER, RENDER, {"src_handle": 1, "dst_handle": 5, "flags": 2}),
    Template(core.IOCTL_SYNCOBJ_EVENTFD, RENDER, {"handle": 4, "fd": Fd(EVENTFD)}),
    Template(core.IOCTL_SYNCOBJ_EVENTFD, RENDER, {"handle": 3, "fd": Fd(EVENTFD), "point": 20, "flags": 4}),
    Template(sync_file.IOCTL_MERGE, SYNC_FILE, {"fd2": Fd(SYNC_FILE), "name": b"merged"}),
    Template(sync_file.IOCTL_FILE_INFO, SYNC_FILE, {"num_fences": 2, "sync_fence_info": Array(bytes(160))}),
    Template(sync_file.IOCTL_SET_DEADLINE, SYNC_FILE, {"deadline_ns": 5}),
    Template(sw.IOCTL_CREATE_FENCE, SW_SYNC, {"value": 9, "name": b"point"}),
    Template(sw.IOCTL_INC, SW_SYNC, {"count": 1}),
    Template(sw.IOCTL_GET_DEADLINE, SW_SYNC, {"fence_fd": Fd(SYNC_FILE)}),
    Template(dma_buf.IOCTL_SYNC, DMA_BUF, {"flags": 3}),
    Template(dma_buf.IOCTL_SET_NAME, DMA_BUF),
    Template(dma_buf.IOCTL_EXPORT_SYNC_FILE, DMA_BUF, {"flags": 3}),
    Template(dma_buf.IOCTL_IMPORT_SYNC_FILE, DMA_BUF, {"flags": 1, "fd": Fd(SYNC_FILE)}),
    Template(vgem.IOCTL_FENCE_ATTACH, VGEM, {"handle": 1, "flags": 1}),
    Template(vgem.IOCTL_FENCE_SIGNAL, VGEM, {"fence": 1}),
)
"""Every ioctl of every device at least once, so that it succeeds in a fresh `World`."""


@dataclass(frozen=True)
class Request:
    """One ioctl, to be made in a `World`."""

    template: Template
    changes: Mapping[str, Any]
    number_changes: int
    """Bits of the request number that are inverted."""
    argument: int | Pointer | None
    """A pointer to use instead of one to the argument."""
    fd: int
    """Place in `World.fds`."""
    ending: str

    def run(self, world: World) -> int:
        """Make it; 0 or an errno."""
        world.memory.rewind()
        ioctl = self.template.ioctl
        if self.argument is None:
            address = world.memory.alloc(self._content(world) + bytes(64))
        else:
            address = int(resolve(self.argument, world))
        number = (ioctl.request ^ self.number_changes) & 0xFFFFFFFF
        fd = world.fds[self.fd % len(world.fds)]
        result = world.ioctl(fd, number, address, self.ending)
        world.adopt_fds()
        return result

    def _content(self, world: World) -> bytes:
        layout = self.template.ioctl.struct
        if layout is None:
            return b""
        fields = {}
        for declared in layout.fields:
            value = self.changes.get(declared.name, self.template.fields.get(declared.name))
            if value is not None:
                fields[declared.name] = fit(declared, resolve(value, world))
        return layout.pack(**fields)


def _rarely(usual: Any, *unusual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """``usual``, and once in a dozen times something else."""
    return st.integers(0, 11).flatmap(lambda chance: st.just(usual) if chance < 11 else st.one_of(*unusual))


_number_changes = _rarely(
    0,
    st.sampled_from([1 << bit for bit in range(32)]),
    st.integers(0, 0x3FFF).map(lambda size: size << 16),
    st.integers(0, 0xFFFFFFFF),
)
"""Mostly the size: it decides how much is copied, and the rest only which ioctl it is."""


@st.composite
def requests(draw: st.DrawFn, templates: tuple[Template, ...] = TEMPLATES, least_changes: int = 0) -> Request:
    """An ioctl with up to three fields changed."""
    template = draw(st.sampled_from(templates))
    layout = template.ioctl.struct
    changes = {}
    if layout is not None:
        for declared in draw(
            st.lists(st.sampled_from(layout.fields), min_size=least_changes, max_size=3, unique_by=lambda f: f.name)
        ):
            changes[declared.name] = draw(field_values(declared))
    return Request(
        template,
        changes,
        draw(_number_changes),
        draw(_rarely(None, st.sampled_from(BAD_POINTERS))),
        draw(_rarely(template.fd, st.integers(0, 12))),
        draw(st.sampled_from(("interrupt", "kill", "leave"))),
    )
