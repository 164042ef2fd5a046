# SPDX-License-Identifier: MIT
"""What a guest machine needs of the machine that it is booted on."""

from __future__ import annotations

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.kernels import find_kernel
from amdgpu_hw.guest.tools import find_tools


def why_not() -> str:
    """Why no guest machine can be booted here; empty if one can."""
    try:
        find_tools()
        find_kernel()
    except HarnessError as error:
        return str(error)
    return ""
