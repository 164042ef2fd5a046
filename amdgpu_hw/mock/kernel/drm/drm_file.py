# SPDX-License-Identifier: MIT
"""Open files of DRM nodes (drivers/gpu/drm/drm_file.c)."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from typing import TYPE_CHECKING, Any

from amdgpu_hw.mock.kernel.drm.drm_auth import drm_master_open, drm_master_release
from amdgpu_hw.mock.kernel.drm.drm_gem import DrmGemObject, drm_gem_mmap, drm_gem_release
from amdgpu_hw.mock.kernel.drm.drm_ioctl import drm_ioctl
from amdgpu_hw.mock.kernel.drm.drm_prime import DrmPrimeFilePrivate
from amdgpu_hw.mock.kernel.drm.drm_syncobj.syncobj import DrmSyncobj, drm_syncobj_release
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.fault_injection import AllocSite
from amdgpu_hw.mock.kernel.file import Caller, File, FileStat
from amdgpu_hw.mock.kernel.idr import Idr, Xarray
from amdgpu_hw.mock.kernel.kernel import capable
from amdgpu_hw.mock.kernel.process import in_process_context, wait_for
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi.drm import DRM_MAJOR

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_auth import DrmMaster
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice

__all__ = ("DRM_MINOR_PRIMARY", "DRM_MINOR_RENDER", "DrmFile", "Idr", "NodeFile", "drm_open", "drm_show_fdinfo")

DRM_MINOR_PRIMARY = 0
DRM_MINOR_RENDER = 2

_next_client_id = itertools.count(1)


class DrmFile:
    """`struct drm_file`: what one open() of a node has: its handles, its rights, and the driver's part."""

    __slots__ = (
        "authenticated",
        "client_caps",
        "client_id",
        "client_name",
        "comm",
        "dev",
        "driver_priv",
        "is_master",
        "is_render",
        "magic",
        "master",
        "minor_type",
        "object_idr",
        "pid",
        "prime",
        "syncobj_idr",
        "was_master",
    )

    def __init__(self, dev: DrmDevice, minor_type: int, caller: Caller) -> None:
        self.dev = dev
        self.minor_type = minor_type
        self.is_render = minor_type == DRM_MINOR_RENDER
        self.client_id = next(_next_client_id)
        self.pid = caller.pid
        """Process that uses the file; follows the file when it is passed on, unless it was master."""
        self.comm = caller.comm
        """Name of the process that opened it."""
        self.authenticated = capable(caller)
        self.is_master = False
        self.was_master = False
        self.master: DrmMaster | None = None
        self.magic = 0
        self.client_name: str | None = None
        self.client_caps: dict[int, int] = {}
        self.object_idr: Idr[DrmGemObject] = Idr()
        self.syncobj_idr: Idr[DrmSyncobj] = Xarray() if dev.variant.xarray_syncobjs else Idr()
        self.prime = DrmPrimeFilePrivate()
        self.driver_priv: Any = None


class NodeFile(File):
    """The open file description of a node; ``filp`` is its `DrmFile`."""

    def __init__(self, filp: DrmFile) -> None:
        super().__init__()
        self.filp = filp
        self.name = filp.dev.nodes[filp.minor_type]

    def ioctl(self, caller: Caller, request: int, argp: int) -> int | Blocking[int]:
        """`drm_ioctl`."""
        if self.filp.dev.sleeps_anywhere:
            return in_process_context(drm_ioctl, self.filp, caller, request, argp)
        return drm_ioctl(self.filp, caller, request, argp)

    def mmap(self, caller: Caller, offset: int, length: int, prot: int, flags: int) -> tuple[int, int]:
        """`drm_gem_mmap`: ``offset`` is an object's fake offset."""
        return drm_gem_mmap(self.filp, offset, length, prot, flags)

    def flush(self, caller: Caller) -> Blocking[None] | None:
        """The driver's `flush`."""
        dev = self.filp.dev
        return dev.driver.flush(dev, self.filp, caller) if dev.driver.flush is not None else None

    def release(self) -> None:
        """`drm_release`: gives everything back; sleeps, where the driver must, in a thread of its own."""
        filp = self.filp
        filp.dev.filelist.pop(filp, None)
        free = drm_file_free(filp)
        if filp.dev.sleeps_anywhere:
            free = in_process_context(wait_for, free)
        filp.dev.kernel.spawn("drm_release", free)

    def show_fdinfo(self) -> str:
        """`drm_show_fdinfo`, where the driver has one."""
        return drm_show_fdinfo(self.filp)

    def stat(self) -> FileStat:
        """The node's."""
        minor = self.filp.dev.minor_number(self.filp.minor_type)
        return FileStat(stat.S_IFCHR | 0o660, DRM_MAJOR, minor, path=self.name)


def drm_open(dev: DrmDevice, minor_type: int, caller: Caller, flags: int) -> NodeFile:
    """open() of a node: ENODEV after unplug, EBUSY with O_EXCL, else what the driver says.

    Leaves out: the lock of old drivers, and debugfs.
    """
    if dev.unplugged:
        raise KernelError(errno.ENODEV, "unplugged")
    if flags & os.O_EXCL:
        raise KernelError(errno.EBUSY, "no exclusive opens")
    dev.kernel.faults.alloc(AllocSite.DRM_OPEN)
    filp = DrmFile(dev, minor_type, caller)
    if dev.driver.open is not None:
        dev.driver.open(dev, filp)
    if not filp.is_render:
        drm_master_open(filp)
    dev.filelist[filp] = None
    return NodeFile(filp)


def drm_show_fdinfo(filp: DrmFile) -> str:
    """What the client behind a file is called and uses; nothing once the device is unplugged."""
    dev = filp.dev
    if dev.driver.show_fdinfo is None or dev.unplugged:
        return ""
    lines = [f"drm-driver:\t{dev.driver.name}", f"drm-client-id:\t{filp.client_id}"]
    if dev.unique.startswith("pci:"):
        lines.append(f"drm-pdev:\t{dev.unique.removeprefix('pci:')}")
    if filp.client_name is not None:
        lines.append(f"drm-client-name:\t{filp.client_name}")
    return "".join(f"{line}\n" for line in lines) + dev.driver.show_fdinfo(dev, filp)


def drm_file_free(filp: DrmFile) -> Blocking[None]:
    """Release the syncobjs, GEM handles and mastership of a file, then let the driver forget it.

    Leaves out: events, framebuffers and property blobs of a display.
    """
    dev = filp.dev
    drm_syncobj_release(filp)
    yield from drm_gem_release(filp)
    if not filp.is_render:
        drm_master_release(filp)
    if dev.driver.postclose is not None:
        blocking = dev.driver.postclose(dev, filp)
        if blocking is not None:
            yield from blocking
