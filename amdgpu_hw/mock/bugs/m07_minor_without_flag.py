# SPDX-License-Identifier: MIT
"""The minor number says that there is a flag (patch 3), and there is none (patch 2)."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(
    caught_by=(),
    equivalent="65 is also the number of trees that know another feature by it (0.1)",
    kernel="base",
    variant={"driver_minor": 65},
)
