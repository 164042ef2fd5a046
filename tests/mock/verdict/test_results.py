# SPDX-License-Identifier: MIT
"""The result file: complete after every case, whatever happens to the process or the disk."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from amdgpu_hw.verdict.machine import MachineDescription
from amdgpu_hw.verdict.model import Case, Evidence, Outcome, Verdict
from amdgpu_hw.verdict.results import FORMAT, FORMAT_VERSION, ResultFile, Results, load_content, read_results

MOCK = MachineDescription(True, ("navi31",), "series-fixed", "6.1 #1", "x86_64")


def results(*outcomes: Outcome) -> Results:
    """Results of a run on a mock machine."""
    cases = [Case(f"t{n}", f"B{n:02}", "text", (), outcome) for n, outcome in enumerate(outcomes)]
    return Results(MOCK, ["validate"], {"amdgpu_hw": "1"}, cases=cases)


def test_the_file_says_what_it_is_and_on_what_it_was_made(tmp_path: Path) -> None:
    """Format, version, machine, MOCK in words, command, software."""
    path = tmp_path / "new" / "r.json"
    ResultFile(path).write(results(Outcome.HOLDS))
    value = json.loads(path.read_text())
    assert (value["format"], value["version"]) == (FORMAT, FORMAT_VERSION)
    assert value["machine"]["words"] == "MOCK"
    assert value["machine"]["mock_kernel"] == "series-fixed"
    assert value["verdict"] == "proven"
    assert value["summary"]["holds"] == 1
    assert value["command"] == ["validate"]


def test_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    """It is written beside its name and renamed."""
    file = ResultFile(tmp_path / "r.json")
    file.write(results(Outcome.HOLDS))
    file.write(results(Outcome.HOLDS, Outcome.BROKEN))
    assert os.listdir(tmp_path) == ["r.json"]
    assert len(json.loads((tmp_path / "r.json").read_text())["cases"]) == 2


def test_a_full_disk_keeps_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, no exception, the earlier content intact, no half-written file."""
    file = ResultFile(tmp_path / "r.json")
    file.write(results(Outcome.HOLDS))

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    file.write(results(Outcome.HOLDS, Outcome.HOLDS))
    assert file.failure is not None
    assert "No space left on device" in file.failure
    assert "still there" in file.failure
    assert os.listdir(tmp_path) == ["r.json"]
    assert len(json.loads((tmp_path / "r.json").read_text())["cases"]) == 1


def test_a_device_is_written_to_and_never_replaced() -> None:
    """Whoever names /dev/full (or a pipe) means what is there, not a new file of that name."""
    file = ResultFile(Path("/dev/full"))
    file.write(results(Outcome.HOLDS))
    assert file.failure is not None
    assert "No space left on device" in file.failure
    assert Path("/dev/full").is_char_device()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """A link to the latest result is followed, not replaced."""
    (tmp_path / "latest.json").symlink_to(tmp_path / "r.json")
    ResultFile(tmp_path / "latest.json").write(results(Outcome.HOLDS))
    assert (tmp_path / "latest.json").is_symlink()
    assert len(json.loads((tmp_path / "r.json").read_text())["cases"]) == 1


def test_a_file_that_failed_is_left_alone(tmp_path: Path) -> None:
    """It must not come and go with every case."""
    (tmp_path / "in the way").touch()
    file = ResultFile(tmp_path / "in the way" / "r.json")
    file.write(results())
    failure = file.failure
    assert failure is not None
    file.write(results(Outcome.HOLDS))
    assert file.failure == failure


def test_an_interrupted_run_is_no_verdict() -> None:
    """However much of it holds; the case that was cut short is not held against the kernel."""
    run = results(Outcome.HOLDS, Outcome.UNFINISHED)
    run.interrupted = "Ctrl-C during B01"
    assert run.verdict is Verdict.INCOMPLETE


def test_a_kernel_without_the_series_is_that_verdict() -> None:
    """In words that count what holds all the same."""
    run = results(Outcome.HOLDS, Outcome.NOT_TESTABLE)
    run.probes = {"explicit_sync": {"supported": False, "errno": 22, "why": "EINVAL"}}
    assert run.verdict is Verdict.NOTHING
    assert run.on_the_series.startswith("This kernel does not have AMDGPU_VM_EXPLICIT_SYNC: ")
    assert run.on_the_series.endswith(" about older behaviour holds, nothing is said about the series.")
    run.probes = {}
    assert (run.verdict, run.on_the_series) == (Verdict.PROVEN, "")


def test_what_an_option_leaves_out_is_counted_by_that_option() -> None:
    """Each row once."""
    run = results(Outcome.HOLDS, Outcome.NOT_TESTABLE, Outcome.NOT_TESTABLE)
    assert run.left_out == {}
    for case in run.cases[1:]:
        case.row, case.left_out = "B38", "--allow-faults"
    assert run.left_out == {"--allow-faults": ["B38"]}


