# SPDX-License-Identifier: MIT
"""What ``amdgpu-hw latency`` and ``overlap`` share: where to measure, the conditions, progress, keeping the result."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from amdgpu_hw.atomic_file import require_writable
from amdgpu_hw.cli.machine_options import add_machine_options
from amdgpu_hw.discovery import GpuNode, select_gpu
from amdgpu_hw.errors import AmdgpuHwError, HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.on_guest import again_on_guest
from amdgpu_hw.on_mock import run_on_mock
from amdgpu_hw.options.declared import Options, option
from amdgpu_hw.options.guest import GuestChoice
from amdgpu_hw.options.machine import MachineChoice, MachineKind
from amdgpu_hw.verdict.table import render

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from amdgpu_hw.gpu import Gpu
    from amdgpu_hw.measure.model import Conditions, Result, Scalar

__all__ = (
    "Measurement",
    "MeasuringOptions",
    "add_measuring_options",
    "measure_here_or_on_mock",
    "scaled",
    "with_changes",
    "words",
)

T = TypeVar("T", bound="DataclassInstance")

MOCK_GPU_TIME = 32.0
"""Factor on a mock GPU's modelled time: with less the mock needs longer for the load's work than the GPU would, and
nothing would be in flight when it should be."""

PSTATE_NAMES = ("peak", "standard", "min-sclk", "min-mclk", "none")
LONGEST_H = 48.0
"""Hours that a run may be expected to take."""
BUSY_SHARE = 0.5
"""Of the CPUs; a load average above it is told."""
SAVE_EVERY_S = 2.0
SAVING_SHARE = 0.05
"""Of the time at most, in long runs."""
_REFRESH_EVERY_S = 0.25
_WIDE = 160
"""Columns when the output is no terminal."""


class Measurement(Protocol):
    """A measurement that is carried out step by step."""

    notes: list[str]

    @property
    def result(self) -> Result:
        """What there is so far."""

    @property
    def expected_ns(self) -> int:
        """About how long it takes: the sum of what the steps say."""

    def measure(self) -> Iterator[tuple[int, str]]:
        """Do it; each step yields about how long it was expected to take (ns), and what it was."""


def _pstate(text: str) -> str:
    if text not in PSTATE_NAMES:
        raise argparse.ArgumentTypeError(f"there is no such power state; choose from {', '.join(PSTATE_NAMES)}")
    return text


@dataclass(frozen=True)
class MeasuringOptions(Options):
    """The options that both commands have; each adds its own."""

    quick: bool = option("a first look, in less than ten seconds", default=False)
    output: str | None = option("the result file (default: one in results/)", metavar="FILE")
    no_plots: bool = option("write no pictures beside the result file", default=False)
    pstate: str = option(
        f"the clocks' stable power state: {', '.join(PSTATE_NAMES)} (default: peak)",
        default="peak",
        metavar="NAME",
        read=_pstate,
    )
    cpu: str | None = option(
        "the CPU to measure on, or 'any' (default: latency the last one, overlap any)", metavar="N"
    )


def add_measuring_options(parser: argparse.ArgumentParser, options: type[MeasuringOptions]) -> None:
    """Declare the options of a command that measures."""
    add_machine_options(parser, "without")
    options.declare(parser.add_argument, filled=True)
    parser.set_defaults(gpu_time=MOCK_GPU_TIME)


def measure_here_or_on_mock(
    command: str,
    given: argparse.Namespace,
    options: MeasuringOptions,
    prepare: Callable[[Gpu, Conditions], Measurement],
    shape: Mapping[str, Scalar],
) -> int:
    """Measure on this machine's GPU, or do the same again on a machine made for it; returns the exit status.

    ``given`` says on which machine; ``prepare`` makes the run, ``shape`` is what the conditions tell about it.
    """
    machine = MachineChoice.of(given)
    _cpu(options.cpu)  # a wrong one is told before a machine is started
    guest = GuestChoice.of(given)
    if guest.asked:
        output = _output(command, options, guest.subject(machine.gpu))
        require_writable(output)
        return again_on_guest([command, *replace(options, output=str(output)).argv()], guest, machine, [output])
    if machine.kind is MachineKind.REAL:
        node = select_gpu(machine.gpu)
        output = _output(command, options, Path(node.node).name)
        require_writable(output)
        return _carry_out(node, options, output, prepare, shape)
    if not machine.gpu_time:
        raise HarnessError("--gpu-time is a factor of more than 0: GPUs that take no time have nothing in flight")
    output = _output(command, options, machine.subject())
    require_writable(output)
    handed_on = replace(options, output=str(output))
    arguments = [*machine.on_it().argv(), *handed_on.argv()]
    return run_on_mock([sys.executable, "-m", "amdgpu_hw", command, *arguments], [machine.mock_gpu], machine, ours=True)


def _carry_out(
    node: GpuNode,
    options: MeasuringOptions,
    output: Path,
    prepare: Callable[[Gpu, Conditions], Measurement],
    shape: Mapping[str, Scalar],
) -> int:
    """Open the GPU, hold its conditions, carry out what ``prepare`` returns, keep the result, show it.

    Whatever ends the run, what was measured until then is saved.
    """
    from amdgpu_hw.gpu import Gpu
    from amdgpu_hw.measure.conditions import PinnedCpu, StablePstate, read_conditions

    run = None
    status: int = ExitStatus.INCOMPLETE
    try:
        with ExitStack() as held:
            gpu = held.enter_context(Gpu(node))
            pstate = held.enter_context(StablePstate(gpu, options.pstate))
            pinned = held.enter_context(PinnedCpu(_cpu(options.cpu)))
            run = prepare(gpu, read_conditions(gpu, pstate.name, pinned.cpu, shape))
            if pstate.why_not:
                run.notes.append(f"the clocks were not held: {pstate.why_not}")
            _check_length(run)
            busy = busy_words()
            if busy:
                run.notes.append(busy)
                print(f"amdgpu-hw: {busy}", file=sys.stderr, flush=True)
            status = _take_steps(run, output)
    except AmdgpuHwError as error:
        if run is None:
            raise
        # Closing what is hung or gone fails, too; that must not cost what was measured before.
        print(f"amdgpu-hw: when closing: {error}", file=sys.stderr)
    if not run.result.samples:
        print("amdgpu-hw: no sample was taken, so nothing is saved", file=sys.stderr)
        return ExitStatus.INCOMPLETE
    _show(run.result, output, with_plots=not options.no_plots)
    return status


def _check_length(run: Measurement) -> None:
    """Raise `HarnessError` for a run that nobody can mean."""
    hours = run.expected_ns / 3.6e12
    if hours > LONGEST_H:
        raise HarnessError(f"this would take about {hours:.0f} hours: ask for fewer blocks, samples, frames or sizes")


def busy_words() -> str:
    """That others use this machine, in a sentence; empty if they do not."""
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    if load <= BUSY_SHARE * cpus:
        return ""
    return f"this machine is busy (load average {load:.1f} on {cpus} CPUs): what others do is in the figures"


def _show(result: Result, output: Path, *, with_plots: bool) -> None:
    """Print the report of a result, then draw the pictures; and name the files. The result is saved already."""
    from amdgpu_hw.measure import plots, report
    from amdgpu_hw.measure.model import LatencyResult

    stem, working = output.with_suffix(""), Console(stderr=True)
    # Nothing is printed in here: rich sends the standard output to the console of the status meanwhile.
    with working.status("judging"):
        shown = report.latency_report(result) if isinstance(result, LatencyResult) else report.overlap_report(result)
        colour = sys.stdout.isatty()
        text = render(shown, shutil.get_terminal_size().columns if colour else _WIDE, colour)
    print(text, end="")
    print(output, flush=True)
    if not with_plots:
        return
    try:
        with working.status("drawing"):
            if isinstance(result, LatencyResult):
                pictures = plots.save_latency(result, stem)
            else:
                pictures = plots.save_overlap(result, stem)
    except OSError as error:
        raise HarnessError(f"the pictures {stem}-* could not be written: {error.strerror}") from error
    print("\n".join(map(str, pictures)))


def _take_steps(run: Measurement, output: Path) -> int:
    """Carry the run out, saving what there is every few seconds and at the end; returns the exit status."""
    status, save_at, show_at = ExitStatus.PROVEN, 0.0, 0.0
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
        console=console,
        auto_refresh=False,  # a thread that draws would take the CPU from the one that measures
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("measuring", total=run.expected_ns)
        try:
            for expected, what in run.measure():
                now = time.monotonic()
                progress.update(task, advance=expected, description=what, refresh=now >= show_at)
                show_at = now + _REFRESH_EVERY_S if now >= show_at else show_at
                if now >= save_at:
                    _save(run, output)
                    saved = time.monotonic()
                    save_at = saved + max(SAVE_EVERY_S, (saved - now) / SAVING_SHARE)
        except KeyboardInterrupt:
            run.notes.append("interrupted by the user")
            print("amdgpu-hw: interrupted; what was measured is kept", file=sys.stderr)
            status = ExitStatus.INCOMPLETE
        except AmdgpuHwError as error:
            first = _first(error)
            run.notes.append(f"ended early: {first}")
            print(f"amdgpu-hw: {first}", file=sys.stderr)
            status = ExitStatus.INCOMPLETE
        finally:
            _save(run, output)
    return status


def _first(error: BaseException) -> BaseException:
    """What went wrong first: giving things back on a hung or lost GPU fails, too, and is not worth telling."""
    while isinstance(error.__context__, AmdgpuHwError):
        error = error.__context__
    return error


def _save(run: Measurement, output: Path) -> None:
    from amdgpu_hw.measure.results import save

    if run.result.samples:
        save(run.result, output)


def _cpu(wanted: str | None) -> int | None:
    """The CPU to be pinned to; None for any."""
    allowed = os.sched_getaffinity(0)
    if wanted == "any":
        return None
    if wanted is None:
        return max(allowed)
    if not wanted.isdigit() or int(wanted) not in allowed:
        numbers = ", ".join(map(str, sorted(allowed)))
        raise HarnessError(f"this process may not run on CPU '{wanted}': choose one of {numbers}, or 'any'")
    return int(wanted)


def words(text: str) -> list[str]:
    """The members of a list that was given on the command line. Raises `HarnessError` for an empty one."""
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise HarnessError(f"a list such as 'one,two' is needed, not '{text}'")
    return found


def with_changes(start: T, changes: Mapping[str, Any]) -> T:
    """The options of a run with what was asked for on the command line: all that is not None."""
    return replace(start, **{name: value for name, value in changes.items() if value is not None})


def scaled(value: float | None, factor: float) -> int | None:
    """An option in the unit of the measurement; None if it was not given."""
    return None if value is None else round(value * factor)


def _output(command: str, options: MeasuringOptions, subject: str) -> Path:
    if options.output is not None:
        return Path(options.output if options.output.endswith(".json") else f"{options.output}.json")
    return Path("results") / f"{command}-{subject}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
