# SPDX-License-Identifier: MIT
"""The options that say on which machine a command is to work; validate, latency and overlap have them."""

from __future__ import annotations

import argparse

from amdgpu_hw.cli.bugs import add_bug_option
from amdgpu_hw.mock.machine import DEFAULT_GPU

__all__ = ("add_machine_options",)


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--gpu``, ``--mock``, ``--kernel`` and ``--bug``."""
    parser.add_argument("--gpu", metavar="GPU", help="PCI address, render node or name (default: the first GPU)")
    parser.add_argument(
        "--mock", metavar="NAME", nargs="?", const=DEFAULT_GPU, help=f"on a mock machine with this GPU ({DEFAULT_GPU})"
    )
    parser.add_argument("--kernel", metavar="VARIANT", help="the mock machine's kernel (implies --mock)")
    add_bug_option(parser, " (implies --mock)")
