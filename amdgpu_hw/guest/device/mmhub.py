# SPDX-License-Identifier: MIT
"""The hub of everything else: copy engines up to SDMA 4, video, display (mmhub_v*.c)."""

from __future__ import annotations

from .hub import HubNames

__all__ = ("MMHUB_1_0", "MMHUB_2_0", "MMHUB_3_0")

MMHUB_1_0 = HubNames(block="MMHUB", prefix="", location="", request_shift=18)
"""Vega10, MI300X (mmhub_v1_0.c, mmhub_v1_8.c)."""

MMHUB_2_0 = HubNames(block="MMHUB", prefix="MM", location="MM", request_shift=19)
"""Navi21 (mmhub_v2_0.c)."""

MMHUB_3_0 = MMHUB_2_0
"""Navi31 (mmhub_v3_0.c)."""
