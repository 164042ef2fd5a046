# SPDX-License-Identifier: MIT
"""Buffer objects, their handles and names, and mapping them (drivers/gpu/drm/drm_gem.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.page import PAGE_SIZE
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import drm as uapi

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.dma_buf.dma_buf import DmaBuf
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = (
    "DrmGemObject",
    "drm_gem_change_handle_ioctl",
    "drm_gem_close_ioctl",
    "drm_gem_flink_ioctl",
    "drm_gem_handle_create",
    "drm_gem_handle_delete",
    "drm_gem_mmap",
    "drm_gem_object_lookup",
    "drm_gem_object_release",
    "drm_gem_open_ioctl",
    "drm_gem_release",
)


class DrmGemObject:
    """`struct drm_gem_object`; drivers subclass it and override `free` and `mmap`.

    Made with one reference. Handles together hold one reference more (``handle_count``), a dma-buf one. ``resv`` is
    the object's own unless one is given (a buffer that shares its VM's) or its dma-buf's (an imported one).
    """

    __slots__ = (
        "_allowed",
        "_mmap_offset",
        "_resv",
        "dev",
        "dma_buf",
        "flink_name",
        "handle_count",
        "import_attach",
        "refcount",
        "resv",
        "size",
    )

    def __init__(self, dev: DrmDevice, size: int, resv: DmaResv | None = None) -> None:
        self.dev = dev
        dev.object_count += 1
        self.size = size
        self._resv = DmaResv()
        self.resv = resv if resv is not None else self._resv
        self.refcount = 1
        self.handle_count = 0
        self.flink_name = 0
        """Global name given by GEM_FLINK, 0 without one."""
        self.dma_buf: DmaBuf | None = None
        """The dma-buf it was exported as or imported from, while it has handles."""
        self.import_attach: DmaBuf | None = None
        """The foreign dma-buf whose memory it is."""
        self._mmap_offset = 0
        self._allowed: dict[DrmFile, int] | None = None

    def get(self) -> DrmGemObject:
        """Take a reference."""
        self.refcount += 1
        return self

    def put(self) -> None:
        """Drop a reference; the last one frees the object."""
        self.refcount -= 1
        if not self.refcount:
            self.free()
        elif self.refcount < 0:
            raise AssertionError(f"reference to a freed {type(self).__name__} dropped")

    def free(self) -> None:
        """Nobody refers to the object any more (`funcs->free`): give everything back."""
        drm_gem_object_release(self)

    def mmap(self, offset: int, length: int, prot: int, flags: int) -> tuple[int, int]:
        """Map ``length`` bytes from ``offset`` in the object: the host's descriptor and the offset in that."""
        raise KernelError(errno.EINVAL, "cannot be mapped")

    def pages(self) -> tuple[int, int]:
        """Host descriptor of the memory and the offset in it, for importers on other devices (`map_dma_buf`)."""
        raise KernelError(errno.EINVAL, "cannot be shared")

    @property
    def mmap_offset(self) -> int:
        """The fake offset to map it with (`drm_gem_create_mmap_offset`), reserved when first asked for."""
        if not self._mmap_offset:
            self._mmap_offset = self.dev.alloc_vma_offset(self)
        return self._mmap_offset

    def allow(self, filp: DrmFile) -> None:
        """The file has one more handle, so it may map the object (`drm_vma_node_allow`)."""
        if self._allowed is None:
            self._allowed = {}
        self._allowed[filp] = self._allowed.get(filp, 0) + 1

    def revoke(self, filp: DrmFile) -> None:
        """The file has one handle less (`drm_vma_node_revoke`)."""
        if self._allowed is not None and filp in self._allowed:
            self._allowed[filp] -= 1
            if not self._allowed[filp]:
                del self._allowed[filp]

    def is_allowed(self, filp: DrmFile) -> bool:
        """Whether the file may map the object (`drm_vma_node_is_allowed`)."""
        return self._allowed is not None and filp in self._allowed


def drm_gem_object_release(obj: DrmGemObject) -> None:
    """Undo the base class's part of an object: what every `free` must call.

    Leaves out: LRUs of GEM, and pages of shmem.
    """
    obj.dev.object_count -= 1
    if obj._mmap_offset:
        obj.dev.vma_offsets.pop(obj._mmap_offset, None)
    if obj.import_attach is not None:
        obj.import_attach.put()
        obj.import_attach = None


def drm_gem_object_lookup(filp: DrmFile, handle: int) -> DrmGemObject | None:
    """The object behind a handle, None when there is none.

    The reference is borrowed: whoever keeps the object across a sleep or after the call takes `get`.
    """
    return filp.object_idr.find(handle)


def drm_gem_handle_create(filp: DrmFile, obj: DrmGemObject) -> int:
    """A new handle, which holds the object; the caller still drops its own reference.

    Raises what the driver's ``gem_object_open`` says.
    """
    if not obj.handle_count:
        obj.get()
    obj.handle_count += 1
    handle = filp.object_idr.alloc(None)  # Unusable until the driver agrees, as in drm_gem_handle_create_tail.
    obj.allow(filp)
    hook = obj.dev.driver.gem_object_open
    if hook is not None:
        try:
            hook(obj, filp)
        except KernelError:
            obj.revoke(filp)
            filp.object_idr.remove(handle)
            _drm_gem_object_handle_put_unlocked(obj)
            raise
    filp.object_idr.replace(handle, obj)
    return handle


