# SPDX-License-Identifier: MIT
"""``amdgpu-hw overlap``: what sparse binding does to frames that overlap with it, with the flag and without."""

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
)
from amdgpu_hw.cli.packages import require_packages
from amdgpu_hw.options.declared import option
from amdgpu_hw.options.numbers import seconds, whole_number, within

if TYPE_CHECKING:
    from amdgpu_hw.measure.overlap import OverlapSettings

__all__ = ("add_commands",)


@dataclass(frozen=True)
class OverlapOptions(MeasuringOptions):
    """What can be said about frames and binds; what is not given is as the measurement has it."""

    frame_ms: float | None = option(
        "GPU time of an undisturbed frame (default: 8)", metavar="MS", read=within(0, 10_000)
    )
    budget_ms: float | None = option("from frame to frame (default: 16.7)", metavar="MS", read=within(0, 10_000))
    rate: float | None = option("binds and unbinds per second (default: 120)", metavar="HZ", read=within(0, 1_000_000))
    background_ms: float | None = option(
        "length of the jobs on another queue, 0 for none (default: 25)", metavar="MS", read=within(0, 10_000)
    )
    frames: int | None = option("of each stretch (default: 60)", metavar="N", read=whole_number(0, 100_000))
    blocks: int | None = option(
        "of four interleaved stretches; 6 or more to judge", metavar="N", read=whole_number(0, 10_000)
    )
    null_blocks: int | None = option("blocks of the A/A run", metavar="N", read=whole_number(0, 10_000))
    timeout: float | None = option("bound of each wait (default: 5)", metavar="S", read=seconds)


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "overlap",
        help="measure what sparse binding does to frames",
        description=(
            "Renders frames of a given GPU length at a frame budget while another thread binds and unbinds tiles of "
            "the same address space, with AMDGPU_VM_EXPLICIT_SYNC and without, in interleaved stretches. Prints a "
            "table, writes the result file and plots."
        ),
        allow_abbrev=False,
    )
    add_measuring_options(parser, OverlapOptions)
    # Three threads: on one CPU they would wait for each other.
    parser.set_defaults(run=run_overlap, takes_rest=False, cpu="any")


def run_overlap(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Measure on the GPU that is asked for, or on a mock one."""
    require_packages()
    from amdgpu_hw.measure.overlap import Overlap

    given = OverlapOptions.of(options)
    wanted = _settings(given)
    return measure_here_or_on_mock(
        "overlap", options, given, lambda gpu, conditions: Overlap(gpu, wanted, conditions), wanted.shape
    )


def _settings(options: OverlapOptions) -> OverlapSettings:
    """The run that was asked for. Raises `HarnessError`."""
    from amdgpu_hw.measure.overlap import QUICK, OverlapSettings

    changes: dict[str, Any] = {
        "frame_ns": scaled(options.frame_ms, 1e6),
        "budget_ns": scaled(options.budget_ms, 1e6),
        "rate_hz": options.rate,
        "background_ns": scaled(options.background_ms, 1e6),
        "frames": options.frames,
        "blocks": options.blocks,
        "null_blocks": options.null_blocks,
        "timeout_ns": scaled(options.timeout, 1e9),
    }
    return with_changes(QUICK if options.quick else OverlapSettings(), changes)
