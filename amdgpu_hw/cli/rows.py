# SPDX-License-Identifier: MIT
"""``amdgpu-hw rows``: the rows there are, what each proves and needs; no machine is needed for it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from amdgpu_hw.cli.result_files import add_rows_option, terminal
from amdgpu_hw.proof.listing import ListedRow, ListedTest, list_rows
from amdgpu_hw.shipped import suite_directory
from amdgpu_hw.verdict.table import count_of, render

__all__ = ("add_commands",)


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "rows",
        help="the rows there are: what each proves, and what it needs",
        description=(
            "Lists the rows of tests/hw with the tests that prove them: what each needs of kernel and GPU, whether it "
            "holds work back by a gate, whether it may do harm. Needs no GPU."
        ),
        allow_abbrev=False,
    )
    add_rows_option(parser)
    parser.add_argument("--json", action="store_true", help="print all that is known of them, as JSON")
    parser.set_defaults(run=run_rows, takes_rest=False)


def run_rows(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print them."""
    rows = list_rows(suite_directory(), options.expression)
    if options.json:
        print(json.dumps([row.to_json() for row in rows], indent=1))
        return 0
    width, colour = terminal()
    sys.stdout.write(render(Group(*_sections(rows)), width, colour))
    return 0


def _sections(rows: Sequence[ListedRow]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    tables: dict[str, Table] = {}
    counted = 0
    for row in rows:
        counted += len(row.tests)
        table = tables.get(row.section)
        if table is None:
            table = tables[row.section] = _table()
            parts += [Text(f"{chr(10) if parts else ''}{row.section}", style="bold"), table]
        for words, needs in _lines(row):
            table.add_row(row.row, words, needs)
    parts.append(Text(f"\n{count_of(counted, 'test')} of {count_of(len(rows), 'row')}"))
    return parts


def _table() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, expand=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(ratio=3)
    table.add_column(ratio=2)
    return table


def _lines(row: ListedRow) -> Iterable[tuple[str, str]]:
    """What the row proves and needs, tests that differ in their parameters alone in one line."""
    lines: dict[tuple[str, str], None] = {}
    for test in row.tests:
        lines[test.behaviour, _needs(test)] = None
    return lines


def _needs(test: ListedTest) -> str:
    words = [name.replace("_", " ") for name in test.needs]
    words += [{"any": "a gate"}.get(kind, f"a gate: {kind}") for kind in test.gates]
    words += ["the scheduler's trace"] if test.trace else []
    words += [f"--allow-faults: it {test.harm}"] if test.harm else []
    words += [f"control {', '.join(test.controls)}"] if test.controls else []
    return "; ".join(words)
