# SPDX-License-Identifier: MIT
"""What tests say is missing on a machine has a name that expectations may use."""

from __future__ import annotations

import re
from pathlib import Path

import amdgpu_hw
from amdgpu_hw.capabilities import PROBES
from amdgpu_hw.verdict.expectations import FOUND_BY_TESTS

PACKAGE = Path(amdgpu_hw.__file__).parent
PLACES = (PACKAGE / "proof", Path(__file__).parents[2] / "hw")


def test_every_want_is_a_capability_or_declared() -> None:
    """Declared and used are the same names, so that a file of expectations may say what this machine does not lack."""
    text = "".join(file.read_text() for place in PLACES for file in sorted(place.rglob("*.py")))
    said = set(re.findall(r'\bmissing="(\w+)"', text))
    assert said - set(PROBES) == FOUND_BY_TESTS
