# SPDX-License-Identifier: MIT
"""A DRM driver with everything the core offers and hooks that tests can replace; its buffers are vgem's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amdgpu_hw.mock.kernel.drm.drm_drv import DRM_AUTH, DRM_RENDER_ALLOW, DrmDevice, DrmDriver, DrmIoctlDesc
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.kernel import Kernel
from amdgpu_hw.mock.kernel.vgem.vgem_drv import create_dumb, import_sg_table
from amdgpu_hw.uapi.layout import Struct, iowr

RENDER = "/dev/dri/renderD130"
CARD = "/dev/dri/card2"

ECHO_STRUCT = Struct("fake_echo", "u32 number; u32 errno; u64 extra")
IOCTL_ECHO = iowr("FAKE_ECHO", "d", 0x45, ECHO_STRUCT)


def echo(dev: DrmDevice, data: bytearray, filp: Any, caller: Any) -> int:
    """Writes number + 1 and the size of its buffer, then fails with ``errno`` if that is not 0."""
    number, error, _ = ECHO_STRUCT.unpack_from(data)
    ECHO_STRUCT.pack_into(data, 0, number + 1, error, len(data))
    if error:
        raise KernelError(error)
    return 0


DRIVER = DrmDriver(
    name="fake",
    desc="Fake driver",
    version=(3, 7, 1),
    ioctls={IOCTL_ECHO.nr: DrmIoctlDesc(IOCTL_ECHO, DRM_AUTH | DRM_RENDER_ALLOW, echo)},
    has_modeset=True,
    has_syncobj=True,
    dumb_create=create_dumb,
    gem_prime_import_sg_table=import_sg_table,
)


def probe(kernel: Kernel, **changes: Any) -> DrmDevice:
    """The device, with ``changes`` to `DRIVER`."""
    return DrmDevice(kernel, replace(DRIVER, **changes), 130, 2, unique="pci:0000:03:00.0")
