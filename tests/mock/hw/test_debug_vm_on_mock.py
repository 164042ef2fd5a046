# SPDX-License-Identifier: MIT
"""Rows that need an option of the driver, on mock machines where it is set."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.mock.machine import Machine

DEBUG_VM = 1


def b43(kernel: str, debug_mask: int, directory: Path) -> dict[str, Any]:
    """Run B43 on a machine whose driver has that option; its case."""
    results = directory / "r.json"
    command = [sys.executable, "-m", "amdgpu_hw", "validate", "--allow-faults", f"--results={results}", "-k", "B43"]
    with Machine(kernel=kernel) as machine:
        with machine.console() as console:
            console.parameter("debug_mask", debug_mask)
        machine.run(command)
    (case,) = json.loads(results.read_text())["cases"]
    found: dict[str, Any] = case
    return found


@pytest.mark.parametrize(("kernel", "outcome"), [("base", "holds"), ("series-fixed", "holds"), ("series-v1", "broken")])
def test_b43_with_debug_vm(kernel: str, outcome: str, tmp_path: Path) -> None:
    """F1 needs no DELAY_UPDATE where the driver delays by itself."""
    case = b43(kernel, DEBUG_VM, tmp_path)
    assert case["outcome"] == outcome, case
    assert ("F1" in case["explanation"]) == (outcome == "broken")


def test_b43_without_debug_vm_says_what_it_needs(tmp_path: Path) -> None:
    """And what the option is now."""
    case = b43("base", 0x4, tmp_path)
    assert (case["outcome"], case["reason"]) == (
        "not testable",
        "needs debug_vm: amdgpu.debug_mask is 0x4, without bit 0",
    )
