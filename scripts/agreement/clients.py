# SPDX-License-Identifier: MIT
"""Who makes the calls of tests.mock.kernel.errnos on a machine: one open node, and what the tables ask for.

Raw ioctls throughout: libdrm would refuse some calls by itself, and share what must be new for each.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import struct
import time
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Self

from amdgpu_hw.discovery import GpuNode, select_gpu
from amdgpu_hw.errors import DrmError, HarnessError
from amdgpu_hw.gate.vgem import VgemGateMaker, find_vgem
from amdgpu_hw.identity import GpuIdentity, read_identity
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.memory import PAGE_SIZE
from amdgpu_hw.packets import Engine, codec_for
from amdgpu_hw.uapi import amdgpu_drm as amdgpu
from amdgpu_hw.uapi import drm
from amdgpu_hw.uapi.layout import Ioctl
from tests.mock.kernel.errnos import IB_AREA, IB_VA

__all__ = ("CallClient", "FileClient", "SyncobjClient", "UnprivilegedClient", "WaitClient", "primary_node")

_RWX = amdgpu.AMDGPU_VM_PAGE_READABLE | amdgpu.AMDGPU_VM_PAGE_WRITEABLE | amdgpu.AMDGPU_VM_PAGE_EXECUTABLE
_HOLD_NS = 9_000_000_000
_IB_BYTES = 256
_NOBODY = 65534
_ENDS_NS = 10_000_000_000


class _Machine:
    """What is the same for all clients of one process, found out when first asked for."""

    @cached_property
    def node(self) -> GpuNode:
        return select_gpu(None)

    @cached_property
    def identity(self) -> GpuIdentity:
        fd = os.open(self.node.node, os.O_RDWR | os.O_CLOEXEC)
        return read_identity(AmdgpuDeviceHandle(fd), self.node)


_machine = _Machine()


def primary_node() -> str:
    """The GPU's primary node."""
    node = _machine.node.primary_node
    if node is None:
        raise HarnessError(f"{_machine.node} has no primary node")
    return node


