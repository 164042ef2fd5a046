# SPDX-License-Identifier: MIT
"""Fences as descriptors (drivers/dma-buf/sync_file.c)."""

from __future__ import annotations

import errno

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_unwrap import dma_fence_unwrap_for_each, dma_fence_unwrap_merge
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import Caller, File
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import sync_file as uapi

__all__ = ("SyncFile", "install_sync_file", "sync_file_get_fence")

_NAME_LEN = 32


class SyncFile(File):
    """`struct sync_file`: becomes readable (POLLIN) when ``fence`` signals.

    ``user_name`` is what MERGE was given; without one the name comes from the fence.
    """

    name = "anon_inode:sync_file"

    def __init__(self, fence: DmaFence, user_name: str = "") -> None:
        super().__init__()
        self.fence = fence
        self.user_name = user_name
        if not fence.add_callback(self._fence_signaled):
            self.set_readable()

    def get_name(self) -> str:
        """`sync_file_get_name`."""
        fence = self.fence
        return self.user_name or f"{fence.driver_name}-{fence.timeline_name}{fence.context}-{fence.seqno}"

    def ioctl(self, caller: Caller, request: int, argp: int) -> int | Blocking[int]:
        """`sync_file_ioctl`: MERGE, FILE_INFO, SET_DEADLINE; ENOTTY for anything else."""
        if request == uapi.IOCTL_MERGE.request:
            return _sync_file_ioctl_merge(self, caller, argp)
        if request == uapi.IOCTL_FILE_INFO.request:
            return _sync_file_ioctl_fence_info(self, caller, argp)
        if request == uapi.IOCTL_SET_DEADLINE.request:
            return _sync_file_ioctl_set_deadline(self, caller, argp)
        raise KernelError(errno.ENOTTY, f"request {request:#010x} on a sync_file")

    def release(self) -> None:
        """Stop listening; the fence itself does not care."""
        self.fence.remove_callback(self._fence_signaled)

    def _fence_signaled(self, _fence: DmaFence) -> None:
        self.set_readable()


def install_sync_file(caller: Caller, fence: DmaFence, user_name: str = "") -> Blocking[int]:
    """A new descriptor (close-on-exec) for a fence in the calling process (`sync_file_create`, `fd_install`)."""
    return (yield from caller.install_fd(SyncFile(fence, user_name), True))


def sync_file_get_fence(caller: Caller, fd: int) -> DmaFence | None:
    """The fence behind a descriptor; None when it is closed or not a sync_file."""
    file = _sync_file_fdget(caller, fd)
    return file.fence if file is not None else None


def _sync_file_fdget(caller: Caller, fd: int) -> SyncFile | None:
    try:
        file = caller.fget(fd)
    except KernelError:
        return None
    return file if isinstance(file, SyncFile) else None


def _sync_file_ioctl_merge(sync_file: SyncFile, caller: Caller, argp: int) -> Blocking[int]:
    raw = caller.copy_from_user(argp, uapi.MERGE_DATA.size)
    name, fd2, _, flags, pad = uapi.MERGE_DATA.unpack(raw)
    if flags or pad:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}, pad {pad:#x}")
    other = _sync_file_fdget(caller, fd2)
    if other is None:
        raise KernelError(errno.ENOENT, f"descriptor {fd2} is not a sync_file")
    user_name = name[: _NAME_LEN - 1].split(b"\0")[0].decode("utf-8", "replace")
    # A client that cannot take the answer must not be left with a descriptor it does not know of.
    caller.copy_to_user(argp, raw)
    merged = dma_fence_unwrap_merge(sync_file.fence, other.fence)
    fence_fd = yield from install_sync_file(caller, merged, user_name)
    caller.copy_to_user(argp, uapi.MERGE_DATA.pack(name=name, fd2=fd2, fence=fence_fd))
    return 0


def _sync_file_ioctl_fence_info(sync_file: SyncFile, caller: Caller, argp: int) -> int:
    _, _, flags, room, pad, address = uapi.FILE_INFO.unpack(caller.copy_from_user(argp, uapi.FILE_INFO.size))
    if flags or pad:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}, pad {pad:#x}")
    fences = tuple(dma_fence_unwrap_for_each(sync_file.fence))
    if not room:
        status = sync_file.fence.get_status()
    else:
        if room < len(fences):
            raise KernelError(errno.EINVAL, f"room for {room} of {len(fences)} fences")
        status = 1
        infos = bytearray()
        for fence in fences:
            fence_status = fence.get_status()
            # The first that is not well decides: still active, or failed.
            status = status if status <= 0 else fence_status
            infos += uapi.FENCE_INFO.pack(
                obj_name=_strscpy(fence.timeline_name),
                driver_name=_strscpy(fence.driver_name),
                status=fence_status,
                timestamp_ns=fence.timestamp if fence.signaled else 0,
            )
        caller.copy_to_user(address, infos)
    answer = uapi.FILE_INFO.pack(
        name=_strscpy(sync_file.get_name()), status=status, num_fences=len(fences), sync_fence_info=address
    )
    caller.copy_to_user(argp, answer)
    return 0


def _sync_file_ioctl_set_deadline(sync_file: SyncFile, caller: Caller, argp: int) -> int:
    deadline_ns, pad = uapi.SET_DEADLINE.unpack(caller.copy_from_user(argp, uapi.SET_DEADLINE.size))
    if pad:
        raise KernelError(errno.EINVAL, f"pad {pad:#x}")
    sync_file.fence.set_deadline(deadline_ns)
    return 0


def _strscpy(text: str) -> bytes:
    return text.encode()[: _NAME_LEN - 1]