@pytest.mark.parametrize(
    ("machine", "command"),
    [
        (
            MachineDescription(True, ("navi31",), "base", "6.1", "x", {"m05": "wrong"}, {"debug_mask": 4}, 32.0),
            "--mock navi31 --kernel base --bug m05 --parameter debug_mask=0x4 --gpu-time 32",
        ),
        (MachineDescription(False, (), "", "6.18.0 #1", "x86_64"), "--gpu 0000:03:00.0"),
        (MachineDescription(False, (), "", "7.3.4 #1", "x86_64", guest_gpus=("vega10",)), "--guest 7.3.4 --gpu vega10"),
        (
            MachineDescription(False, (), "", "7.3.4 #1", "x", guest_gpus=("vega10",), asked=("--guest=/a b",)),
            "'--guest=/a b'",
        ),
    ],
)
def test_a_case_is_repeated_on_the_same_machine(machine: MachineDescription, command: str) -> None:
    """With the GPU, the gate and the test by its whole name."""
    run = Results(machine, [], {}, gpu={"pci_address": "0000:03:00.0"}, options=["--gate=vgem"])
    words = run.again("--test", "test_prt.py::test_x[a b]")
    assert words == f"amdgpu-hw validate {command} --gate=vgem --test 'test_prt.py::test_x[a b]'"


def test_an_interrupted_run_is_broken_if_something_broke_before() -> None:
    """What is proven broken stays so."""
    run = results(Outcome.BROKEN, Outcome.UNFINISHED)
    run.interrupted = "Ctrl-C during B01"
    assert run.verdict is Verdict.BROKEN


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    """A device or a pipe is written to and stays what it is; a symbolic link still points to the results."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    ResultFile(tmp_path / "pipe").write(results(Outcome.HOLDS))
    assert json.loads(os.read(reader, 65536))["format"] == FORMAT
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "link").symlink_to(tmp_path / "r.json")
    ResultFile(tmp_path / "link").write(results(Outcome.HOLDS))
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "r.json").read_text())["format"] == FORMAT


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """Every field of results and cases, whatever is in them."""
    run = results(Outcome.HOLDS, Outcome.BROKEN)
    run.cases[1].incidents = [{"what": "reset", "evidence": {"files": {"kernel.log": 5}}}]
    run.cases[1].evidence = [Evidence("fence", "signalled", {"after_ns": 5, "names": ["a"], "none": None})]
    run.fingerprint = {"kernel": {"release": "7.3", "config": None}, "clients": [{"pid": 1}]}
    run.gates, run.interrupted, run.resumed = {"vgem": None}, "Ctrl-C", ["2026-11-29T10:00:00+00:00"]
    ResultFile(tmp_path / "r.json").write(run)
    again = read_results(tmp_path / "r.json")
    assert again == run
    ResultFile(tmp_path / "again.json").write(again)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "r.json").read_bytes()


def test_files_of_version_1_are_read(tmp_path: Path) -> None:
    """What they do not have is empty."""
    ResultFile(tmp_path / "r.json").write(results(Outcome.HOLDS))
    content = load_content(tmp_path / "r.json")
    for name in ("fingerprint", "kernel_log", "incidents", "resumed"):
        del content[name]
    for name in ("started", "suspect", "incidents", "log_events", "log"):
        del content["cases"][0][name]
    (tmp_path / "r.json").write_text(json.dumps(content | {"version": 1}))
    old = read_results(tmp_path / "r.json")
    assert (old.fingerprint, old.cases[0].incidents, old.cases[0].outcome) == ({}, [], Outcome.HOLDS)


def test_a_case_that_takes_anothers_place_is_written(tmp_path: Path) -> None:
    """A resumed run runs controls again; the order of cases changes with that."""
    run, file = results(Outcome.HOLDS, Outcome.HOLDS, Outcome.HOLDS), ResultFile(tmp_path / "r.json")
    file.write(run)
    run.cases = [*run.cases[1:], Case("t0", "B00", "again", (), Outcome.BROKEN)]
    file.write(run)
    run.cases[-1].reason = "known by now"
    file.write(run)
    cases = read_results(tmp_path / "r.json").cases
    assert [(case.test, case.outcome) for case in cases] == [
        ("t1", Outcome.HOLDS),
        ("t2", Outcome.HOLDS),
        ("t0", Outcome.BROKEN),
    ]
    assert cases[-1].reason == "known by now"


@pytest.mark.parametrize(
    ("outcome", "reason", "finished", "interrupted", "suspect"),
    [
        (Outcome.UNFINISHED, "", False, None, True),
        (Outcome.UNFINISHED, "ended by Ctrl-C", False, "Ctrl-C", False),
        (Outcome.UNFINISHED, "TypeError: x", False, None, False),
        (Outcome.UNFINISHED, "", True, None, False),
        (Outcome.HOLDS, "", False, None, False),
    ],
)
def test_the_suspect_is_the_case_that_ended_a_run_without_a_word(
    outcome: Outcome, reason: str, finished: bool, interrupted: str | None, suspect: bool
) -> None:
    """Neither one that the user ended, nor one that failed by itself."""
    run = results(Outcome.HOLDS, outcome)
    run.cases[-1].reason, run.interrupted = reason, interrupted
    run.finished = run.started if finished else None
    assert (run.suspect is run.cases[-1]) is suspect
