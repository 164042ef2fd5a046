# SPDX-License-Identifier: MIT
"""docs/cases.md names rows, planted bugs, tests and fields: there have to be such."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path

from amdgpu_hw.mock.planting import bug_names, load_bug
from amdgpu_hw.mock.variants import Variant

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "mock"
PAGE = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")
NOW = "\n".join(line.rsplit("|", 2)[1] for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") > 2)
ROWS = {row for section in tomllib.loads((ROOT / "tests/hw/rows.toml").read_text()).values() for row in section["rows"]}


def test_every_case_has_one_line() -> None:
    """A1 to F11, none of them twice."""
    last = {"A": 11, "B": 7, "C": 29, "D": 12, "E": 13, "F": 11}
    found = [name for line in re.findall(r"^\| ([A-F]\d+(?:, [A-F]\d+)*) \|", PAGE, re.M) for name in line.split(", ")]
    assert found == [f"{letter}{number}" for letter, count in last.items() for number in range(1, count + 1)]


def test_a_bug_of_a_case_names_the_row_beside_it() -> None:
    """What the page says catches a bug is what its file says."""
    bugs = {name.split("_", 1)[0]: name for name in bug_names()}
    pairs = re.findall(r"\b([mx]\d+\w?): ([A-Z]\d+\w?)\b", NOW)
    assert len(pairs) == 25
    assert [pair for pair in pairs if pair[1] not in load_bug(bugs[pair[0]]).bug.caught_by] == []


def test_every_row_of_a_case_is_there() -> None:
    """Rows are renamed seldom; this page is found then."""
    assert set(re.findall(r"\b([BTODPF]\d+[a-z]?)\b", NOW)) - ROWS == set()


def test_every_test_of_a_case_is_there() -> None:
    """Files below tests/mock, and functions in any of them."""
    files = set(re.findall(r"`((?:\w+/)*test_\w+\.py)`", NOW))
    assert files
    assert {file for file in files if not (TESTS / file).is_file()} == set()
    text = "".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    functions = set(re.findall(r"`(test_\w+)`", NOW))
    assert {name for name in functions if f"def {name}(" not in text} == set()


def test_every_field_of_a_case_is_a_variants() -> None:
    """`userq_*` stands for several."""
    fields = {field.name for field in dataclasses.fields(Variant)}
    named = re.findall(r"`(\w+)`", " ".join(re.findall(r"fields? ((?:`[\w*]+`(?:, )?)+)", NOW)))
    assert named
    assert set(named) - fields == set()
