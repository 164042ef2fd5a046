# SPDX-License-Identifier: MIT
"""tests/hw on mock machines: what must hold, what must not be testable, and what must be found, kernel by kernel."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.capabilities import Capabilities
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.mock.variants import VARIANTS
from amdgpu_hw.proof.rows import load_rows
from amdgpu_hw.verdict.expectation_files import load, subject
from amdgpu_hw.verdict.expectations import compare, names_of
from amdgpu_hw.verdict.machine import MachineDescription
from amdgpu_hw.verdict.model import Case, Outcome
from tests import plain_environment

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests" / "hw"

# What the flag itself is about; on kernels without it there is nothing to test.
NEEDS_THE_FLAG = {"B01", "B02", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B14", "B15", "B17", "B20", "B22"} | {
    "B23a",
    "B24",
    "P02",
}
NEEDS_UPDATE_FENCES = {"B05", "B07c", "B08c", "B09c", "B12c", "B16", "B21", "B23", "B25", "B30", "T10", "O1", "O2"}

# Why a row may not be testable: the words its reason has to begin with.
OPTIONS = (
    "needs page tables that the CPU writes",
    "needs debug_vm",
    "needs a user queue: this kernel offers no user queues",
    "needs 10 GiB of free VRAM",
)
"""What a driver has to be loaded with, and a GPU to have."""
NO_FLAG = (*OPTIONS, "needs explicit sync; GEM_VA with AMDGPU_VM_EXPLICIT_SYNC: EINVAL")
NO_UPDATE_FENCES = (
    *NO_FLAG,
    "needs update fence; GEM_VA leaves",
    "needs input fence; GEM_VA ignores",
    "the kernel does not tell mappings",
    "several files can reserve a VMID",
)
BEFORE_GFX9 = (
    "SDMA 3.1.0 faults on PRT ranges: only SDMA 4.0 and later may touch them",
    "no page-table entry is huge before GFX9",
    "before GFX9 all unmapped pages are PRT",
)
NO_GRAPHICS = tuple(f"AMD Instinct {name} has no graphics ring" for name in ("MI100", "MI210", "MI300X", "MI350X"))

FLAG_IGNORED, FLAG_FOR_ORDINARY_BUFFERS = "m05_flag_ignored", "m10_ordinary_eligible"


@dataclass(frozen=True)
class Validation:
    """One validation: on which mock machine, with which planted bug."""

    gpu: str = "navi31"
    kernel: str = "series-fixed"
    gate: str = ""
    bug: str = ""
    files: tuple[str, ...] = ()
    """Those of tests/hw that are enough, all if there are none."""

    def result(self, directory: Path, environment: Mapping[str, str]) -> Result:
        """Run it; its result file is r.json in the directory."""
        command = [sys.executable, "-m", "amdgpu_hw", "validate", "--mock", self.gpu, "--kernel", self.kernel]
        command += ["--results", str(directory / "r.json"), *(["--gate", self.gate] if self.gate else [])]
        command += [*(["--bug", self.bug] if self.bug else []), *(str(TESTS / file) for file in self.files)]
        process = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=RUN_S,
        )
        file = directory / "r.json"
        assert file.exists(), f"{self} ended with {process.returncode} and no result: {process.stdout}"
        return Result(process.returncode, process.stdout, json.loads(file.read_text()))


@dataclass(frozen=True)
class Result:
    """What came of it."""

    status: int
    output: str
    file: dict[str, Any]

    def not_testable_but(self, *reasons: str) -> set[str]:
        """Rows that are not testable for another reason than these, with that."""
        return {
            f"{case['row']}: {case['reason']}"
            for case in self.file["cases"]
            if case["outcome"] == "not testable" and not case["reason"].startswith(reasons)
        }

    def rows(self, outcome: str) -> set[str]:
        """Rows with a case of that outcome."""
        return {case["row"] for case in self.file["cases"] if case["outcome"] == outcome}

    def reasons(self, row: str) -> str:
        """Why the cases of a row do not hold."""
        return " ".join(f"{case['reason']} {case['explanation']}" for case in self.file["cases"] if case["row"] == row)


FLAG_ROWS = ("test_explicit_unmap.py", "test_explicit_limits.py", "test_submissions.py", "test_input_fences.py")
FIXED = Validation()
OTHER_GATES = ("sw_sync", "gpu-wait")
"""Beside the one that is chosen by itself."""
OTHER_GPUS = ("mi300x", "navi48", "polaris10", "renoir")
"""One of each kind that the tests can tell apart: CDNA, GFX12, before GFX9, an APU whose address space is smaller."""

RUNS = (
    FIXED,
    *(Validation(kernel=kernel) for kernel in VARIANTS if kernel != FIXED.kernel),
    *(Validation(gpu=gpu) for gpu in OTHER_GPUS),
    *(Validation(gate=gate) for gate in OTHER_GATES),
    *(Validation(bug=bug, files=FLAG_ROWS) for bug in (FLAG_IGNORED, FLAG_FOR_ORDINARY_BUFFERS)),
)
AT_A_TIME = 4
"""On two CPUs: most of their time they watch a fence that must not signal."""
RUN_S = 300
"""Longer than a validation takes, however busy the host is."""

pytestmark = pytest.mark.timeout(2 * RUN_S)  # the first test may wait for those that began before its own


class Results:
    """What validations have found; asking waits for that validation alone."""

    def __init__(self, pool: Executor, directories: pytest.TempPathFactory) -> None:
        environment = plain_environment()
        self._runs = {run: pool.submit(run.result, directories.mktemp("run"), environment) for run in RUNS}

    def __getitem__(self, run: Validation) -> Result:
        return self._runs[run].result()

    def close(self) -> None:
        """Begin no more of them."""
        for future in self._runs.values():
            future.cancel()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """All validations, some of them at a time."""
    with ThreadPoolExecutor(AT_A_TIME) as pool, closing(Results(pool, tmp_path_factory)) as results:
        yield results


@pytest.mark.parametrize(
    "run",
    [
        FIXED,
        *(Validation(gpu=gpu) for gpu in OTHER_GPUS),
    ],
    ids=str,
)
def test_everything_holds_on_the_mended_series(results: Results, run: Validation) -> None:
    """On every GPU, and the result says which gate that was."""
    result = results[run]
    assert result.status == 0, result.output
    assert result.rows("broken") | result.rows("inconclusive") | result.rows("did not finish") == set()
    assert result.not_testable_but(*OPTIONS, *NO_GRAPHICS, *(BEFORE_GFX9 if run.gpu == "polaris10" else ())) == set()
    assert result.file["gate"] == "vgem"
    assert result.file["machine"]["words"] == "MOCK"


@pytest.mark.parametrize("gate", OTHER_GATES)
@pytest.mark.parametrize("row", load_rows(ROOT / "tests" / "hw" / "rows.toml").rows)
def test_every_row_holds_or_is_not_testable_with_every_gate(results: Results, gate: str, row: str) -> None:
    """Never broken on a right kernel. A gate that a busy host opened early proves nothing, and says so."""
    result = results[Validation(gate=gate)]
    assert result.file["gate"] == gate
    cases = [case for case in result.file["cases"] if case["row"] == row]
    assert cases
    for case in cases:
        told = case["reason"] + result.output
        early = case["outcome"] == "inconclusive" and ("opened the" in told or "of its time were left" in told)
        assert case["outcome"] in ("holds", "not testable") or early, case["reason"]


def test_the_rows_that_need_another_drivers_fence_say_so_with_a_gate_of_ours(results: Results) -> None:
    """The fence of gpu-wait is amdgpu's."""
    ours = results[Validation(gate="gpu-wait")]
    for row in ("O12", "O27"):
        assert "that of a gpu-wait gate is amdgpu's own" in ours.reasons(row)
        assert row in results[Validation(gate="sw_sync")].rows("holds")


