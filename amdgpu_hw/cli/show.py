# SPDX-License-Identifier: MIT
"""``amdgpu-hw show``: the table of a run again, or some rows of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from amdgpu_hw.cli.result_files import add_file, add_rows_option, only, terminal
from amdgpu_hw.verdict.reading import read_for_report
from amdgpu_hw.verdict.summary import summary_text
from amdgpu_hw.verdict.table import verdict_text

__all__ = ("add_commands",)


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "show",
        help="a result of validate again: every row with what was done and seen",
        description="Prints what a run of amdgpu-hw validate did and saw, row by row, from its result file.",
        allow_abbrev=False,
    )
    add_file(parser, "file", "a result file of amdgpu-hw validate")
    add_rows_option(parser)
    parser.add_argument("--summary", action="store_true", help="print the summary that validate ends with")
    parser.set_defaults(run=run_show, takes_rest=False)


def run_show(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print the table; a run that went badly is shown as well as any."""
    results = only(read_for_report(options.file), options.expression)
    sys.stdout.write((summary_text if options.summary else verdict_text)(results, *terminal()))
    return 0
