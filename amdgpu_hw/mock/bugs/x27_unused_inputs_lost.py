# SPDX-License-Identifier: MIT
"""Input fences that no page-table job carries are lost (F4 of the posted series)."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("B30", "B31"), variant={"merges_unused_inputs": False})
