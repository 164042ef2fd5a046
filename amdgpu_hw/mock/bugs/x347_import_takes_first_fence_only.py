# SPDX-License-Identifier: MIT
"""DMA_BUF_IOCTL_IMPORT_SYNC_FILE of a merged sync file puts the first of its fences on the buffer, not the others.

dma_buf_import_sync_file unwraps the fence, as a reservation object takes no containers: `dma_fence_unwrap_first` in
place of `dma_fence_unwrap_for_each`.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf import dma_buf
from amdgpu_hw.mock.kernel.dma_buf.dma_buf import DmaBuf
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_unwrap import dma_fence_unwrap_for_each
from amdgpu_hw.mock.kernel.dma_buf.sync_file import sync_file_get_fence
from amdgpu_hw.mock.kernel.file import Caller
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O77",))

_importing: list[DmaBuf] = []


@replaces(dma_buf._dma_buf_import_sync_file)
def import_sync_file(original: Original, dmabuf: DmaBuf, caller: Caller, argp: int) -> Blocking[int]:
    _importing.append(dmabuf)
    try:
        return (yield from original(dmabuf, caller, argp))
    finally:
        _importing.remove(dmabuf)


@replaces(sync_file_get_fence)
def get_fence(original: Original, caller: Caller, fd: int) -> DmaFence | None:
    fence: DmaFence | None = original(caller, fd)
    return next(dma_fence_unwrap_for_each(fence), None) if _importing else fence
