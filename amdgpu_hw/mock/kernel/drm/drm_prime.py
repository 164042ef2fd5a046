# SPDX-License-Identifier: MIT
"""GEM objects as dma-bufs and back (drivers/gpu/drm/drm_prime.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.dma_buf.dma_buf import DmaBuf, dma_buf_fd, dma_buf_get
from amdgpu_hw.mock.kernel.drm.drm_gem import DrmGemObject, drm_gem_handle_create, drm_gem_object_lookup
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.uapi import drm as uapi

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = (
    "DrmPrimeFilePrivate",
    "drm_gem_is_prime_exported_dma_buf",
    "drm_gem_prime_export",
    "drm_gem_prime_import",
    "drm_prime_fd_to_handle_ioctl",
    "drm_prime_handle_to_fd_ioctl",
)


class DrmPrimeFilePrivate:
    """`struct drm_prime_file_private`: which handle of a file belongs to which dma-buf, both ways.

    It is why importing one buffer twice gives one handle, and why exporting a handle twice gives one dma-buf.
    """

    __slots__ = ("_bufs", "_handles")

    def __init__(self) -> None:
        self._bufs: dict[DmaBuf, dict[int, None]] = {}
        self._handles: dict[int, DmaBuf] = {}

    def add_buf_handle(self, dma_buf: DmaBuf, handle: int) -> None:
        """Remember a pair; holds the dma-buf until `remove_buf_handle`."""
        self._bufs.setdefault(dma_buf.get(), {})[handle] = None
        self._handles[handle] = dma_buf

    def lookup_buf_by_handle(self, handle: int) -> DmaBuf | None:
        """The dma-buf of a handle."""
        return self._handles.get(handle)

    def lookup_buf_handle(self, dma_buf: DmaBuf) -> int | None:
        """A handle of a dma-buf."""
        handles = self._bufs.get(dma_buf)
        return next(iter(handles)) if handles else None

    def remove_buf_handle(self, handle: int) -> None:
        """Forget a handle; harmless when it was never shared."""
        dma_buf = self._handles.pop(handle, None)
        if dma_buf is None:
            return
        handles = self._bufs[dma_buf]
        del handles[handle]
        if not handles:
            del self._bufs[dma_buf]
        dma_buf.put()


def drm_gem_prime_export(obj: DrmGemObject, flags: int) -> DmaBuf:
    """A new dma-buf of an object (one reference, the caller's), for drivers without their own rules.

    Leaves out: the operations of the dma-buf, but for those of `DrmGemObject`: no attach, pin, map, vmap.
    """
    return DmaBuf(obj, obj.resv, obj.size, obj.dev.driver.name)


def drm_gem_is_prime_exported_dma_buf(dev: DrmDevice, dma_buf: DmaBuf) -> bool:
    """Whether a dma-buf was exported from an object of this very device."""
    return dma_buf.priv.dev is dev


def drm_gem_prime_import(dev: DrmDevice, dma_buf: DmaBuf) -> DrmGemObject:
    """The object for a dma-buf, with a reference for the caller: one's own object, or a new one around foreign memory.

    EINVAL when the driver cannot use foreign memory.

    Leaves out: attaching and mapping: an object knows the exporter's memory.
    """
    if drm_gem_is_prime_exported_dma_buf(dev, dma_buf):
        return dma_buf.priv.get()
    import_sg_table = dev.driver.gem_prime_import_sg_table
    if import_sg_table is None:
        dev.kernel.log.warn(f"{dev.driver.name}: buffers of {dma_buf.exp_name} cannot be imported: not modelled")
        raise KernelError(errno.EINVAL, f"{dev.driver.name} cannot import")
    obj = import_sg_table(dev, dma_buf)
    obj.import_attach = dma_buf.get()
    obj.resv = dma_buf.resv
    return obj


def drm_gem_prime_handle_to_dmabuf(dev: DrmDevice, filp: DrmFile, handle: int, flags: int) -> DmaBuf:
    """The dma-buf of a handle (borrowed: the file's table holds it); made when there is none yet."""
    obj = drm_gem_object_lookup(filp, handle)
    if obj is None:
        raise KernelError(errno.ENOENT, f"handle {handle}")
    dma_buf = filp.prime.lookup_buf_by_handle(handle)
    if dma_buf is not None:
        return dma_buf
    dma_buf = obj.import_attach or obj.dma_buf
    if dma_buf is None:
        export = dev.driver.gem_prime_export or drm_gem_prime_export
        dma_buf = obj.dma_buf = export(obj, flags)
    filp.prime.add_buf_handle(dma_buf, handle)
    return dma_buf


def drm_prime_handle_to_fd_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> Blocking[int]:
    """PRIME_HANDLE_TO_FD: EINVAL for other flags than CLOEXEC and RDWR, ENOENT for an unknown handle.

    Leaves out: drivers with a function of their own for it.
    """
    handle, flags, _ = uapi.PRIME_HANDLE.unpack_from(data)
    if flags & ~(uapi.DRM_CLOEXEC | uapi.DRM_RDWR):
        raise KernelError(errno.EINVAL, f"flags {flags:#x}")
    dma_buf = drm_gem_prime_handle_to_dmabuf(dev, filp, handle, flags)
    fd = yield from dma_buf_fd(caller, dma_buf, bool(flags & uapi.DRM_CLOEXEC))
    uapi.PRIME_HANDLE.pack_into(data, 0, handle, flags, fd)
    return 0


def drm_prime_fd_to_handle_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """PRIME_FD_TO_HANDLE: EBADF, EINVAL when not a dma-buf; a buffer the file knows gives the handle it has."""
    _, flags, fd = uapi.PRIME_HANDLE.unpack_from(data)
    dma_buf = dma_buf_get(caller, fd)
    handle = filp.prime.lookup_buf_handle(dma_buf)
    if handle is None:
        handle = _import_new(dev, filp, dma_buf)
    uapi.PRIME_HANDLE.pack_into(data, 0, handle, flags, fd)
    return 0


def _import_new(dev: DrmDevice, filp: DrmFile, dma_buf: DmaBuf) -> int:
    obj = (dev.driver.gem_prime_import or drm_gem_prime_import)(dev, dma_buf)
    try:
        if obj.dma_buf is None:
            obj.dma_buf = dma_buf.get()
        handle = drm_gem_handle_create(filp, obj)
    finally:
        obj.put()
    filp.prime.add_buf_handle(dma_buf, handle)
    return handle
