# SPDX-License-Identifier: MIT
"""Where the CPU writes the page tables it waits for all that is in flight, explicit or not."""

from __future__ import annotations

from amdgpu_hw.mock.bugs.m05_flag_ignored import never_explicit
from amdgpu_hw.mock.planting import Bug

__all__ = ("never_explicit",)

BUG = Bug(caught_by=("B42",), parameters={"vm_update_mode": 3})
