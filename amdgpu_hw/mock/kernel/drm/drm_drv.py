# SPDX-License-Identifier: MIT
"""DRM drivers and devices (drivers/gpu/drm/drm_drv.c, include/drm/drm_drv.h)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.drm.drm_file import DRM_MINOR_PRIMARY, DRM_MINOR_RENDER, NodeFile, drm_open
from amdgpu_hw.mock.kernel.drm.drm_ioctl import (
    DRM_AUTH,
    DRM_MASTER,
    DRM_RENDER_ALLOW,
    DRM_ROOT_ONLY,
    DrmIoctlDesc,
    IoctlFunction,
    IoctlPlan,
)
from amdgpu_hw.mock.kernel.idr import Idr
from amdgpu_hw.mock.kernel.kobject import KOBJ_ADD, KOBJ_CHANGE, KOBJ_REMOVE
from amdgpu_hw.mock.kernel.page import PAGE_SIZE
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi.drm import DRM_MAJOR

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.dma_buf.dma_buf import DmaBuf
    from amdgpu_hw.mock.kernel.drm.drm_auth import DrmMaster
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.drm.drm_gem import DrmGemObject
    from amdgpu_hw.mock.kernel.file import Caller
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = (
    "DRM_AUTH",
    "DRM_MASTER",
    "DRM_RENDER_ALLOW",
    "DRM_ROOT_ONLY",
    "DrmDevice",
    "DrmDriver",
    "DrmIoctlDesc",
    "IoctlFunction",
)

_MMAP_OFFSET_START = 0x1_0000_0000  # DRM_FILE_PAGE_OFFSET_START, in bytes


@dataclass(frozen=True, slots=True)
class DrmDriver:
    """`struct drm_driver`: what a driver is and its hooks; a hook that is None does nothing."""

    name: str
    desc: str
    version: tuple[int, int, int]
    """Major, minor, patchlevel."""
    ioctls: Mapping[int, DrmIoctlDesc] = field(default_factory=dict)
    """Driver ioctls by number, 0x40 to 0x9F."""
    date: str = "0"

    has_modeset: bool = False
    """DRIVER_MODESET: display caps are answered."""
    has_syncobj: bool = False
    """DRIVER_SYNCOBJ and DRIVER_SYNCOBJ_TIMELINE."""
    caps: Mapping[int, int] = field(default_factory=dict)
    """GET_CAP answers of a modeset device that differ from `drm_ioctl`'s defaults."""

    open: Callable[[DrmDevice, DrmFile], None] | None = None
    """A file was opened; a `KernelError` makes open() fail."""
    postclose: Callable[[DrmDevice, DrmFile], Blocking[None] | None] | None = None
    """A file is gone, its GEM handles and syncobjs already released; may sleep."""
    flush: Callable[[DrmDevice, DrmFile, Caller], Blocking[None] | None] | None = None
    """A descriptor of the file is being closed; may sleep."""

    show_fdinfo: Callable[[DrmDevice, DrmFile], str] | None = None
    """The driver's lines of /proc/PID/fdinfo/N; None: a file has none of DRM's lines either."""

    gem_object_open: Callable[[DrmGemObject, DrmFile], None] | None = None
    """A handle is being made for the object; a `KernelError` refuses it."""
    gem_object_close: Callable[[DrmGemObject, DrmFile], Blocking[None] | None] | None = None
    """A handle goes away, the object still exists; may sleep."""
    gem_prime_export: Callable[[DrmGemObject, int], DmaBuf] | None = None
    """Make the object's dma-buf, instead of `drm_prime.drm_gem_prime_export`."""
    gem_prime_import: Callable[[DrmDevice, DmaBuf], DrmGemObject] | None = None
    """Make an object for a dma-buf, instead of `drm_prime.drm_gem_prime_import`; returns a new reference."""
    gem_prime_import_sg_table: Callable[[DrmDevice, DmaBuf], DrmGemObject] | None = None
    """Make an object around a foreign dma-buf's memory; None: foreign dma-bufs are refused with EINVAL."""
    dumb_create: Callable[[DrmFile, DrmDevice, int, int, int], tuple[int, int, int]] | None = None
    """``dumb_create(filp, dev, width, height, bpp)`` -> handle, pitch, size in bytes."""


