# SPDX-License-Identifier: MIT
"""``amdgpu-hw bugs``: the planted bugs."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from amdgpu_hw.mock.planting import PlantedBug, bug_names, load_bug
from amdgpu_hw.mock.variants import DEFAULT_VARIANT
from amdgpu_hw.verdict.table import render

__all__ = ("add_commands",)

_WIDE = 160
"""Columns when the output is no terminal."""


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser("bugs", help="the planted bugs that mock, validate and tests take", allow_abbrev=False)
    parser.set_defaults(run=run_bugs, takes_rest=False)


def run_bugs(_options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print one line per bug."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("bug", no_wrap=True)
    table.add_column("what is wrong")
    table.add_column("caught by")
    for name in bug_names():
        bug = load_bug(name)
        table.add_row(name, bug.description, _caught_by(bug))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDE
    print(render(table, width, sys.stdout.isatty()), end="")
    return 0


def _caught_by(planted: PlantedBug) -> str:
    bug = planted.bug
    rows = " ".join(bug.caught_by) or "nothing: no program can tell"
    where = [] if bug.kernel == DEFAULT_VARIANT else [f"on {bug.kernel}"]
    where += [f"with {name}={value}" for name, value in bug.parameters.items()]
    return f"{rows} ({', '.join(where)})" if where else rows
