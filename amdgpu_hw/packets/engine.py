# SPDX-License-Identifier: MIT
"""The engines that packets are written for."""

from __future__ import annotations

from enum import IntEnum

__all__ = ("Engine",)


class Engine(IntEnum):
    """A kind of ring; the numbers are AMDGPU_HW_IP_* of `drm/amdgpu_drm.h`."""

    GFX = 0
    """Graphics ring: command processor with PFP and ME (and CE up to GFX10)."""
    COMPUTE = 1
    """Compute ring: MEC from GFX7 on; on GFX6 it runs on the ME and takes the graphics ring's packets."""
    SDMA = 2
    """Copy engine."""
