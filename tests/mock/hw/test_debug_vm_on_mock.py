# SPDX-License-Identifier: MIT
"""Rows that need an option of the driver, on mock machines where it is set."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from amdgpu_hw.mock.machine import Machine

DEBUG_VM = 1


def with_option(kernel: str, debug_mask: int, tests: str, directory: Path) -> dict[str, dict[str, Any]]:
    """Run some tests on a machine whose driver has that mask; their cases by row."""
    results = directory / "r.json"
    command = [sys.executable, "-m", "amdgpu_hw", "validate", "--allow-faults", f"--results={results}", "-k", tests]
    with Machine(kernel=kernel) as machine:
        with machine.console() as console:
            console.parameter("debug_mask", debug_mask)
        machine.run(command)
    return {case["row"]: case for case in json.loads(results.read_text())["cases"]}


def test_rows_about_debug_vm_hold_on_the_mended_series(tmp_path: Path) -> None:
    """With what controls them."""
    cases = with_option("series-fixed", DEBUG_VM, "with_debug_vm or unlisted_buffers", tmp_path)
    assert {cases[row]["outcome"] for row in ("B43", "B43a")} == {"holds"}, cases


def test_the_series_as_posted_loses_mappings_with_debug_vm(tmp_path: Path) -> None:
    """F1 needs no DELAY_UPDATE where the driver delays by itself."""
    case = with_option("series-v1", DEBUG_VM, "with_debug_vm", tmp_path)["B43"]
    assert case["outcome"] == "broken", case
    assert "F1" in case["explanation"]


def test_rows_about_debug_vm_say_what_they_need(tmp_path: Path) -> None:
    """And what the option is now."""
    cases = with_option("base", 0x4, "B43", tmp_path)
    assert cases["B43"]["reason"] == "needs debug_vm: amdgpu.debug_mask is 0x4, without bit 0"
