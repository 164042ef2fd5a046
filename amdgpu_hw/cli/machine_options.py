# SPDX-License-Identifier: MIT
"""The options that say on which machine a command is to work; validate, latency and overlap have them."""

from __future__ import annotations

import argparse

from amdgpu_hw.cli.bugs import add_bug_option
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv.params import MODULE_PARAMETERS, parse_parameter
from amdgpu_hw.mock.machine import DEFAULT_GPU

__all__ = ("add_machine_options", "add_parameter_option", "asks_for_mock", "mock_subject")


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--gpu``, ``--mock``, ``--kernel``, ``--bug`` and ``--parameter``."""
    parser.add_argument("--gpu", metavar="GPU", help="PCI address, render node or name (default: the first GPU)")
    parser.add_argument(
        "--mock", metavar="NAME", nargs="?", const=DEFAULT_GPU, help=f"on a mock machine with this GPU ({DEFAULT_GPU})"
    )
    parser.add_argument("--kernel", metavar="VARIANT", help="the mock machine's kernel (implies --mock)")
    add_bug_option(parser, " (implies --mock)")
    add_parameter_option(parser, " (implies --mock)")


def asks_for_mock(options: argparse.Namespace) -> bool:
    """Whether one of these options asks for a mock machine."""
    return options.mock is not None or options.kernel is not None or bool(options.bug or options.parameter)


def mock_subject(options: argparse.Namespace, gpu: str, kernel: str) -> str:
    """What a mock machine is called in the names of files."""
    return "-".join((gpu, kernel, *options.bug, *(f"{name}={value}" for name, value in options.parameter)))


def add_parameter_option(parser: argparse.ArgumentParser, implies: str = "") -> None:
    """Declare ``--parameter``: a list of pairs of name and value."""
    parser.add_argument(
        "--parameter",
        metavar="NAME=NUMBER",
        action="append",
        default=[],
        type=_parameter,
        help=f"module parameter of the mock machine's amdgpu: {', '.join(MODULE_PARAMETERS)}; repeatable{implies}",
    )


def _parameter(text: str) -> tuple[str, int]:
    try:
        return parse_parameter(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
