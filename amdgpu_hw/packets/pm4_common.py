# SPDX-License-Identifier: MIT
"""Names that all PM4 tables share."""

from __future__ import annotations

from .engine import Engine
from .layout import Version, flag

__all__ = ("BOTH", "FOR_COMPUTE", "FUNCTIONS", "GFX6", "GFX7", "GFX8", "GFX9", "GFX10", "GFX11", "GFX12", "ME", "MEC")

GFX6: Version = (6,)
GFX7: Version = (7,)
GFX8: Version = (8,)
GFX9: Version = (9,)
GFX10: Version = (10,)
GFX11: Version = (11,)
GFX12: Version = (12,)

ME = Engine.GFX
"""The graphics ring's processor, for fields and packets that only it has."""
MEC = Engine.COMPUTE
"""The compute rings' processor."""
BOTH = (ME, MEC)

FUNCTIONS = ("always", "<", "<=", "==", "!=", ">=", ">")
"""`function` of WAIT_REG_MEM and SDMA's POLL_REGMEM; the left side is ``memory & mask``."""

FOR_COMPUTE = flag("compute", 0, 1)
"""In the header of packets about shaders: compute shaders are meant, not those that draw."""
