# SPDX-License-Identifier: MIT
"""``amdgpu-hw fleet``: the suite over many boxes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amdgpu_hw.cli.result_files import terminal
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.fleet.index import Index, read_index, write_index
from amdgpu_hw.fleet.labgrid_extra import require_labgrid
from amdgpu_hw.fleet.matrix import FleetMatrix, make_matrix
from amdgpu_hw.fleet.matrix_text import matrix_text
from amdgpu_hw.fleet.plan import FleetPlan, plan_of_hosts, read_plan
from amdgpu_hw.fleet.run import reopen, run_fleet
from amdgpu_hw.fleet.status import exit_status, status_text
from amdgpu_hw.fleet.wheel import find_wheel
from amdgpu_hw.terminal import printable

__all__ = ("add_commands",)


def add_commands(commands: Any) -> None:
    """Declare the command and its own commands."""
    parser = commands.add_parser(
        "fleet",
        help="the suite over many boxes: every GPU on every kernel, as one matrix",
        description="Runs amdgpu-hw validate on many boxes, by ssh or labgrid, and keeps the results in one directory.",
        allow_abbrev=False,
    )
    own = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(own)
    for name, run, text in (
        ("status", _status, "how far a run is: each order, where it runs, what went wrong on the way"),
        ("show", _show, "the matrix GPU x kernel x row of what has come in"),
    ):
        each = own.add_parser(name, help=text, description=f"Prints {text}.", allow_abbrev=False)
        each.add_argument("results", metavar="RESULTS", type=Path, help="the directory of a run")
        each.set_defaults(run=run, takes_rest=False)
        if name == "show":
            each.add_argument("--all", action="store_true", help="also the rows that hold wherever they can be tested")


def _add_run(own: Any) -> None:
    parser = own.add_parser(
        "run",
        help="carry out a plan, or run on some hosts by ssh",
        description=(
            "Carries out a plan (docs/fleet.md), or validates the running kernel of some hosts, and prints the matrix. "
            "Further arguments are those of amdgpu-hw validate on every place."
        ),
        usage="amdgpu-hw fleet run PLAN.toml | --ssh HOSTS | --resume RESULTS [OPTIONS] [VALIDATE ARGS]",
        allow_abbrev=False,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("plan", metavar="PLAN.toml", type=Path, nargs="?", help="the plan")
    what.add_argument("--ssh", metavar="HOST,...", help="hosts by ssh, [USER@]HOST[:PORT], with the kernel they run")
    what.add_argument("--resume", metavar="RESULTS", type=Path, help="go on with a run that ended early")
    parser.add_argument("--results", metavar="DIR", type=Path, help="where to keep the results (default: a new one)")
    parser.add_argument("-k", metavar="EXPRESSION", dest="rows", default="", help="only these rows; with --ssh")
    parser.add_argument("--repetitions", metavar="N", type=int, default=1, help="how often; with --ssh (default: 1)")
    parser.add_argument("--wheel", metavar="FILE", type=Path, help="the wheel to install; with --ssh")
    parser.set_defaults(run=_run, takes_rest=True)


def _run(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Carry out a plan; the exit status is that of the worst order."""
    if options.resume is not None:
        directory, index = options.resume, read_index(options.resume)
        reopen(index)
    else:
        directory, index = _new_directory(options.results), Index.of(_plan(options, rest))
    require_labgrid(index.plan)
    directory = directory.resolve()
    installable = find_wheel(index.plan, directory)
    write_index(directory, index)
    try:
        run_fleet(index, directory, installable, lambda line: print(printable(line), flush=True))
    except KeyboardInterrupt:
        print(f"interrupted; go on with: amdgpu-hw fleet run --resume {directory}", file=sys.stderr)
        raise
    matrix = make_matrix(index, directory)
    sys.stdout.write(f"\n{matrix_text(matrix, index, *terminal())}Results are in {directory}.\n")
    return exit_status(index)


def _plan(options: argparse.Namespace, rest: Sequence[str]) -> FleetPlan:
    if options.plan is not None:
        if rest or options.rows or options.wheel or options.repetitions != 1:
            raise HarnessError(
                "-k, --repetitions, --wheel and arguments of validate go with --ssh: the plan has its own"
            )
        return read_plan(options.plan)
    wheel = str(options.wheel.resolve()) if options.wheel else ""
    return plan_of_hosts(options.ssh.split(","), options.rows, options.repetitions, tuple(rest), wheel)


def _new_directory(asked: Path | None) -> Path:
    directory = asked or Path("results") / f"fleet-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    if (directory / "index.json").exists():
        raise HarnessError(
            f"{directory} has results already: name another directory, or go on with --resume {directory}"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(f"the directory {directory} cannot be made: {error.strerror}") from None
    return directory


def _read(directory: Path) -> tuple[Index, FleetMatrix]:
    index = read_index(directory)
    return index, make_matrix(index, directory)


def _status(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print how far it is."""
    sys.stdout.write(status_text(read_index(options.results), *terminal()))
    return ExitStatus.PROVEN


def _show(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print the matrix."""
    index, matrix = _read(options.results)
    sys.stdout.write(matrix_text(matrix, index, *terminal(), options.all))
    return ExitStatus.PROVEN
