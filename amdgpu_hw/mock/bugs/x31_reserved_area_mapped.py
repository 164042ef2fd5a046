# SPDX-License-Identifier: MIT
"""The reserved area at the bottom of the address space can be mapped."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, check_request
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("T04",))


@replaces(check_request)
def check(original: Original, adev: AmdgpuDevice, args: GemVa) -> None:
    address = args.va_address
    args.va_address = max(address, adev.variant.va_reserved_bottom)
    original(adev, args)
    if address < args.va_address:
        args.va_address = address
