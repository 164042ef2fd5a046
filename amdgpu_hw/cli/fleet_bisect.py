# SPDX-License-Identifier: MIT
"""``amdgpu-hw fleet bisect``: on which kernel a row broke."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amdgpu_hw.cli.fleet_run import new_directory, say
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.fleet.bisect_run import bisect_fleet
from amdgpu_hw.fleet.candidates import OfPlan, OfTree
from amdgpu_hw.fleet.labgrid_extra import require_labgrid
from amdgpu_hw.fleet.plan import FleetPlan, PlannedKernel, read_plan
from amdgpu_hw.fleet.wheel import find_wheel

__all__ = ("add_command",)


def add_command(own: Any) -> None:
    """Declare the command."""
    parser = own.add_parser(
        "bisect",
        help="find the kernel on which a row broke",
        description=(
            "Finds the first kernel on which a row is broken, between two kernels of a plan, or two commits of a git "
            "tree. Each step judges as many kernels as the plan has places."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("good", metavar="GOOD", help="a kernel of the plan, or a commit, on which the row holds")
    parser.add_argument("bad", metavar="BAD", help="a later one on which it is broken")
    parser.add_argument("--plan", metavar="PLAN.toml", type=Path, required=True, help="the places, and the kernels")
    parser.add_argument("--row", metavar="ROW", required=True, help="the row, e.g. B36")
    parser.add_argument("--tree", metavar="DIR", type=Path, help="bisect the commits of this git tree")
    parser.add_argument(
        "--build",
        metavar="COMMAND",
        help="builds a commit: leaves what the box needs in $FILES, prints what uname -r will say where that is booted",
    )
    parser.add_argument("--like", metavar="KERNEL", help="the kernel of the plan that commits are run like")
    parser.add_argument("--results", metavar="DIR", type=Path, help="where to keep the results (default: a new one)")
    parser.set_defaults(run=_bisect, takes_rest=False)


def _bisect(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print the first bad kernel, or those of which one is it."""
    plan = read_plan(options.plan)
    require_labgrid(plan)
    if bool(options.tree) != bool(options.build) or bool(options.tree) != bool(options.like):
        raise HarnessError("--tree, --build and --like go together: give all, or bisect the kernels of the plan")
    if options.tree is None:
        plan.require_files()
    like = _like(plan, options.like) if options.tree else None
    directory = new_directory(options.results, "bisect")
    installable = find_wheel(plan, directory)
    if like is None:
        suspects = bisect_fleet(plan, options.row, OfPlan(plan, options.good, options.bad), directory, installable, say)
    else:
        tree = OfTree(options.tree, options.good, options.bad, options.build, like, directory)
        try:
            suspects = bisect_fleet(plan, options.row, tree, directory, installable, say)
        finally:
            tree.close()
    if len(suspects) == 1:
        say(f"{options.row} is first broken on {suspects[0]}. Results are in {directory}.")
        return ExitStatus.PROVEN
    say(f"{options.row} is first broken on one of {', '.join(suspects)}: the others of them could not be judged.")
    return ExitStatus.INCOMPLETE


def _like(plan: FleetPlan, name: str) -> PlannedKernel:
    """The kernel of the plan that commits are run like. Raises `HarnessError`."""
    found = [each for each in plan.kernel if each.name == name and (each.boot or each.files)]
    if not found:
        raise HarnessError(f"--like needs a kernel of the plan with boot or files, and '{name}' is none")
    return found[0]
