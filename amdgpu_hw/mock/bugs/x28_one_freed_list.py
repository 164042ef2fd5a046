# SPDX-License-Identifier: MIT
"""All unmaps share one list of freed mappings: an explicit one carries the delayed ones out as explicit."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("B35", "O3"), variant={"freed_per_update": False, "flushes_delayed_freed": False})
