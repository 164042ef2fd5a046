# SPDX-License-Identifier: MIT
"""dma-bufs: include/uapi/linux/dma-buf.h."""

from __future__ import annotations

from amdgpu_hw.uapi.layout import Struct, iow, iowr

DMA_BUF_SYNC_READ = 1 << 0
DMA_BUF_SYNC_WRITE = 2 << 0
DMA_BUF_SYNC_RW = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE
DMA_BUF_SYNC_START = 0 << 2
DMA_BUF_SYNC_END = 1 << 2
DMA_BUF_NAME_LEN = 32

SYNC = Struct("dma_buf_sync", "u64 flags")
EXPORT_SYNC_FILE = Struct("dma_buf_export_sync_file", "u32 flags; s32 fd")
IMPORT_SYNC_FILE = Struct("dma_buf_import_sync_file", "u32 flags; s32 fd")
_NAME = Struct("dma_buf_name", "u64 name")
_NAME_32 = Struct("dma_buf_name_32", "u32 name")

IOCTL_SYNC = iow("DMA_BUF_IOCTL_SYNC", "b", 0, SYNC)
IOCTL_SET_NAME = iow("DMA_BUF_SET_NAME_B", "b", 1, _NAME)
IOCTL_SET_NAME_A = iow("DMA_BUF_SET_NAME_A", "b", 1, _NAME_32)
IOCTL_EXPORT_SYNC_FILE = iowr("DMA_BUF_IOCTL_EXPORT_SYNC_FILE", "b", 2, EXPORT_SYNC_FILE)
IOCTL_IMPORT_SYNC_FILE = iow("DMA_BUF_IOCTL_IMPORT_SYNC_FILE", "b", 3, IMPORT_SYNC_FILE)