def test_a_gpu_that_cannot_touch_prt_says_why(results: Results) -> None:
    """Before SDMA 4.0 no engine that the tests have may go there; all the rest about PRT is tested."""
    result = results[Validation(gpu="polaris10")]
    assert result.rows("not testable") >= {"T08", "T12"}
    assert result.rows("holds") >= {"B06", "B08", "B09", "T08"}


def test_sync_claims_have_controls(results: Results) -> None:
    """Whatever claims that an update does not wait names the row that shows that it would."""
    for case in results[FIXED].file["cases"]:
        claims = [one for one in case["evidence"] if "signalled_ns" in one["facts"]]
        waits = [one for one in case["evidence"] if "waited_ns" in one["facts"]]
        assert not claims or waits or case["controls"], case["row"]


@pytest.mark.parametrize("kernel", ["base", "6.18", "6.18-stable"])
def test_only_the_flag_is_missing_before_the_series(results: Results, kernel: str) -> None:
    """What needs the flag says so with the probe's errno; all the rest holds."""
    result = results[Validation(kernel=kernel)]
    assert result.status == ExitStatus.SILENT, result.output
    assert result.rows("not testable") >= NEEDS_THE_FLAG
    assert result.not_testable_but(*NO_FLAG) == set()
    assert result.rows("broken") | result.rows("inconclusive") | result.rows("did not finish") == set()
    assert result.file["probes"]["explicit_sync"]["errno"] == 22


