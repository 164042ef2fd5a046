# SPDX-License-Identifier: MIT
"""The reserved area at the bottom of the address space can be mapped."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("T04",), variant={"va_reserved_bottom": 0x1000})
