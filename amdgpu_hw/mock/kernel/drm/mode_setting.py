# SPDX-License-Identifier: MIT
"""Display ioctls of the primary node, for GPUs without any display.

amdgpu has DRIVER_MODESET also where the GPU has no display block, as compute GPUs: it has no CRTC, plane, encoder or
connector then, and no framebuffer can be made. What asks for the lists, or for one of these, is answered like that; the
rest is EOPNOTSUPP with a line in the log, as mode setting is not modelled. A driver without DRIVER_MODESET answers
EOPNOTSUPP to all of them (`drm_core_check_feature`). On a render node all are EACCES before it comes to that.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi import drm as uapi
from amdgpu_hw.uapi.layout import io

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = (
    "IOCTLS",
    "LOOK_UP_IOCTLS",
    "MASTER_IOCTLS",
    "list_no_objects",
    "list_no_planes",
    "look_up_no_object",
    "refuse_mode_setting",
)

_LOOK_UP = {
    0xA1: "MODE_GETCRTC",
    0xA4: "MODE_GETGAMMA",
    0xA6: "MODE_GETENCODER",
    0xA7: "MODE_GETCONNECTOR",
    0xAD: "MODE_GETFB",
    0xAF: "MODE_RMFB",
    0xB6: "MODE_GETPLANE",
    0xCE: "MODE_GETFB2",
}
_FOR_ALL = {
    0x3A: "WAIT_VBLANK",
    0x3B: "CRTC_GET_SEQUENCE",
    0x3C: "CRTC_QUEUE_SEQUENCE",
    0xAA: "MODE_GETPROPERTY",
    0xAC: "MODE_GETPROPBLOB",
    0xAE: "MODE_ADDFB",
    0xB8: "MODE_ADDFB2",
    0xB9: "MODE_OBJ_GETPROPERTIES",
    0xBD: "MODE_CREATEPROPBLOB",
    0xBE: "MODE_DESTROYPROPBLOB",
    0xD0: "MODE_CLOSEFB",
}
_FOR_MASTER = {
    0xA2: "MODE_SETCRTC",
    0xA3: "MODE_CURSOR",
    0xA5: "MODE_SETGAMMA",
    0xAB: "MODE_SETPROPERTY",
    0xB0: "MODE_PAGE_FLIP",
    0xB1: "MODE_DIRTYFB",
    0xB7: "MODE_SETPLANE",
    0xBA: "MODE_OBJ_SETPROPERTY",
    0xBB: "MODE_CURSOR2",
    0xBC: "MODE_ATOMIC",
    0xC6: "MODE_CREATE_LEASE",
    0xC7: "MODE_LIST_LESSEES",
    0xC8: "MODE_GET_LEASE",
    0xC9: "MODE_REVOKE_LEASE",
}

LOOK_UP_IOCTLS = tuple(io(f"DRM_IOCTL_{name}", "d", nr) for nr, name in _LOOK_UP.items())
"""What names one of them."""
IOCTLS = tuple(io(f"DRM_IOCTL_{name}", "d", nr) for nr, name in _FOR_ALL.items())
"""Other display ioctls that any file on the primary node may use."""
MASTER_IOCTLS = tuple(io(f"DRM_IOCTL_{name}", "d", nr) for nr, name in _FOR_MASTER.items())
"""Display ioctls for the master only."""


def list_no_objects(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """All counts and limits are 0, the pointers stay (`drm_mode_getresources`)."""
    _check_modeset(dev)
    pointers = uapi.MODE_CARD_RES.unpack_from(data)[:4]
    uapi.MODE_CARD_RES.pack_into(data, 0, *pointers, *[0] * 8)
    return 0


def list_no_planes(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """The count is 0, the pointer stays (`drm_mode_getplane_res`)."""
    _check_modeset(dev)
    pointer, _ = uapi.MODE_GET_PLANE_RES.unpack_from(data)
    uapi.MODE_GET_PLANE_RES.pack_into(data, 0, pointer, 0)
    return 0


def look_up_no_object(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """ENOENT, whatever the number: there is none."""
    _check_modeset(dev)
    raise KernelError(errno.ENOENT, "no display")


def _check_modeset(dev: DrmDevice) -> None:
    if not dev.driver.has_modeset:
        raise KernelError(errno.EOPNOTSUPP, "no mode setting")


def refuse_mode_setting(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """Any display ioctl: EOPNOTSUPP."""
    if dev.driver.has_modeset:
        dev.kernel.log.warn(f"{dev.driver.name}: mode setting is not modelled ({caller.comm} [{caller.pid}])")
    raise KernelError(errno.EOPNOTSUPP, "no mode setting")
