# SPDX-License-Identifier: MIT
"""``amdgpu-hw mock``: any program on a mock machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amdgpu_hw.on_mock import run_on_mock
from amdgpu_hw.options.declared import comma_separated, option
from amdgpu_hw.options.machine import MockOptions

__all__ = ("add_commands",)


@dataclass(frozen=True)
class WholeMockMachine(MockOptions):
    """A mock machine with its GPUs."""

    gpus: tuple[str, ...] = option(
        "the GPUs of the machine; repeatable", name="gpu", default=(), metavar="NAME[,NAME]", read=comma_separated()
    )


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "mock",
        help="run any program on a mock machine",
        usage="amdgpu-hw mock [--gpu NAME]... [--kernel VARIANT] [--bug NAME]...\n"
        "                      [--parameter NAME=NUMBER]... [--without DEVICE]... [--gpu-time FACTOR] -- COMMAND...",
        allow_abbrev=False,
    )
    WholeMockMachine.declare(parser.add_argument, filled=True)
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the program and its arguments")
    parser.set_defaults(run=run_mock, takes_rest=False)


def run_mock(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Run the program; the exit status is the program's."""
    machine = WholeMockMachine.of(options)
    return run_on_mock(options.command, machine.gpus, machine)
