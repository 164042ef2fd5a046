# SPDX-License-Identifier: MIT
"""DELAY_UPDATE is accepted together with an update fence, which then never comes."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("B32",), variant={"rejects_delay_with_syncobj": False})
