#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Interrupts and kills validations at random moments, and looks at what they leave behind.

Each run is one `amdgpu-hw validate` on a mock machine, in a session of its own. A Ctrl-C goes to its process group as
from a terminal, a SIGKILL to the command alone or to one of its processes. Afterwards: no process is left, nothing
printed a traceback, the result file has every case that had ended, and the exit status says what happened. Exit status:
0 all of that held, 1 not.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from process_table import ProcessTable, is_running

from amdgpu_hw.exit_status import ExitStatus

ROOT = Path(__file__).parents[1]
ENDS_S = 30.0
"""Within which everything of a run has to be gone."""
WHOLE_S = 300.0
"""Within which a run ends that has lost no more than what one of its rows had started: it goes on with the next row."""

_TRACEBACK = 4000
"""Characters of a traceback that are told: moments and processes are never met twice."""

_LAST_WORDS = 600
"""Characters of the output of a run with a wrong exit status that are told."""

_ENDED = ("holds", "broken", "not testable", "inconclusive")


@dataclass
class Abused:
    """One run, and what was wrong with how it ended."""

    number: int
    kind: str
    after_s: float
    status: int | None = None
    cases: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = "; ".join(self.faults) or "as it should be"
        return (
            f"{self.kind} {self.number}: after {self.after_s:.2f} s, status {self.status}, {self.cases} cases: {told}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Abuse as many runs as the command line says; the exit status."""
    options = _parser().parse_args(arguments)
    chance = random.Random(options.seed)
    kinds = ["interrupt"] * options.interrupts + ["kill"] * options.kills
    bad = 0
    with tempfile.TemporaryDirectory(prefix="amdgpu-hw-abuse-") as scratch:
        for number, kind in enumerate(kinds):
            run = abuse(Path(scratch), number, kind, chance, options.seconds, options.tests)
            bad += bool(run.faults)
            if run.faults or options.verbose:
                print(run, flush=True)
    print(f"{len(kinds)} runs, {bad} of them not as they should be (seed {options.seed})")
    return int(bad > 0)


def abuse(
    scratch: Path, number: int, kind: str, chance: random.Random, seconds: float, tests: Sequence[str] = ()
) -> Abused:
    """Start a validation, interrupt or kill it within so many seconds, and judge what is left."""
    run = Abused(number, kind, chance.uniform(0, seconds))
    results, output = scratch / f"{number}.json", scratch / f"{number}.txt"
    command = [sys.executable, "-m", "amdgpu_hw", "validate", "--mock", f"--results={results}", *tests]
    with output.open("wb") as out:
        program = subprocess.Popen(
            # As from a shell: held back until the program can handle it (scripts/validate does so), and not ignored, as
            # it is in what a script has put into the background.
            ["env", "--default-signal=INT", "--block-signal=INT", *command] if kind == "interrupt" else command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + run.after_s
    while time.monotonic() < deadline and program.poll() is None:
        time.sleep(0.005)
    before = _ended_cases(results)
    processes = ProcessTable()
    started = processes.family(program.pid)
    ends_s = ENDS_S
    if program.poll() is None and started:
        if kind == "interrupt":
            os.killpg(program.pid, signal.SIGINT)
        else:
            victim = chance.choice(sorted(started))
            os.kill(victim, signal.SIGKILL)
            if victim not in {program.pid} | processes.children(program.pid):
                ends_s = WHOLE_S
    try:
        run.status = program.wait(ends_s)
    except subprocess.TimeoutExpired:
        run.faults.append(f"it still runs {ends_s:g} s later")
    end = time.monotonic() + ENDS_S
    while (left := _left(started, program.pid)) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in left:
        run.faults.append(f"process {pid} is left")
        os.kill(pid, signal.SIGKILL)
    program.wait()
    after = _ended_cases(results)
    run.cases = len(after)
    run.faults += [f"case {test} is lost" for test in before if test not in after]
    _, traceback, told = output.read_text(errors="replace").partition("Traceback (most recent call last)")
    if traceback:
        run.faults.append(f"it printed a traceback:{told[:_TRACEBACK]}")
    allowed = {ExitStatus.PROVEN, ExitStatus.INCOMPLETE, *([-signal.SIGKILL] if kind == "kill" else [])}
    if run.status is not None and run.status not in allowed:
        run.faults.append(
            f"its exit status is {run.status}, and its last words: {output.read_text(errors='replace')[-_LAST_WORDS:]}"
        )
    return run


def _ended_cases(results: Path) -> set[str]:
    """The cases of a result file that had ended; a file that is no JSON is an error here."""
    if not results.exists():
        return set()
    return {case["test"] for case in json.loads(results.read_text())["cases"] if case["outcome"] in _ENDED}


def _left(started: set[int], leader: int) -> list[int]:
    """Those that still run; what has a session and a parent of its own is known from before."""
    return sorted(pid for pid in started | ProcessTable().family(leader) if is_running(pid))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "", allow_abbrev=False)
    parser.add_argument("--interrupts", type=int, default=50, metavar="N", help="runs with a Ctrl-C (default: 50)")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="runs with a SIGKILL (default: 200)")
    parser.add_argument("--seconds", type=float, default=20.0, help="within which they come (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments and processes (default: 1)")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for every run")
    parser.add_argument("tests", nargs="*", help="arguments for validate, behind --")
    return parser


if __name__ == "__main__":
    sys.exit(main())
