# SPDX-License-Identifier: MIT
"""A MAP that frees nothing waits for every submission (F9: patch 1 without patch 2)."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("B16",), variant={"skips_empty_clear": False, "shares_sync_container": True})
