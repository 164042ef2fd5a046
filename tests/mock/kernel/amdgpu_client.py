# SPDX-License-Identifier: MIT
"""A client of one mock GPU, in process: opens the render node through `FakeCaller` and speaks in buffers and IBs."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.drv import probe
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.packets import Engine, codec_for
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.errnos import IB_AREA, IB_VA
from tests.mock.kernel.errnos.submissions import cs_fields
from tests.mock.kernel.fake_caller import Call, FakeCaller, boot

PAGE = 4096
FOREVER = (1 << 63) - 1
READ_WRITE_EXECUTE = drm.AMDGPU_VM_PAGE_READABLE | drm.AMDGPU_VM_PAGE_WRITEABLE | drm.AMDGPU_VM_PAGE_EXECUTABLE
GFX, COMPUTE, SDMA = drm.AMDGPU_HW_IP_GFX, drm.AMDGPU_HW_IP_COMPUTE, drm.AMDGPU_HW_IP_DMA


def boot_gpu(gpu: str = "navi31", variant: str = "base") -> AmdgpuDevice:
    """A kernel with one GPU."""
    return probe(boot(variant), load_identity(gpu), 0)


class Client:
    """One open render node, with an address space, a context and an area for IBs."""

    caller_type: type[FakeCaller] = FakeCaller

    def __init__(self, adev: AmdgpuDevice | None = None, pid: int | None = None, path: str = "/dev/dri/renderD128"):
        self.adev = adev if adev is not None else boot_gpu()
        self.caller = self.caller_type(self.adev.kernel, pid)
        self.fd = self.caller.open(path)
        self.filp = self.caller.file(self.fd).filp
        self.fpriv: AmdgpuFpriv = self.filp.driver_priv
        self.ctx = self.new_ctx()
        self._ib_bo = self.bo(IB_AREA)
        self._ib_used = 0
        self.map(self._ib_bo, IB_VA, IB_AREA)

    def ioctl(self, ioctl: Any, **fields: Any) -> dict[str, Any]:
        """An ioctl on the node; raises IoctlError."""
        return self.caller.ioctl(self.fd, ioctl, **fields)

    def fails(self, ioctl: Any, /, **fields: Any) -> int:
        """The errno of an ioctl, 0 when it succeeds."""
        return self.caller.fails(self.fd, ioctl, **fields)

    def settle(self) -> None:
        """Run everything the kernel and the GPU can do now."""
        self.caller.settle()

    def log(self) -> str:
        """The kernel's log."""
        return self.adev.kernel.log.text()

    # -- its memory ---------------------------------------------------------------------------------------------------

    def alloc(self, content: bytes) -> int:
        """Put bytes into the client's memory; returns the address."""
        return self.caller.alloc(content)

    def u32s(self, *values: int) -> int:
        """Address of an array of u32."""
        return self.caller.u32s(*values)

    def u64s(self, *values: int) -> int:
        """Address of an array of u64."""
        return self.caller.u64s(*values)

    # -- INFO ---------------------------------------------------------------------------------------------------------

    def info_request(self, query: int, size: int, *args: int) -> dict[str, int]:
        """Fields of an INFO request whose reply goes to `self.reply`."""
        self.reply = self.caller.alloc(max(size, 8))
        union = {f"arg{i}": value for i, value in enumerate(args)}
        return {"return_pointer": self.reply, "return_size": size, "query": query, **union}

    def info(self, query: int, size: int, *args: int) -> bytes:
        """The reply of an INFO query."""
        self.ioctl(drm.IOCTL_AMDGPU_INFO, **self.info_request(query, size, *args))
        return self.caller.copy_from_user(self.reply, size)

    def info_fails(self, query: int, size: int, *args: int) -> int:
        """The errno of an INFO query."""
        return self.fails(drm.IOCTL_AMDGPU_INFO, **self.info_request(query, size, *args))

    # -- buffers ------------------------------------------------------------------------------------------------------

    def bo(self, size: int = PAGE, domain: int = drm.AMDGPU_GEM_DOMAIN_GTT, flags: int = 0) -> int:
        """A new buffer's handle."""
        fields = {"bo_size": size, "alignment": PAGE, "domains": domain, "domain_flags": flags}
        return int(self.ioctl(drm.IOCTL_AMDGPU_GEM_CREATE, **fields)["bo_size"]) & 0xFFFFFFFF

    def object(self, handle: int) -> AmdgpuBo:
        """The kernel's object."""
        bo = self.filp.object_idr.find(handle)
        assert isinstance(bo, AmdgpuBo)
        return bo

    def read(self, handle: int, size: int, offset: int = 0) -> bytes:
        """Content of a buffer as the CPU sees it."""
        start = self.object(handle).host + offset
        return self.adev.gpu.memory.host.map[start : start + size]

    def write(self, handle: int, data: bytes, offset: int = 0) -> None:
        """Change a buffer's content from the CPU."""
        start = self.object(handle).host + offset
        self.adev.gpu.memory.host.map[start : start + len(data)] = data
        self.adev.gpu.memory_written()

    def va_op(self, operation: int, handle: int, va: int, size: int, flags: int = READ_WRITE_EXECUTE) -> None:
        """One GEM_VA."""
        self.ioctl(
            drm.IOCTL_AMDGPU_GEM_VA, handle=handle, operation=operation, flags=flags, va_address=va, map_size=size
        )

    def map(self, handle: int, va: int, size: int = PAGE) -> None:
        """Map a buffer."""
        self.va_op(drm.AMDGPU_VA_OP_MAP, handle, va, size)

    # -- contexts and submissions -------------------------------------------------------------------------------------

    def new_ctx(self, priority: int = 0) -> int:
        """A new context's id."""
        return int(self.ioctl(drm.IOCTL_AMDGPU_CTX, op=drm.AMDGPU_CTX_OP_ALLOC_CTX, priority=priority)["op"])

    def ctx_object(self, ctx: int | None = None) -> Any:
        """The kernel's context."""
        return self.fpriv.ctx_mgr.contexts.find(ctx or self.ctx)

    def packets(self, ip: int) -> Any:
        """Encoders for an engine of this GPU."""
        identity = self.adev.identity
        return codec_for(Engine(ip), identity.gc_version, identity.sdma_version)

    def ib_chunk(self, ip: int, dwords: Sequence[int] | None = None, ring: int = 0, flags: int = 0) -> bytes:
        """An IB chunk; the default IB does nothing. The IB area is used as a ring."""
        words = self.packets(ip).pad(list(dwords) if dwords else self.packets(ip).nop())
        data = struct.pack(f"<{len(words)}I", *words)
        if self._ib_used + len(data) > IB_AREA:
            self._ib_used = 0
        offset, self._ib_used = self._ib_used, -(-(self._ib_used + len(data)) // 256) * 256
        self.write(self._ib_bo, data, offset)
        return drm.CS_CHUNK_IB.pack(flags=flags, va_start=IB_VA + offset, ib_bytes=len(data), ip_type=ip, ring=ring)

    def nops(self, ip: int) -> tuple[int, int]:
        """Address and bytes of an IB that does nothing; anything for an IP that there is none of."""
        if ip not in {engine.value for engine in Engine}:
            return IB_VA, 32
        fields = drm.CS_CHUNK_IB.as_dict(self.ib_chunk(ip))
        return fields["va_start"], fields["ib_bytes"]

    def bo_handles_chunk(self, *handles: int) -> bytes:
        """A BO_HANDLES chunk."""
        entries = self.caller.alloc(b"".join(drm.BO_LIST_ENTRY.pack(bo_handle=handle) for handle in handles))
        return drm.BO_LIST_IN.pack(bo_number=len(handles), bo_info_size=drm.BO_LIST_ENTRY.size, bo_info_ptr=entries)

    def cs_fields(
        self, chunks: Sequence[tuple[int, bytes]], ctx: int | None = None, bo_list: int = 0
    ) -> dict[str, int]:
        """Fields of a CS with these (id, data) chunks."""
        return cs_fields(self, chunks, self.ctx if ctx is None else ctx, bo_list)

    def start_cs(self, chunks: Sequence[tuple[int, bytes]], ctx: int | None = None, bo_list: int = 0) -> Call:
        """Begin a CS that may sleep; its sequence number is `sequence_of(call)`."""
        call, self._read = self.caller.start_ioctl(self.fd, drm.IOCTL_AMDGPU_CS, **self.cs_fields(chunks, ctx, bo_list))
        return call

    def cs(self, *chunks: tuple[int, bytes], ctx: int | None = None, bo_list: int = 0) -> int:
        """Submit; returns the sequence number. What can run has run."""
        result = self.ioctl(drm.IOCTL_AMDGPU_CS, **self.cs_fields(chunks, ctx, bo_list))
        return int(result["ctx_id"]) | int(result["bo_list_handle"]) << 32

    def cs_fails(self, *chunks: tuple[int, bytes], ctx: int | None = None, bo_list: int = 0) -> int:
        """The errno of a CS."""
        return self.fails(drm.IOCTL_AMDGPU_CS, **self.cs_fields(chunks, ctx, bo_list))

    def submit(self, ip: int, dwords: Sequence[int] | None = None, *more: tuple[int, bytes], **where: int) -> int:
        """Submit one IB, with further chunks."""
        chunk = self.ib_chunk(ip, dwords, where.pop("ring", 0))
        return self.cs((drm.AMDGPU_CHUNK_ID_IB, chunk), *more, **where)

    def fence_fields(self, ip: int, sequence: int, ring: int = 0, ctx: int | None = None) -> dict[str, int]:
        """Fields that name a submission in WAIT_CS."""
        return {"handle": sequence, "ip_type": ip, "ring": ring, "ctx_id": self.ctx if ctx is None else ctx}

    def busy(self, ip: int, sequence: int, **where: int) -> bool:
        """Whether WAIT_CS without waiting says that a submission is still running."""
        fields = self.fence_fields(ip, sequence, **where)
        return bool(self.ioctl(drm.IOCTL_AMDGPU_WAIT_CS, timeout=0, **fields)["handle"])

    def wait(self, ip: int, sequence: int, **where: int) -> None:
        """Wait for a submission for as long as it takes; raises IoctlError with its error."""
        self.ioctl(drm.IOCTL_AMDGPU_WAIT_CS, timeout=FOREVER, **self.fence_fields(ip, sequence, **where))

    # -- syncobjs -----------------------------------------------------------------------------------------------------

    def syncobj(self) -> int:
        """A new, empty syncobj's handle."""
        return int(self.ioctl(core.IOCTL_SYNCOBJ_CREATE)["handle"])

    def syncobj_fence(self, handle: int) -> DmaFence | None:
        """The fence in a syncobj."""
        fence: DmaFence | None = self.filp.syncobj_idr.find(handle).fence
        return fence

    def gate(self) -> tuple[tuple[int, bytes], DmaFence]:
        """A SYNCOBJ_IN chunk with a fence that the test signals: the submission waits for that."""
        handle = self.syncobj()
        fence = DmaFence(dma_fence_context_alloc(), 1, "test", "gate")
        self.filp.syncobj_idr.find(handle).fence = fence
        return (drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN, drm.CS_CHUNK_SEM.pack(handle=handle)), fence

    def open_gate(self, fence: DmaFence) -> None:
        """Signal a gate and run what waited for it."""
        fence.signal()
        self.settle()
