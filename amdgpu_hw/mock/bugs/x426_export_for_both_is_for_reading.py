# SPDX-License-Identifier: MIT
"""DMA_BUF_IOCTL_EXPORT_SYNC_FILE for reading and writing gives what a reader waits for: the writers alone.

dma_buf_export_sync_file compares the flags with DMA_BUF_SYNC_WRITE where it should look for that bit. A sync file for
both of a buffer that another client has an unfinished reader on (a member of a gang, an imported fence) is signalled.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf import dma_buf
from amdgpu_hw.mock.kernel.dma_buf.dma_buf import DmaBuf
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import dma_resv_usage_rw
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces
from amdgpu_hw.uapi import dma_buf as uapi

BUG = Bug(caught_by=("O77",))


_for_both: list[DmaBuf] = []
"""The buffer that is being exported for both."""


@replaces(dma_buf._dma_buf_export_sync_file)
def export_sync_file(original: Original, dmabuf: DmaBuf, caller: Caller, argp: int) -> Blocking[int]:
    flags, _ = uapi.EXPORT_SYNC_FILE.unpack(caller.copy_from_user(argp, uapi.EXPORT_SYNC_FILE.size))
    if flags == uapi.DMA_BUF_SYNC_RW:
        _for_both.append(dmabuf)
    return (yield from original(dmabuf, caller, argp))


@replaces(dma_resv_usage_rw)
def usage_rw(original: Original, write: bool) -> int:
    if _for_both:
        _for_both.pop()
        write = False
    return int(original(write))
