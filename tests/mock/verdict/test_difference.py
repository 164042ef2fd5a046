# SPDX-License-Identifier: MIT
"""Two runs side by side: what changed comes first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amdgpu_hw.verdict.difference import compare_runs, difference_text
from amdgpu_hw.verdict.model import Case, Outcome
from tests.mock.report.runs import GUEST, MOCK, run


def case(row: str, outcome: Outcome, directory: str = "tests/hw") -> Case:
    """A case of a row with a parameter."""
    return Case(
        f"{directory}/test_x.py::test_{row}[ordinary BO]", row, "does", outcome=outcome, reason=f"{row} was late"
    )


def test_what_got_worse_comes_first_then_other_changes_then_what_one_run_lacks() -> None:
    """And what is the same does not come at all."""
    a = run(
        GUEST,
        [
            case("B01", Outcome.BROKEN),
            case("B02", Outcome.HOLDS),
            case("B03", Outcome.HOLDS),
            case("B09", Outcome.HOLDS),
        ],
    )
    b = run(
        MOCK,
        [
            case("B01", Outcome.HOLDS),
            case("B02", Outcome.HOLDS),
            case("B03", Outcome.BROKEN),
            case("B04", Outcome.HOLDS),
        ],
    )
    found = compare_runs(a, b)
    assert [each.either.row for each in found] == ["B03", "B01", "B09", "B04"]
    assert [each.got_worse for each in found] == [True, False, False, False]


def test_an_installed_suite_is_the_same_suite() -> None:
    """Its tests lie elsewhere."""
    a = run(cases=[case("B01", Outcome.HOLDS)])
    b = run(cases=[case("B01", Outcome.HOLDS, "site-packages/amdgpu_hw/suite")])
    assert compare_runs(a, b) == []
    assert "All 1 test ended the same." in difference_text(a, b, 80, colour=False)


@pytest.mark.parametrize("width", [40, 80, 99, 100, 200])
def test_the_text_names_machines_tests_with_parameters_and_reasons(width: int) -> None:
    """At any width, none of it cut off."""
    a = run(GUEST, [case("T15", Outcome.BROKEN), case("B09", Outcome.HOLDS)])
    b = replace(run(MOCK, [case("T15", Outcome.HOLDS)]), interrupted="Ctrl-C")
    made = difference_text(a, b, width, colour=False)
    assert max(map(len, made.splitlines())) <= width
    text = "".join(made.split())
    assert "Linux7.3.4(REAL)" in text
    assert "series-v1(MODELLED)" in text
    assert "T15waslate" in text or width == 100
    assert "onlyinA:B09" in text
    assert "therunendedearly:Ctrl-C" in text
    assert "1testendedotherwise,0ofwhichheldinA(rowsT15);1isinonerunonly." in text
