#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How fast a guest machine is beside the mock machine, and where a run's time goes: prints tables, judges nothing.

One guest is booted. Rounds of the same calls follow, in the guest and on a mock machine by turns, so that what else
this computer does meets both; the ratio is that of the medians of a round, and the median of the rounds. Each sample is
one call, timed in C around the ioctl (`bench.calls`). Then the suite runs in the guest, as `validate --guest` runs it.
Where a column says "processor", it is time on the processor: waiting for others' work is not in it.
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
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bench.cpu_time import GPU, OURSELVES, QEMU, SHARES, ProcessorTimes, processor_ns
from rich.console import Console
from rich.table import Table

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.device.registers import load_table
from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU, GUEST_GPUS
from amdgpu_hw.guest.session import GuestMachine, GuestOptions
from amdgpu_hw.mock.machine import Machine
from amdgpu_hw.mock.variants import VARIANTS
from amdgpu_hw.options.suite import ALLOW_FAULTS
from amdgpu_hw.verdict.model import Outcome

SCRIPTS = Path(__file__).resolve().parent
UNUSABLE = 2
STOCK_VARIANT = "base"
"""The mock kernel that is like the newest stock one."""
KINDS = (QEMU, GPU, SHARES, OURSELVES)
REGISTER = ("GC", "SCRATCH_REG0")
"""One that nothing happens at: what an access itself costs."""

T = TypeVar("T")
Samples = dict[str, list[float]]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    return table


def _tenth(samples: Sequence[float]) -> float:
    return statistics.quantiles(samples, n=10)[0]


