# SPDX-License-Identifier: MIT
"""The flag counts only in the upper half of the address space."""

from __future__ import annotations

from typing import Any

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, wants_explicit_sync
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O14",))


_UPPER_HALF = 1 << 47


@replaces(wants_explicit_sync)
def wants(original: Original, variant: Any, args: GemVa) -> bool:
    return original(variant, args) and args.va_address >= _UPPER_HALF
