#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many wrong kernels does tests/hw catch? Every planted bug x the suite, on mock machines in parallel.

Prints, and saves as JSON and as text, which rows caught each bug and, with --others, which rows no bug needs. Exit
status 0 if every bug is caught by a row that names what it breaks and nothing is broken on the kernels that are right,
1 if not, 2 if the machine or the arguments do not allow it to be found out.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import contextlib
import json
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from matrix.arguments import positive
from matrix.farm import Farm
from matrix.judge import Matrix, judge
from matrix.plan import EXHAUSTIVE_ROWS, RIGHT_KERNELS, MatrixRun, Plan, RunResult, choose_bugs, plan, quick_bugs
from matrix.report import matrix_view
from matrix.slot import Slot
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.gpu_model.gpus import gpu_names
from amdgpu_hw.mock.variants import DEFAULT_VARIANT
from amdgpu_hw.verdict.table import render

KINDS_OF_GPU = ("navi31", "mi300x", "navi48", "polaris10")
"""One of each that the tests can tell apart."""
WIDTH = 160


def main() -> int:
    """Run the matrix; returns the exit status."""
    options = _arguments()
    console = Console(stderr=True)
    try:
        bugs = choose_bugs(options.bug)
        right = _right_kernels(options.gpus) if not options.bug else []
    except (ValueError, HarnessError) as error:
        print(f"bug_matrix: {error}", file=sys.stderr)
        return 2
    if options.quick:
        work = plan(quick_bugs(bugs), (), quick=True, patience=options.patience)
    else:
        work = plan(
            bugs,
            right,
            quick=False,
            others=options.others,
            everything=options.everything,
            patience=options.patience,
        )
    started = time.monotonic()
    results = _run_all(work, options.jobs, console)
    if len(results) < len(work.all_runs):
        print("bug_matrix: interrupted; what is known so far:", file=sys.stderr)
    matrix = judge(work, results, time.monotonic() - started)
    text = render(matrix_view(matrix), options.width, colour=sys.stdout.isatty())
    print(text, end="")
    files = _save(matrix, options.output)
    print(f"Results are in {' and '.join(map(str, files))}.")
    if len(results) < len(work.all_runs):
        return 2
    return 0 if matrix.is_good else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--bug", metavar="PATTERN", action="append", default=[], help="only these bugs, e.g. 'm0*'; repeatable"
    )
    parser.add_argument(
        "--gpus",
        metavar="NAME[,NAME]",
        help="run every kernel that is right on each of these GPUs, or on 'all' (default: every kernel on "
        f"{KINDS_OF_GPU[0]}, and {DEFAULT_VARIANT} on {', '.join(KINDS_OF_GPU[1:])} too)",
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=positive,
        default=Farm.usual_size(),
        help="so many mock machines at a time (default: four for each CPU)",
    )
    parser.add_argument("--quick", action="store_true", help="a few bugs, and the rows that are to catch them")
    parser.add_argument(
        "--others",
        action="store_true",
        help="go on when a row that names a bug has caught it, with one case of each test of the others but "
        f"{', '.join(EXHAUSTIVE_ROWS)} (default: only if none has)",
    )
    parser.add_argument("--everything", action="store_true", help="run all cases of all tests with every bug")
    parser.add_argument(
        "--patience",
        metavar="FACTOR",
        type=float,
        default=1.0,
        help="allow every run so many times as long, on a machine that is busy with other things (default: 1)",
    )
    parser.add_argument("--output", metavar="DIRECTORY", type=Path, default=Path("results"), help="where the files go")
    parser.add_argument("--width", type=positive, default=WIDTH, help=argparse.SUPPRESS)
    return parser.parse_args()


def _right_kernels(gpus: str | None) -> list[MatrixRun]:
    """Where which kernel is to be found right."""
    if gpus is None:
        return [MatrixRun(KINDS_OF_GPU[0], kernel) for kernel in RIGHT_KERNELS] + [
            MatrixRun(gpu, DEFAULT_VARIANT) for gpu in KINDS_OF_GPU[1:]
        ]
    known = gpu_names()
    names = list(known) if gpus == "all" else [name for name in gpus.split(",") if name]
    for name in names:
        if name not in known:
            raise ValueError(f"there is no mock GPU called '{name}'; there are: {', '.join(known)}")
    return [MatrixRun(gpu, kernel) for gpu in names for kernel in RIGHT_KERNELS]


def _run_all(work: Plan, jobs: int, console: Console) -> list[RunResult]:
    """Run everything on ``jobs`` machines; what is there when Ctrl-C comes."""
    # A machine keeps its GPU as long as it can: what most runs are on comes last.
    on_gpu = Counter(run.gpu for run in work.all_runs)
    usual, slow = (
        [partial(_run, work, run) for run in sorted(runs, key=lambda run: on_gpu[run.gpu])]
        for runs in (work.runs, work.slow)
    )
    results: list[RunResult] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        task = progress.add_task("suite runs", total=len(work.all_runs))

        def done(result: RunResult) -> None:
            results.append(result)
            progress.update(task, advance=1, description=f"{result.run}"[:40].ljust(40))

        with contextlib.suppress(KeyboardInterrupt):
            Farm(jobs).work_off(usual, done, slow)
    return results


def _run(work: Plan, run: MatrixRun, slot: Slot) -> RunResult:
    result = slot.run(run, work.selection(run))
    again = work.second_look(result)
    return result.with_second_look(slot.run(run, again)) if again is not None else result


def _save(matrix: Matrix, directory: Path) -> list[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    stem = directory / f"bug-matrix-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    files = [stem.with_suffix(".json"), stem.with_suffix(".txt")]
    files[0].write_text(json.dumps(matrix.to_json(), indent=1) + "\n", encoding="utf-8")
    files[1].write_text(render(matrix_view(matrix), WIDTH, colour=False), encoding="utf-8")
    return files


if __name__ == "__main__":
    sys.exit(main())
