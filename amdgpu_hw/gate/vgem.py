# SPDX-License-Identifier: MIT
"""Gates on a fence of vgem, the virtual GEM driver (drivers/gpu/drm/vgem/vgem_fence.c).

The way from a vgem fence to a syncobj leads over a buffer: attach the fence to a dumb buffer as its writer, export the
buffer as a dma-buf, take the writer's fence out of that as a sync file. The kernel signals the fence by itself after
10 s and when the file is closed, and nothing is tainted: the safest gate there is.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from amdgpu_hw.errors import DrmError, GateError
from amdgpu_hw.gate.base import Gate, GateMaker
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.sync import SyncFile
from amdgpu_hw.uapi import dma_buf, drm, vgem_drm

__all__ = ("VgemGateMaker", "find_vgem")

# Where the driver's own device lives: on the platform bus, in newer kernels on the faux bus.
_DEVICES = (Path("/sys/devices/platform/vgem/drm"), Path("/sys/devices/faux/vgem/drm"))


def find_vgem() -> Path | None:
    """The primary node of vgem, None when the driver is not loaded.

    The render node will not do: CREATE_DUMB is refused there (EACCES).
    """
    for device in _DEVICES:
        for card in sorted(device.glob("card*")):
            return Path("/dev/dri") / card.name
    return None


class VgemGate(Gate):
    """A vgem file of its own with one dumb buffer and its fence."""

    name = "vgem"

    def __init__(self, node: Path, purpose: str, hold_ns: int) -> None:
        self._file = os.open(node, os.O_RDWR | os.O_CLOEXEC)
        try:
            buffer = ioctl(self._file, drm.IOCTL_MODE_CREATE_DUMB, width=64, height=1, bpp=32)["handle"]
            attached = ioctl(self._file, vgem_drm.IOCTL_FENCE_ATTACH, handle=buffer, flags=vgem_drm.VGEM_FENCE_WRITE)
            self._vgem_fence: int = attached["out_fence"]
            sync_file = self._writers_fence(buffer)
        except BaseException:
            os.close(self._file)
            raise
        super().__init__(sync_file, hold_ns, purpose)

    def _writers_fence(self, buffer: int) -> SyncFile:
        exported: int = ioctl(self._file, drm.IOCTL_PRIME_HANDLE_TO_FD, handle=buffer, flags=drm.DRM_CLOEXEC)["fd"]
        try:
            # READ: what a reader has to wait for, which is the writer.
            return SyncFile(ioctl(exported, dma_buf.IOCTL_EXPORT_SYNC_FILE, flags=dma_buf.DMA_BUF_SYNC_READ)["fd"])
        finally:
            os.close(exported)

    def _signal(self) -> str | None:
        try:
            ioctl(self._file, vgem_drm.IOCTL_FENCE_SIGNAL, fence=self._vgem_fence)
        except DrmError as error:
            if error.errno == errno.ETIMEDOUT:
                return "vgem's 10 s limit"
            if error.errno != errno.ENOENT:  # which it is when asked once more: the fence is used up
                raise
        return None

    def _release(self) -> None:
        os.close(self._file)


class VgemGateMaker(GateMaker):
    """Gates made of vgem fences."""

    name = VgemGate.name
    summary = "a fence of the virtual GEM driver; the kernel itself signals it after 10 s"
    longest_hold_ns = 5_000_000_000

    def why_not(self) -> str | None:
        """See `GateMaker.why_not`."""
        node = find_vgem()
        if node is None:
            return "the vgem driver is not loaded (as root: modprobe vgem)"
        try:
            self._make(node, "a trial", 1_000_000_000).close()
        except PermissionError:
            return f"{node} (vgem) may not be opened: join its group, usually 'video'"
        except OSError as error:
            return f"{node} (vgem): {error} (EXPORT_SYNC_FILE needs Linux 6.0)"
        return None

    def shut(self, purpose: str, hold_ns: int) -> Gate:
        """See `GateMaker.shut`."""
        node = find_vgem()
        if node is None:
            raise GateError("no vgem gate: the vgem driver is not loaded any more")
        try:
            return self._make(node, purpose, hold_ns)
        except OSError as error:
            raise GateError(f"no vgem gate: {error}") from error

    @staticmethod
    def _make(node: Path, purpose: str, hold_ns: int) -> Gate:
        return VgemGate(node, purpose, hold_ns)
