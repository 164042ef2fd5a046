# SPDX-License-Identifier: MIT
"""With debug_vm an unmap that was put off is carried out behind the map that took its place (F1)."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("B43",), parameters={"debug_mask": 1}, variant={"flushes_delayed_freed": False})
