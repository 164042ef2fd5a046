# SPDX-License-Identifier: MIT
"""GEM_CLOSE does not give back what its update context holds (F2 of the posted series)."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("F2",), variant={"finishes_context_on_close": False, "shares_sync_container": True})
