# SPDX-License-Identifier: MIT
"""The verdict on the terminal: what a person must not miss."""

from __future__ import annotations

import pytest

from amdgpu_hw.verdict.machine import MachineDescription
from amdgpu_hw.verdict.model import Case, Evidence, Outcome
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.table import verdict_text

MOCK = MachineDescription(True, ("navi31",), "series-v1", "6.1 #1", "x86_64")
REAL = MachineDescription(False, (), "", "6.18.0 #1", "x86_64")


def run(machine: MachineDescription = MOCK) -> Results:
    """A run with one case of each kind."""
    holds = Case("f.py::test_a", "B06", "explicit REPLACE takes effect", ("B05",), Outcome.HOLDS)
    holds.done, holds.evidence = ["explicit REPLACE"], [Evidence("fence", "update fence signalled after 0.4 ms")]
    broken = Case(
        "f.py::test_o1", "O1", "a plain MAP carries that out", (), Outcome.BROKEN, "MAP did not wait for job 1."
    )
    broken.explanation = "This is F1."
    missing = Case("f.py::test_b", "B01", "accepted", (), Outcome.NOT_TESTABLE, "needs explicit sync; EINVAL")
    results = Results(machine, [], {"amdgpu_hw": "0.1"}, cases=[broken, holds, missing], gate="vgem")
    results.probes = {"explicit_sync": {"supported": False, "errno": 22, "why": "GEM_VA: EINVAL"}}
    results.gpu = {
        "name": "Navi 31",
        "pci_address": "0000:03:00.0",
        "node": "/dev/dri/renderD128",
        "gc_version": (11, 0, 0),
        "sdma_version": (6, 0, 0),
        "driver_version": (3, 65),
    }
    return results


def words(results: Results, width: int = 120) -> str:
    """The text with its line breaks undone."""
    return " ".join(verdict_text(results, width, colour=False).split())


def test_rows_come_in_the_order_of_the_table() -> None:
    """Not in that of running."""
    lines = verdict_text(run(), 120, colour=False).splitlines()
    assert [line[:3].strip() for line in lines if line[:3].strip() in ("B01", "B06", "O1")][:3] == ["B01", "B06", "O1"]


def test_what_was_done_and_seen_stands_beside_the_verdict() -> None:
    """In words that a kernel developer can use."""
    text = words(run())
    assert "explicit REPLACE: update fence signalled after 0.4 ms" in text
    assert "needs explicit sync; EINVAL" in text


def test_failures_are_told_in_full_with_the_way_to_see_them_again() -> None:
    """The message, what it means, and a command line for this very machine."""
    text = words(run())
    assert "O1 broken: a plain MAP carries that out MAP did not wait for job 1. This is F1." in text
    assert "amdgpu-hw validate --mock navi31 --kernel series-v1 --test f.py::test_o1" in text


@pytest.mark.parametrize(("machine", "says"), [(MOCK, " MOCK "), (REAL, " REAL GPU ")])
def test_the_banner_says_on_what_it_was(machine: MachineDescription, says: str) -> None:
    """In words that cannot be missed."""
    assert says in verdict_text(run(machine), 120, colour=False)


def test_probes_gate_gpu_and_driver_are_told() -> None:
    """A verdict without them cannot be compared with another."""
    text = words(run())
    assert "explicit sync no: GEM_VA: EINVAL" in text
    assert "gate vgem" in text
    assert "Navi 31 at 0000:03:00.0 (/dev/dri/renderD128), GC 11.0.0, SDMA 6.0.0" in text
    assert "amdgpu 3.65" in text


def test_gpus_that_were_not_tested_are_named() -> None:
    """Whoever has two must not take one for the other."""
    results = run()
    assert "not tested" not in words(results)
    results.other_gpus = ["/dev/dri/renderD129 (0000:0a:00.0, Navi 21)"]
    assert "not tested the other GPUs of this machine: /dev/dri/renderD129 (0000:0a:00.0, Navi 21)" in words(
        results, 160
    )


def test_the_summary_counts() -> None:
    """And draws the conclusion."""
    text = words(run())
    assert "3 tests of 3 behaviours: 1 broken, 1 hold, 1 not testable. Not every behaviour holds." in text


def test_a_narrow_terminal_cuts_nothing_off() -> None:
    """Everything wraps instead."""
    assert "MAP did not wait for job 1." in words(run(), 40)


def test_no_colour_codes_without_a_terminal() -> None:
    """Logs stay readable."""
    assert "\x1b" not in verdict_text(run(), 100, colour=False)
    assert "\x1b" in verdict_text(run(), 100, colour=True)


def test_what_was_expected_is_told_in_the_table_and_not_among_the_failures() -> None:
    """With the reason, and where that stands."""
    results = run()
    results.expectations = ["expectations/series-v1-any-fails.txt"]
    results.cases[0].expected = "F1: known. (expectations/series-v1-any-fails.txt:4)"
    results.probes = {}
    text = words(results, 160)
    assert "expected: F1: known." in text
    assert "O1 broken: a plain MAP" not in text
    assert "1 broken (1 expected), 1 hold, 1 not testable (0 expected). Everything is as expected." in text
    assert "expectations expectations/series-v1-any-fails.txt" in text


def test_what_was_not_expected_is_a_failure() -> None:
    """A skip that nobody has foreseen, told in full; and so is an entry that means nothing."""
    results = run()
    results.expectations = []
    results.cases[0].expected = "F1: known."
    results.cases[2].unexpected = "a skip that no entry of expectations expects"
    results.expectation_faults = ["f.txt:3: no test is called 'B99'"]
    text = words(results, 160)
    assert "B01 not testable: accepted needs explicit sync; EINVAL a skip that no entry of expectations expects" in text
    assert "Not everything is as expected." in text
    assert "f.txt:3: no test is called 'B99'" in text
    assert "none for this kernel and GPU: all must hold" in text
