# SPDX-License-Identifier: MIT
"""``amdgpu-hw guest``: any program on a real kernel with its own driver, and a modelled GPU."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from amdgpu_hw.on_guest import run_on_guest
from amdgpu_hw.options.guest import WholeGuestMachine

__all__ = ("add_commands",)


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "guest",
        help="run any program on a real kernel with a modelled GPU",
        description=(
            "Boots a real kernel in QEMU with modelled GPUs, loads its own amdgpu driver and runs a program there, in "
            "this directory and with this machine's files, of which only those in this directory can be changed."
        ),
        usage="amdgpu-hw guest [--gpu NAME]... [--linux WHAT] [--modules DIR] [--module FILE]\n"
        "                       [--parameter NAME=VALUE]... [--accel kvm|tcg] [--memory MIB] [--cpus N]\n"
        "                       [--share DIR]... [--user NAME] [--console FILE] [--append WORD]...\n"
        "                       [--qemu WORD]... [--whole-modules] [--no-driver] -- COMMAND...",
        allow_abbrev=False,
    )
    WholeGuestMachine.declare(parser.add_argument, filled=True)
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the program and its arguments")
    parser.set_defaults(run=run_guest, takes_rest=False)


def run_guest(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Run the program; the exit status is the program's."""
    return run_on_guest(options.command, WholeGuestMachine.of(options).options())
