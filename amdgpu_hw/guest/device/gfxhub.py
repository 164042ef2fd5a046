# SPDX-License-Identifier: MIT
"""The hub of graphics and compute (gfxhub_v*.c)."""

from __future__ import annotations

from .hub import HubNames

__all__ = ("GFXHUB_1_0", "GFXHUB_2_1", "GFXHUB_3_0")

GFXHUB_1_0 = HubNames(block="GC", prefix="", location="", request_shift=18)
"""Vega10, MI300X (gfxhub_v1_0.c, gfxhub_v1_2.c)."""

GFXHUB_2_1 = HubNames(block="GC", prefix="GC", location="GC", request_shift=19)
"""Navi21 (gfxhub_v2_1.c)."""

GFXHUB_3_0 = GFXHUB_2_1
"""Navi31 (gfxhub_v3_0.c)."""
