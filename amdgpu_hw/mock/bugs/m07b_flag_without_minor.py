# SPDX-License-Identifier: MIT
"""There is a flag (patch 2), and the minor number does not say so (patch 3)."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("B04",), variant={"driver_minor": 64})
