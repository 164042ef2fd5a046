# SPDX-License-Identifier: MIT
"""The whole driver in one process, without transport: a GPU, its clients, gates, and what they see of GEM_VA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.gpu_model.page_table import EntryKind, Translation
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.drv import probe
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import MODULE_PARAMETERS
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuVm
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import drm_syncobj_create
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.fake_caller import Call, FakeCaller, boot

PAGE = 4096
MIB = 1 << 20
BASE = 0x1_0000_0000
"""Where tests put their mappings: 2 MiB aligned, far from the client's own."""
X, Y, Z = (BASE + i * PAGE for i in range(3))
"""What tests of `Held` call their places."""
IB_VA = 0x40_0000
_PM4_NOP = 0xFFFF1000

RW = drm.AMDGPU_VM_PAGE_READABLE | drm.AMDGPU_VM_PAGE_WRITEABLE
PRT = drm.AMDGPU_VM_PAGE_PRT
DELAY = drm.AMDGPU_VM_DELAY_UPDATE
E = drm.AMDGPU_VM_EXPLICIT_SYNC

MAP = drm.AMDGPU_VA_OP_MAP
UNMAP = drm.AMDGPU_VA_OP_UNMAP
CLEAR = drm.AMDGPU_VA_OP_CLEAR
REPLACE = drm.AMDGPU_VA_OP_REPLACE

VRAM = drm.AMDGPU_GEM_DOMAIN_VRAM
GTT = drm.AMDGPU_GEM_DOMAIN_GTT


class Machine:
    """One kernel and one GPU."""

    def __init__(self, variant: str, gpu: str = "navi31") -> None:
        self.kernel = boot(variant)
        self.adev = probe(self.kernel, load_identity(gpu), 0)

    def client(self) -> Client:
        """A process with the render node open."""
        return Client(self)


@dataclass
class Out:
    """The syncobj an operation was asked to signal."""

    client: Client
    handle: int

    @property
    def fence(self) -> DmaFence | None:
        """What is in it now."""
        return self.client.syncobj_fence(self.handle)

    @property
    def signals(self) -> bool:
        """Whether it is signalled once the kernel has done all it can do now."""
        self.client.settle()
        fence = self.fence
        assert fence is not None, "the operation put no fence into its out syncobj"
        return fence.signaled

    @property
    def waits(self) -> bool:
        """Whether it is still pending then."""
        return not self.signals


