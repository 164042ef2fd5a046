# SPDX-License-Identifier: MIT
"""``amdgpu-hw fleet``: the suite over many boxes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.cli import fleet_bisect, fleet_run
from amdgpu_hw.cli.result_files import terminal
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.fleet.index import Index, read_index
from amdgpu_hw.fleet.matrix import FleetMatrix, make_matrix
from amdgpu_hw.fleet.matrix_text import matrix_text
from amdgpu_hw.fleet.since import Changes, changes_since, changes_text
from amdgpu_hw.fleet.status import status_text
from amdgpu_hw.report.formats import ReportOptions

__all__ = ("add_commands",)

SAME, CHANGED = 0, 1
"""Exit status of ``show --since``, as of diff(1)."""


def add_commands(commands: Any) -> None:
    """Declare the command and its own commands."""
    parser = commands.add_parser(
        "fleet",
        help="the suite over many boxes: every GPU on every kernel, as one matrix",
        description="Runs amdgpu-hw validate on many boxes, by ssh or labgrid, and keeps the results in one directory.",
        allow_abbrev=False,
    )
    own = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    fleet_run.add_command(own)
    _add(own, "status", _status, "print how far a run is: each order, its place, what went wrong on the way")
    show = _add(own, "show", _show, "print the matrix GPU x kernel x row of what has come in")
    show.add_argument("--all", action="store_true", help="also the rows that hold wherever they can be tested")
    _add_since(show)
    report = _add(own, "report", _report, "make an HTML page or a report for kcidb")
    report.add_argument("--format", required=True, choices=("html", "kcidb"), help="what to make")
    report.add_argument("--output", metavar="FILE", type=Path, help="write it there")
    origin = ReportOptions().origin
    report.add_argument("--origin", metavar="NAME", default=origin, help="the CI, for kcidb (default: %(default)s)")
    _add_since(report)
    fleet_bisect.add_command(own)


def _add(own: Any, name: str, run: Any, text: str) -> Any:
    description = f"{text[0].upper()}{text[1:]}."
    parser = own.add_parser(name, help=text, description=description, allow_abbrev=False)
    parser.add_argument("results", metavar="RESULTS", type=Path, help="the directory of a run")
    parser.set_defaults(run=run, takes_rest=False)
    return parser


def _add_since(parser: Any) -> None:
    parser.add_argument("--since", metavar="RESULTS", type=Path, help="what changed since that run")


def _read(directory: Path) -> tuple[Index, FleetMatrix]:
    index = read_index(directory)
    return index, make_matrix(index, directory)


def _changes(options: argparse.Namespace, matrix: FleetMatrix) -> Changes | None:
    return None if options.since is None else changes_since(_read(options.since)[1], matrix)


def _status(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print how far it is."""
    sys.stdout.write(status_text(read_index(options.results), *terminal()))
    return ExitStatus.PROVEN


def _show(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print the matrix, or what changed."""
    index, matrix = _read(options.results)
    changes = _changes(options, matrix)
    if changes is None:
        sys.stdout.write(matrix_text(matrix, index, *terminal(), options.all))
        return ExitStatus.PROVEN
    sys.stdout.write(changes_text(changes, matrix, *terminal()))
    return CHANGED if changes.changes else SAME


def _report(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print a report, or write it."""
    index, matrix = _read(options.results)
    if options.format == "kcidb":
        from amdgpu_hw.fleet.report_kcidb import fleet_kcidb

        if options.since is not None:
            raise HarnessError("kcidb knows no changes: leave --since away")
        text = fleet_kcidb(index, options.results, options.origin)
    else:
        from amdgpu_hw.fleet.report_html import fleet_html

        text = fleet_html(matrix, index, _changes(options, matrix))
    if options.output is None:
        sys.stdout.write(text)
        return ExitStatus.PROVEN
    try:
        replace_file(options.output, text.encode())
    except OSError as error:
        raise HarnessError(f"the report {options.output} could not be written: {error.strerror}") from error
    return ExitStatus.PROVEN
