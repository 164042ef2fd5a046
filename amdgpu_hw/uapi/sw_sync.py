# SPDX-License-Identifier: MIT
"""The software sync timeline in debugfs: drivers/dma-buf/sw_sync.c (its ABI has no installed header)."""

from __future__ import annotations

from amdgpu_hw.uapi.layout import Struct, iow, iowr

PATH = "/sys/kernel/debug/sync/sw_sync"

CREATE_FENCE = Struct("sw_sync_create_fence_data", "u32 value; char name[32]; s32 fence")
INC = Struct("sw_sync_inc", "u32 count")
GET_DEADLINE = Struct("sw_sync_get_deadline", "u64 deadline_ns; u32 pad; s32 fence_fd")

IOCTL_CREATE_FENCE = iowr("SW_SYNC_IOC_CREATE_FENCE", "W", 0, CREATE_FENCE)
IOCTL_INC = iow("SW_SYNC_IOC_INC", "W", 1, INC)
IOCTL_GET_DEADLINE = iowr("SW_SYNC_GET_DEADLINE", "W", 2, GET_DEADLINE)
