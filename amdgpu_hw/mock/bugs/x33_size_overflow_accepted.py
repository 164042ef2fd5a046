# SPDX-License-Identifier: MIT
"""A size that wraps around is compared after it has wrapped, as before the base of the series."""

from __future__ import annotations

from amdgpu_hw.mock.planting import Bug

BUG = Bug(caught_by=("T03", "T04"), variant={"checks_va_overflow": False})
