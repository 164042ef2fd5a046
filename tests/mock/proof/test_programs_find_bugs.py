# SPDX-License-Identifier: MIT
"""Drawn programs find wrong kernels, and say with how little they are shown wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import plain_environment

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("bug", "seen"),
    [
        (
            "m34_replace_maps_before_it_clears",
            r"at W\+0x\w+ the GPU read 0x0|while the GPU read what must be mapped, there was a VM fault",
        ),
        ("m49_right_remnant_offset", r"of \w the kernel has .* from 0x0, but it must have .* from 0x[1-9]"),
        ("m50_remnants_dropped", r"of \w the kernel has no mapping, but it must have W\+0x"),
    ],
)
def test_a_planted_bug_comes_down_to_a_few_calls(tmp_path: Path, bug: str, seen: str) -> None:
    """Something is mapped, and a part of it taken away: more is not left of the program that found it."""
    environment = plain_environment()
    subprocess.run(
        [sys.executable, "-m", "amdgpu_hw", "validate", "--bug", bug, f"--results={tmp_path / 'r.json'}", "-k", "P01"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=100,
        check=False,
    )
    (case,) = json.loads((tmp_path / "r.json").read_text())["cases"]
    assert case["outcome"] == "broken"
    assert re.match(seen, case["reason"]), case["reason"]
    calls = re.findall(r"^  \d+\. GEM_VA\((\w+), va=W\+", case["reason"], re.MULTILINE)
    assert len(calls) == 2, case["reason"]
    assert calls[0] in ("MAP", "REPLACE")
    assert calls[1] in ("REPLACE", "CLEAR")
