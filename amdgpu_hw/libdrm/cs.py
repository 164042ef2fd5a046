# SPDX-License-Identifier: MIT
"""libdrm_amdgpu's command submission (amdgpu_cs.c): contexts, CS, and the fences that CS gives out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amdgpu_hw.libdrm.calls import check, ffi, lib
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle
from amdgpu_hw.uapi.amdgpu_drm import (
    AMDGPU_CHUNK_ID_BO_HANDLES,
    AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ,
    BO_LIST_ENTRY,
    BO_LIST_IN,
    CS_CHUNK_DEP,
)

__all__ = ("AmdgpuContextHandle",)

_UNUSED = 0xFFFFFFFF  # operation and list handle of a BO_HANDLES chunk, which makes no list object


class AmdgpuContextHandle:
    """One GPU context; its submissions are numbered per (ip, ring) from 1."""

    def __init__(self, device: AmdgpuDeviceHandle, priority: int) -> None:
        handle = ffi.new("amdgpu_context_handle *")
        ret = lib.amdgpu_cs_ctx_create2(device.handle, priority & 0xFFFFFFFF, handle)
        check(ret, "DRM_IOCTL_AMDGPU_CTX(ALLOC_CTX)", priority=priority)
        self._device = device
        self._handle = handle[0]

    def free(self) -> None:
        """Free the context; sleeps, without a bound, until its jobs are on the ring (drm_sched_entity_flush)."""
        check(lib.amdgpu_cs_ctx_free(self._handle), "DRM_IOCTL_AMDGPU_CTX(FREE_CTX)")

    def reset_flags(self) -> int:
        """AMDGPU_CTX_QUERY2_FLAGS_* of this context."""
        flags = ffi.new("uint64_t *")
        check(lib.amdgpu_cs_query_reset_state2(self._handle, flags), "DRM_IOCTL_AMDGPU_CTX(QUERY_STATE2)")
        return int(flags[0])

    def submit(self, chunks: Sequence[tuple[int, bytes]], bo_handles: Sequence[int]) -> int:
        """CS with these (chunk id, chunk data) and, if any, GEM handles; returns the submission's number."""
        keep_alive = [ffi.from_buffer(data) for _, data in chunks]
        ids = [chunk_id for chunk_id, _ in chunks]
        if bo_handles:
            entries = ffi.from_buffer(b"".join(BO_LIST_ENTRY.pack(bo_handle=handle) for handle in bo_handles))
            bo_list = BO_LIST_IN.pack(
                operation=_UNUSED,
                list_handle=_UNUSED,
                bo_number=len(bo_handles),
                bo_info_size=BO_LIST_ENTRY.size,
                bo_info_ptr=_address(entries),
            )
            keep_alive += [ffi.from_buffer(bo_list), entries]
            ids.append(AMDGPU_CHUNK_ID_BO_HANDLES)
        array = ffi.new("struct drm_amdgpu_cs_chunk[]", len(ids))
        for chunk, chunk_id, data in zip(array, ids, keep_alive, strict=False):  # entries is no chunk
            chunk.chunk_id = chunk_id
            chunk.length_dw = len(data) // 4
            chunk.chunk_data = _address(data)
        sequence = ffi.new("uint64_t *")
        ret = lib.amdgpu_cs_submit_raw2(self._device.handle, self._handle, 0, len(ids), array, sequence)
        keep_alive.clear()
        check(ret, "DRM_IOCTL_AMDGPU_CS", chunks=ids, bo_handles=list(bo_handles))
        return int(sequence[0])

    def wait(self, ip: int, ring: int, sequence: int, deadline_ns: int) -> bool:
        """WAIT_CS until an absolute CLOCK_MONOTONIC time: whether the job is done.

        Raises `DrmError` with ECANCELED, ETIME or ENODATA if the job ended with that error.
        """
        expired = ffi.new("uint32_t *")
        fence = self._fence(ip, ring, sequence)
        ret = lib.amdgpu_cs_query_fence_status(
            fence, max(deadline_ns, 0), lib.AMDGPU_QUERY_FENCE_TIMEOUT_IS_ABSOLUTE, expired
        )
        check(ret, "DRM_IOCTL_AMDGPU_WAIT_CS", ip=ip, ring=ring, sequence=sequence)
        return bool(expired[0])

    def fence_to_syncobj(self, ip: int, ring: int, sequence: int) -> int:
        """FENCE_TO_HANDLE: the handle of a new syncobj with the job's fence."""
        handle = ffi.new("uint32_t *")
        ret = lib.amdgpu_cs_fence_to_handle(
            self._device.handle, self._fence(ip, ring, sequence), AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ, handle
        )
        check(ret, "DRM_IOCTL_AMDGPU_FENCE_TO_HANDLE", ip=ip, ring=ring, sequence=sequence)
        return int(handle[0])

    def dependency(self, ip: int, ring: int, sequence: int) -> bytes:
        """The record of a DEPENDENCIES chunk that names this job."""
        record = ffi.new("struct drm_amdgpu_cs_chunk_dep *")
        lib.amdgpu_cs_chunk_fence_to_dep(self._fence(ip, ring, sequence), record)
        return bytes(ffi.buffer(record, CS_CHUNK_DEP.size))

    def _fence(self, ip: int, ring: int, sequence: int) -> Any:
        fence = ffi.new("struct amdgpu_cs_fence *")
        fence.context, fence.ip_type, fence.ring, fence.fence = self._handle, ip, ring, sequence
        return fence


def _address(buffer: Any) -> int:
    return int(ffi.cast("uintptr_t", buffer))
