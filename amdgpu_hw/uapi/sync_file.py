# SPDX-License-Identifier: MIT
"""Sync files: include/uapi/linux/sync_file.h."""

from __future__ import annotations

from amdgpu_hw.uapi.layout import Struct, iow, iowr

MERGE_DATA = Struct("sync_merge_data", "char name[32]; s32 fd2; s32 fence; u32 flags; u32 pad")
FENCE_INFO = Struct(
    "sync_fence_info", "char obj_name[32]; char driver_name[32]; s32 status; u32 flags; u64 timestamp_ns"
)
FILE_INFO = Struct(
    "sync_file_info", "char name[32]; s32 status; u32 flags; u32 num_fences; u32 pad; u64 sync_fence_info"
)
SET_DEADLINE = Struct("sync_set_deadline", "u64 deadline_ns; u64 pad")

IOCTL_MERGE = iowr("SYNC_IOC_MERGE", ">", 3, MERGE_DATA)
IOCTL_FILE_INFO = iowr("SYNC_IOC_FILE_INFO", ">", 4, FILE_INFO)
IOCTL_SET_DEADLINE = iow("SYNC_IOC_SET_DEADLINE", ">", 5, SET_DEADLINE)