class CallClient:
    """One open node, with an address space, a context and memory for IBs; a context manager."""

    def __init__(self, path: str | None = None) -> None:
        self._files = contextlib.ExitStack()
        self._memory: list[ctypes.Array[ctypes.c_char]] = []
        self.fd = self.render = self.open(path or _machine.node.node)
        self.ctx = int(self.call(amdgpu.IOCTL_AMDGPU_CTX, op=amdgpu.AMDGPU_CTX_OP_ALLOC_CTX)["op"])
        self._ibs = self.bo(IB_AREA)
        self.map(self._ibs, IB_VA, IB_AREA)
        self._ib_of: dict[int, tuple[int, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._files.close()

    def open(self, path: str) -> int:
        """A descriptor that lives as long as the client."""
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._files.callback(os.close, fd)
        return fd

    def keep(self, fd: int) -> int:
        """Close a descriptor with the client."""
        self._files.callback(os.close, fd)
        return fd

    # -- calls ----

    def call(self, request: Ioctl, /, **fields: Any) -> dict[str, Any]:
        """An ioctl on the node that has to succeed."""
        return ioctl(self.fd, request, **fields)

    def fails(self, request: Ioctl, /, **fields: Any) -> int:
        """The errno of an ioctl on the node, 0 when it succeeds."""
        return errno_of(self.fd, request, **fields)

    # -- memory of the process ----

    def alloc(self, content: bytes) -> int:
        """Address of these bytes."""
        self._memory.append(ctypes.create_string_buffer(content, max(len(content), 1)))
        return ctypes.addressof(self._memory[-1])

    def u32s(self, *values: int) -> int:
        """Address of an array of u32."""
        return self.alloc(struct.pack(f"<{len(values)}I", *values))

    def u64s(self, *values: int) -> int:
        """Address of an array of u64."""
        return self.alloc(struct.pack(f"<{len(values)}Q", *values))

    # -- buffers ----

    def bo(self, size: int = PAGE_SIZE, flags: int = 0) -> int:
        """A new buffer's handle, in system memory."""
        made = self.call(
            amdgpu.IOCTL_AMDGPU_GEM_CREATE,
            out=amdgpu.GEM_CREATE_OUT,
            bo_size=size,
            alignment=PAGE_SIZE,
            domains=amdgpu.AMDGPU_GEM_DOMAIN_GTT,
            domain_flags=flags,
        )
        return int(made["handle"])

    def map(self, handle: int, va: int, size: int = PAGE_SIZE) -> None:
        """Map a buffer."""
        self.call(
            amdgpu.IOCTL_AMDGPU_GEM_VA,
            handle=handle,
            operation=amdgpu.AMDGPU_VA_OP_MAP,
            flags=_RWX,
            va_address=va,
            map_size=size,
        )

    def entries(self, *handles: int) -> int:
        """Address of a BO list's entries."""
        return self.alloc(b"".join(amdgpu.BO_LIST_ENTRY.pack(bo_handle=handle) for handle in handles))

    @cached_property
    def any(self) -> int:
        """A buffer."""
        return self.bo()

    @cached_property
    def hidden(self) -> int:
        """A buffer without CPU access."""
        return self.bo(flags=amdgpu.AMDGPU_GEM_CREATE_NO_CPU_ACCESS)

    @cached_property
    def mapped(self) -> int:
        """A buffer with one mapping."""
        handle = self.bo()
        self.map(handle, 0x80_0000)
        return handle

    # -- submissions ----

    def nops(self, ip: int) -> tuple[int, int]:
        """Address and bytes of an IB that does nothing; anything for an IP that there is none of."""
        if ip not in {engine.value for engine in Engine}:
            return IB_VA, 32
        if ip not in self._ib_of:
            codec = codec_for(Engine(ip), _machine.identity.gc_version, _machine.identity.sdma_version)
            words = codec.pad(codec.nop())
            at = len(self._ib_of) * _IB_BYTES
            place = self.call(amdgpu.IOCTL_AMDGPU_GEM_MMAP, out=amdgpu.GEM_MMAP_OUT, handle=self._ibs)["addr_ptr"]
            with mmap.mmap(self.render, IB_AREA, offset=place) as memory:
                memory[at : at + 4 * len(words)] = struct.pack(f"<{len(words)}I", *words)
            self._ib_of[ip] = IB_VA + at, 4 * len(words)
        return self._ib_of[ip]

    def bo_handles_chunk(self, *handles: int) -> bytes:
        """A BO_HANDLES chunk."""
        return amdgpu.BO_LIST_IN.pack(
            bo_number=len(handles), bo_info_size=amdgpu.BO_LIST_ENTRY.size, bo_info_ptr=self.entries(*handles)
        )

    def finish(self, ip: int, reply: dict[str, Any]) -> None:
        """See a submission done, by what CS answered."""
        sequence = reply["ctx_id"] | reply["bo_list_handle"] << 32
        fields = {"handle": sequence, "ip_type": ip, "ctx_id": self.ctx, "timeout": time.monotonic_ns() + _ENDS_NS}
        if self.call(amdgpu.IOCTL_AMDGPU_WAIT_CS, **fields)["handle"]:
            raise HarnessError("a NOP did not end")

    # -- syncobjs ----

    def syncobj(self, flags: int = 0) -> int:
        """A new syncobj's handle."""
        return int(ioctl(self.render, drm.IOCTL_SYNCOBJ_CREATE, flags=flags)["handle"])

    @cached_property
    def sync_file(self) -> int:
        """A descriptor of a fence that is pending."""
        gate = VgemGateMaker().shut("a fence of a table", _HOLD_NS)
        self._files.callback(gate.close)
        return gate.sync_file.fileno()


class UnprivilegedClient(CallClient):
    """A client that has the rights of nobody while it makes its call."""

    def fails(self, request: Ioctl, /, **fields: Any) -> int:
        """The errno of an ioctl made without root's capabilities."""
        with _as_nobody():
            return super().fails(request, **fields)


class WaitClient(CallClient):
    """A client that has made one submission, to SDMA."""

    def __init__(self) -> None:
        super().__init__()
        va, size = self.nops(amdgpu.AMDGPU_HW_IP_DMA)
        ib = amdgpu.CS_CHUNK_IB.pack(va_start=va, ib_bytes=size, ip_type=amdgpu.AMDGPU_HW_IP_DMA)
        chunk = amdgpu.CS_CHUNK.pack(
            chunk_id=amdgpu.AMDGPU_CHUNK_ID_IB, length_dw=len(ib) // 4, chunk_data=self.alloc(ib)
        )
        fields = {"ctx_id": self.ctx, "num_chunks": 1, "chunks": self.u64s(self.alloc(chunk))}
        self.finish(amdgpu.AMDGPU_HW_IP_DMA, self.call(amdgpu.IOCTL_AMDGPU_CS, **fields))


class SyncobjClient(CallClient):
    """A client with syncobjs and descriptors of each kind."""

    @property
    def empty(self) -> int:
        """A syncobj without a fence: another one each time."""
        return self.syncobj()

    @cached_property
    def signaled(self) -> int:
        """A syncobj with a signalled fence."""
        return self.syncobj(drm.DRM_SYNCOBJ_CREATE_SIGNALED)

    @cached_property
    def pending(self) -> int:
        """A syncobj with the fence of `sync_file`."""
        handle = self.syncobj()
        flags = drm.DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE
        self.call(drm.IOCTL_SYNCOBJ_FD_TO_HANDLE, handle=handle, fd=self.sync_file, flags=flags)
        return handle

    @cached_property
    def syncobj_file(self) -> int:
        """A descriptor of a syncobj."""
        return self.keep(self.call(drm.IOCTL_SYNCOBJ_HANDLE_TO_FD, handle=self.empty)["fd"])

    @cached_property
    def eventfd(self) -> int:
        """A descriptor of an eventfd."""
        return self.keep(os.eventfd(0))

    @cached_property
    def dev_null(self) -> int:
        """A descriptor of another kind."""
        return self.open(os.devnull)


class FileClient(CallClient):
    """A client with one file of each kind, one of which calls are made on."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.fd = getattr(self, name)

    @cached_property
    def master(self) -> int:
        """The GPU's primary node."""
        return self.open(primary_node())

    @cached_property
    def plain(self) -> int:
        """A buffer."""
        return self._on_render(0)

    @cached_property
    def always_valid(self) -> int:
        """A buffer of the address space."""
        return self._on_render(amdgpu.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID)

    @cached_property
    def dma_buf(self) -> int:
        """A descriptor of a buffer."""
        return self._export(self.render, self.plain)

    @cached_property
    def fence(self) -> int:
        """A sync file."""
        return self.sync_file

    @cached_property
    def vgem_card(self) -> int:
        """The primary node of vgem."""
        node = find_vgem()
        if node is None:
            raise HarnessError("vgem is not loaded")
        return self.open(str(node))

    @cached_property
    def vgem(self) -> int:
        """The render node of vgem."""
        node = find_vgem()
        if node is None:
            raise HarnessError("vgem is not loaded")
        minor = os.minor(os.stat(node).st_rdev)
        devices = os.listdir(f"/sys/dev/char/{os.major(os.stat(node).st_rdev)}:{minor}/device/drm")
        return self.open(f"/dev/dri/{next(name for name in devices if name.startswith('renderD'))}")

    @cached_property
    def vgem_buf(self) -> int:
        """A descriptor of a buffer of vgem's."""
        made = ioctl(self.vgem_card, drm.IOCTL_MODE_CREATE_DUMB, width=64, height=16, bpp=32)
        return self._export(self.vgem_card, made["handle"])

    def _on_render(self, flags: int) -> int:
        before, self.fd = self.fd, self.render
        try:
            return self.bo(flags=flags)
        finally:
            self.fd = before

    def _export(self, fd: int, handle: int) -> int:
        return self.keep(ioctl(fd, drm.IOCTL_PRIME_HANDLE_TO_FD, handle=handle, flags=drm.DRM_RDWR)["fd"])


def errno_of(fd: int, request: Ioctl, /, **fields: Any) -> int:
    """The errno of an ioctl, 0 when it succeeds."""
    try:
        ioctl(fd, request, **fields)
    except DrmError as error:
        return error.errno or 0
    return 0


@contextlib.contextmanager
def _as_nobody() -> Iterator[None]:
    """Without root's capabilities, as far as there are any: those that count go with the effective user."""
    if os.geteuid():
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
