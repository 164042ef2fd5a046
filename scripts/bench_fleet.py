#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a fleet of 200 places needs, and how busy it is: prints three tables, judges nothing.

The first is in modelled time: the fleet's schedule with boots, runs, hangs and broken places that are drawn, held
against one that takes orders as they come. The second is measured: this program with a process for each place, whose
boxes are answers alone (no ssh); runs are shortened, and what a run costs this machine is not. The third is measured,
too: labgrid's coordinator and exporter with as many places, of which some are taken and let go.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from bench.fleet_simulation import FirstCome, SimulatedFleet, SimulatedOutcome, simulate_fleet
from bench.labgrid_load import measure_coordinator
from bench.processes import proportional_bytes
from bench.simulated_box import RUN_S
from rich import box
from rich.console import Console
from rich.table import Table

from amdgpu_hw.fleet.conduct import Installable
from amdgpu_hw.fleet.crew import Crew
from amdgpu_hw.fleet.events import State
from amdgpu_hw.fleet.index import Index
from amdgpu_hw.fleet.plan import FleetPlan, PlannedKernel, PlannedPlace, TimeLimits
from amdgpu_hw.fleet.run import run_fleet
from amdgpu_hw.fleet.schedule import Schedule

_KIB = 1024
_MIB = 1 << 20
_WATCH_S = 15
"""Looking at the memory of 200 processes takes a fifth of a second."""
_REAL_RUN_S = 300
_AT_ONCE = 2
"""Clients of labgrid are programs that take a second of a processor to start: they would measure each other."""
_PLACE = (sys.executable, "-m", "bench.simulated_box")


def main() -> None:
    """Simulate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=200, help="places (default: %(default)s)")
    parser.add_argument("--run", type=float, default=30, metavar="S", help="how long runs take (default: 30)")
    parser.add_argument("--poll", type=float, default=5, metavar="S", help="between two looks at a run (default: 5)")
    parser.add_argument("--seeds", type=int, default=20, help="simulations in modelled time (default: %(default)s)")
    parser.add_argument("--no-processes", action="store_true", help="not the second table")
    parser.add_argument("--reservations", type=int, default=40, metavar="N", help="for the third; 0: without it")
    options = parser.parse_args()
    console = Console()
    console.print(_simulated(SimulatedFleet(places_per_gpu=max(1, options.places // 20)), options.seeds))
    if not options.no_processes:
        console.print(_measured(options.places, options.run, options.poll))
    if options.reservations:
        console.print(_of_labgrid(options.places, options.reservations))


def _simulated(fleet: SimulatedFleet, seeds: int) -> Table:
    size = f"{len(fleet.places)} places, {fleet.gpus} GPUs, {len(fleet.orders())} orders; mean of {seeds}"
    table = Table(title=f"In modelled time: {size}", title_justify="left", box=box.SIMPLE)
    for name in ("schedule", "busy", "in boots", "boots", "hours", "lost"):
        table.add_column(name, justify="left" if name == "schedule" else "right")
    for name, kind in (("as it is", Schedule), ("as they come", FirstCome)):
        outcomes = [simulate_fleet(fleet, seed, kind) for seed in range(seeds)]
        table.add_row(name, *_means(outcomes))
    return table


def _means(outcomes: list[SimulatedOutcome]) -> Iterator[str]:
    def mean(name: str) -> float:
        return float(sum(getattr(each, name) for each in outcomes) / len(outcomes))

    yield f"{mean('busy'):.1%}"
    yield f"{mean('in_boots'):.1%}"
    yield f"{mean('boots'):.0f}"
    yield f"{mean('whole_s') / 3600:.2f}"
    yield f"{mean('lost'):.1f}"


def _measured(places: int, run_s: float, poll_s: float) -> Table:
    """Two orders on every place, with the processes that they take."""
    os.environ[RUN_S] = str(run_s)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    plan = FleetPlan(
        tuple(PlannedPlace(f"p{number}", f"g{number % 20}", ssh="x") for number in range(places)),
        (PlannedKernel("k", mock="base"),),
        repetitions=2 * places // 20,
        limits=TimeLimits(poll=poll_s),
    )
    index = Index.of(plan)
    memory = _Memory()
    with tempfile.TemporaryDirectory() as directory:
        begun, before = time.monotonic(), _cpu_s()
        memory.start()
        results = Path(directory)
        run_fleet(index, results, Installable(Path("w"), "d"), _say_nothing, Crew(results / "places", _PLACE))
        memory.end()
        took, cpu = time.monotonic() - begun, _cpu_s() - before
    done = sum(each.state is State.DONE for each in index.orders)
    table = Table(
        title=f"Measured: {places} processes, {done} of {len(index.orders)} orders done",
        title_justify="left",
        box=box.SIMPLE,
    )
    table.add_column("", no_wrap=True)
    table.add_column("", justify="right")
    table.add_row("wall-clock time", f"{took:.0f} s, runs of {run_s:g} s, a look every {poll_s:g} s")
    own = resource.getrusage(resource.RUSAGE_SELF)
    table.add_row("memory of the fleet's process", f"{own.ru_maxrss * _KIB / _MIB:.0f} MiB at most")
    table.add_row("memory of all, what is shared once", f"{memory.most / _MIB:.0f} MiB at most")
    table.add_row("the same for a place", f"{memory.most / _MIB / places:.1f} MiB")
    table.add_row("processor time", f"{cpu:.1f} s, {cpu / len(index.orders) * 1e3:.0f} ms an order")
    table.add_row("the fleet's process alone", f"{own.ru_utime + own.ru_stime:.1f} s")
    start = _start_cpu_s()
    looks = cpu - places * start
    share = looks / len(index.orders) * (_REAL_RUN_S / run_s) * places / _REAL_RUN_S
    table.add_row("to start a place's process", f"{start * 1e3:.0f} ms")
    table.add_row(f"with runs of {_REAL_RUN_S} s", f"{share:.0%} of one processor")
    return table


def _of_labgrid(places: int, orders: int) -> Table:
    """labgrid's daemons with many places, and clients that take them."""
    load = measure_coordinator(places, orders, _AT_ONCE)
    table = Table(title=f"Measured: labgrid with {places} places", title_justify="left", box=box.SIMPLE)
    table.add_column("", no_wrap=True)
    table.add_column("", justify="right")
    table.add_row("memory of coordinator and exporter", f"{load.memory / _MIB:.0f} MiB")
    table.add_row("their processor time, nobody asking", f"{load.idle_share:.2%} of one processor")
    table.add_row("the same for a place taken and let go", f"{load.order_cpu * 1e3:.0f} ms")
    table.add_row(f"to get a place, {_AT_ONCE} asking at once", f"{load.usual:.1f} s, {max(load.taken):.1f} s at most")
    return table


def _say_nothing(_line: str) -> None:
    """What a person would read."""


def _cpu_s() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _start_cpu_s() -> float:
    """What it takes to start a process of a place that has nothing to do."""
    before = _cpu_s()
    for _ in range(5):
        subprocess.run([sys.executable, "-c", "import bench.simulated_box"], check=True)
    return (_cpu_s() - before) / 5


class _Memory:
    """Watches how much memory this process and its children have."""

    def __init__(self) -> None:
        self.most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Come to an end."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_WATCH_S):
            own = psutil.Process()
            self.most = max(self.most, proportional_bytes([own, *own.children()]))


if __name__ == "__main__":
    main()
