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


def broken_row(results: Path, bug: str, row: str) -> str:
    """Why one row is broken on a wrong kernel, in the form that it has by default."""
    results /= "r.json"
    subprocess.run(
        [sys.executable, "-m", "amdgpu_hw", "validate", "--bug", bug, f"--results={results}", "-k", row],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        timeout=100,
        check=False,
    )
    (case,) = (case for case in json.loads(results.read_text())["cases"] if case["row"] == row)
    assert case["outcome"] == "broken"
    return str(case["reason"])


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
    reason = broken_row(tmp_path, bug, "P01")
    assert re.match(seen, reason), reason
    calls = re.findall(r"^  \d+\. GEM_VA\((\w+), va=W\+", reason, re.MULTILINE)
    assert len(calls) == 2, reason
    assert calls[0] in ("MAP", "REPLACE")
    assert calls[1] in ("REPLACE", "CLEAR")


@pytest.mark.parametrize(
    ("bug", "row"),
    [
        ("x68_prt_rounded_up", "P01"),
        ("x68_prt_rounded_up", "P03"),
        ("x69_clear_leaves_the_tail", "P03"),
        ("x100_clear_leaves_the_head", "P03"),
        ("x102_prt_leaves_the_tail", "P02"),
    ],
)
def test_a_few_programs_are_enough_at_the_edges_of_huge_entries(tmp_path: Path, bug: str, row: str) -> None:
    """What a neighbour loses P01 and P02 read; what stays where nothing may be mapped P03, as reading it faults."""
    assert "GEM_VA(" in broken_row(tmp_path, bug, row)
