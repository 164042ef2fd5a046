# SPDX-License-Identifier: MIT
"""What a reset or a hang makes of a row's outcome: alone here, and in runs on mock machines where something hangs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.evidence.incident import Culprit, Incident
from amdgpu_hw.evidence.kernel_log import LogEvent
from amdgpu_hw.evidence.log_rules import EventKind
from amdgpu_hw.proof.aftermath import blame
from amdgpu_hw.verdict.model import Case, Outcome
from tests import plain_environment
from tests.mock.proof.test_plugin import CONFTEST, ROWS


def incident(culprit: Culprit) -> Incident:
    """A reset."""
    return Incident("the GPU was reset", culprit, "somebody says whose it was", gone=False)


@pytest.mark.parametrize(
    ("culprit", "before", "after"),
    [
        (Culprit.OURS, Outcome.HOLDS, Outcome.BROKEN),
        (Culprit.OURS, Outcome.INCONCLUSIVE, Outcome.BROKEN),
        (Culprit.OTHERS, Outcome.HOLDS, Outcome.INCONCLUSIVE),
        (Culprit.OTHERS, Outcome.BROKEN, Outcome.INCONCLUSIVE),
        (Culprit.UNKNOWN, Outcome.BROKEN, Outcome.INCONCLUSIVE),
        (Culprit.OTHERS, Outcome.UNFINISHED, Outcome.INCONCLUSIVE),
        (Culprit.OTHERS, Outcome.NOT_TESTABLE, Outcome.NOT_TESTABLE),
    ],
)
def test_what_a_reset_makes_of_an_outcome(culprit: Culprit, before: Outcome, after: Outcome) -> None:
    """Its own breaks a row; anybody else's never does, and takes the meaning of what it saw."""
    case = Case("t.py::t", "B09", "text", outcome=before, reason="what was seen\nin detail")
    blame(case, [incident(culprit)], [], tolerated=False)
    assert case.outcome is after
    assert "what was seen" in case.reason
    assert "in detail" not in case.reason or after is Outcome.NOT_TESTABLE


def test_work_that_is_late_breaks_a_row_although_nobody_knows_why() -> None:
    """Without a reset there is nobody else to blame; a user who is not root knows no more."""
    late = Incident("job 1 did not end", Culprit.UNKNOWN, "", gone=False, certain=False, reset=False)
    for before in (Outcome.HOLDS, Outcome.BROKEN):
        case = Case("t.py::t", "B09", "text", outcome=before)
        blame(case, [late], [], tolerated=False)
        assert case.outcome is Outcome.BROKEN
    reset = Incident("the GPU was reset", Culprit.UNKNOWN, "", gone=False, certain=False)
    blame(case, [late, reset], [], tolerated=False)
    assert case.outcome is Outcome.INCONCLUSIVE


def test_a_row_that_may_hang_the_gpu_is_not_blamed_for_it() -> None:
    """But somebody else's reset takes its meaning all the same."""
    for culprit, after in ((Culprit.OURS, Outcome.HOLDS), (Culprit.OTHERS, Outcome.INCONCLUSIVE)):
        case = Case("t.py::t", "B09", "text", outcome=Outcome.HOLDS)
        blame(case, [incident(culprit)], [], tolerated=True)
        assert case.outcome is after


@pytest.mark.parametrize(("ours", "after"), [(True, Outcome.BROKEN), (False, Outcome.HOLDS), (None, Outcome.HOLDS)])
def test_a_vm_fault_that_only_the_log_tells_breaks_a_row_if_it_is_ours(ours: bool | None, after: Outcome) -> None:
    """Kernels before driver version 3.55 tell of it nowhere else."""
    fault = LogEvent(EventKind.VM_FAULT, "text", pid=1, address=0x1000, ours=ours)
    case = Case("t.py::t", "B09", "text", outcome=Outcome.HOLDS)
    blame(case, [], [fault], tolerated=False)
    assert case.outcome is after


