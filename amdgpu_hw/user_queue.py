# SPDX-License-Identifier: MIT
"""User queues: a compute queue whose ring user space fills itself, and whose doorbell it rings (AMDGPU_USERQ).

The kernel has no job for what such a queue does. For buffers and syncobjs it makes fences of it, each of all that is in
the ring at that moment (USERQ_SIGNAL). Needs GFX11 or later, and a driver that offers them (its parameter user_queue).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.packets import Engine, Pm4, codec_for
from amdgpu_hw.sync import Syncobj
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import amdgpu_info as info

__all__ = ("UserQueue",)

_RING_SIZE = PAGE_SIZE
"""Bytes: the smallest that the kernel takes (amdgpu_userq_input_args_validate)."""
_DOORBELL = 4
"""Which of the doorbells of 8 bytes in its buffer; any would do."""
_DRAIN_NS = 5_000_000_000


class UserQueue:
    """A compute queue of ``gpu``'s address space; a context manager.

    Raises `FeatureMissing` where the driver offers none, `DrmError` where it makes none. Whoever has put something into
    the ring and asked for a fence of it has to ring the doorbell before closing: the kernel waits for such fences.
    """

    def __init__(self, gpu: Gpu) -> None:
        offered = info.INFO_DEVICE.as_dict(gpu.query_info(info.AMDGPU_INFO_DEV_INFO, info.INFO_DEVICE.size))
        if not offered["userq_ip_mask"] >> Engine.COMPUTE & 1:
            mask = offered["userq_ip_mask"]
            raise FeatureMissing(f"this kernel offers no user queues for compute (userq_ip_mask is {mask:#x})")
        packets = codec_for(Engine.COMPUTE, gpu.identity.gc_version, gpu.identity.sdma_version)
        if not isinstance(packets, Pm4):
            raise TypeError("compute queues take PM4")
        self.packets: Pm4 = packets
        """Encoders for what goes into the ring."""
        self._gpu = gpu
        # A page each: the kernel refuses a write pointer in a larger buffer (mes_userq_create_wptr_mapping).
        self._ring, self._rptr, self._wptr, self._eop = (gpu.alloc(PAGE_SIZE) for _ in range(4))
        self._buffers = [self._ring, self._rptr, self._wptr, self._eop]
        addresses = []
        for buffer in self._buffers:
            place = gpu.reserve(PAGE_SIZE)
            place.map(buffer, executable=True, mtype=uapi.AMDGPU_VM_MTYPE_UC)
            addresses.append(place.va)
            buffer.fill(0)
        self._doorbell = gpu.alloc(PAGE_SIZE, "doorbell")
        self._buffers.append(self._doorbell)
        self._filled = 0
        gpu.address_space.drain(_DRAIN_NS)
        ring, rptr, wptr, eop = addresses
        mqd = bytearray(uapi.USERQ_MQD_COMPUTE_GFX11.pack(eop_va=eop))
        reply = gpu.ioctl(
            uapi.IOCTL_AMDGPU_USERQ,
            out=uapi.USERQ_OUT,
            op=uapi.AMDGPU_USERQ_OP_CREATE,
            ip_type=Engine.COMPUTE,
            doorbell_handle=self._doorbell.handle,
            doorbell_offset=_DOORBELL,
            queue_va=ring,
            queue_size=_RING_SIZE,
            rptr_va=rptr,
            wptr_va=wptr,
            mqd=mqd,
            mqd_size=len(mqd),
        )
        self._queue_id: int = reply["queue_id"]
        self._closed = False

    def put(self, dwords: Sequence[int]) -> None:
        """Put packets into the ring; nothing executes them before `ring_doorbell`. ValueError when they do not fit."""
        if 4 * (self._filled + len(dwords)) > _RING_SIZE:
            raise ValueError(f"{len(dwords)} dwords more do not fit into a ring that is used once")
        self._ring.write(4 * self._filled, _u32s(dwords))
        self._filled += len(dwords)
        self._wptr.write_u64(self._filled)

    def signal(self, written: Sequence[Buffer] = ()) -> Syncobj:
        """Make a fence of all that is in the ring, for a new syncobj and for buffers that it writes (USERQ_SIGNAL)."""
        syncobj = self._gpu.syncobj()
        self._gpu.ioctl(
            uapi.IOCTL_AMDGPU_USERQ_SIGNAL,
            queue_id=self._queue_id,
            syncobj_handles=_u32s([syncobj.handle]),
            num_syncobj_handles=1,
            bo_write_handles=_u32s([buffer.handle for buffer in written]) if written else 0,
            num_bo_write_handles=len(written),
        )
        return syncobj

    def ring_doorbell(self) -> None:
        """Have the GPU execute what is in the ring; harmless when it has already."""
        self._doorbell.write_u64(self._filled, 8 * _DOORBELL)

    def close(self) -> None:
        """Free the queue; blocks until its fences have signalled."""
        if self._closed:
            return
        self._closed = True
        self._gpu.ioctl(uapi.IOCTL_AMDGPU_USERQ, op=uapi.AMDGPU_USERQ_OP_FREE, queue_id=self._queue_id)
        for buffer in self._buffers:
            buffer.close()

    def __enter__(self) -> UserQueue:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _u32s(values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)
