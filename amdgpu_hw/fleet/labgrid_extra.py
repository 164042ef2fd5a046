# SPDX-License-Identifier: MIT
"""Whether labgrid is installed, for plans that need it."""

from __future__ import annotations

from importlib.util import find_spec

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.plan import FleetPlan

__all__ = ("require_labgrid",)


def require_labgrid(plan: FleetPlan) -> None:
    """Raise `HarnessError` if a plan has places of labgrid's and labgrid is not installed."""
    by_tags = [place.name for place in plan.place if place.tags]
    if by_tags and find_spec("labgrid") is None:
        raise HarnessError(
            f"the places {', '.join(by_tags)} are labgrid's, which is not there: pip install 'amdgpu-hw[fleet]', or "
            "scripts/setup fleet in a checkout"
        )
