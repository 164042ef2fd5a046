#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What sampling costs: the loop of `amdgpu_hw.libdrm.sampling` against a bare C loop of the same ioctls.

Beside them the same loop through the device layer and through ctypes. Runs on a mock machine whose GPUs take no
modelled time, which leaves the calls. The ratio is the median over repetitions, each against the bare loop of the same
repetition; the fastest tenth is what is left when nothing else runs on the machine. Prints a table, judges nothing.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv("measure")

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from amdgpu_hw.mock.machine import DEFAULT_GPU, Machine
from amdgpu_hw.mock.variants import DEFAULT_VARIANT, VARIANTS

SCRIPTS = Path(__file__).resolve().parent
BARE = "bare C loop"


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure what sampling costs.")
    parser.add_argument("--gpu", default=DEFAULT_GPU, help="the mock GPU")
    parser.add_argument("--kernel", default=DEFAULT_VARIANT, choices=VARIANTS, help="the kernel variant")
    parser.add_argument("--samples", type=int, default=20, help="samples of each repetition")
    parser.add_argument("--repetitions", type=int, default=400)
    options = parser.parse_args(argv)
    numbers = (f"--samples={options.samples}", f"--repetitions={options.repetitions}")
    with Machine([options.gpu], options.kernel, gpu_time=0) as machine:
        command = [sys.executable, "-m", "bench.sampling", *numbers]
        environment = machine.environ()
        result = subprocess.run(command, cwd=SCRIPTS, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    taken: dict[str, list[float]] = json.loads(result.stdout)
    title = f"{options.repetitions} x {options.samples} samples of 7 ioctls, mock {options.gpu}, {options.kernel}"
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(("way", "µs per sample", "ratio", "quartiles", "fastest tenth", "ratio")):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    undisturbed = {name: statistics.quantiles(times, n=10, method="inclusive")[0] for name, times in taken.items()}
    for name, times in taken.items():
        ratios = [time / bare for time, bare in zip(times, taken[BARE], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        table.add_row(
            name,
            f"{statistics.median(times) / 1000:.1f}",
            f"{middle:.3f}",
            f"{low:.3f} .. {high:.3f}",
            f"{undisturbed[name] / 1000:.1f}",
            f"{undisturbed[name] / undisturbed[BARE]:.3f}",
        )
    console = Console(width=110)
    console.print(table)
    load = os.getloadavg()[0]
    console.print(f"{len(os.sched_getaffinity(0))} CPUs, load {load:.1f}, Linux {os.uname().release}")


if __name__ == "__main__":
    main()
