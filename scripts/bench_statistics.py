#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How often the statistics of the measurements are wrong, and what they find: prints two tables, judges nothing.

Runs whose truth is known are made up with the disturbances that machines are known for, and judged from rounds to
verdict like measured ones. "False alarms" are runs without a difference that are called faster or slower (aim: 7 % at
most); "found" are runs in which one arm is 3 % slower that are called slower (aim: 90 %). A verdict that is not given
("inconclusive") is no false alarm and finds nothing: it asks for more blocks.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv("measure")

import argparse
import math
from collections.abc import Sequence

from bench.synthetic import SCENARIOS, Design, Method, Scenario, paired, tally, unpaired
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from amdgpu_hw.measure.statistics import Claim

EFFECT = 0.03
METHODS: dict[str, Method] = {
    "One run, two arms interleaved (amdgpu-hw latency: the flag)": paired,
    "Two runs (amdgpu-hw compare: the same arm on two kernels)": unpaired,
}


def main() -> None:
    """Judge the runs, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="runs per number in the tables (default: 1000)")
    parser.add_argument("--blocks", type=int, nargs="+", default=[8, 20, 40], help="blocks per run (default: 8 20 40)")
    parser.add_argument("--samples", type=int, default=50, help="samples per round (default: %(default)s)")
    parser.add_argument("--scenarios", nargs="+", choices=[each.name for each in SCENARIOS], metavar="NAME")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default: 1)")
    options = parser.parse_args()
    scenarios = [each for each in SCENARIOS if not options.scenarios or each.name in options.scenarios]
    designs = [Design(blocks, options.samples) for blocks in options.blocks]
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("judging", total=len(METHODS) * len(scenarios) * len(designs))
        tables = []
        for title, method in METHODS.items():
            table = _table(title, designs)
            for scenario in scenarios:
                cells: list[str] = []
                for design in designs:
                    cells.append(_figures(method, scenario, design, options.runs, options.seed))
                    progress.advance(task)
                table.add_row(scenario.name, scenario.what, *cells)
            tables.append(table)
    for table in tables:
        console.print(table)
    error = 100 * math.sqrt(0.05 * 0.95 / options.runs)
    console.print(
        'Each cell: false alarms / called "no difference" / true 3 % found, in % of '
        f"{options.runs} runs (a true 5 % scatters by {error:.1f}); {options.samples} samples per round, "
        f"seed {options.seed}."
    )


def _figures(method: Method, scenario: Scenario, design: Design, runs: int, seed: int) -> str:
    equal = tally(method, scenario, 0.0, design, runs, seed)
    slower = tally(method, scenario, EFFECT, design, runs, seed + 1)
    shares = (
        equal.share(Claim.FASTER, Claim.SLOWER),
        equal.share(Claim.NO_DIFFERENCE),
        slower.share(Claim.SLOWER),
    )
    return " / ".join(f"{100 * share:.1f}" for share in shares)


def _table(title: str, designs: Sequence[Design]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("disturbance", no_wrap=True)
    table.add_column("which is")
    for design in designs:
        table.add_column(f"{design.blocks} blocks", justify="right", no_wrap=True)
    return table


if __name__ == "__main__":
    main()
