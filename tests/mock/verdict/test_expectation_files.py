# SPDX-License-Identifier: MIT
"""Files of expectations: which of them speak of a machine, what is refused, and drafts written from a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.gpu_model.gpus import gpu_names
from amdgpu_hw.guest.fetch import STOCK_KERNELS
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import MODULE_PARAMETERS
from amdgpu_hw.mock.variants import VARIANTS
from amdgpu_hw.verdict.expectation_files import ANY, Subject, load, parse, subject, write
from amdgpu_hw.verdict.expectations import Expectations, Status
from amdgpu_hw.verdict.machine import MachineDescription
from amdgpu_hw.verdict.model import Case, Outcome

SHIPPED = Path(__file__).parents[3] / "expectations"
GPU = {"name": "AMD Radeon RX 7900 XTX", "gc_version": (11, 0, 0)}
ON_MOCK = Subject("series-v1", True, ("navi31", "gc11.0.0", ANY))
ON_HARDWARE = Subject("6.18.3-200.fc43", False, ("amd-radeon-rx-7900-xtx", "gc11.0.0", ANY))


def put(directory: Path, name: str, *lines: str) -> Path:
    """A file of expectations."""
    path = directory / name
    path.write_text("\n".join(lines) + "\n")
    return path


def statuses(expectations: Expectations) -> dict[str, Status]:
    """What is expected, by name."""
    return {name: entry.status for name, entry in expectations.entries.items()}


def test_a_mock_machine_is_named_by_variant_and_board() -> None:
    """Whatever the host's kernel is."""
    assert subject(MachineDescription(True, ("navi31",), "series-v1", "6.1.0 #1", "x86_64"), GPU) == ON_MOCK


def test_hardware_is_named_by_release_and_product() -> None:
    """The version that uname tells behind the release is nobody's name."""
    assert subject(MachineDescription(False, (), "", "6.18.3-200.fc43 #1 SMP", "x86_64"), GPU) == ON_HARDWARE


@pytest.mark.parametrize(
    ("kernel", "speaks"),
    [("6.18", True), ("6.18.3", True), ("6.18.3-200.fc43", True), ("6.1", False), ("6.180", False), ("", False)],
)
def test_a_release_is_named_by_its_beginning(kernel: str, speaks: bool) -> None:
    """Up to the end of a number."""
    assert ON_HARDWARE.runs(kernel) is speaks
    assert not ON_MOCK.runs(kernel)


def test_the_longest_kernel_and_the_most_exact_gpu_win(tmp_path: Path) -> None:
    """Entries of every kernel and GPU come on top, where no other speaks of the same name."""
    put(tmp_path, "6.18-any-fails.txt", "# old", "B01,Fail")
    put(tmp_path, "6.18.3-any-fails.txt", "# new", "B02,Fail", "B03,Fail")
    put(tmp_path, "6.18.3-gc11.0.0-skips.txt", "# chip", "B03,Skip")
    put(tmp_path, "6.18.3-gc12.0.0-skips.txt", "# other chip", "B04,Skip")
    put(tmp_path, "any-amd-radeon-rx-7900-xtx-flakes.txt", "# board", "B02,Flake", "B05,Flake")
    found = load(tmp_path, ON_HARDWARE)
    assert statuses(found) == {"B02": Status.FAIL, "B03": Status.SKIP, "B05": Status.FLAKE}
    assert len(found.files) == 3


def test_a_reason_holds_up_to_the_next_blank_line_or_comment(tmp_path: Path) -> None:
    """Several lines of it become one sentence."""
    path = put(
        tmp_path, "base-any-fails.txt", "# head", "", "# one", "# two", "B01,Fail", "B02,Crash", "# three", "B03,Fail"
    )
    assert [(entry.name, entry.reason) for entry in parse(path)] == [
        ("B01", "one two"),
        ("B02", "one two"),
        ("B03", "three"),
    ]