class Client(FakeCaller):
    """A client of the render node with one compute context."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine.kernel)
        self.machine = machine
        self.adev = machine.adev
        self.fd = self.open("/dev/dri/renderD128")
        self.filp = self.file(self.fd).filp
        self.contexts: dict[int, int] = {}
        ib = self.bo(domain=GTT)
        self.do(MAP, IB_VA, ib)
        self.adev.mman.memory.write(self.object(ib).address, _PM4_NOP.to_bytes(4, "little") * 16)
        self.settle()

    @property
    def vm(self) -> AmdgpuVm:
        """The client's address space."""
        vm: AmdgpuVm = self.filp.driver_priv.vm
        return vm

    @property
    def prt_va(self) -> AmdgpuBoVa:
        """Its PRT mappings."""
        prt_va: AmdgpuBoVa = self.filp.driver_priv.prt_va
        return prt_va

    # -- buffers --------------------------------------------------------------------------------------------------

    def bo(self, size: int = PAGE, domain: int = GTT, always_valid: bool = False, flags: int = 0) -> int:
        """A buffer; its handle."""
        if always_valid:
            flags |= drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID
        reply = self.ioctl(
            self.fd, drm.IOCTL_AMDGPU_GEM_CREATE, bo_size=size, alignment=0, domains=domain, domain_flags=flags
        )
        return int(reply["bo_size"]) & 0xFFFFFFFF

    def object(self, handle: int) -> AmdgpuBo:
        """The kernel's object behind a handle."""
        bo = self.filp.object_idr.find(handle)
        assert isinstance(bo, AmdgpuBo)
        return bo

    def close_bo(self, handle: int) -> None:
        """GEM_CLOSE."""
        self.ioctl(self.fd, core.IOCTL_GEM_CLOSE, handle=handle)

    # -- syncobjs and gates ---------------------------------------------------------------------------------------

    def syncobj(self, fence: DmaFence | None = None) -> int:
        """A syncobj, with a fence in it if one is given; its handle."""
        handle: int = self.filp.syncobj_idr.alloc(drm_syncobj_create(0, fence))
        return handle

    def syncobj_fence(self, handle: int) -> DmaFence | None:
        """The fence in a syncobj."""
        fence: DmaFence | None = self.filp.syncobj_idr.find(handle).fence
        return fence

    def open_gate(self, gate: DmaFence) -> None:
        """Let what waits for the gate go on."""
        gate.signal()
        self.settle()

    # -- GEM_VA ---------------------------------------------------------------------------------------------------

    def _arguments(self, operation: int, va: int, handle: int, size: int, fields: dict[str, Any]) -> dict[str, Any]:
        inputs = fields.pop("inputs", ())
        if inputs:
            fields |= {"num_syncobj_handles": len(inputs), "input_fence_syncobj_handles": self.u32s(*inputs)}
        flags = fields.pop("flags", RW if handle and operation in (MAP, REPLACE) else 0)
        return {
            "handle": handle,
            "operation": operation,
            "flags": flags,
            "va_address": va,
            "map_size": size,
            **fields,
        }

    def do(self, operation: int, va: int, handle: int = 0, size: int = PAGE, **fields: Any) -> None:
        """A GEM_VA without an out syncobj; raises `IoctlError`. ``inputs``: handles of input syncobjs."""
        arguments = self._arguments(operation, va, handle, size, fields)
        self.ioctl(self.fd, drm.IOCTL_AMDGPU_GEM_VA, **arguments)

    def op(self, operation: int, va: int, handle: int = 0, size: int = PAGE, **fields: Any) -> Out:
        """A GEM_VA with a fresh out syncobj."""
        out = Out(self, self.syncobj())
        self.do(operation, va, handle, size, vm_timeline_syncobj_out=out.handle, **fields)
        return out

    def start(self, operation: int, va: int, handle: int = 0, size: int = PAGE, **fields: Any) -> tuple[Call, Out]:
        """As `op`, for one that may sleep."""
        out = Out(self, self.syncobj())
        arguments = self._arguments(operation, va, handle, size, fields)
        call, _ = self.start_ioctl(self.fd, drm.IOCTL_AMDGPU_GEM_VA, **arguments, vm_timeline_syncobj_out=out.handle)
        return call.settle(), out

    def errno(self, operation: int, va: int, handle: int = 0, size: int = PAGE, **fields: Any) -> int:
        """The errno of a GEM_VA, 0 for success."""
        return self.fails(self.fd, drm.IOCTL_AMDGPU_GEM_VA, **self._arguments(operation, va, handle, size, fields))

    def walk(self, va: int) -> Translation:
        """What the GPU sees at an address."""
        return self.vm.page_table.walk(va)

    def sees(self, va: int, handle: int | None = None, offset: int = 0) -> bool:
        """Whether the GPU sees a BO's byte ``offset`` at an address; without a BO: whether nothing is there."""
        found = self.walk(va)
        if handle is None:
            return found.kind is EntryKind.NONE
        return found.kind is EntryKind.VALID and found.address == self.object(handle).address + offset

    def mappings(self) -> list[tuple[int, int, int]]:
        """The tree: (first byte, last byte + 1, offset) by address, without the client's own IB."""
        return [(m.start << 12, (m.last + 1) << 12, m.offset) for m in self.vm.va.in_order() if m.start << 12 != IB_VA]

    # -- submissions ----------------------------------------------------------------------------------------------

    def submit(self, gate: DmaFence | None = None, ctx: int = 0, ring: int = 0, bos: tuple[int, ...] = ()) -> Out:
        """A submission of NOPs on a compute ring, held by ``gate``; ``ctx`` is any number that names a context."""
        if ctx not in self.contexts:
            reply = self.ioctl(self.fd, drm.IOCTL_AMDGPU_CTX, op=drm.AMDGPU_CTX_OP_ALLOC_CTX)
            self.contexts[ctx] = reply["op"]
        out = Out(self, self.syncobj())
        ib = drm.CS_CHUNK_IB.pack(va_start=IB_VA, ib_bytes=64, ip_type=drm.AMDGPU_HW_IP_COMPUTE, ring=ring)
        chunks = [(drm.AMDGPU_CHUNK_ID_IB, ib), (drm.AMDGPU_CHUNK_ID_SYNCOBJ_OUT, out.handle.to_bytes(4, "little"))]
        if gate is not None:
            chunks.append((drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN, self.syncobj(gate).to_bytes(4, "little")))
        if bos:
            entries = b"".join(drm.BO_LIST_ENTRY.pack(bo_handle=handle) for handle in bos)
            info = drm.BO_LIST_IN.pack(
                operation=0xFFFFFFFF,
                list_handle=0xFFFFFFFF,
                bo_number=len(bos),
                bo_info_size=drm.BO_LIST_ENTRY.size,
                bo_info_ptr=self.alloc(entries),
            )
            chunks.append((drm.AMDGPU_CHUNK_ID_BO_HANDLES, info))
        pointers = [
            self.alloc(drm.CS_CHUNK.pack(chunk_id=kind, length_dw=len(data) // 4, chunk_data=self.alloc(data)))
            for kind, data in chunks
        ]
        self.ioctl(
            self.fd,
            drm.IOCTL_AMDGPU_CS,
            ctx_id=self.contexts[ctx],
            num_chunks=len(pointers),
            chunks=self.u64s(*pointers),
        )
        return out


class Held:
    """A client whose submission J is held, with an always-valid and an ordinary BO mapped at X and Y, and a spare one.

    ``parameters`` are module parameters of amdgpu, set before the client opens the device.
    """

    def __init__(self, kernel: str = "series-fixed", **parameters: int) -> None:
        self.machine = Machine(kernel)
        for name, value in parameters.items():
            MODULE_PARAMETERS[name].set(self.machine.adev, value)
        self.client = self.machine.client()
        self.av = self.client.bo(always_valid=True)
        self.ordinary = self.client.bo()
        self.spare_av = self.client.bo(always_valid=True)
        self.client.do(MAP, X, self.av)
        self.client.do(MAP, Y, self.ordinary)
        self.gate = new_gate()
        self.j = self.client.submit(self.gate)
        assert self.j.waits

    def release(self) -> None:
        """Open the gate; everything must finish."""
        self.client.open_gate(self.gate)
        assert self.j.signals


def new_gate() -> DmaFence:
    """A fence of no scheduler, as sw_sync's and vgem's."""
    return DmaFence(dma_fence_context_alloc(), 1, "sw_sync", "gate")
