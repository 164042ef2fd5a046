# SPDX-License-Identifier: MIT
"""``amdgpu-hw latency``: how long an unmap takes to become effective, with the flag and without."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amdgpu_hw.cli.measuring import (
    MeasuringOptions,
    add_measuring_options,
    measure_here_or_on_mock,
    scaled,
    with_changes,
    words,
)
from amdgpu_hw.cli.packages import require_packages
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.options.declared import option
from amdgpu_hw.options.numbers import seconds, whole_number, within

if TYPE_CHECKING:
    from amdgpu_hw.measure.grid import LatencySettings

__all__ = ("add_commands",)


@dataclass(frozen=True)
class LatencyOptions(MeasuringOptions):
    """What can be said about the grid; what is not given is as the measurement has it."""

    loads: str | None = option(
        "of idle and engines with jobs in flight (default: idle, gfx x4, compute x4, sdma x4)", metavar="LIST"
    )
    operations: str | None = option("of UNMAP, CLEAR, REPLACE (default: all)", metavar="LIST")
    mappings: str | None = option("of PRT, always-valid, ordinary (default: all)", metavar="LIST")
    sizes: str | None = option("bytes, K, M or G (default: 4K,64K,2M,1G)", metavar="LIST")
    blocks: int | None = option(
        "of four interleaved rounds per cell; 6 or more to judge (default: 8)",
        metavar="N",
        read=whole_number(0, 10_000),
    )
    null_blocks: int | None = option(
        "blocks of the A/A run per cell; 6 or more to judge (default: 6)", metavar="N", read=whole_number(0, 10_000)
    )
    samples: int | None = option("of each round (default: 20)", metavar="N", read=whole_number(0, 100_000))
    job_ms: float | None = option("how long a job of the load lasts (default: 1)", metavar="MS", read=within(0, 10_000))
    timeout: float | None = option("bound of each wait (default: 5)", metavar="S", read=seconds)


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "latency",
        help="measure how long unmaps take to become effective",
        description=(
            "Measures, for each cell of a grid (load x operation x mapping x size), how long the ioctl, its update "
            "fence and an unrelated submission right after it take, with AMDGPU_VM_EXPLICIT_SYNC and without, in "
            "interleaved rounds, beside an A/A run. Prints a table, writes the result file and plots."
        ),
        allow_abbrev=False,
    )
    add_measuring_options(parser, LatencyOptions)
    parser.set_defaults(run=run_latency, takes_rest=False)


def run_latency(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Measure on the GPU that is asked for, or on a mock one."""
    require_packages()
    from amdgpu_hw.measure.latency import Latency

    given = LatencyOptions.of(options)
    wanted = _settings(given)
    return measure_here_or_on_mock(
        "latency", options, given, lambda gpu, conditions: Latency(gpu, wanted, conditions), wanted.shape
    )


def _settings(options: LatencyOptions) -> LatencySettings:
    """The grid that was asked for. Raises `HarnessError`."""
    from amdgpu_hw.measure.grid import MAPPINGS, OPERATIONS, QUICK, LatencySettings, parse_load, parse_size

    changes: dict[str, Any] = {
        "loads": options.loads and tuple(map(parse_load, words(options.loads))),
        "operations": options.operations and _choice("operations", options.operations, OPERATIONS),
        "mappings": options.mappings and _choice("mappings", options.mappings, MAPPINGS),
        "sizes": options.sizes and tuple(map(parse_size, words(options.sizes))),
        "blocks": options.blocks,
        "null_blocks": options.null_blocks,
        "samples": options.samples,
        "job_ns": scaled(options.job_ms, 1e6),
        "timeout_ns": scaled(options.timeout, 1e9),
    }
    return with_changes(QUICK if options.quick else LatencySettings(), changes)


def _choice(name: str, text: str, known: Sequence[str]) -> tuple[str, ...]:
    by_name = {each.lower(): each for each in known}
    try:
        return tuple(by_name[word.lower()] for word in words(text))
    except KeyError as error:
        raise HarnessError(
            f"there is nothing called {error} among the {name}: choose from {', '.join(known)}"
        ) from None