def drm_gem_handle_delete(filp: DrmFile, handle: int) -> int | Blocking[int]:
    """Take a handle away, after the driver's ``gem_object_close``; returns 0, EINVAL for an unknown one.

    A generator when the driver has to sleep.
    """
    idr = filp.object_idr
    obj = idr.find(handle)
    if obj is None:
        raise KernelError(errno.EINVAL, f"handle {handle}")
    idr.replace(handle, None)  # Nobody else finds it; the number stays taken until the driver is done.
    blocking = _close_object(obj, filp)
    if blocking is None:
        _drm_gem_object_release_handle(filp, handle, obj)
        return 0
    return _delete_handle_sleeping(blocking, filp, handle, obj)


def _delete_handle_sleeping(blocking: Blocking[None], filp: DrmFile, handle: int, obj: DrmGemObject) -> Blocking[int]:
    try:
        yield from blocking
    finally:
        _drm_gem_object_release_handle(filp, handle, obj)
    return 0


def _close_object(obj: DrmGemObject, filp: DrmFile) -> Blocking[None] | None:
    hook = obj.dev.driver.gem_object_close
    return hook(obj, filp) if hook is not None else None


def _drm_gem_object_release_handle(filp: DrmFile, handle: int, obj: DrmGemObject) -> None:
    filp.prime.remove_buf_handle(handle)
    obj.revoke(filp)
    filp.object_idr.remove(handle)
    _drm_gem_object_handle_put_unlocked(obj)


def _drm_gem_object_handle_put_unlocked(obj: DrmGemObject) -> None:
    obj.handle_count -= 1
    if obj.handle_count:
        return
    if obj.flink_name:
        obj.dev.object_name_idr.remove(obj.flink_name)
        obj.flink_name = 0
    dma_buf = obj.dma_buf
    if dma_buf is not None:
        obj.dma_buf = None  # The object and its dma-buf would keep each other alive.
        dma_buf.put()
    obj.put()


def drm_gem_release(filp: DrmFile) -> Blocking[None]:
    """The file is closed: close all its handles."""
    for handle, obj in filp.object_idr.items():
        blocking = _close_object(obj, filp)
        if blocking is not None:
            yield from blocking
        _drm_gem_object_release_handle(filp, handle, obj)


def drm_gem_mmap(filp: DrmFile, offset: int, length: int, prot: int, flags: int) -> tuple[int, int]:
    """mmap() of a DRM node: the offset must be an object's, EINVAL otherwise; EACCES if the file has no handle."""
    if filp.dev.unplugged:
        raise KernelError(errno.ENODEV, "unplugged")
    obj = filp.dev.vma_offsets.get(offset)
    if obj is None or -(-length // PAGE_SIZE) > -(-obj.size // PAGE_SIZE):
        raise KernelError(errno.EINVAL, f"no object of {length} bytes at offset {offset:#x}")
    if not obj.is_allowed(filp):
        raise KernelError(errno.EACCES, "object of another file")
    return obj.mmap(0, length, prot, flags)


def drm_gem_close_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int | Blocking[int]:
    """GEM_CLOSE: EINVAL for an unknown handle."""
    handle, _ = uapi.GEM_CLOSE.unpack_from(data)
    return drm_gem_handle_delete(filp, handle)


def drm_gem_flink_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """GEM_FLINK: give the object a name that every file of the device can open; ENOENT for an unknown handle."""
    handle, _ = uapi.GEM_FLINK.unpack_from(data)
    obj = drm_gem_object_lookup(filp, handle)
    if obj is None:
        raise KernelError(errno.ENOENT, f"handle {handle}")
    if not obj.flink_name:
        obj.flink_name = dev.object_name_idr.alloc(obj)
    uapi.GEM_FLINK.pack_into(data, 0, handle, obj.flink_name)
    return 0


def drm_gem_open_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """GEM_OPEN: a new handle for a name; ENOENT for an unknown name, else what the driver says."""
    name, *_ = uapi.GEM_OPEN.unpack_from(data)
    obj = dev.object_name_idr.find(name)
    if obj is None:
        raise KernelError(errno.ENOENT, f"name {name}")
    handle = drm_gem_handle_create(filp, obj)
    uapi.GEM_OPEN.pack_into(data, 0, name, handle, obj.size)
    return 0


def drm_gem_change_handle_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """GEM_CHANGE_HANDLE: ENOENT for an unknown handle, ENOSPC when the new one is taken, EINVAL when it can be none.

    New handle 0 is EINVAL here; the kernel of 6.18 takes it for "any" because of how idr_alloc treats its base.
    """
    if dev.variant.disables_change_handle:
        raise KernelError(errno.EINVAL, "disabled")
    handle, new_handle = uapi.GEM_CHANGE_HANDLE.unpack_from(data)
    obj = drm_gem_object_lookup(filp, handle)
    if obj is None:
        raise KernelError(errno.ENOENT, f"handle {handle}")
    if handle == new_handle:
        return 0
    filp.object_idr.alloc_at(new_handle, obj)
    if obj.dma_buf is not None:
        filp.prime.add_buf_handle(obj.dma_buf, new_handle)
        filp.prime.remove_buf_handle(handle)
    filp.object_idr.remove(handle)
    return 0
