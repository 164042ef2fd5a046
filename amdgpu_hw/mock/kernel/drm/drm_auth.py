# SPDX-License-Identifier: MIT
"""Who is master of a primary node, and who it has authenticated (drivers/gpu/drm/drm_auth.c).

Leases are not modelled.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.idr import Idr
from amdgpu_hw.mock.kernel.kernel import capable
from amdgpu_hw.uapi.drm import AUTH

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = (
    "DrmMaster",
    "drm_authmagic",
    "drm_dropmaster_ioctl",
    "drm_getmagic",
    "drm_is_current_master",
    "drm_master_open",
    "drm_master_release",
    "drm_setmaster_ioctl",
)


class DrmMaster:
    """`struct drm_master`: shared by the files opened while it was the device's master."""

    __slots__ = ("magic_map", "unique")

    def __init__(self) -> None:
        self.magic_map: Idr[DrmFile] = Idr()
        self.unique: str | None = None
        """The bus id, once SET_VERSION has asked for it."""


def drm_is_current_master(filp: DrmFile) -> bool:
    """Whether the file may use DRM_MASTER ioctls."""
    return filp.is_master and filp.master is filp.dev.master


def drm_getmagic(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """GET_MAGIC: a token that the master can authenticate."""
    master = _master(filp)
    if not filp.magic:
        filp.magic = master.magic_map.alloc(filp)
    AUTH.pack_into(data, 0, filp.magic)
    return 0


def drm_authmagic(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """AUTH_MAGIC: EINVAL for a token that no file has, or that was used already."""
    (magic,) = AUTH.unpack_from(data)
    magic_map = _master(filp).magic_map
    file = magic_map.find(magic)
    if file is None:
        raise KernelError(errno.EINVAL, f"magic {magic}")
    file.authenticated = True
    magic_map.replace(magic, None)
    return 0


def drm_setmaster_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """SET_MASTER: EACCES without the right to, EBUSY when another file is master."""
    _drm_master_check_perm(filp, caller)
    if drm_is_current_master(filp):
        return 0
    if dev.master is not None:
        raise KernelError(errno.EBUSY, "there is a master")
    if filp.master is None:
        raise KernelError(errno.EINVAL, "no master to be")
    if not filp.is_master:
        _drm_new_set_master(dev, filp)
    else:
        _drm_set_master(dev, filp)
    return 0


def drm_dropmaster_ioctl(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """DROP_MASTER: EACCES without the right to, EINVAL when not master."""
    _drm_master_check_perm(filp, caller)
    if not drm_is_current_master(filp) or dev.master is None:
        raise KernelError(errno.EINVAL, "not master")
    dev.master = None
    return 0


def drm_master_open(filp: DrmFile) -> None:
    """A primary node was opened: the first file becomes master and authenticated."""
    dev = filp.dev
    if dev.master is None:
        _drm_new_set_master(dev, filp)
    else:
        filp.master = dev.master


def drm_master_release(filp: DrmFile) -> None:
    """A primary node was closed: its token and, if it was master, its mastership end."""
    if filp.magic:
        _master(filp).magic_map.remove(filp.magic)
    if drm_is_current_master(filp):
        filp.dev.master = None
    filp.master = None


def _master(filp: DrmFile) -> DrmMaster:
    if filp.master is None:
        raise AssertionError("primary file without a master")
    return filp.master


def _drm_new_set_master(dev: DrmDevice, filp: DrmFile) -> None:
    filp.master = DrmMaster()
    filp.is_master = True
    filp.authenticated = True
    _drm_set_master(dev, filp)


def _drm_set_master(dev: DrmDevice, filp: DrmFile) -> None:
    dev.master = filp.master
    filp.was_master = True


def _drm_master_check_perm(filp: DrmFile, caller: Caller) -> None:
    if not (filp.was_master and filp.pid == caller.pid) and not capable(caller):
        raise KernelError(errno.EACCES, "neither root nor ever master")