@pytest.mark.parametrize(
    ("name", "lines", "says"),
    [
        ("base-any-fails.txt", ["B01,Fail"], ":1: 'B01' has no reason"),
        ("base-any-fails.txt", ["# why", "", "B01,Fail"], ":3: 'B01' has no reason"),
        (
            "base-any-fails.txt",
            ["# why", "B01"],
            ":2: 'B01' is no expectation: write name,Fail or Crash or Inconclusive",
        ),
        ("base-any-fails.txt", ["# why", "B01,Skip"], ":2: 'B01,Skip' is no expectation"),
        ("base-any-skips.txt", ["# why", "B01,skip"], ":2: 'B01,skip' is no expectation: write name,Skip or NotRun"),
        ("base-any-flakes.txt", ["# why", "B01,Flake", "B01,Flake"], ":3: a second entry for 'B01'"),
        ("base-any-fails.txt", ["#? seen", "B01,Fail"], ":2: 'B01' has no reason yet"),
    ],
)
def test_what_is_no_expectation_is_refused_with_file_and_line(
    tmp_path: Path, name: str, lines: list[str], says: str
) -> None:
    """And with what to write instead."""
    path = put(tmp_path, name, *lines)
    with pytest.raises(HarnessError) as refusal:
        list(parse(path))
    assert f"{path}{says}" in str(refusal.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """In a sentence."""
    path = tmp_path / "base-any-fails.txt"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(HarnessError, match="cannot be read"):
        list(parse(path))


def test_no_directory_is_refused(tmp_path: Path) -> None:
    """A misspelt one must not expect nothing."""
    with pytest.raises(HarnessError, match="there is no directory"):
        load(tmp_path / "nowhere", ON_MOCK)


def case(row: str, outcome: Outcome, missing: str = "") -> Case:
    """A finished case."""
    return Case(f"t.py::test_{row}[CLEAR]", row, "the text", (), outcome, "was seen\nhere", missing=missing)


def test_drafts_want_a_reason_and_then_meet_the_run(tmp_path: Path) -> None:
    """One for each case, one for all that lacks the same; none for what holds or is there already."""
    put(tmp_path, "series-v1-any-fails.txt", "# known", "B30,Fail")
    cases = [
        case("B01", Outcome.HOLDS),
        case("B02", Outcome.BROKEN),
        case("B03", Outcome.NOT_TESTABLE, "explicit_sync"),
        case("B04", Outcome.NOT_TESTABLE, "explicit_sync"),
        case("B30", Outcome.BROKEN),
    ]
    write(cases, ON_MOCK, load(tmp_path, ON_MOCK))
    with pytest.raises(HarnessError, match="has no reason yet"):
        load(tmp_path, ON_MOCK)
    path = tmp_path / "series-v1-navi31-fails.txt"
    assert "#? broken: was seen here\ntest_B02[CLEAR],Fail\n" in path.read_text()
    for file in tmp_path.glob("*-navi31-*"):
        file.write_text(file.read_text().replace("#?", "# F1:"))
    assert statuses(load(tmp_path, ON_MOCK)) == {
        "B30": Status.FAIL,
        "test_B02[CLEAR]": Status.FAIL,
        "needs explicit_sync": Status.SKIP,
    }


def test_what_was_written_once_is_not_written_again(tmp_path: Path) -> None:
    """Not even before somebody has given a reason."""
    for _ in range(2):
        write([case("B02", Outcome.BROKEN)], ON_MOCK, load(tmp_path, ON_MOCK, drafts=True))
    assert (tmp_path / "series-v1-navi31-fails.txt").read_text().count("Fail") == 1


def test_the_repositorys_own_files_are_in_order() -> None:
    """Each can be read, and is about a kernel and a GPU that there is, modelled or fetched for guest machines."""
    kernels = {*VARIANTS, *(kernel.series for kernel in STOCK_KERNELS), ANY}
    for path in SHIPPED.glob("*.txt"):
        assert list(parse(path)), path
        place, _, gpu = path.stem.rpartition("-")[0].rpartition("-")
        kernel, *parameters = place.split("+")
        assert kernel in kernels, path
        assert all(text.partition("=")[0] in MODULE_PARAMETERS for text in parameters), path
        assert gpu in {*gpu_names(), ANY} or gpu.startswith("gc"), path


WITH_OPTION = replace(ON_MOCK, parameter={"vm_update_mode": 3}.get, given={"vm_update_mode": 3})


def test_where_this_package_lies_is_in_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own entries are named by their file, wherever the user is; from above them by the way to it."""
    for here in (tmp_path, SHIPPED.parent):
        monkeypatch.chdir(here)
        found = load(SHIPPED, ON_MOCK)
        assert found.entries["B31"].place.startswith("expectations/series-v1-any-fails.txt:")
        assert all(name.startswith("expectations/") for name in found.files)


def test_a_file_with_module_parameters_is_about_a_driver_that_runs_with_them(tmp_path: Path) -> None:
    """It wins over the one without, and can take back what that says; a + of a release is none of a parameter."""
    put(tmp_path, "series-v1-any-fails.txt", "# plain", "B01,Fail", "B02,Fail")
    put(tmp_path, "any+vm_update_mode=3-any-fails.txt", "# CPU", "B01,Pass")
    put(tmp_path, "any+vm_update_mode=3+debug_mask=1-any-fails.txt", "# both", "B02,Crash")
    assert statuses(load(tmp_path, WITH_OPTION)) == {"B01": Status.PASS, "B02": Status.FAIL}
    assert statuses(load(tmp_path, ON_MOCK)) == {"B01": Status.FAIL, "B02": Status.FAIL}
    put(tmp_path, "7.3.4+deb13-any-fails.txt", "# a release", "B03,Fail")
    assert statuses(load(tmp_path, replace(ON_HARDWARE, kernel="7.3.4+deb13-amd64"))) == {"B03": Status.FAIL}


def test_a_parameter_that_is_no_number_is_named_with_the_file(tmp_path: Path) -> None:
    """It would never be true, and nobody would know."""
    put(tmp_path, "any+vm_update_mode=cpu-any-fails.txt", "# CPU", "B01,Fail")
    with pytest.raises(HarnessError, match=r"cpu-any-fails\.txt: in its name the parameter vm_update_mode is 'cpu'"):
        load(tmp_path, WITH_OPTION)


def test_drafts_of_a_run_with_parameters_are_about_these(tmp_path: Path) -> None:
    """A run without them must not go by them; and what is flaky is drafted as a flake."""
    case = Case("t.py::test_x", "B01", "does", (), Outcome.FLAKY, "it held on try 2")
    write([case], WITH_OPTION, load(tmp_path, WITH_OPTION, drafts=True))
    (path,) = tmp_path.iterdir()
    assert path.name == "series-v1+vm_update_mode=3-navi31-flakes.txt"
    assert path.read_text().endswith("B01,Flake\n") or "test_x,Flake" in path.read_text()