def test_a_kernel_before_the_series_blocks_the_caller_on_input_fences(results: Results) -> None:
    """Which is one way to honour them."""
    (case,) = [case for case in results[Validation(kernel="base")].file["cases"] if case["row"] == "B23"]
    assert "the ioctl still blocked after" in case["evidence"][0]["text"]


@pytest.mark.parametrize("kernel", ["6.12", "6.15"])
def test_kernels_without_update_fences_say_so(results: Results, kernel: str) -> None:
    """Up to 6.15 there is nothing to watch."""
    result = results[Validation(kernel=kernel)]
    assert result.status == ExitStatus.SILENT, result.output
    assert result.rows("not testable") >= NEEDS_THE_FLAG | NEEDS_UPDATE_FENCES
    assert result.not_testable_but(*NO_UPDATE_FENCES) == set()
    assert "Linux before 6.16" in result.reasons("B05")


def test_the_series_as_posted_has_its_findings(results: Results) -> None:
    """Named, with what was seen; all else holds."""
    result = results[Validation(kernel="series-v1")]
    assert result.status == 1
    assert result.rows("broken") >= {"B30", "O1", "O2"}
    assert result.rows("inconclusive") == result.rows("did not finish") == result.not_testable_but(*OPTIONS) == set()
    for row in result.rows("broken"):
        assert re.search(r"\bF\d", result.reasons(row)), f"{row} is broken, but does not name the finding that it shows"
    when = r"(signalled after [\d.]+ [µm]s|had signalled when it was first looked at,)"
    seen = rf"update fence {when} with the gate \(vgem\) still shut"
    for row in ("O1", "O2", "B30"):
        assert re.search(seen, result.reasons(row))


def test_a_bisection_that_ends_at_the_first_patch_finds_that_every_map_waits(results: Results) -> None:
    """F9, which the second patch mends on the way; there is no flag yet, so what needs it is not tested."""
    result = results[Validation(kernel="series-v1-patch-1")]
    assert result.status == 1
    assert "B16" in result.rows("broken")
    assert "B16" not in results[Validation(kernel="series-v1")].rows("broken")
    assert result.not_testable_but(*NO_FLAG) == set()


def test_a_kernel_that_ignores_the_flag_is_caught(results: Results) -> None:
    """By what must not wait; what must wait still does, but proves nothing any more."""
    result = results[Validation(bug=FLAG_IGNORED, files=FLAG_ROWS)]
    assert result.status == 1
    assert result.rows("broken") >= {"B06", "B07", "B08", "B09", "B12", "B20", "B24"}
    assert result.rows("inconclusive") >= {"B10", "B11"}
    seen = (
        r"update fence unsignalled after 5\d\d ms with the gate \(vgem\) shut, signalled [\d.]+ [µm]s after it opened"
    )
    assert re.search(seen, result.reasons("B06"))


def test_a_kernel_that_frees_ordinary_memory_under_jobs_is_caught(results: Results) -> None:
    """By the rows about ordinary buffers alone."""
    result = results[Validation(bug=FLAG_FOR_ORDINARY_BUFFERS, files=FLAG_ROWS)]
    assert result.status == 1
    assert result.rows("broken") >= {"B10", "B11"}
    assert "with the gate (vgem) still shut" in result.reasons("B10")


@pytest.mark.parametrize("run", [run for run in RUNS if not (run.gate or run.bug)], ids=str)
def test_the_repositorys_expectations_are_met(results: Results, run: Validation) -> None:
    """On every kernel and GPU: known findings and skips are named in expectations/, and nothing else is."""
    file = results[run].file
    machine = MachineDescription(True, (run.gpu,), run.kernel, "", "")
    cases = [
        Case(one["test"], one["row"], one["behaviour"], (), Outcome(one["outcome"]), missing=one["missing"])
        for one in file["cases"]
    ]
    probes = {name: probe["supported"] for name, probe in file["probes"].items()}
    known = {name for case in cases for name in names_of(case)}
    assert compare(cases, load(ROOT / "expectations", subject(machine, file["gpu"])), probes, known) == []
    assert [(case.test, case.outcome.value, case.unexpected) for case in cases if not case.passes] == []


def test_needs_are_probes() -> None:
    """A misspelt need would never be met."""
    text = "".join(file.read_text() for file in TESTS.glob("test_*.py"))
    needed = set(re.findall(r'"(\w+_sync|\w+_fence|prt|timeline_syncobj)"', text))
    assert {"explicit_sync", "update_fence", "input_fence"} <= needed
    assert all(hasattr(Capabilities, name) for name in needed - {"sw_sync"})


def test_the_tests_know_nothing_about_the_mock() -> None:
    """Nor about kernel versions: they ask the kernel."""
    for file in TESTS.glob("*.py"):
        text = file.read_text().lower()
        assert "mock" not in text, file
        assert not re.search(r"uname|series-|\b6\.1\d\b", text), file
