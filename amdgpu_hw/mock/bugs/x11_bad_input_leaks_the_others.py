# SPDX-License-Identifier: MIT
"""An update that fails on one of its input fences keeps those before it (F10 of the posted series)."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("F10",), variant={"finishes_context_on_error": False})
