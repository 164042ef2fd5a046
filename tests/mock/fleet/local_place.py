# SPDX-License-Identifier: MIT
"""The process of a place whose box is a directory of this machine, as `pretend` has it."""

from __future__ import annotations

import sys
from pathlib import Path

from amdgpu_hw.fleet.box import Box
from amdgpu_hw.fleet.place_process import serve
from amdgpu_hw.fleet.plan import FleetPlan, PlannedPlace
from tests.mock.fleet.pretend import PretendBox


def pretend_box(_plan: FleetPlan, place: PlannedPlace) -> Box:
    """The box of a place; one called ``nowhere`` cannot be reached by a fault of this program."""
    if place.name == "nowhere":
        raise RuntimeError("a fault")
    return PretendBox(Path(place.directory))


if __name__ == "__main__":
    sys.exit(serve(pretend_box))
