# SPDX-License-Identifier: MIT
"""Waiting for submissions and handing their fences out (the second half of amdgpu_cs.c)."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import amdgpu_ctx_get, amdgpu_ctx_get_entity, amdgpu_ctx_get_fence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_get_stub, dma_fence_wait, wait_for_any_fence
from amdgpu_hw.mock.kernel.dma_buf.sync_file import install_sync_file
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import drm_syncobj_create, drm_syncobj_get_fd, drm_syncobj_get_handle
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import amdgpu_drm as drm

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.kms import AmdgpuFpriv
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("amdgpu_cs_fence_to_handle_ioctl", "amdgpu_cs_wait_fences_ioctl", "amdgpu_cs_wait_ioctl")

_MAX_FENCES = (4 << 20) // drm.FENCE.size
"""Longest array of WAIT_FENCES: the largest kmalloc, 4 MiB."""
_NO_INDEX = 0xFFFFFFFF


def _deadline(timeout: int) -> int | None:
    """Read a timeout of user space: absolute CLOCK_MONOTONIC in ns, None (for ever) if negative as s64."""
    return None if timeout >> 63 else timeout


def _amdgpu_cs_get_fence(
    fpriv: AmdgpuFpriv, ctx_id: int, ip_type: int, instance: int, ring: int, sequence: int
) -> DmaFence | None:
    """Return the fence of a submission, None when it is so old that it must be done."""
    centity = amdgpu_ctx_get_entity(amdgpu_ctx_get(fpriv, ctx_id), ip_type, instance, ring)
    return amdgpu_ctx_get_fence(centity, sequence)


def _raise_error_of(fence: DmaFence) -> None:
    if fence.error:
        raise KernelError(-fence.error, "the job failed")


def amdgpu_cs_wait_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int | Blocking[int]:
    """DRM_IOCTL_AMDGPU_WAIT_CS: status 1 if the submission is still running at the timeout, else 0 or its error."""
    sequence, timeout, ip_type, instance, ring, ctx_id = drm.WAIT_CS_IN.unpack_from(data)
    fence = _amdgpu_cs_get_fence(filp.driver_priv, ctx_id, ip_type, instance, ring, sequence)
    if fence is None or fence.signaled:
        if fence is not None:
            _raise_error_of(fence)
        data[: drm.WAIT_CS_IN.size] = bytes(drm.WAIT_CS_IN.size)
        return 0
    return _wait_for_submission(data, fence, _deadline(timeout))


def _wait_for_submission(data: bytearray, fence: DmaFence, deadline: int | None) -> Blocking[int]:
    done = yield from dma_fence_wait(fence, True, deadline)
    if done:
        _raise_error_of(fence)
    data[: drm.WAIT_CS_IN.size] = bytes(drm.WAIT_CS_IN.size)
    drm.WAIT_CS_OUT.pack_into(data, 0, not done)
    return 0


def amdgpu_cs_wait_fences_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> Blocking[int]:
    """DRM_IOCTL_AMDGPU_WAIT_FENCES: status 1 if all, or one of them, are done; the opposite sense of WAIT_CS."""
    address, count, wait_all, timeout = drm.WAIT_FENCES_IN.unpack_from(data)
    fpriv: AmdgpuFpriv = filp.driver_priv
    if not count and fpriv.adev.variant.refuses_no_fences:
        raise KernelError(errno.EINVAL, "no fences")
    if count > _MAX_FENCES:
        raise KernelError(errno.ENOMEM, f"{count} fences")
    records = struct.iter_unpack("<IIIIQ", caller.copy_from_user(address, count * drm.FENCE.size) if count else b"")
    deadline = _deadline(timeout)
    if wait_all:
        done = yield from _amdgpu_cs_wait_all_fences(fpriv, records, deadline)
        status, first, error = int(done), 0, 0
    else:
        status, first, error = yield from _amdgpu_cs_wait_any_fence(fpriv, list(records), deadline)
    data[: drm.WAIT_FENCES_IN.size] = bytes(drm.WAIT_FENCES_IN.size)
    drm.WAIT_FENCES_OUT.pack_into(data, 0, status, first)
    if error:
        raise KernelError(-error, "the job failed")
    return 0


def _amdgpu_cs_wait_all_fences(
    fpriv: AmdgpuFpriv, records: Iterable[tuple[int, ...]], deadline: int | None
) -> Blocking[bool]:
    for ctx_id, ip_type, instance, ring, sequence in records:
        fence = _amdgpu_cs_get_fence(fpriv, ctx_id, ip_type, instance, ring, sequence)
        if fence is None:
            continue
        if not (yield from dma_fence_wait(fence, True, deadline)):
            return False
        _raise_error_of(fence)
    return True


def _amdgpu_cs_wait_any_fence(
    fpriv: AmdgpuFpriv, records: list[tuple[int, ...]], deadline: int | None
) -> Blocking[tuple[int, int, int]]:
    """Return status, index of the first one done and its error."""
    fences: list[DmaFence] = []
    for index, (ctx_id, ip_type, instance, ring, sequence) in enumerate(records):
        fence = _amdgpu_cs_get_fence(fpriv, ctx_id, ip_type, instance, ring, sequence)
        if fence is None:
            return 1, index, 0
        fences.append(fence)
    if not fences:
        raise KernelError(errno.EINVAL, "no fence to wait for")  # dma_fence_wait_any_timeout
    first = yield from wait_for_any_fence(fences, True, deadline)
    if first is None:
        return 0, _NO_INDEX, 0
    return 1, first, fences[first].error


def amdgpu_cs_fence_to_handle_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> Blocking[int]:
    """DRM_IOCTL_AMDGPU_FENCE_TO_HANDLE: a submission's fence as a syncobj, a descriptor of one, or a sync file."""
    ctx_id, ip_type, instance, ring, sequence, what, _ = drm.FENCE_TO_HANDLE_IN.unpack_from(data)
    fence = _amdgpu_cs_get_fence(filp.driver_priv, ctx_id, ip_type, instance, ring, sequence)
    if fence is None:
        fence = dma_fence_get_stub()
    if what == drm.AMDGPU_FENCE_TO_HANDLE_GET_SYNC_FILE_FD:
        handle = yield from install_sync_file(caller, fence)
    elif what in (drm.AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ, drm.AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ_FD):
        syncobj = drm_syncobj_create(0, fence)
        try:
            if what == drm.AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ:
                handle = drm_syncobj_get_handle(filp, syncobj)
            else:
                handle = yield from drm_syncobj_get_fd(caller, syncobj)
        finally:
            syncobj.put()
    else:
        raise KernelError(errno.EINVAL, f"what {what}")
    drm.FENCE_TO_HANDLE_OUT.pack_into(data, 0, handle)
    return 0
