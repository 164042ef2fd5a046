# SPDX-License-Identifier: MIT
"""Where the CPU writes the page tables it waits for input fences with the page directory locked (F13)."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("B42a",), parameters={"vm_update_mode": 3}, variant={"cpu_waits_for_inputs_unlocked": False})
