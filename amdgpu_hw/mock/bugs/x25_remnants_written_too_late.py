# SPDX-License-Identifier: MIT
"""What is left of a cut mapping is written by the next submission only, after the huge entry has gone (F7)."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("B36", "B37"), variant={"rewrites_remnants_first": False})