TESTS = """
import subprocess, sys
from amdgpu_hw.errors import DrmError
from amdgpu_hw.mock.console.client import Console, find_machine
from amdgpu_hw.proof.behaviour import behaviour

console = Console(find_machine())

OTHER = '''
from amdgpu_hw import open_gpu
from amdgpu_hw.errors import DrmError
with open_gpu() as gpu:
    queue = gpu.gfx
    queue.submit(queue.packets.nop()).wait()
    print("ready", flush=True)
    input()
    try:
        queue.submit(queue.packets.nop()).wait(20_000_000_000)
    except DrmError as error:
        print(error)
'''

@behaviour("X01", "does nothing that hangs")
def test_first(gpu, must):
    console.parameter("lockup_timeout", 300)
    must.note("ran")

@behaviour("X02", "hangs in its middle")
def test_hangs_in_it(gpu, must):
    for ring in range(4):
        console.hang(f"comp_1.{ring}.0")
    gpu.compute.submit(gpu.compute.packets.nop()).wait()
    must.note("ran")

@behaviour("X03", "hangs with its last unmap")
def test_hangs_after_it(gpu, must):
    tile = gpu.reserve(65536)
    tile.map_prt().wait()
    for ring in ("sdma0", "sdma1"):
        console.hang(ring)
    tile.clear(out=None)
    must.note("ran")

@behaviour("X04", "is there when another process hangs")
def test_other_hangs(gpu, must):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", OTHER], **pipes) as other:
        other.stdout.readline()
        console.fail_ring_reset(9)
        console.hang("gfx_0.0.0")
        other.stdin.write("go\\n")
        other.stdin.flush()
        # Whatever of ours is in flight when the whole GPU is reset ends with ECANCELED.
        other.wait()
    console.clear_faults()
    raise DrmError(125, "DRM_IOCTL_AMDGPU_WAIT_CS")

@behaviour("X05", "comes after a reset that nobody's work caused")
def test_after_a_reset(gpu, must):
    must.note("ran")

@behaviour("X06", "has the GPU reset", resets=True)
def test_asks_for_it(gpu, reset_gpu, must):
    reset_gpu()
    must.note("ran")
"""

CONFTEST_WITH_RESET = f"""{CONFTEST}
from amdgpu_hw.mock.console.client import Console, find_machine

def pytest_runtest_logstart(nodeid):
    if "after_a_reset" in nodeid:
        Console(find_machine()).reset()
"""


