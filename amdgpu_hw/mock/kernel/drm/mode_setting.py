# SPDX-License-Identifier: MIT
"""Display ioctls of the primary node: known, and refused.

The mock machine has no display. A driver without DRIVER_MODESET answers EOPNOTSUPP to all of these
(`drm_core_check_feature`); the same answer comes from a driver that has it, with a line in the log, as mode setting is
not modelled. On a render node all of them are EACCES before it comes to that. Arguments are not read.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi.layout import io

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.drm.drm_file import DrmFile
    from amdgpu_hw.mock.kernel.file import Caller

__all__ = ("IOCTLS", "MASTER_IOCTLS", "refuse_mode_setting")

_FOR_ALL = {
    0x3A: "WAIT_VBLANK",
    0x3B: "CRTC_GET_SEQUENCE",
    0x3C: "CRTC_QUEUE_SEQUENCE",
    0xA0: "MODE_GETRESOURCES",
    0xA1: "MODE_GETCRTC",
    0xA4: "MODE_GETGAMMA",
    0xA6: "MODE_GETENCODER",
    0xA7: "MODE_GETCONNECTOR",
    0xAA: "MODE_GETPROPERTY",
    0xAC: "MODE_GETPROPBLOB",
    0xAD: "MODE_GETFB",
    0xAE: "MODE_ADDFB",
    0xAF: "MODE_RMFB",
    0xB5: "MODE_GETPLANERESOURCES",
    0xB6: "MODE_GETPLANE",
    0xB8: "MODE_ADDFB2",
    0xB9: "MODE_OBJ_GETPROPERTIES",
    0xBD: "MODE_CREATEPROPBLOB",
    0xBE: "MODE_DESTROYPROPBLOB",
    0xCE: "MODE_GETFB2",
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

IOCTLS = tuple(io(f"DRM_IOCTL_{name}", "d", nr) for nr, name in _FOR_ALL.items())
"""Display ioctls that any file on the primary node may use."""
MASTER_IOCTLS = tuple(io(f"DRM_IOCTL_{name}", "d", nr) for nr, name in _FOR_MASTER.items())
"""Display ioctls for the master only."""


def refuse_mode_setting(dev: DrmDevice, data: bytearray, filp: DrmFile, caller: Caller) -> int:
    """Any display ioctl: EOPNOTSUPP."""
    if dev.driver.has_modeset:
        dev.kernel.log.warn(f"{dev.driver.name}: mode setting is not modelled ({caller.comm} [{caller.pid}])")
    raise KernelError(errno.EOPNOTSUPP, "no mode setting")
