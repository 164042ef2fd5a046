# SPDX-License-Identifier: MIT
"""The end of a run in a few lines: all that matters is there, and it fits."""

from __future__ import annotations

import pytest

from amdgpu_hw.verdict.machine import MachineDescription
from amdgpu_hw.verdict.model import Case, Outcome
from amdgpu_hw.verdict.summary import left_out, sections, summary_text
from amdgpu_hw.verdict.table import ordered, verdict_text
from tests.mock.report.runs import MACHINES, MOCK, REAL, broken, every_kind, holds, run, untestable

SECTIONS = (
    *("flag, errnos, options", "explicit unmaps", "what still waits", "maps, queues, spaces"),
    *("input, update fences", "delayed updates", "split mappings", "mapping tree, leaks"),
)


def green() -> list[Case]:
    """A run of all sections without a failure, with much left out and much that cannot be tested."""
    cases = [holds(f"B{number:02}", name) for number, name in enumerate(SECTIONS)]
    cases += [
        untestable(f"O{number}", "needs --allow-faults: it may make the GPU fault or hang", left_out="--allow-faults")
        for number in range(30)
    ]
    reasons = ("needs debug vm; amdgpu.debug_mask is 0x0", "needs cpu page tables; the GPU writes them", "no gfx ring")
    return cases + [untestable(f"T{number}", reason, reason[6:14]) for number, reason in enumerate(reasons)]


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_a_run_without_failures_fits_a_screen(machine: MachineDescription) -> None:
    """Seventeen lines: the first line of the run, an empty one and the file's name make twenty."""
    assert len(summary_text(run(machine, green()), 80, colour=False).splitlines()) <= 17


@pytest.mark.parametrize("width", [40, 60, 71, 72, 80, 120, 200])
@pytest.mark.parametrize("text", [summary_text, verdict_text])
def test_no_line_is_wider_than_the_terminal(width: int, text: object) -> None:
    """From 40 columns on; nothing is cut off instead."""
    cases = [case for case in every_kind() if case.test.isprintable()]
    made = (summary_text if text is summary_text else verdict_text)(run(cases=cases), width, False)
    assert max(map(len, made.splitlines())) <= width
    assert "CLEAR did not wait for the input fence." in " ".join(made.split())


def test_the_summary_is_ascii_and_without_colours_where_there_is_no_terminal() -> None:
    """Logs and old terminals stay readable."""
    assert summary_text(run(cases=green()), 80, colour=False).isascii()
    assert "\x1b" not in summary_text(run(cases=green()), 80, colour=False)
    assert "\x1b" in summary_text(run(cases=green()), 80, colour=True)


@pytest.mark.parametrize(
    ("machine", "gpu", "kernel"),
    [(MOCK, "MODELLED", "series-v1: MODELLED"), (REAL, "REAL", "Linux 6.18.0: REAL")],
)
def test_kernel_and_gpu_are_each_said_to_be_real_or_modelled(
    machine: MachineDescription, gpu: str, kernel: str
) -> None:
    """They need not be the same."""
    text = summary_text(run(machine), 80, colour=False)
    assert f"GC 11.0.0: {gpu}\n" in text
    assert f"kernel  {kernel}\n" in text
    assert "AMDGPU_VM_EXPLICIT_SYNC: yes" in text


def test_sections_count_their_cases_and_come_by_their_first_row() -> None:
    """B before T; what has no section is counted all the same."""
    nameless = holds("B02", "")
    assert list(sections([holds("T01", "tree"), holds("B06", "unmaps"), nameless])) == ["tests", "unmaps", "tree"]
    text = summary_text(run(cases=[*every_kind(), holds("B31", "input, update fences")]), 100, colour=False)
    assert "input, update fences  1 hold, 1 broken, 1 broken as expected\n" in text


def test_what_was_expected_is_told_once_for_each_reason() -> None:
    """With all rows that it is the reason for; where the entries are the table of rows says."""
    cases = [holds("B01"), holds("B02"), holds("T01"), broken()]
    for case, place in zip(cases[:3], ("f.txt:1", "f.txt:2", "f.txt:9, a flake"), strict=True):
        case.outcome, case.expected = Outcome.BROKEN, f"F1: known (somewhat). ({place})"
    (line,) = (line for line in summary_text(run(cases=cases), 120, colour=False).splitlines() if "F1: known" in line)
    rows = ", ".join(case.row for case in ordered(cases[:3]))
    assert line.split(maxsplit=2) == ["expected", "3", f"{rows}: F1: known (somewhat)."]


def test_left_out_tests_are_counted_by_option_with_the_command_that_runs_them() -> None:
    """One line for all of them."""
    (group, *_) = left_out(run(REAL, green()))
    assert len(group.cases) == 30
    assert group.reason == "may make the GPU fault or hang"
    assert group.command == "amdgpu-hw validate --gpu 0000:03:00.0 --allow-faults"


def test_what_cannot_be_tested_is_counted_by_what_is_missing() -> None:
    """Two probes' words on the same capability are one reason."""
    cases = [untestable("B01", "needs prt; a", "prt"), untestable("B02", "needs prt; b", "prt")]
    assert [(len(group.cases), group.command) for group in left_out(run(cases=cases))] == [(2, "")]


def test_failures_are_told_in_full() -> None:
    """With what was seen, why it must not be so, and the command that repeats it."""
    text = " ".join(summary_text(run(cases=[holds(), broken()]), 80, colour=False).split())
    assert "B30 broken: covers its input fence CLEAR did not wait for the input fence." in text
    assert "F4: input fences are dropped (patch 1)." in text
    assert "again: amdgpu-hw validate --mock navi31 --kernel series-v1" in text
    assert "2 tests of 2 behaviours: 1 broken, 1 hold. Not every behaviour holds." in text