class DrmDevice:
    """`struct drm_device`: one device with a render node and perhaps a primary node, registered when made.

    ``render_minor`` is 128 and up, ``primary_minor`` 0 and up; ``unique`` is the bus id, e.g. ``pci:0000:03:00.0``;
    ``syspath`` the path of the device it belongs to in /sys.
    """

    def __init__(
        self,
        kernel: Kernel,
        driver: DrmDriver,
        render_minor: int,
        primary_minor: int | None = None,
        unique: str = "",
        syspath: str = "",
    ) -> None:
        self.kernel = kernel
        self.variant = kernel.variant
        self.driver = driver
        self.render_minor = render_minor
        self.primary_minor = primary_minor
        self.unique = unique or driver.name
        self.syspath = syspath
        self.dev_private: object = None
        """The driver's device structure."""
        self.unplugged = False
        self.sleeps_anywhere = False
        """System calls need process context: plain functions in them may sleep (`process.wait_for`)."""
        self.filelist: dict[DrmFile, None] = {}
        self.master: DrmMaster | None = None
        self.if_version = 0
        self.object_name_idr: Idr[DrmGemObject] = Idr()
        self.object_count = 0
        """GEM objects that exist, with or without handles."""
        self.vma_offsets: dict[int, DrmGemObject] = {}
        """`vma_offset_manager`: fake mmap offset in bytes -> object."""
        self.ioctl_plans: dict[int, IoctlPlan] = {}
        """How each request number seen so far is dispatched."""
        self._next_offset = _MMAP_OFFSET_START
        self.nodes = {DRM_MINOR_RENDER: f"/dev/dri/renderD{render_minor}"}
        """Path of the node by minor type."""
        if primary_minor is not None:
            self.nodes[DRM_MINOR_PRIMARY] = f"/dev/dri/card{primary_minor}"
        kernel.drm_devices.append(self)
        for minor_type, path in self.nodes.items():
            kernel.register_node(path, DRM_MAJOR, self.minor_number(minor_type), self._open_function(minor_type))

    def __repr__(self) -> str:
        return f"<{self.driver.name} {self.unique}>"

    def info(self, text: str) -> None:
        """`drm_info`."""
        self.kernel.log.info(f"{self.driver.name} {self.unique.removeprefix('pci:')}: [drm] {text}")

    def node_syspath(self, minor_type: int) -> str:
        """Path of a node's device in /sys."""
        return f"{self.syspath}/drm/{self.nodes[minor_type].rsplit('/', 1)[1]}"

    def minor_number(self, minor_type: int) -> int:
        """Device minor of a node."""
        if minor_type == DRM_MINOR_RENDER:
            return self.render_minor
        if self.primary_minor is None:
            raise AssertionError(f"{self!r} has no primary node")
        return self.primary_minor

    def announce(self) -> None:
        """Tell udev of the nodes of a device that came while the machine ran (`drm_minor_register`)."""
        for minor_type in self.nodes:
            self.kernel.sysfs.uevent(self.node_syspath(minor_type), KOBJ_ADD, {})

    def unplug(self) -> None:
        """`drm_dev_unplug`: the nodes go away, open files answer ENODEV from now on."""
        self.unplugged = True
        kernel = self.kernel
        for minor_type, path in self.nodes.items():
            kernel.unregister_node(path)
            if self.syspath:
                kernel.sysfs.uevent(self.node_syspath(minor_type), KOBJ_REMOVE, {})
                kernel.sysfs.remove_device(self.node_syspath(minor_type))

    def wedged_event(self, method: str, task: tuple[int, str] | None) -> None:
        """Tell user space that the device hung, and what is to be done about it (`drm_dev_wedged_event`).

        ``method``: ``"none"`` when it works again, else ``"rebind"``, ``"bus-reset"``, ... ``task``: process id and
        name of who caused it, if that is known.
        """
        self.info(f"device wedged, {'but recovered through reset' if method == 'none' else 'needs recovery'}")
        environment = {"WEDGED": method}
        if task is not None:
            environment |= {"PID": str(task[0]), "TASK": task[1]}
        if self.syspath:
            self.kernel.sysfs.uevent(self.node_syspath(DRM_MINOR_PRIMARY), KOBJ_CHANGE, environment)

    def alloc_vma_offset(self, obj: DrmGemObject) -> int:
        """Reserve fake mmap offsets for an object (`drm_vma_offset_add`); the first, in bytes. Never reused."""
        offset = self._next_offset
        self._next_offset += -(-obj.size // PAGE_SIZE) * PAGE_SIZE
        self.vma_offsets[offset] = obj
        return offset

    def _open_function(self, minor_type: int) -> Callable[[Caller, int], NodeFile]:
        return lambda caller, flags: drm_open(self, minor_type, caller, flags)
