# SPDX-License-Identifier: MIT
"""``amdgpu-hw fleet run``: carries out a plan, or validates some hosts, or goes on with that."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amdgpu_hw.cli.result_files import terminal
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.index import Index, read_index, write_index
from amdgpu_hw.fleet.labgrid_extra import require_labgrid
from amdgpu_hw.fleet.matrix import make_matrix
from amdgpu_hw.fleet.matrix_text import matrix_text
from amdgpu_hw.fleet.plan import FleetPlan, plan_of_hosts, read_plan
from amdgpu_hw.fleet.run import reopen, run_fleet
from amdgpu_hw.fleet.status import exit_status
from amdgpu_hw.fleet.wheel import find_wheel
from amdgpu_hw.terminal import printable

__all__ = ("add_command", "new_directory", "say")


def add_command(own: Any) -> None:
    """Declare the command."""
    parser = own.add_parser(
        "run",
        help="carry out a plan, or validate some hosts by ssh",
        description=(
            "Carries out a plan (docs/fleet.md), or validates the running kernel of some hosts, and prints the matrix. "
            "Further arguments are those of amdgpu-hw validate on every host of --ssh."
        ),
        usage="amdgpu-hw fleet run PLAN.toml | --ssh HOST,... | --resume RESULTS [OPTIONS] [VALIDATE ARGS]",
        allow_abbrev=False,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("plan", metavar="PLAN.toml", type=Path, nargs="?", help="the plan")
    what.add_argument("--ssh", metavar="HOST,...", help="hosts by ssh, [USER@]HOST[:PORT], with the kernel they run")
    what.add_argument("--resume", metavar="RESULTS", type=Path, help="go on with a run that ended early")
    parser.add_argument("--results", metavar="DIR", type=Path, help="where to keep the results (default: a new one)")
    hosts = parser.add_argument_group("with --ssh")
    hosts.add_argument("-k", metavar="EXPRESSION", dest="rows", default="", help="only these rows")
    hosts.add_argument("--repetitions", metavar="N", type=int, default=1, help="how often (default: 1)")
    hosts.add_argument("--wheel", metavar="FILE", type=Path, help="the wheel to install (default: of this checkout)")
    parser.set_defaults(run=_run, takes_rest=True)


def say(line: str) -> None:
    """Print a line of a run at once."""
    print(printable(line), flush=True)


def new_directory(asked: Path | None, kind: str) -> Path:
    """The directory for the results of a run that begins. Raises `HarnessError`."""
    directory = (asked or Path("results") / f"{kind}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}").resolve()
    if (directory / "index.json").exists():
        raise HarnessError(f"{directory} has results already: name another one, or go on with --resume {directory}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(f"the directory {directory} cannot be made: {error.strerror}") from None
    return directory


def _run(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """Carry out a plan; the exit status is that of the worst order."""
    if options.resume is not None:
        directory, index = options.resume.resolve(), read_index(options.resume)
        _require_alone(options, rest)
        reopen(index)
    else:
        index = Index.of(_plan(options, rest))
        index.plan.require_files()
        directory = new_directory(options.results, "fleet")
    require_labgrid(index.plan)
    installable = find_wheel(index.plan, directory)
    write_index(directory, index)
    try:
        run_fleet(index, directory, installable, say)
    except KeyboardInterrupt:
        print(f"interrupted; go on with: amdgpu-hw fleet run --resume {directory}", file=sys.stderr)
        raise
    matrix = make_matrix(index, directory)
    sys.stdout.write(f"\n{matrix_text(matrix, index, *terminal())}Results are in {directory}.\n")
    return exit_status(index)


def _plan(options: argparse.Namespace, rest: Sequence[str]) -> FleetPlan:
    if options.plan is not None:
        _require_alone(options, rest)
        return read_plan(options.plan)
    wheel = str(options.wheel.resolve()) if options.wheel else ""
    return plan_of_hosts(options.ssh.split(","), options.rows, options.repetitions, tuple(rest), wheel)


def _require_alone(options: argparse.Namespace, rest: Sequence[str]) -> None:
    """Raise `HarnessError` for what only goes with ``--ssh``."""
    if rest or options.rows or options.wheel or options.repetitions != 1:
        raise HarnessError("-k, --repetitions, --wheel and arguments of validate go with --ssh: the plan has its own")
