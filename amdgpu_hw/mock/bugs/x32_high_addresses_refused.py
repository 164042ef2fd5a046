# SPDX-License-Identifier: MIT
"""The upper end of the address space is refused when it is given in canonical form."""

from __future__ import annotations

import errno

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, check_request
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T04",))

_MIDDLE_OF_THE_HIGH_HALF = 0xFFFF_C000_0000_0000


@replaces(check_request)
def check(original: Original, adev: AmdgpuDevice, args: GemVa) -> None:
    if args.va_address >= _MIDDLE_OF_THE_HIGH_HALF:
        raise KernelError(errno.EINVAL, f"va {args.va_address:#x}")
    original(adev, args)