class GuestBenchmark:
    """One run, with the options of the command line."""

    def __init__(self, options: argparse.Namespace, directory: Path) -> None:
        self.options = options
        self.directory = directory
        self.console = Console()
        self.phases: dict[str, tuple[float, float]] = {}
        """When each part of the run began and ended (time.monotonic)."""
        self.register = load_table(options.gpu).offset(*REGISTER)

    def run(self) -> None:
        """Measure and print everything."""
        options = self.options
        machine = GuestMachine(
            GuestOptions(
                gpus=(options.gpu,),
                linux=options.linux,
                accelerator=options.accel,
                console=self.directory / "guest.console.log",
            )
        )
        with ProcessorTimes() as processors:
            begin = time.monotonic()
            with machine:
                self._note_start(machine, begin)
                self.console.print(machine.words, highlight=False, soft_wrap=True)
                if machine.bound != 1:
                    raise HarnessError(machine.trouble)
                rounds = [(self._calls_in_guest(machine), self._calls_on_mock()) for _ in range(options.rounds)]
                registers = self._registers(machine, processors)
                if not options.no_suite:
                    self._phase("suite (validate)", lambda: self._validate(machine))
                self._phase("power off", machine.close)
        self._print_registers(*registers)
        self._print_calls(rounds)
        self._print_phases(processors, machine)
        load = f"load {os.getloadavg()[0]:.1f}"
        self.console.print(f"{len(os.sched_getaffinity(0))} CPUs, {load}, Linux {os.uname().release}", highlight=False)

    # ---- the guest ----

    def _note_start(self, machine: GuestMachine, begin: float) -> None:
        """Put the times of the machine's start among the phases."""
        names = {
            "prepare": "prepare (modules, shares)",
            "boot": "boot to our agent",
            "load": "load the driver",
        }
        for key, name in names.items():
            self.phases[name] = (begin, begin + machine.times[key])
            begin = self.phases[name][1]

    def _phase(self, name: str, action: Callable[[], T]) -> T:
        begin = time.monotonic()
        result = action()
        self.phases[name] = (begin, time.monotonic())
        return result

    def _in_guest(self, machine: GuestMachine, *words: str) -> Any:
        """Run a part of the benchmark there; what it printed, which comes out as a file."""
        output = self.directory / "output.json"
        command = [sys.executable, "-m", *words]
        status = machine.run(["sh", "-c", 'exec "$@" >output.json', "sh", *command], {"PYTHONPATH": str(SCRIPTS)})
        if status:
            raise HarnessError(f"'{' '.join(words)}' ended with {status} in the guest")
        return json.loads(output.read_text(encoding="utf-8"))

    def _validate(self, machine: GuestMachine) -> None:
        command = [sys.executable, "-m", "amdgpu_hw", "validate", "--results", str(self.directory / "suite.json")]
        machine.run(["sh", "-c", 'exec "$@" >suite.log 2>&1', "sh", *command], {ALLOW_FAULTS: "1"})
        results = json.loads((self.directory / "suite.json").read_text(encoding="utf-8"))
        counts = ", ".join(f"{count} {outcome}" for outcome, count in results["summary"].items() if count)
        bad = (Outcome.BROKEN.value, Outcome.UNFINISHED.value)
        rows = ", ".join(f"{case['row']} {case['outcome']}" for case in results["cases"] if case["outcome"] in bad)
        self.console.print(f"the suite in the guest: {counts}{f' ({rows})' if rows else ''}", highlight=False)

    # ---- calls ----

    def _calls_in_guest(self, machine: GuestMachine) -> Samples:
        samples: Samples = self._in_guest(machine, "bench.calls", *self._what())
        return samples

    def _calls_on_mock(self) -> Samples:
        with Machine([self.options.gpu], self.options.kernel) as machine:
            samples: Samples = _run("bench.calls", machine.environ(), *self._what())
        return samples

    def _what(self) -> tuple[str, str]:
        return f"--gpu={self.options.gpu}", f"--samples={self.options.samples}"

    def _print_calls(self, rounds: Sequence[tuple[Samples, Samples]]) -> None:
        options = self.options
        table = _table(
            f"{options.rounds} rounds of {options.samples} samples, mock kernel {options.kernel}",
            "µs per call, median and 10th percentile",
            "guest",
            "p10",
            "mock",
            "p10",
            "guest : mock",
        )
        for name in rounds[0][0]:
            guest, mock = ([sample for both in rounds for sample in both[where][name]] for where in (0, 1))
            ratio = statistics.median(statistics.median(a[name]) / statistics.median(b[name]) for a, b in rounds)
            numbers = [statistics.median(guest), _tenth(guest), statistics.median(mock), _tenth(mock)]
            table.add_row(name, *(f"{number:.1f}" for number in numbers), f"{ratio:.1f}")
        self.console.print(table)

    # ---- registers ----

    def _registers(self, machine: GuestMachine, processors: ProcessorTimes) -> tuple[Samples, dict[str, Any], float]:
        """Accesses in the guest, and without one; and the processor time of the GPU's process for one in the guest."""
        (gpu,) = processors.pids(GPU)
        arguments = (f"--register={self.register}", f"--samples={self.options.samples}")
        before = processor_ns(gpu)
        samples: Samples = self._in_guest(machine, "bench.registers", *arguments)
        accesses = len([name for name in samples if name.startswith("register")]) * 16 * (20 + self.options.samples)
        taken = (processor_ns(gpu) - before) / 1000 / accesses
        alone = _run("bench.region_reads", os.environ, f"--gpu={self.options.gpu}", *arguments)
        return samples, alone, taken

    def _print_registers(self, samples: Samples, alone: Mapping[str, Any], taken: float) -> None:
        table = _table(
            f"one access to {'.'.join(REGISTER)}",
            "µs per access",
            "median",
            "p10",
            "processor, GPU's process",
        )
        for name, its in samples.items():
            processor = f"{taken:.1f}" if name.startswith("register, BAR5 mapped: read") else ""
            table.add_row(f"guest: {name}", f"{statistics.median(its):.2f}", f"{_tenth(its):.2f}", processor)
        trip = alone["round trip"]
        table.add_row(
            "no guest: REGION_READ over vfio-user",
            f"{statistics.median(trip):.2f}",
            f"{_tenth(trip):.2f}",
            f"{alone['processor']:.1f}",
        )
        self.console.print(table)

    # ---- phases ----

    def _print_phases(self, processors: ProcessorTimes, machine: GuestMachine) -> None:
        table = _table("a whole run", "seconds", "passed", *(f"processor: {kind}" for kind in KINDS), "all")
        sums: defaultdict[str, float] = defaultdict(float)
        for name, (begin, end) in self.phases.items():
            used = processors.between(begin, end)
            for kind, seconds in {"passed": end - begin, **used}.items():
                sums[kind] += seconds
            self._row(table, name, end - begin, used)
        table.add_section()
        self._row(table, "together", sums.pop("passed"), sums)
        self.console.print(table)
        slowest = sorted(machine.loading.items(), key=lambda each: -each[1])[:3]
        words = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in slowest)
        self.console.print(f"modules that took longest to load: {words}", highlight=False)

    @staticmethod
    def _row(table: Table, name: str, passed: float, used: Mapping[str, float]) -> None:
        seconds = [used.get(kind, 0.0) for kind in KINDS]
        table.add_row(name, f"{passed:.1f}", *(f"{each:.1f}" for each in seconds), f"{sum(seconds):.1f}")


def _run(module: str, environment: Mapping[str, str], *arguments: str) -> Any:
    """Run a part of the benchmark on this machine; what it printed."""
    command = [sys.executable, "-m", module, *arguments]
    result = subprocess.run(command, cwd=SCRIPTS, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables; the exit status."""
    parser = argparse.ArgumentParser(description="Measure a guest machine beside the mock machine.")
    parser.add_argument("--gpu", default=DEFAULT_GPU, choices=list(GUEST_GPUS), help="the modelled GPU")
    parser.add_argument("--linux", metavar="WHAT", help="the guest's kernel, as 'amdgpu-hw guest' takes it")
    parser.add_argument("--kernel", default=STOCK_VARIANT, choices=VARIANTS, help="the mock machine's kernel variant")
    parser.add_argument("--accel", choices=("kvm", "tcg"), help="run the guest with this")
    parser.add_argument("--samples", type=int, default=300, help="samples of each call in a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in guest and mock machine by turns")
    parser.add_argument("--no-suite", action="store_true", help="leave tests/hw out")
    options = parser.parse_args(argv)
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="amdgpu-hw-bench-") as scratch:
        os.chdir(scratch)  # what a guest may write to
        try:
            GuestBenchmark(options, Path(scratch)).run()
        except (HarnessError, subprocess.CalledProcessError) as error:
            print(f"bench_guest: {error}", file=sys.stderr)
            return UNUSABLE
        finally:
            os.chdir(before)
    return 0


if __name__ == "__main__":
    sys.exit(main())
