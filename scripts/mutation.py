#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How many wrong kernels that nobody chose does tests/hw notice? Mutation testing of the mock kernel.

Each mutant changes one place of a file as a kernel developer could get it wrong. It runs on a mock machine with the
rows that reach the place, until one of them is broken. Prints, and saves as JSON, how many were noticed of each file,
and those that were not. Exit status 0 if every group of files reaches its goal, 1 if not, if a reason in
scripts/mutate/equivalent.toml is contradicted or something is broken without a mutant, 2 if the machine or the
arguments do not allow it to be found out.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path

from matrix.arguments import positive
from matrix.farm import Farm
from matrix.plan import MatrixRun, RunResult, Selection
from matrix.slot import Slot
from mutate.files import file_groups
from mutate.mutants import Mutant, mutants_of
from mutate.reach import MACHINES, Reach, learn_reach
from mutate.reasons import EQUIVALENT, read_reasons
from mutate.report import FileGroup, MutationRun, run_view
from mutate.verdicts import Limits, MutantVerdict, Trial
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.model import Outcome
from amdgpu_hw.verdict.table import render

WIDTH = 200
SOUND_S = 1200.0
"""How long the suite may take on the kernel as it is, on a machine that is busy with other things too."""
CONTROL_EVERY = 25
"""After so many mutants the kernel as it is gets the same look: what is broken then is no mutant's doing."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a machine without a mutant showed: how long everything takes, and what each row reaches."""

    limits: Limits
    reach: Reach


def main() -> int:
    """Run the mutants; returns the exit status."""
    options = _arguments()
    try:
        groups = file_groups(options.file)
        everything = [mutant for group in file_groups(()) for file in group.files for mutant in mutants_of(file)]
        reasons = read_reasons(options.reasons, {mutant.key for mutant in everything})
        chosen = [mutant for mutant in everything if any(mutant.file in group.files for group in groups)]
        chosen = [mutant for mutant in chosen if options.only is None or options.only in mutant.key]
        if options.list:
            for mutant in chosen:
                print(f"{mutant.key}  (line {mutant.line})" + ("  equivalent" if mutant.key in reasons else ""))
            return 0
        run = _run(options, groups, chosen, reasons, Console(stderr=True))
    except (HarnessError, ValueError) as error:
        print(f"mutation: {error}", file=sys.stderr)
        return 2
    print(render(run_view(run), options.width, colour=sys.stdout.isatty()), end="")
    print(f"Results are in {_save(run, options.output)}.")
    if not run.is_whole:
        return 2
    return 0 if run.is_good else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--file",
        metavar="PATTERN",
        action="append",
        default=[],
        help="only these groups of files (amdgpu_vm, amdgpu_sync ...) or files, e.g. 'va.py'; repeatable",
    )
    parser.add_argument("--only", metavar="TEXT", help="only mutants with this in their key, as --list prints it")
    parser.add_argument(
        "--sample",
        metavar="N",
        type=positive,
        help="so many mutants, drawn of those that rows reach on the first machine (see docs/mutation.md)",
    )
    parser.add_argument("--seed", metavar="S", type=int, default=1, help="another sample (default: 1)")
    parser.add_argument("--list", action="store_true", help="print the mutants that there are, and run none")
    parser.add_argument("--survivors", metavar="RESULT", type=Path, help="run those again that survived in this file")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=positive,
        default=Farm.usual_size(),
        help="so many mock machines at a time (default: four for each CPU)",
    )
    parser.add_argument("--output", metavar="DIRECTORY", type=Path, default=Path("results"), help="where the file goes")
    parser.add_argument("--reasons", metavar="FILE", type=Path, default=EQUIVALENT, help=argparse.SUPPRESS)
    parser.add_argument("--width", type=positive, default=WIDTH, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(
    options: argparse.Namespace,
    groups: Sequence[FileGroup],
    chosen: list[Mutant],
    reasons: Mapping[str, str],
    console: Console,
) -> MutationRun:
    farm = Farm(options.jobs)
    cache = options.output / "mutation-reach"
    machines = MACHINES if options.sample is None else MACHINES[:1]
    known = [_know(machine, farm, cache, console) for machine in machines]
    started = time.monotonic()
    unreached: dict[str, int] = {}
    reached: list[Mutant] = []
    for mutant in chosen:
        if any(machine.reach.rows_of(mutant) for machine in known):
            reached.append(mutant)
        elif mutant.is_valid():
            unreached[mutant.file] = unreached.get(mutant.file, 0) + 1
    mutants = _drawn(reached, options)
    verdicts: list[MutantVerdict] = []
    alarms: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mutation-") as name, _progress(console) as progress:
        trials = [Trial(machine.reach, machine.limits, Path(name), reasons) for machine in known]
        task = progress.add_task("mutants", total=len(mutants))

        def done(result: MutantVerdict | str) -> None:
            if isinstance(result, str):
                alarms.extend([result] if result else [])
                return
            verdicts.append(result)
            progress.update(
                task, advance=1, description=f"{result.fate.value}: {result.mutant.function}"[:50].ljust(50)
            )

        jobs: list[Callable[[Slot], MutantVerdict | str]] = []
        for index, mutant in enumerate(mutants):
            trial = next(trial for trial in trials if trial.reach.rows_of(mutant))
            jobs.append(partial(trial.judge, mutant))
            if index % CONTROL_EVERY == 0:
                jobs.append(trial.control)
        try:
            farm.work_off(jobs, done)
        except KeyboardInterrupt:
            print("mutation: interrupted; what is known so far:", file=sys.stderr)
    sample = None if options.sample is None else (options.sample, options.seed)
    seconds = time.monotonic() - started
    return MutationRun(tuple(groups), tuple(verdicts), unreached, tuple(alarms), seconds, len(mutants), sample)


def _know(machine: MatrixRun, farm: Farm, cache: Path, console: Console) -> Known:
    sound: list[RunResult] = []
    with console.status(f"{machine}: the suite on the kernel as it is"):
        farm.work_off([lambda slot: slot.run(machine, Selection(seconds=SOUND_S))], sound.append)
    result = sound[0]
    wrong = [
        f"{case.row} {case.outcome}: {case.reason}" for case in result.cases if case.outcome == Outcome.BROKEN.value
    ]
    if result.trouble or result.oopses or wrong:
        raise HarnessError(
            f"{machine} is not right without a mutant: {result.trouble or '; '.join(wrong) or 'an oops'}"
        )
    with _progress(console) as progress:
        task = progress.add_task(f"{machine}: what rows reach", total=0)
        reach = learn_reach(
            machine, result, farm, cache, lambda missing: progress.update(task, advance=1, total=missing)
        )
    return Known(Limits.of(result), reach)


def _drawn(reached: list[Mutant], options: argparse.Namespace) -> list[Mutant]:
    """The mutants to run: all, those that survived a run, or a sample that a number and a seed fix."""
    if options.survivors is not None:
        content = json.loads(options.survivors.read_text(encoding="utf-8"))
        keys = {entry["mutant"] for entry in content["mutants"] if entry["fate"] == "survived"}
        return [mutant for mutant in reached if mutant.key in keys]
    if options.sample is None:
        return [mutant for mutant in reached if mutant.is_valid()]
    order = list(reached)
    random.Random(options.seed).shuffle(order)
    drawn = set(islice(filter(Mutant.is_valid, order), options.sample))
    return [mutant for mutant in reached if mutant in drawn]


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, refresh_per_second=2)


def _save(run: MutationRun, directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"mutation-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(run.to_json(), indent=1) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
