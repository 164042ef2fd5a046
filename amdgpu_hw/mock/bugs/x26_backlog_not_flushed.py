# SPDX-License-Identifier: MIT
"""An update does not carry out earlier delayed unmaps (F1, F5 of the posted series)."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("O1", "O2"), variant={"flushes_delayed_freed": False})
