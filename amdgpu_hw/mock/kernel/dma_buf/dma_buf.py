# SPDX-License-Identifier: MIT
"""Buffers shared between devices and processes by descriptor (drivers/dma-buf/dma-buf.c).

poll() on a dma-buf is not modelled.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import dma_fence_get_stub
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_unwrap import dma_fence_unwrap_for_each
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ, DMA_RESV_USAGE_WRITE, DmaResv, dma_resv_usage_rw
from amdgpu_hw.mock.kernel.dma_buf.sync_file import install_sync_file, sync_file_get_fence
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import Caller, File, FileStat
from amdgpu_hw.mock.kernel.page import PAGE_SIZE
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import dma_buf as uapi

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_gem import DrmGemObject

__all__ = ("BufferFile", "DmaBuf", "dma_buf_fd", "dma_buf_get")

_SYNC_VALID_FLAGS = uapi.DMA_BUF_SYNC_RW | uapi.DMA_BUF_SYNC_END


class DmaBuf:
    """`struct dma_buf`: made with one reference and holding one of the exported object (``priv``).

    ``file`` is the open file its descriptors refer to; all of them share one, None while there is no descriptor.
    """

    __slots__ = ("attachments", "exp_name", "file", "name", "priv", "refcount", "resv", "size")

    def __init__(self, priv: DrmGemObject, resv: DmaResv, size: int, exp_name: str) -> None:
        self.priv = priv
        self.resv = resv
        self.size = size
        self.exp_name = exp_name
        self.name = ""
        self.refcount = 1
        self.file: BufferFile | None = None
        self.attachments: dict[DrmGemObject, Callable[[], None] | None] = {}
        """Objects of other devices around this memory; the function is told when it moves (`move_notify`)."""
        priv.get()

    def get(self) -> DmaBuf:
        """Take a reference (`get_dma_buf`)."""
        self.refcount += 1
        return self

    def put(self) -> None:
        """Drop a reference (`dma_buf_put`); the last one releases the object."""
        self.refcount -= 1
        if not self.refcount:
            self.priv.put()
        elif self.refcount < 0:
            raise AssertionError("reference to a freed dma-buf dropped")

    def move_notify(self) -> None:
        """Tell the importers that the memory is going to be elsewhere (`dma_buf_move_notify`)."""
        for notify in self.attachments.values():
            if notify is not None:
                notify()

    def mmap(self, offset: int, length: int, prot: int, flags: int) -> tuple[int, int]:
        """Map a part of the buffer: the host's descriptor and the offset in it; EINVAL beyond the end."""
        if offset + -(-length // PAGE_SIZE) * PAGE_SIZE > self.size:
            raise KernelError(errno.EINVAL, f"{length} bytes from {offset} of a dma-buf of {self.size}")
        return self.priv.mmap(offset, length, prot, flags)


class BufferFile(File):
    """The open file of a dma-buf; holds a reference of it while it has descriptors."""

    def __init__(self, dmabuf: DmaBuf) -> None:
        super().__init__()
        self.dmabuf = dmabuf.get()
        self.name = f"/dmabuf:{dmabuf.name}"

    def ioctl(self, caller: Caller, request: int, argp: int) -> int | Blocking[int]:
        """`dma_buf_ioctl`: SYNC, SET_NAME, EXPORT_SYNC_FILE, IMPORT_SYNC_FILE; ENOTTY for anything else."""
        if request == uapi.IOCTL_SYNC.request:
            return _sync_cpu_access(self.dmabuf, caller, argp)
        if request == uapi.IOCTL_EXPORT_SYNC_FILE.request:
            return _dma_buf_export_sync_file(self.dmabuf, caller, argp)
        if request == uapi.IOCTL_IMPORT_SYNC_FILE.request:
            return _dma_buf_import_sync_file(self.dmabuf, caller, argp)
        if request in (uapi.IOCTL_SET_NAME.request, uapi.IOCTL_SET_NAME_A.request):
            self.dmabuf.name = _strndup_user(caller, argp, uapi.DMA_BUF_NAME_LEN)
            self.name = f"/dmabuf:{self.dmabuf.name}"
            return 0
        raise KernelError(errno.ENOTTY, f"request {request:#010x} on a dma-buf")

    def mmap(self, caller: Caller, offset: int, length: int, prot: int, flags: int) -> tuple[int, int]:
        """`dma_buf_mmap_internal`."""
        return self.dmabuf.mmap(offset, length, prot, flags)

    def seek_end(self) -> int:
        """The size in bytes (`dma_buf_llseek`)."""
        return self.dmabuf.size

    def stat(self) -> FileStat:
        """The size is the buffer's."""
        return FileStat(stat.S_IFREG | 0o600, size=self.dmabuf.size)

    def release(self) -> None:
        """The last descriptor is gone; the buffer may live on in handles and importers."""
        dmabuf = self.dmabuf
        if dmabuf.file is self:
            dmabuf.file = None
        dmabuf.put()


def dma_buf_fd(caller: Caller, dmabuf: DmaBuf, cloexec: bool) -> Blocking[int]:
    """A new descriptor for the buffer in the calling process (`dma_buf_fd`).

    Leaves out: the tracepoint.
    """
    if dmabuf.file is None:
        dmabuf.file = BufferFile(dmabuf)
    return (yield from caller.install_fd(dmabuf.file, cloexec))


def dma_buf_get(caller: Caller, fd: int) -> DmaBuf:
    """The dma-buf behind a descriptor (borrowed): EBADF for a closed one, EINVAL when it is none."""
    file = caller.fget(fd)
    if not isinstance(file, BufferFile):
        raise KernelError(errno.EINVAL, f"descriptor {fd} is not a dma-buf")
    return file.dmabuf


def _sync_cpu_access(dmabuf: DmaBuf, caller: Caller, argp: int) -> int | Blocking[int]:
    (flags,) = uapi.SYNC.unpack(caller.copy_from_user(argp, uapi.SYNC.size))
    if flags & ~_SYNC_VALID_FLAGS or not flags & uapi.DMA_BUF_SYNC_RW:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    if flags & uapi.DMA_BUF_SYNC_END:
        return 0
    return _dma_buf_begin_cpu_access(dmabuf, bool(flags & uapi.DMA_BUF_SYNC_WRITE))


def _dma_buf_begin_cpu_access(dmabuf: DmaBuf, write: bool) -> Blocking[int]:
    """Wait for what conflicts with the access.

    Leaves out: the exporter's own part: amdgpu moves a buffer to GTT for reading, if it may be there.
    """
    yield from dmabuf.resv.wait(dma_resv_usage_rw(write), interruptible=True)
    return 0


def _dma_buf_export_sync_file(dmabuf: DmaBuf, caller: Caller, argp: int) -> Blocking[int]:
    raw = caller.copy_from_user(argp, uapi.EXPORT_SYNC_FILE.size)
    flags, _ = uapi.EXPORT_SYNC_FILE.unpack(raw)
    _check_sync_flags(flags)
    fence = dmabuf.resv.get_singleton(dma_resv_usage_rw(bool(flags & uapi.DMA_BUF_SYNC_WRITE)))
    # A client that cannot take the answer must not be left with a descriptor it does not know of.
    caller.copy_to_user(argp, raw)
    fd = yield from install_sync_file(caller, fence or dma_fence_get_stub())
    caller.copy_to_user(argp, uapi.EXPORT_SYNC_FILE.pack(flags=flags, fd=fd))
    return 0


def _dma_buf_import_sync_file(dmabuf: DmaBuf, caller: Caller, argp: int) -> Blocking[int]:
    flags, fd = uapi.IMPORT_SYNC_FILE.unpack(caller.copy_from_user(argp, uapi.IMPORT_SYNC_FILE.size))
    _check_sync_flags(flags)
    fence = sync_file_get_fence(caller, fd)
    if fence is None:
        raise KernelError(errno.EINVAL, f"descriptor {fd} is not a sync_file")
    usage = DMA_RESV_USAGE_WRITE if flags & uapi.DMA_BUF_SYNC_WRITE else DMA_RESV_USAGE_READ
    resv = dmabuf.resv
    yield from resv.lock(interruptible=False)
    try:
        for part in dma_fence_unwrap_for_each(fence):
            resv.add_fence(part, usage)
    finally:
        resv.unlock()
    return 0


def _check_sync_flags(flags: int) -> None:
    if flags & ~uapi.DMA_BUF_SYNC_RW or not flags & uapi.DMA_BUF_SYNC_RW:
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")


def _strndup_user(caller: Caller, address: int, limit: int) -> str:
    """A string of less than ``limit`` bytes; EINVAL when longer. Byte by byte, as it may end just before a hole."""
    text = bytearray()
    while len(text) < limit:
        byte = caller.copy_from_user(address + len(text), 1)
        if byte == b"\0":
            return text.decode("utf-8", "replace")
        text += byte
    raise KernelError(errno.EINVAL, "name too long")
