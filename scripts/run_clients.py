#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs IGT's amdgpu tests and libdrm's `amdgpu_test` on mock machines, and prints what came of them.

IGT is Debian's, of its newest distribution, in a private root that is made when it is asked for first (30 MB); other
programs, and another IGT, are built elsewhere and named by their directory.

Each test is a process with a time limit, each program has a machine of its own, and behind it nothing may be left in
the mock kernel. Exit status: 0 all as expected (`scripts/clients/expectations.toml`), 1 not, 2 nothing could be run.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from clients.expectations import EXPECTATIONS, ClientExpectations, load_expectations, load_sets
from clients.igt_packages import SUITE, igt_programs
from clients.results import Result, Setup, TestCase, TestResult
from clients.runner import ProgramRun, Runner, find_programs
from rich.console import Console
from rich.table import Table

from amdgpu_hw.cli.machine_options import add_parameter_option
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.gpu_model.gpus import gpu_names
from amdgpu_hw.mock.machine import DEFAULT_GPU
from amdgpu_hw.mock.variants import DEFAULT_VARIANT, VARIANTS

AS_EXPECTED, UNEXPECTED, UNUSABLE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    options = _parse(arguments)
    setup = Setup(options.gpu or [DEFAULT_GPU], options.kernel, dict(options.parameter))
    console = Console()
    try:
        sets, expectations = load_sets(), load_expectations(options.expectations)
        chosen = _chosen(sets, options.set or list(sets), options.only)
        directories = options.directory or [_debian_igt(set(chosen), console)]
        binaries = find_programs(directories, set(chosen))
        if not binaries:
            raise ValueError(f"none of the programs is in {', '.join(map(str, directories))}: {_some(chosen)}")
        with tempfile.TemporaryDirectory(prefix="amdgpu-hw-clients-") as scratch:
            runs = _run(Runner(setup, expectations, options.timeout, Path(scratch)), chosen, binaries, console)
    except (ValueError, HarnessError) as error:
        print(f"run_clients: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("run_clients: interrupted", file=sys.stderr)
        return UNUSABLE
    report = Report(runs, expectations, setup, console)
    report.show(sorted(set(chosen) - set(binaries)), all_results=options.verbose)
    if options.json is not None:
        options.json.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")
    return AS_EXPECTED if report.as_expected else UNEXPECTED


class Report:
    """What came of all programs on one machine, beside what was expected."""

    def __init__(
        self, runs: Sequence[ProgramRun], expectations: ClientExpectations, setup: Setup, console: Console
    ) -> None:
        self.runs = runs
        self.expectations = expectations
        self.setup = setup
        self.console = console

    @property
    def as_expected(self) -> bool:
        """Whether every test ended as expected and no machine has anything to complain of."""
        return not any(run.complaints or self._surprises(run) for run in self.runs)

    def show(self, missing: Sequence[str], *, all_results: bool) -> None:
        """Print the table, then what is to be said of single tests."""
        table = Table(title=str(self.setup), title_justify="left")
        table.add_column("program")
        for column in ("tests", "passed", "skipped", "failed", "unexpected", "seconds"):
            table.add_column(column, justify="right")
        total = [result for run in self.runs for result in run.results]
        for run in self.runs:
            table.add_row(run.program, *self._figures(run.results))
        table.add_section()
        table.add_row("all", *self._figures(total))
        self.console.print(table)
        for run in self.runs:
            for result in run.results:
                self._explain(result, all_results=all_results)
            for complaint in run.complaints:
                self.console.print(f"[red]MACHINE[/red] {run.program}: {complaint}", soft_wrap=True, highlight=False)
        if missing:
            self.console.print(f"not built: {', '.join(missing)}", soft_wrap=True)

    def as_json(self) -> dict[str, object]:
        """Everything, for a file."""
        return {
            "gpus": list(self.setup.gpus),
            "kernel": self.setup.kernel,
            "parameters": dict(self.setup.parameters),
            "as expected": self.as_expected,
            "programs": {
                run.program: {
                    "complaints": list(run.complaints),
                    "log": run.log,
                    "tests": [
                        {
                            "name": result.test.name,
                            "result": result.result.value,
                            "expected": self.expectations.of(result.test, self.setup).result.value,
                            "why": result.why,
                            "seconds": round(result.seconds, 3),
                            "output": result.output,
                        }
                        for result in run.results
                    ],
                }
                for run in self.runs
            },
        }

    def _surprises(self, run: ProgramRun) -> list[TestResult]:
        return [result for result in run.results if not self.expectations.met(result, self.setup)]

    def _figures(self, results: Sequence[TestResult]) -> list[str]:
        count = Counter(result.result for result in results)
        failed = count[Result.FAIL] + count[Result.TIMEOUT] + count[Result.CRASH]
        surprises = sum(not self.expectations.met(result, self.setup) for result in results)
        numbers = [len(results), count[Result.PASS], count[Result.SKIP], failed, surprises]
        return [*map(str, numbers), f"{sum(result.seconds for result in results):.1f}"]

    def _explain(self, result: TestResult, *, all_results: bool) -> None:
        expected = self.expectations.of(result.test, self.setup)
        if not expected.allows(result.result):
            colour, why = "red", f"expected: {expected.result.value}; {result.why or 'the program gives no reason'}"
        elif result.result is not Result.PASS or all_results:
            colour, why = "dim", expected.why or result.why
        else:
            return
        line = f"[{colour}]{result.result.value.upper():8}[/{colour}]{result.test}"
        self.console.print(f"{line}: {why}" if why else line, soft_wrap=True, highlight=False)


def _debian_igt(names: set[str], console: Console) -> Path:
    with console.status(f"IGT of Debian {SUITE}"):
        directory, version = igt_programs(names)
    console.print(f"IGT {version} of Debian {SUITE}", highlight=False)
    return directory


def _run(runner: Runner, chosen: dict[str, list[str]], binaries: dict[str, Path], console: Console) -> list[ProgramRun]:
    """Run the programs that were found, one after the other, and say which test is being run."""
    runs: list[ProgramRun] = []
    with console.status("starting") as status:

        def progress(test: TestCase) -> None:
            status.update(f"program {len(runs) + 1} of {len(binaries)}: {test}")

        for program in sorted(binaries):
            runs.append(runner.run(binaries[program], chosen[program], progress))
    return runs


def _chosen(sets: dict[str, dict[str, list[str]]], names: Sequence[str], only: Sequence[str]) -> dict[str, list[str]]:
    """Patterns of the tests to run, by program."""
    chosen: dict[str, list[str]] = {}
    for name in names:
        if name not in sets:
            raise ValueError(f"there is no set '{name}'; there are {', '.join(sets)}")
        for program, patterns in sets[name].items():
            if not only or program in only:
                chosen.setdefault(program, []).extend(patterns)
    if not chosen:
        raise ValueError(f"no program of the sets {', '.join(names)} is named {' or '.join(only)}")
    return chosen


def _some(names: dict[str, list[str]]) -> str:
    return ", ".join(sorted(names))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="*", help="where built programs are, at any depth (default: IGT)")
    parser.add_argument("--gpu", action="append", default=[], choices=gpu_names(), help="repeatable: one machine")
    parser.add_argument("--kernel", default=DEFAULT_VARIANT, choices=sorted(VARIANTS))
    add_parameter_option(parser, "; debug_mask=0x400 lets CE IBs through")
    parser.add_argument("--set", action="append", default=[], help="core, reset, extra, generic, libdrm (default: all)")
    parser.add_argument("--only", metavar="PROGRAM", action="append", default=[], help="only this program; repeatable")
    parser.add_argument("--timeout", metavar="S", type=float, default=90.0, help="time limit of a test (default: 90)")
    parser.add_argument("--expectations", metavar="FILE", type=Path, default=EXPECTATIONS)
    parser.add_argument("--json", metavar="FILE", type=Path, help="save everything, also what the programs printed")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for every test")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
