# SPDX-License-Identifier: MIT
"""An open render node: buffers, mappings and submissions, as far as hostile clients need them."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence
from typing import Any, Protocol

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.packets import Engine, codec_for
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from amdgpu_hw.uapi import sw_sync as sw
from amdgpu_hw.uapi.layout import Ioctl

PAGE = 4096
RENDER, VGEM = "/dev/dri/renderD128", "/dev/dri/card1"
GFX, COMPUTE, SDMA = drm.AMDGPU_HW_IP_GFX, drm.AMDGPU_HW_IP_COMPUTE, drm.AMDGPU_HW_IP_DMA
READ_WRITE_EXECUTE = drm.AMDGPU_VM_PAGE_READABLE | drm.AMDGPU_VM_PAGE_WRITEABLE | drm.AMDGPU_VM_PAGE_EXECUTABLE
IB_VA = 0x10_0000


class SystemCalls(Protocol):
    """How a client makes them: `wire_client.WireClient` or `preloaded.Libc`."""

    def open(self, path: str, flags: int = os.O_RDWR) -> int:
        """Open a node; raises OSError."""

    def ioctl(self, fd: int, ioctl: Ioctl, /, **fields: int | bytes) -> dict[str, int]:
        """An ioctl by fields: the struct afterwards; raises OSError."""

    def raw_ioctl(self, fd: int, request: int, argument: int) -> int:
        """An ioctl by number and address: result or -errno."""

    def map(self, fd: int, offset: int, length: int) -> Any:
        """Map a part of a file; raises OSError."""


class GpuClient:
    """A render node, a context and a buffer for IBs at `IB_VA`."""

    def __init__(self, client: SystemCalls, gpu: str = "navi31") -> None:
        self.client = client
        self.identity = load_identity(gpu)
        self.fd = client.open(RENDER)
        self.ctx = client.ioctl(self.fd, drm.IOCTL_AMDGPU_CTX, op=drm.AMDGPU_CTX_OP_ALLOC_CTX)["op"]
        self.ib_bo = self.bo(4 * PAGE)
        self.map(self.ib_bo, IB_VA, 4 * PAGE)
        self.ib = self.cpu_map(self.ib_bo, 4 * PAGE)
        self._keep: list[object] = []

    def close(self) -> None:
        """Close the node; the buffer for IBs stays mapped."""
        os.close(self.fd)

    def bo(self, size: int = PAGE, domain: int = drm.AMDGPU_GEM_DOMAIN_GTT, flags: int = 0) -> int:
        """A new buffer's handle."""
        fields = {"bo_size": size, "alignment": PAGE, "domains": domain, "domain_flags": flags}
        return self.client.ioctl(self.fd, drm.IOCTL_AMDGPU_GEM_CREATE, **fields)["bo_size"] & 0xFFFFFFFF

    def map(self, handle: int, va: int, size: int = PAGE, flags: int = READ_WRITE_EXECUTE) -> None:
        """Map a buffer in the address space."""
        self.client.ioctl(
            self.fd,
            drm.IOCTL_AMDGPU_GEM_VA,
            handle=handle,
            operation=drm.AMDGPU_VA_OP_MAP,
            flags=flags,
            va_address=va,
            map_size=size,
        )

    def prt(self, va: int, size: int) -> None:
        """Make a PRT mapping."""
        self.client.ioctl(
            self.fd,
            drm.IOCTL_AMDGPU_GEM_VA,
            operation=drm.AMDGPU_VA_OP_MAP,
            flags=drm.AMDGPU_VM_PAGE_PRT,
            va_address=va,
            map_size=size,
        )

    def cpu_map(self, handle: int, size: int = PAGE) -> Any:
        """Map a buffer in this process."""
        return self.client.map(self.fd, self.mmap_offset(handle), size)

    def mmap_offset(self, handle: int) -> int:
        """The fake offset to mmap() a buffer with."""
        answer = self.client.ioctl(self.fd, drm.IOCTL_AMDGPU_GEM_MMAP, handle=handle)
        return answer["handle"] | answer["_pad"] << 32

    def packets(self, ip: int = SDMA) -> Any:
        """Encoders for an engine."""
        return codec_for(Engine(ip), self.identity.gc_version, self.identity.sdma_version)

    def cs_argument(
        self, ip: int, words: Sequence[int], chunks: Sequence[tuple[int, bytes]] = (), ring: int = 0
    ) -> int:
        """Address of the argument of a CS with one IB, which is put at `IB_VA`."""
        content = struct.pack(f"<{len(words)}I", *words)
        self.ib[: len(content)] = content
        ib = drm.CS_CHUNK_IB.pack(va_start=IB_VA, ib_bytes=len(content), ip_type=ip, ring=ring)
        headers = []
        for chunk_id, data in ((drm.AMDGPU_CHUNK_ID_IB, ib), *chunks):
            address = self._put(data)
            headers.append(
                self._put(drm.CS_CHUNK.pack(chunk_id=chunk_id, length_dw=len(data) // 4, chunk_data=address))
            )
        pointers = self._put(struct.pack(f"<{len(headers)}Q", *headers))
        return self._put(drm.CS_IN.pack(ctx_id=self.ctx, num_chunks=len(headers), chunks=pointers))

    def submit(self, ip: int, words: Sequence[int], *chunks: tuple[int, bytes], ring: int = 0) -> int:
        """Submit one IB: 0 or -errno."""
        result = self.client.raw_ioctl(self.fd, drm.IOCTL_AMDGPU_CS.request, self.cs_argument(ip, words, chunks, ring))
        self._keep.clear()
        return result

    def gate(self) -> tuple[int, tuple[int, bytes]]:
        """Descriptor of a software timeline, and a chunk that makes a submission wait for its next point."""
        client = self.client
        timeline = client.open(sw.PATH)
        fence = client.ioctl(timeline, sw.IOCTL_CREATE_FENCE, value=1)["fence"]
        syncobj = client.ioctl(self.fd, core.IOCTL_SYNCOBJ_CREATE)["handle"]
        client.ioctl(self.fd, core.IOCTL_SYNCOBJ_FD_TO_HANDLE, handle=syncobj, fd=fence, flags=1)
        os.close(fence)
        return timeline, (drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN, drm.CS_CHUNK_SEM.pack(handle=syncobj))

    def _put(self, content: bytes) -> int:
        buffer = ctypes.create_string_buffer(content, max(len(content), 8))
        self._keep.append(buffer)
        return ctypes.addressof(buffer)
