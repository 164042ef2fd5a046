#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Validates a mock machine again and again, every other time with all cores busy, and compares the verdicts row by row.

usage: scripts/flake_hunt.py [RUNS] [--mock NAME] [--kernel VARIANT] [--save DIR] [VALIDATE ARGS]

What a case has in most of the runs is what it should have in all of them. Each case with another verdict is named with
the runs that it happened in, and their logs and result files are kept. Exit status: 0 all runs agree, 1 some do not,
2 nothing could be compared.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from amdgpu_hw.mock.machine import DEFAULT_GPU
from amdgpu_hw.mock.variants import DEFAULT_VARIANT

AGREE, DISAGREE, UNUSABLE = 0, 1, 2

ROOT = Path(__file__).resolve().parents[1]
LONGEST_S = 900
"""A run that takes longer hangs."""

_SPIN = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()
while True:
    pass
"""

MISSING = "not in the results"


@dataclass(slots=True)
class ValidationRun:
    """One validation: its number from 1, whether all cores were busy, what came of it."""

    number: int
    loaded: bool
    directory: Path
    status: int | None = None
    """Its exit status; None if it hung."""
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Cases of the result file, by test."""

    @property
    def name(self) -> str:
        """For people and for the directory that its files are kept in."""
        return f"run-{self.number:03}{'-loaded' if self.loaded else ''}"

    def outcome(self, test: str) -> str:
        """How a case ended."""
        outcome: str = self.cases[test]["outcome"] if test in self.cases else MISSING
        return outcome


@dataclass(frozen=True, slots=True)
class Deviation:
    """A case that ended otherwise in one run than in most."""

    run: ValidationRun
    test: str
    usual: str

    def __str__(self) -> str:
        case = self.run.cases.get(self.test, {"row": "", "reason": f"exit status {self.run.status}"})
        reason = str(case["reason"]).partition("\n")[0]
        return f"{self.run.name}: {case['row']} {self.test}: {self.run.outcome(self.test)}, not {self.usual}. {reason}"


def compare(runs: Sequence[ValidationRun]) -> list[Deviation]:
    """Every case that ended otherwise than in most of the runs, and every run with another exit status."""
    differences = []
    for test in dict.fromkeys(test for run in runs for test in run.cases):
        usual = Counter(run.outcome(test) for run in runs).most_common(1)[0][0]
        differences += [Deviation(run, test, usual) for run in runs if run.outcome(test) != usual]
    usual_status = Counter(run.status for run in runs).most_common(1)[0][0]
    odd = {difference.run.number for difference in differences}
    differences += [
        Deviation(run, "the whole run", f"exit status {usual_status}")
        for run in runs
        if run.status != usual_status and run.number not in odd
    ]
    return differences


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt as the command line says; the exit status."""
    options, rest = _parser().parse_known_args(arguments)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="amdgpu-hw-flakes-") as scratch:
        runs: list[ValidationRun] = []
        try:
            for run in _hunt(options, rest, Path(scratch), console):
                runs.append(run)
        except KeyboardInterrupt:
            console.print(f"Interrupted after {len(runs)} runs.")
        if not any(run.cases for run in runs):
            first = runs[0].directory / "log.txt" if runs else None
            print(f"flake_hunt: no run came to a result\n{first.read_text() if first else ''}", file=sys.stderr)
            return UNUSABLE
        return _report(runs, options.save, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Validate a mock machine many times and compare the verdicts.")
    parser.add_argument("runs", nargs="?", type=int, default=20, help="how many, half of them under load (default: 20)")
    parser.add_argument("--mock", metavar="NAME", default=DEFAULT_GPU, help=f"the GPU ({DEFAULT_GPU})")
    parser.add_argument("--kernel", metavar="VARIANT", default=DEFAULT_VARIANT, help=f"the kernel ({DEFAULT_VARIANT})")
    parser.add_argument(
        "--save", metavar="DIR", type=Path, default=Path("results/flakes"), help="where logs of odd runs are kept"
    )
    return parser


def _hunt(options: argparse.Namespace, rest: Sequence[str], scratch: Path, console: Console) -> Iterator[ValidationRun]:
    """Run after run; every other one with as many busy processes as there are cores."""
    columns = (TextColumn("validating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for number in progress.track(range(1, options.runs + 1)):
            run = ValidationRun(number, number % 2 == 0, scratch)
            run.directory = scratch / run.name
            run.directory.mkdir()
            with all_cores_busy() if run.loaded else contextlib.nullcontext():
                _validate(run, options, rest)
            yield run


def _validate(run: ValidationRun, options: argparse.Namespace, rest: Sequence[str]) -> None:
    results, log = run.directory / "results.json", run.directory / "log.txt"
    command = [sys.executable, "-m", "amdgpu_hw", "validate", "--mock", options.mock, "--kernel", options.kernel]
    with open(log, "w", encoding="utf-8") as output:
        validation = subprocess.Popen(
            [*command, f"--results={results}", *rest], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            run.status = validation.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            output.write(f"\nflake_hunt: not done after {LONGEST_S} s\n")
        finally:
            if validation.poll() is None:
                validation.terminate()
                validation.wait()
    if results.exists():
        run.cases = {case["test"]: case for case in json.loads(results.read_text(encoding="utf-8"))["cases"]}


@contextmanager
def all_cores_busy() -> Iterator[None]:
    """A process that does nothing but compute for every core, inside the ``with`` block.

    They end with their input, so that none is left over however this program ends.
    """
    with contextlib.ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            process = subprocess.Popen([sys.executable, "-c", _SPIN], stdin=subprocess.PIPE)
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def _report(runs: Sequence[ValidationRun], save: Path, console: Console) -> int:
    """Tell the differences and keep their files."""
    differences = compare(runs)
    retried = Counter(case["row"] for run in runs for case in run.cases.values() if case["attempts"] > 1)
    loaded = sum(run.loaded for run in runs)
    cases = len({test for run in runs for test in run.cases})
    console.print(f"{len(runs)} runs ({loaded} with all cores busy), {cases} cases each.", highlight=False)
    if retried:
        rows = ", ".join(f"{row} {count} times" for row, count in retried.most_common())
        console.print(f"Conclusive only at the second try: {rows}.", highlight=False)
    for difference in differences:
        console.print(str(difference), markup=False, highlight=False, soft_wrap=True)
    for run in {difference.run.number: difference.run for difference in differences}.values():
        shutil.copytree(run.directory, save / run.name, dirs_exist_ok=True)
    if differences:
        console.print(f"{len(differences)} different verdicts; logs and results of those runs are in {save}.")
        return DISAGREE
    console.print("All runs agree.")
    return AGREE


if __name__ == "__main__":
    sys.exit(main())
