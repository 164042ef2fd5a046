#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How fast the mock machine is, and how it scales: prints tables, judges nothing.

Each sample is one call, timed in C around the ioctl; where a row says so, in Python around a method of the device
layer. In "free" the host's scheduler decides where the mock kernel and its client run, and it may decide anew at any
time; "two CPUs" and "one CPU" pin them. On one CPU every call is two context switches.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from amdgpu_hw.mock.machine import DEFAULT_GPU, Machine
from amdgpu_hw.mock.variants import DEFAULT_VARIANT, VARIANTS

SCRIPTS = Path(__file__).resolve().parent
SUITE = SCRIPTS.parent / "tests" / "hw"
TRIVIAL = "trivial ioctl (GET_CAP)"
UMOCKDEV_STARTS = 3
"""How often umockdev is asked before there is no comparison."""


def _run(module: str, environment: Mapping[str, str], *arguments: str) -> Any:
    """Run a part of the benchmark in a process of its own; what it printed."""
    command = [sys.executable, "-m", f"bench.{module}", *arguments]
    result = subprocess.run(command, cwd=SCRIPTS, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout)


def _placements() -> dict[str, tuple[int, int]]:
    """CPUs to pin the mock kernel and the client to, by name; apart first, if there are two."""
    first, *others = sorted(os.sched_getaffinity(0))
    together = {"one CPU": (first, first)}
    return {"two CPUs": (others[0], first)} | together if others else together


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    return table


class Benchmark:
    """One run, with the options of the command line."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.console = Console()

    def machine(self) -> Machine:
        """Make a machine to measure."""
        return Machine([self.options.gpu], self.options.kernel, gpu_time=self.options.gpu_time)

    def run(self) -> None:
        """Measure and print everything."""
        calls = self._calls()
        self._comparison(calls)
        self._crowd()
        self._seconds()
        load = f"load {os.getloadavg()[0]:.1f}"
        self.console.print(f"{len(os.sched_getaffinity(0))} CPUs, {load}, Linux {os.uname().release}")

    def _calls(self) -> dict[str, list[float]]:
        options = self.options
        samples = {"free": self._samples(None)} | {where: self._samples(cpus) for where, cpus in _placements().items()}
        table = _table(
            f"mock {options.gpu}, kernel {options.kernel}, {options.samples} samples of each call",
            "µs per call, median and 90th percentile",
            *(f"{where}{what}" for where in samples for what in ("", " p90")),
        )
        for name in samples["free"]:
            numbers: list[float] = []
            for rows in samples.values():
                numbers += (statistics.median(rows[name]), statistics.quantiles(rows[name], n=10)[8])
            table.add_row(name, *(f"{number:.1f}" for number in numbers))
        self.console.print(table)
        return samples["free"]

    def _samples(self, cpus: tuple[int, int] | None) -> dict[str, list[float]]:
        """Take the samples of all calls, with the mock kernel and the client on these CPUs."""
        arguments = [f"--gpu={self.options.gpu}", f"--samples={self.options.samples}"]
        with self.machine() as machine:
            if cpus is not None:
                os.sched_setaffinity(machine.pid, {cpus[0]})
                arguments.append(f"--cpu={cpus[1]}")
            samples: dict[str, list[float]] = _run("calls", machine.environ(), *arguments)
        return samples

    def _comparison(self, calls: Mapping[str, Sequence[float]]) -> None:
        """Print what the same trivial ioctl takes with umockdev alone."""
        tries = (_run("umockdev", os.environ, f"--samples={self.options.samples}") for _ in range(UMOCKDEV_STARTS))
        theirs = next((samples for samples in tries if samples is not None), None)
        table = _table("against umockdev with a custom ioctl handler in Python", "µs per GET_CAP", "median", "ratio")
        ours = statistics.median(calls[TRIVIAL])
        table.add_row("this mock machine", f"{ours:.1f}", "1.0")
        if theirs is None:
            table.add_row("umockdev", "refused", "-")
        else:
            table.add_row("umockdev", f"{statistics.median(theirs):.1f}", f"{statistics.median(theirs) / ours:.1f}")
        self.console.print(table)

    def _crowd(self) -> None:
        options = self.options
        server, client = next(iter(_placements().values()))  # pinned, so that placement does not look like growth
        with self.machine() as machine:
            os.sched_setaffinity(machine.pid, {server})
            result = _run(
                "crowd",
                machine.environ(),
                f"--server={machine.pid}",
                f"--mappings={options.mappings}",
                f"--threads={options.threads}",
                f"--seconds={options.seconds}",
                f"--cpu={client}",
            )
        table = _table("live mappings in one address space", "mappings", "µs per MAP", "UNMAP", "growth", "bytes each")
        first = result["mappings"][0]
        for row in result["mappings"]:
            growth = (row["map"] + row["unmap"]) / (first["map"] + first["unmap"])
            numbers = (f"{row['map']:.1f}", f"{row['unmap']:.1f}", f"{growth:.2f}", f"{row['bytes']:.0f}")
            table.add_row(f"{row['count']:,}", *numbers)
        self.console.print(table)
        table = _table(
            "threads of one client, GEM_VA", "threads", "per second", "µs median", "p90", "least/most of a thread"
        )
        for row in result["threads"]:
            share = f"{row['least of a thread'] / row['most of a thread']:.2f}"
            numbers = (f"{row['per second']:.0f}", f"{row['median']:.1f}", f"{row['p90']:.1f}", share)
            table.add_row(str(row["threads"]), *numbers)
        self.console.print(table)

    def _seconds(self) -> None:
        starts = []
        for _ in range(self.options.starts):
            begin = time.monotonic()
            with self.machine():
                starts.append(time.monotonic() - begin)
        self.console.print(f"start of a machine: {statistics.median(starts):.2f} s (median of {len(starts)})")
        if self.options.no_suite:
            return
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", str(SUITE)]
        with self.machine() as machine:
            begin = time.monotonic()
            result = subprocess.run(command, env=machine.environ(), stdout=subprocess.DEVNULL, check=False)
            elapsed = time.monotonic() - begin
        self.console.print(f"tests/hw: {elapsed:.1f} s (pytest's exit status {result.returncode})")


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Measure the mock machine.")
    parser.add_argument("--gpu", default=DEFAULT_GPU, help="the mock GPU")
    parser.add_argument("--kernel", default=DEFAULT_VARIANT, choices=VARIANTS, help="the kernel variant")
    parser.add_argument("--gpu-time", type=float, default=1.0, help="factor of modelled GPU time, 0 for none")
    parser.add_argument("--samples", type=int, default=3000, help="samples of each call")
    parser.add_argument("--mappings", type=int, default=1_000_000, help="most live mappings")
    parser.add_argument("--threads", type=int, default=64, help="client threads at once")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long the threads run")
    parser.add_argument("--starts", type=int, default=5, help="how often to start a machine")
    parser.add_argument("--no-suite", action="store_true", help="leave tests/hw out")
    parser.add_argument("--quick", action="store_true", help="few samples, few mappings, no suite")
    options = parser.parse_args(argv)
    if options.quick:
        options.samples, options.mappings, options.seconds, options.starts = 200, 10_000, 0.5, 1
        options.no_suite = True
    Benchmark(options).run()


if __name__ == "__main__":
    main()
