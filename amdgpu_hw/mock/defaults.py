# SPDX-License-Identifier: MIT
"""What a mock machine is unless it is asked for otherwise, and what it can do without; imports nothing."""

from __future__ import annotations

__all__ = ("DEFAULT_GPU", "OPTIONAL_DEVICES")

DEFAULT_GPU = "navi31"

OPTIONAL_DEVICES = ("sw_sync", "vgem")
"""What a machine can be built without."""
