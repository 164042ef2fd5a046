# SPDX-License-Identifier: MIT
"""Clears do not count as the address space's last update, as before base: no update fence covers them."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("B07c", "B09c", "B14"), variant={"clear_sets_last_update": False})
