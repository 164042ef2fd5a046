# SPDX-License-Identifier: MIT
"""What rows say of a GPU that is a virtual function (SR-IOV)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

VIRTUAL_FUNCTION = Path(__file__).parent / "virtual_function.py"


def test_rows_that_need_gangs_are_not_testable(tmp_path: Path) -> None:
    """The kernel is right to refuse them there; whatever needs none of them holds."""
    results = tmp_path / "r.json"
    command = [sys.executable, "-m", "amdgpu_hw", "validate", "--mock", f"--bug={VIRTUAL_FUNCTION}", "--allow-faults"]
    command += ["-k", "test_gangs or on_the_gpu", f"--results={results}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    cases = json.loads(results.read_text())["cases"] if results.exists() else []
    assert run.returncode == 0, run.stdout + run.stderr
    outcomes = {case["test"]: (case["outcome"], case["missing"]) for case in cases}
    assert set(outcomes.values()) == {("holds", ""), ("not testable", "gangs")}, outcomes
    assert all((missing == "gangs") == ("gang" in name) for name, (_, missing) in outcomes.items()), outcomes
