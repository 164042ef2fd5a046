# SPDX-License-Identifier: MIT
"""All commands of ``amdgpu-hw``, and how their arguments are read."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from amdgpu_hw.cli import (
    bugs,
    compare,
    console,
    diff,
    fleet,
    gpus,
    guest,
    latency,
    mock,
    overlap,
    report,
    rows,
    show,
    validate,
)
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.verdict.machine import package_version

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

__all__ = ("make_parser",)

_STATUSES = "exit status: " + ", ".join(
    f"{status} {words}"
    for status, words in (
        (ExitStatus.PROVEN, "proven, or done"),
        (ExitStatus.BROKEN, "judged broken"),
        (ExitStatus.UNUSABLE, "unusable environment or wrong usage"),
        (ExitStatus.INCOMPLETE, "interrupted, crashed or inconclusive"),
        (ExitStatus.SILENT, "nothing said about the series"),
    )
)


class _Parser(argparse.ArgumentParser):
    """One whose help fails where it cannot be written: argparse forgets that (`ArgumentParser._print_message`)."""

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print it. Raises OSError."""
        (file or sys.stdout).write(self.format_help())


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; each command sets ``run`` and ``takes_rest``."""
    parser = _Parser(
        prog="amdgpu-hw",
        description="Proves what an amdgpu kernel does with PRT unmaps, on real GPUs and on a mock machine.",
        epilog=_STATUSES,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=package_version())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (
        gpus,
        validate,
        show,
        report,
        diff,
        rows,
        latency,
        overlap,
        compare,
        fleet,
        mock,
        guest,
        bugs,
        console,
    ):
        module.add_commands(commands)
    return parser
