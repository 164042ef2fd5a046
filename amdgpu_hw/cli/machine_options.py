# SPDX-License-Identifier: MIT
"""How the commands declare the options that say on which machine they are to work."""

from __future__ import annotations

import argparse

from amdgpu_hw.options.guest import GuestChoice
from amdgpu_hw.options.machine import MOCK, MachineChoice, MockOptions

__all__ = ("add_guest_options", "add_machine_options", "add_parameter_option")


def add_machine_options(parser: argparse.ArgumentParser, *without: str) -> None:
    """Declare all of `MachineChoice` but some, and ``--guest``."""
    MachineChoice.declare(parser.add_argument, without=without, notes={MOCK: " (implies --mock)"}, filled=True)
    add_guest_options(parser)


def add_guest_options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--guest`` and what it can be told, in a group: it is much."""
    group = parser.add_argument_group("guest machine")
    GuestChoice.declare(group.add_argument, filled=True)


def add_parameter_option(parser: argparse.ArgumentParser, note: str = "") -> None:
    """Declare ``--parameter`` alone: pairs of name and value. ``note`` ends its help."""
    MockOptions.declare(parser.add_argument, only=("parameters",), notes={MOCK: note}, filled=True)
