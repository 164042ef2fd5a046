#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How far the mock kernel agrees with real ones: the same suite, calls and programs on a guest and a mock machine.

usage: scripts/kernel_diff.py [--kernel 7.3|6.12|6.1]... [--gpu NAME] [--programs N] [--seed S] [--short]

One guest is booted for each kernel. Compared are every row's verdict and evidence, the errno of each call of
tests/mock/kernel/errnos, and drawn programs of GEM_VA, submissions and syncobjs step by step. What is known to differ
is in `scripts/agreement/differences.toml`. Exit status: 0 nothing else differs, 1 something does, 2 not compared.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # the tables of calls are the tests'

from agreement.comparison import Amounts, MachineComparison, compare_machines
from agreement.findings import Area, load_differences
from rich.console import Console
from rich.table import Table

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU, GUEST_GPUS

__all__ = ("main",)

KERNELS = ("7.3", "6.12", "6.1")
"""Of which set-up fetches one and the mock has a variant, the newest first."""
AGREES, DIFFERS, UNUSABLE = 0, 1, 2
SHORT = Amounts(programs=12, seed=1, rows=("-k", "test_who_waits"), every_call=10, smaller=0)
_WIDTH = 120
_SHOWN = 20
"""Unlisted findings of an area that are printed."""


def _report(results: Sequence[MachineComparison], console: Console) -> None:
    table = Table(title="Mock kernel and real kernel", title_justify="left")
    table.add_column("kernel")
    table.add_column("GPU")
    table.add_column("area")
    for column in ("compared", "equal", "listed", "unlisted"):
        table.add_column(column, justify="right")
    for result in results:
        for area in result.areas:
            steps = f" ({area.steps} calls)" if area.steps else ""
            compared = f"{area.compared} {area.unit}s{steps}"
            figures = [area.equal, len({one.name for one, _ in area.listed}), len({one.name for one in area.unlisted})]
            table.add_row(result.release, result.gpu, area.area.value, compared, *map(str, figures))
    console.print(table)
    for result in results:
        _explain(result, console)


def _explain(result: MachineComparison, console: Console) -> None:
    def line(text: str) -> None:
        console.print(f"{result.kernel}: {text}", soft_wrap=True, highlight=False, markup=False)

    for area in result.areas:
        for why in dict.fromkeys(entry.why for _, entry in area.listed):
            names = list(dict.fromkeys(finding.name for finding, entry in area.listed if entry.why == why))
            line(f"listed, {len(names)} {area.unit}s ({', '.join(names[:3])}{', ...' if names[3:] else ''}): {why}")
        for finding in area.unlisted[:_SHOWN]:
            line(f"NOT LISTED {area.area.value} {finding}")
        if len(area.unlisted) > _SHOWN:
            line(f"NOT LISTED {area.area.value}: {len(area.unlisted) - _SHOWN} more")
        for text in dict.fromkeys(area.left_out):
            line(f"not compared: {text}")
    for entry in result.stale:
        line(f"STALE: {entry}")
    for finding, program in result.smaller:
        line(f"the smallest program found that differs ({finding.what}):")
        for number, action in enumerate(program):
            line(f"  {number}. {action}")
    if result.golden is not None:
        line(f"golden cases: {result.golden}")
    for trouble in result.trouble:
        line(f"NOT COMPARED: {trouble}")


def _amounts(options: argparse.Namespace) -> Amounts:
    if options.short:
        return SHORT
    areas = tuple(map(Area, options.area)) or tuple(Area)
    return Amounts(programs=options.programs, seed=options.seed, areas=areas, golden=options.golden)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and print the table; the exit status."""
    options = _parse(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    kernels = options.kernel or (KERNELS[:1] if options.short else KERNELS)
    results: list[MachineComparison] = []
    status = AGREES
    before = Path.cwd()
    try:
        listed = load_differences()
        for kernel in kernels:
            directory = (options.results / f"{kernel}-{options.gpu}").absolute()
            directory.mkdir(parents=True, exist_ok=True)
            os.chdir(directory)  # what a guest may write to
            begin = time.monotonic()

            def say(text: str, begin: float = begin) -> None:
                print(f"kernel_diff: {time.monotonic() - begin:4.0f} s: {text}", file=sys.stderr, flush=True)

            result = compare_machines(kernel, options.gpu, _amounts(options), listed, directory, say)
            results.append(result)
            status = max(status, AGREES if result.agrees else DIFFERS)
    except (HarnessError, ValueError, OSError) as error:
        print(f"kernel_diff: {error}", file=sys.stderr)
        status = UNUSABLE
    except KeyboardInterrupt:
        print("kernel_diff: interrupted", file=sys.stderr)
        status = UNUSABLE
    finally:
        os.chdir(before)
    if results:
        _report(results, console)
    return status


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How far the mock kernel agrees with real ones.", allow_abbrev=False)
    parser.add_argument("--kernel", action="append", choices=KERNELS, help="repeatable; default: all, with --short 7.3")
    parser.add_argument("--gpu", choices=GUEST_GPUS, default=DEFAULT_GPU, help="the modelled GPU (%(default)s)")
    parser.add_argument("--programs", metavar="N", type=int, default=300, help="how many are drawn (%(default)s)")
    parser.add_argument("--seed", metavar="S", type=int, default=1, help="which are drawn (%(default)s)")
    areas = [area.value for area in Area]
    parser.add_argument("--area", action="append", default=[], choices=areas, help="repeatable; default: all of them")
    parser.add_argument("--short", action="store_true", help="a tenth of the calls, 12 programs, 4 rows: a minute")
    parser.add_argument("--golden", metavar="N", type=int, default=0, help="keep N programs that agree as golden cases")
    parser.add_argument("--results", metavar="DIR", type=Path, default=Path("results/kernel_diff"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