def run(directory: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the tests on a mock machine; what was printed, and the result file."""
    for name, text in (("conftest.py", CONFTEST_WITH_RESET), ("rows.toml", ROWS), ("test_x.py", TESTS)):
        (directory / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "--amdgpu-mock", "test_x.py", "-p", "no:cacheprovider"]
    environment = plain_environment()
    result = subprocess.run(
        [*command, "--amdgpu-results=r.json", *options],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    return result, json.loads((directory / "r.json").read_text())


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run in which something hangs in, after and before a row, and elsewhere, and that goes on each time."""
    directory = tmp_path_factory.mktemp("hangs")
    result, content = run(directory, "--amdgpu-after-reset=continue")
    content["directory"] = directory
    assert len(content["cases"]) == 6, result.stdout + result.stderr
    return content


def case_of(content: dict[str, Any], row: str) -> dict[str, Any]:
    """The case of a row."""
    (case,) = (case for case in content["cases"] if case["row"] == row)
    return dict(case)


def test_a_row_that_hangs_the_gpu_is_broken(content: dict[str, Any]) -> None:
    """The kernel names our process; the rows around it are not touched."""
    case = case_of(content, "X02")
    assert case["outcome"] == "broken"
    assert "its work hung: the GPU was reset" in case["reason"]
    assert "ours" in case["reason"]
    assert case["incidents"][0]["culprit"] == "ours"
    assert case_of(content, "X01")["outcome"] == "holds"


def test_a_hang_of_the_last_unmap_is_the_rows_that_unmapped(content: dict[str, Any]) -> None:
    """Although its test itself was over, and had seen nothing wrong.

    A page-table job names no process: only root, who sees that nobody else has the GPU open, knows whose it was.
    """
    case = case_of(content, "X03")
    assert case["outcome"] == ("broken" if os.geteuid() == 0 else "inconclusive")
    assert "ring timeout of sdma0" in case["reason"]


def test_another_processs_hang_never_breaks_a_row(content: dict[str, Any]) -> None:
    """ECANCELED after it says nothing about the kernel: inconclusive, and whose reset it was."""
    case = case_of(content, "X04")
    assert case["outcome"] == "inconclusive"
    assert "ring timeout of gfx_0.0.0" in case["reason"]
    assert "ECANCELED" in case["reason"]
    assert case["incidents"][0]["culprit"] in ("others", "unknown")  # in a container the other one is not known


def test_a_reset_between_two_rows_is_nobodys(content: dict[str, Any]) -> None:
    """The row behind it runs on a GPU that is well again."""
    assert case_of(content, "X05")["outcome"] == "holds"
    (incident,) = content["incidents"]
    assert incident["before"].endswith("::test_after_a_reset")
    assert incident["culprit"] == "others"


@pytest.mark.skipif(os.geteuid() != 0, reason="debugfs is for root")
def test_a_reset_that_a_row_asks_for_is_no_incident(content: dict[str, Any]) -> None:
    """Nobody hung. What the kernel said is the row's all the same."""
    case = case_of(content, "X06")
    assert (case["outcome"], case["incidents"]) == ("holds", [])
    assert any("GPU reset begin" in line for line in case["log"])
    assert not (content["directory"] / "r.evidence" / "X06").exists()


def test_evidence_of_each_hang_is_beside_the_result(content: dict[str, Any]) -> None:
    """What the kernel said from the row's beginning to its end, its dump, who was there, what was queued."""
    for row in ("X02", "X03", "X04"):
        kept = case_of(content, row)["incidents"][0]["evidence"]
        place = content["directory"] / kept["directory"]
        assert place.parent == content["directory"] / "r.evidence"
        assert (
            {"kernel.log", "devcoredump", "clients.txt"}
            <= {path.name for path in place.iterdir()}
            == set(kept["files"])
        )
        log = (place / "kernel.log").read_text()
        assert "timeout, signaled seq=" in log
        assert f"amdgpu_hw: {row}" in log
        assert "AMDGPU Device Coredump" in (place / "devcoredump").read_text()


def test_the_result_has_the_rows_part_of_the_kernels_log(content: dict[str, Any]) -> None:
    """And what it means, with whose it was."""
    case = case_of(content, "X02")
    kinds = [event["kind"] for event in case["log_events"]]
    assert kinds[0] == "ring timeout"
    assert case["log_events"][0]["ours"] is True
    assert any("ring reset" in line for line in case["log"])
    assert not any("timeout" in line for line in case_of(content, "X01")["log"])


def test_a_run_stops_at_the_first_reset_unless_told_otherwise(tmp_path: Path) -> None:
    """With the sentence that says how to go on; then it goes on."""
    result, content = run(tmp_path)
    assert [case["row"] for case in content["cases"]] == ["X01", "X02"]
    assert content["interrupted"].startswith("the GPU was reset or hung in X02: --resume r.json goes on")
    assert content["interrupted"].split(":")[0] in result.stdout
    run(
        tmp_path,
        "--amdgpu-resume=r.json",
        "-k",
        "first or hangs_in_it or after_a_reset",
        "--amdgpu-after-reset=continue",
    )
    content = json.loads((tmp_path / "r.json").read_text())
    assert [case["row"] for case in content["cases"]] == ["X01", "X02", "X05"]
    assert len(content["resumed"]) == 1
