# SPDX-License-Identifier: MIT
"""A MAP of PRT waits for every submission, as up to 6.12."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("B16",), variant={"prt_map_is_implicit": True}, slow=True)
