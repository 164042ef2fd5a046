# SPDX-License-Identifier: MIT
"""``amdgpu-hw mock``: any program on a mock machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from amdgpu_hw.cli.bugs import add_bug_option
from amdgpu_hw.cli.machine_options import add_parameter_option
from amdgpu_hw.on_mock import OPTIONAL_DEVICES, run_on_mock

__all__ = ("add_commands",)

MAX_GPU_TIME = 1e6


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "mock",
        help="run any program on a mock machine",
        usage="amdgpu-hw mock [--gpu NAME]... [--kernel VARIANT] [--bug NAME]...\n"
        "                      [--parameter NAME=NUMBER]... [--without DEVICE]... [--gpu-time FACTOR] -- COMMAND...",
        allow_abbrev=False,
    )
    parser.add_argument("--gpu", metavar="NAME", action="append", default=[], help="a GPU of the machine; repeatable")
    parser.add_argument("--kernel", metavar="VARIANT", help="the machine's kernel")
    add_bug_option(parser)
    add_parameter_option(parser)
    parser.add_argument(
        "--without",
        metavar="DEVICE",
        action="append",
        default=[],
        choices=OPTIONAL_DEVICES,
        help="leave a device out",
    )
    parser.add_argument(
        "--gpu-time",
        metavar="FACTOR",
        type=_factor,
        default=1.0,
        help="how long the GPUs' work takes: 1 as modelled (default), 0 no time at all, or times that factor",
    )
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the program and its arguments")
    parser.set_defaults(run=run_mock, takes_rest=False)


def run_mock(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Run the program; the exit status is the program's."""
    return run_on_mock(
        options.command,
        options.gpu,
        options.kernel,
        options.without,
        options.gpu_time,
        options.bug,
        dict(options.parameter),
    )


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = -1
    if not 0 <= factor <= MAX_GPU_TIME:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {MAX_GPU_TIME:g}, not '{text}'")
    return factor
