# SPDX-License-Identifier: MIT
"""Updates and submissions as calls that can be repeated in C: everything they need is made beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from amdgpu_hw.address_space import Operation
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm.sampling import Call, address_of
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.packets import Engine
from amdgpu_hw.sync import Syncobj
from amdgpu_hw.uapi import amdgpu_drm as uapi

__all__ = ("IbMemory", "NumberedContext", "update_call")

_READ_WRITE = uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_WRITEABLE


def update_call(
    operation: Operation,
    va: int,
    size: int,
    out: Syncobj,
    *,
    buffer: Buffer | None = None,
    offset: int = 0,
    flags: int = 0,
) -> Call:
    """One GEM_VA. Without ``buffer`` it is about PRT mappings; CLEAR takes neither. ``flags``: more AMDGPU_VM_*."""
    if operation is not Operation.CLEAR:
        maps = operation in (Operation.MAP, Operation.REPLACE)
        flags |= uapi.AMDGPU_VM_PAGE_PRT if buffer is None else _READ_WRITE if maps else 0
    argument = uapi.GEM_VA.pack(
        handle=buffer.handle if buffer else 0,
        operation=operation.value,
        flags=flags,
        va_address=va,
        offset_in_bo=offset,
        map_size=size,
        vm_timeline_syncobj_out=out.handle,
    )
    return Call(uapi.IOCTL_AMDGPU_GEM_VA, argument)


class NumberedContext:
    """A GPU context by its number, which libdrm keeps to itself: what a CS ioctl made in C has to name."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        made = gpu.ioctl(uapi.IOCTL_AMDGPU_CTX, out=uapi.CTX_ALLOC_OUT, op=uapi.AMDGPU_CTX_OP_ALLOC_CTX)
        self.number = int(made["ctx_id"])

    def submission(self, engine: Engine, ring: int, ib_va: int, ib_bytes: int, signal: Syncobj) -> Call:
        """One CS of one IB that signals a binary syncobj. Everything it uses has to be always-valid."""
        ib = uapi.CS_CHUNK_IB.pack(va_start=ib_va, ib_bytes=ib_bytes, ip_type=engine, ring=ring)
        out = uapi.CS_CHUNK_SEM.pack(handle=signal.handle)
        chunks = ((uapi.AMDGPU_CHUNK_ID_IB, ib), (uapi.AMDGPU_CHUNK_ID_SYNCOBJ_OUT, out))
        records = [
            uapi.CS_CHUNK.pack(chunk_id=chunk_id, length_dw=len(data) // 4, chunk_data=address_of(data))
            for chunk_id, data in chunks
        ]
        array = b"".join(address_of(record).to_bytes(8, "little") for record in records)
        argument = uapi.CS_IN.pack(ctx_id=self.number, num_chunks=len(records), chunks=address_of(array))
        return Call(uapi.IOCTL_AMDGPU_CS, argument, (ib, out, *records, array))

    def stable_pstate(self) -> int:
        """AMDGPU_CTX_STABLE_PSTATE_* that the GPU's clocks are in."""
        reply = self._gpu.ioctl(
            uapi.IOCTL_AMDGPU_CTX,
            out=uapi.CTX_PSTATE_OUT,
            op=uapi.AMDGPU_CTX_OP_GET_STABLE_PSTATE,
            ctx_id=self.number,
        )
        return int(reply["flags"])

    def set_stable_pstate(self, pstate: int) -> None:
        """Pin the clocks; freeing the context puts them back. Raises `DrmError` (EBUSY: another context did)."""
        self._gpu.ioctl(
            uapi.IOCTL_AMDGPU_CTX, op=uapi.AMDGPU_CTX_OP_SET_STABLE_PSTATE, ctx_id=self.number, flags=pstate
        )

    def close(self) -> None:
        """Free it; sleeps until all that was submitted has gone to the ring, so nothing of it may wait for a gate."""
        number, self.number = self.number, 0
        if number and not self._gpu.closed:
            self._gpu.ioctl(uapi.IOCTL_AMDGPU_CTX, op=uapi.AMDGPU_CTX_OP_FREE_CTX, ctx_id=number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class IbMemory:
    """Always-valid memory for one IB at a time, which stays where it is while it is submitted again and again."""

    def __init__(self, gpu: Gpu, size: int) -> None:
        self._size = -(-size // PAGE_SIZE) * PAGE_SIZE
        self._buffer = gpu.alloc(self._size, always_valid=True)
        self._range = gpu.reserve(self._size)
        mapping = self._range.map(self._buffer, writeable=False, executable=True)
        if not mapping.wait():
            raise HarnessError("the GPU did not finish a page-table update in 5 s: look into the kernel log")
        self.va = self._range.va

    def write(self, dwords: Sequence[int]) -> int:
        """Put an IB there, when the one before is not in use any more; returns its bytes."""
        data = b"".join(dword.to_bytes(4, "little") for dword in dwords)
        self._buffer.write(0, data)
        return len(data)

    def close(self) -> None:
        """Give memory and addresses back."""
        self._range.close()
        self._buffer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
