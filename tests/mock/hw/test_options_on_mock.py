# SPDX-License-Identifier: MIT
"""Rows that need an option of the driver, on mock machines whose driver has it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RUN_S = 300
"""Longer than a validation takes, however busy the host is."""
DEBUG_VM = "debug_mask=1"
CPU_PAGE_TABLES = "vm_update_mode=3"
USER_QUEUES = "user_queue=1"
BROKEN_ON_THE_POSTED_SERIES = {"B33", "B34", "B40", "B41", "B42a", "O25", "P01"}
"""Of what can be tested where the CPU writes page tables."""

pytestmark = pytest.mark.timeout(2 * RUN_S)


def validate(kernel: str, parameter: str, directory: Path, *tests: str, gpu: str = "navi31") -> dict[str, Any]:
    """Validate a machine whose driver has that parameter; the result file."""
    results = directory / "r.json"
    machine = ["--mock", gpu, "--kernel", kernel, "--parameter", parameter]
    command = [sys.executable, "-m", "amdgpu_hw", "validate", *machine, f"--results={results}", *tests]
    run = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S)
    assert results.exists(), run.stdout + run.stderr
    content: dict[str, Any] = json.loads(results.read_text())
    return content


def rows(content: dict[str, Any], outcome: str) -> set[str]:
    """Rows with a case of that outcome."""
    return {case["row"] for case in content["cases"] if case["outcome"] == outcome}


@pytest.mark.parametrize(
    ("parameter", "tests"),
    [(DEBUG_VM, ("-k", "test_kernel_options or test_delayed or test_moved")), (CPU_PAGE_TABLES, ())],
)
def test_nothing_is_broken_on_the_mended_series(parameter: str, tests: tuple[str, ...], tmp_path: Path) -> None:
    """The rows about the option hold; where the CPU writes page tables none waits for a gate that opens by itself."""
    content = validate("series-fixed", parameter, tmp_path, *tests)
    assert rows(content, "broken") | rows(content, "inconclusive") | rows(content, "did not finish") == set()
    assert rows(content, "holds") >= ({"B43", "B43a"} if parameter == DEBUG_VM else {"B42", "B42a", "B42c"})
    assert content["machine"]["mock_parameters"] == {parameter[:-2]: int(parameter[-1])}


def test_nothing_is_said_of_mappings_that_debug_vm_never_made(tmp_path: Path) -> None:
    """6.18 leaves an update to the next submission even when somebody asks for its fence, and then fills none in."""
    content = validate("6.18", DEBUG_VM, tmp_path, "-k", "B39", "--allow-faults")
    assert rows(content, "not testable") >= {"B39"}
    assert rows(content, "broken") == set()


def test_the_series_as_posted_loses_mappings_with_debug_vm(tmp_path: Path) -> None:
    """F1 needs no DELAY_UPDATE where the driver delays by itself."""
    (case,) = validate("series-v1", DEBUG_VM, tmp_path, "-k", "with_debug_vm")["cases"]
    assert case["outcome"] == "broken", case
    assert "F1" in case["explanation"]


def test_the_series_as_posted_locks_while_it_waits_for_input_fences(tmp_path: Path) -> None:
    """F13, beside the findings that do not need the option."""
    content = validate("series-v1", CPU_PAGE_TABLES, tmp_path)
    assert rows(content, "broken") == BROKEN_ON_THE_POSTED_SERIES
    (case,) = (case for case in content["cases"] if case["row"] == "B42a")
    assert case["reason"].startswith("CS blocked in the ioctl for ")
    assert "suspected fault of the series looks like: F13" in case["explanation"]


@pytest.mark.parametrize(("kernel", "reason"), [("base", ""), ("6.15", "needs input fence; GEM_VA ignores")])
def test_before_the_series_input_fences_hold_up_nobody_else(kernel: str, reason: str, tmp_path: Path) -> None:
    """Where there are any, the caller waits for them before it takes locks."""
    content = validate(kernel, CPU_PAGE_TABLES, tmp_path, "-k", "B42")
    found = {case["row"]: (case["outcome"], case["reason"]) for case in content["cases"]}
    assert found["B42c"][0] == "holds"
    assert found["B42a"][0] == ("not testable" if reason else "holds")
    assert found["B42a"][1].startswith(reason)


@pytest.mark.parametrize("gpu", ["navi31", "navi48"])
@pytest.mark.parametrize("kernel", ["series-v1", "series-fixed"])
def test_explicit_unmaps_wait_for_user_queues(gpu: str, kernel: str, tmp_path: Path) -> None:
    """F12, on the posted series and on the mended one."""
    content = validate(kernel, USER_QUEUES, tmp_path, "-k", "B48", gpu=gpu)
    (case,) = (case for case in content["cases"] if case["row"] == "B48")
    assert case["outcome"] == "holds", case
    assert case["gates"] == ["user queue"]


def test_a_gpu_without_user_queues_says_so(tmp_path: Path) -> None:
    """They begin with GFX11."""
    content = validate("series-fixed", USER_QUEUES, tmp_path, "-k", "B48", gpu="mi300x")
    (case,) = (case for case in content["cases"] if case["row"] == "B48")
    assert case["reason"] == (
        "needs a user queue: this kernel offers no user queues for compute (userq_ip_mask is 0x0)"
    )


def test_rows_about_an_option_say_what_they_need(tmp_path: Path) -> None:
    """And what the option is now; rows that look at jobs say it where there are none."""
    cases = validate("base", "debug_mask=4", tmp_path, "-k", "B43 or B42c")["cases"]
    reasons = {case["row"]: case["reason"] for case in cases}
    assert reasons["B43"] == "needs debug_vm: amdgpu.debug_mask is 0x4, without bit 0"
    assert reasons["B42c"] == (
        "needs page tables that the CPU writes: the GPU writes page tables (amdgpu.vm_update_mode is -1)"
    )
    cases = validate("base", CPU_PAGE_TABLES, tmp_path, "-k", "B05")["cases"]
    assert cases[0]["reason"] == (
        "needs page table jobs; the CPU writes page tables, inside the ioctl (amdgpu.vm_update_mode is 3)"
    )
