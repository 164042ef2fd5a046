# SPDX-License-Identifier: MIT
"""KTAP by the grammar of Documentation/dev-tools/ktap.rst; the kernel's own parser is more forgiving."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from amdgpu_hw.report.ktap import ktap_report
from tests.mock.report.runs import NASTY, every_kind, holds, run, untestable

RESULT = re.compile(r"(?P<result>ok|not ok) (?P<number>\d+) (?P<name>[^#]+?)(?: # (?P<rest>.*))?")


@dataclass
class Result:
    """A result line with the tests below it and the diagnostics before it."""

    good: bool
    name: str
    rest: str
    below: list[Result] = field(default_factory=list)
    diagnostics: list[str] = field(default_factory=list)


def parse(lines: list[str], depth: int = 0) -> list[Result]:
    """The tests at one level, every line of which is one that the grammar knows."""
    own = "  " * depth
    assert lines.pop(0) == f"{own}KTAP version 1"
    results: list[Result] = []
    below: list[Result] = []
    diagnostics: list[str] = []
    planned = None
    while lines and (line := lines[0]).startswith(own):
        text = line.removeprefix(own)
        if text.startswith("  "):
            assert not below
            below = parse(lines, depth + 1)
            continue
        del lines[0]
        if text.startswith("# "):
            diagnostics.append(text[2:])
        elif planned is None:
            plan = re.fullmatch(r"1\.\.(\d+)", text)
            assert plan, text
            planned = int(plan[1])
        else:
            match = RESULT.fullmatch(text)
            assert match, text
            assert int(match["number"]) == len(results) + 1
            results.append(Result(match["result"] == "ok", match["name"], match["rest"] or "", below, diagnostics))
            below, diagnostics = [], []
    assert planned == len(results)
    return results


def cases(results: list[Result]) -> Iterator[Result]:
    """The innermost tests."""
    for result in results:
        yield from cases(result.below) if result.below else [result]


def test_a_test_fails_with_any_below_it_and_directives_say_the_rest() -> None:
    """SKIP, XFAIL for what was expected, ERROR for what is no judgement; nothing but what holds is simply ok."""
    (whole,) = parse(ktap_report(run(cases=every_kind())).splitlines())
    assert (whole.name, whole.good) == ("amdgpu_hw", False)
    found = {each.name.split()[0]: (each.good, each.rest.partition(" ")[0]) for each in cases([whole])}
    assert found["B06"] == (True, "")
    assert found["B30"] == (False, "CLEAR")
    assert found["B31"] == (True, "XFAIL")
    assert found["B33"] == (True, "SKIP")
    assert found["T15"] == (False, "ERROR")
    assert found["T16"] == (False, "ERROR")
    assert found["B45"] == (False, "it")
    for section in whole.below:
        assert section.good == all(each.good for each in section.below)


def test_hostile_words_stay_where_they_belong() -> None:
    """A hash sign ends a description, a new line would be a result of its own."""
    text = ktap_report(run(cases=every_kind()))
    assert all(each.isprintable() or each == "\n" for each in text)
    (odd,) = (each for each in cases(parse(text.splitlines())) if each.name.startswith("T15"))
    assert any("second line" in line for line in odd.diagnostics)
    assert NASTY not in text


@pytest.mark.parametrize("interrupted", [None, "Ctrl-C"])
def test_an_interrupted_run_is_no_success(interrupted: str | None) -> None:
    """Even if all that was run holds."""
    results = run()
    results.interrupted = interrupted
    (whole,) = parse(ktap_report(results).splitlines())
    assert whole.good is (interrupted is None)


def test_a_section_of_which_nothing_could_be_tested_is_skipped() -> None:
    """As the rules for bubbling up have it."""
    (whole,) = parse(ktap_report(run(cases=[untestable("B33", "needs prt"), holds()])).splitlines())
    assert {each.name: each.rest.partition(" ")[0] for each in whole.below} == {
        "delayed updates": "SKIP",
        "explicit unmaps": "",
    }
