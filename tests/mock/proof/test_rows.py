# SPDX-License-Identifier: MIT
"""The table of rows: it has those of KERNEL.md, each has a test, and every name of a row elsewhere is in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from amdgpu_hw.mock.planting import bug_names, load_bug
from amdgpu_hw.proof.rows import load_rows

ROOT = Path(__file__).parents[3]
SUITE = ROOT / "tests" / "hw"
TABLE = load_rows(SUITE / "rows.toml")
FACTS = ROOT / "docs" / "reference" / "KERNEL.md"


def declarations() -> Iterator[ast.Call]:
    """Every @behaviour(...) of the suite."""
    for file in sorted(SUITE.glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "behaviour":
                yield node


def rows_with_a_test() -> set[str]:
    """The rows that have a test."""
    first = (call.args[0] for call in declarations())
    return {node.value for node in first if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def controls() -> set[str]:
    """The rows that are named as controls."""
    values = (keyword.value for call in declarations() for keyword in call.keywords if keyword.arg == "control")
    nodes = (node for value in values for node in ast.walk(value) if isinstance(node, ast.Constant))
    return {node.value for node in nodes if isinstance(node.value, str)}


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    """A row that nobody proves is no row of this suite."""
    assert rows_with_a_test() == set(TABLE.rows)


def test_every_row_of_the_behaviour_table_is_there() -> None:
    """KERNEL.md 5.3, 5.3b and 10.7 say which behaviours there are."""
    text = FACTS.read_text(encoding="utf-8")
    sections = ("## 5.3 Numbered", "## 5.3b Plain", "## 10.7 Additional")
    rows = [row for head in sections for row in re.findall(r"^\| ([BTO]\d+[a-z]?)\b", _section(text, head), re.M)]
    assert len(rows) > 70
    assert set(rows) <= set(TABLE.rows)


def _section(text: str, head: str) -> str:
    start = text.index(head)
    return text[start : text.find("\n## ", start + 1)]


def test_every_control_has_a_test() -> None:
    """One that is named but not there would let its row prove nothing."""
    assert len(controls()) > 15
    assert controls() <= rows_with_a_test()


def test_every_planted_bug_names_rows_that_there_are() -> None:
    """What is to catch it has to exist."""
    assert {row for name in bug_names() for row in load_bug(name).bug.caught_by} <= set(TABLE.rows)
