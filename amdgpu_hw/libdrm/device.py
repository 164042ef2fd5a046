# SPDX-License-Identifier: MIT
"""libdrm_amdgpu's device: one open render node, its VM and its VA manager (amdgpu_device.c, amdgpu_gpu_info.c)."""

from __future__ import annotations

import os
from typing import Any

from amdgpu_hw.libdrm.calls import check, check_errno, ffi, lib
from amdgpu_hw.uapi.amdgpu_info import INFO_HW_IP

__all__ = ("AmdgpuDeviceHandle", "can_isolate")

# libdrm writes as much as its own headers know of; leave room for what later ones add.
_REPLY_ROOM = 256


def can_isolate() -> bool:
    """Whether this libdrm can open a GPU more than once per process (`amdgpu_device_initialize2`)."""
    return bool(lib.glue_has_device_initialize2())


class AmdgpuDeviceHandle:
    """An initialised device. It owns a duplicate of the descriptor it was made from, and nothing else does."""

    def __init__(self, fd: int) -> None:
        """Initialise libdrm_amdgpu on an open node and take ``fd`` over: it is closed here in every case.

        Where libdrm can, the device is one of its own even if the process has others on the same node; otherwise
        libdrm returns the device it already has for a node, and the caller must not ask for a second one.
        """
        handle = ffi.new("amdgpu_device_handle *")
        versions = ffi.new("uint32_t[2]")
        initialize = lib.glue_device_initialize_isolated if can_isolate() else lib.amdgpu_device_initialize
        try:
            check(initialize(fd, versions, versions + 1, handle), "amdgpu_device_initialize", fd=fd)
            node = os.fstat(fd).st_rdev
        finally:
            os.close(fd)  # before there is any work that close() would wait for
        self.handle = handle[0]
        self.fd: int = lib.amdgpu_device_get_fd(self.handle)
        self.same_node = os.fstat(self.fd).st_rdev == node
        """False if old libdrm mistook another GPU's device for this one's (its `fd_compare` without primary nodes)."""
        self.closed = False
        self.pid = os.getpid()
        """The process that opened it: a forked child shares the open file, and must not clean up in it."""
        self.version: tuple[int, int] = (versions[0], versions[1])

    def close(self) -> None:
        """Close the node. The kernel waits in here for whatever is still in flight (KERNEL.md 4.8)."""
        if self.closed:
            return
        self.closed = True
        self.fd = -1
        check(lib.amdgpu_device_deinitialize(self.handle), "amdgpu_device_deinitialize")

    def marketing_name(self) -> str:
        """The product's name from libdrm's amdgpu.ids, or a generic one."""
        name = lib.amdgpu_get_marketing_name(self.handle)
        return "" if name == ffi.NULL else str(ffi.string(name).decode())

    def query_info(self, query: int, size: int) -> bytes:
        """AMDGPU_INFO: up to ``size`` bytes of the answer, the rest 0."""
        value = ffi.new("char[]", size)
        check(lib.amdgpu_query_info(self.handle, query, size, value), "DRM_IOCTL_AMDGPU_INFO", query=query, size=size)
        return bytes(ffi.buffer(value, size))

    def hw_ip_info(self, ip_type: int) -> dict[str, Any]:
        """HW_IP_INFO of the first instance of an IP block; all zeros if the GPU does not have it."""
        value = ffi.new("char[]", _REPLY_ROOM)
        info = ffi.cast("struct drm_amdgpu_info_hw_ip *", value)
        check(lib.amdgpu_query_hw_ip_info(self.handle, ip_type, 0, info), "AMDGPU_INFO_HW_IP_INFO", ip_type=ip_type)
        return INFO_HW_IP.as_dict(ffi.buffer(value, INFO_HW_IP.size)[:])

    def firmware_version(self, firmware: int) -> tuple[int, int]:
        """(version, feature) of one of AMDGPU_INFO_FW_*; zeros if there is none."""
        numbers = ffi.new("uint32_t[2]")
        ret = lib.amdgpu_query_firmware_version(self.handle, firmware, 0, 0, numbers, numbers + 1)
        check(ret, "AMDGPU_INFO_FW_VERSION", firmware=firmware)
        return int(numbers[0]), int(numbers[1])

    def export_sync_file(self, syncobj: int, point: int) -> int:
        """A sync file's descriptor with the fence of a syncobj (of one point, if not 0)."""
        fd = ffi.new("int *")
        ret = lib.amdgpu_cs_syncobj_export_sync_file2(self.handle, syncobj, point, 0, fd)
        check_errno(ret, "SYNCOBJ_HANDLE_TO_FD(EXPORT_SYNC_FILE)", syncobj=syncobj, point=point)
        return int(fd[0])

    def import_sync_file(self, syncobj: int, point: int, fd: int) -> None:
        """Put a sync file's fence into a syncobj (as a point of its timeline, if not 0)."""
        ret = lib.amdgpu_cs_syncobj_import_sync_file2(self.handle, syncobj, point, fd)
        check_errno(ret, "SYNCOBJ_FD_TO_HANDLE(IMPORT_SYNC_FILE)", syncobj=syncobj, point=point, fd=fd)
