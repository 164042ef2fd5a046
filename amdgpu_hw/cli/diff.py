# SPDX-License-Identifier: MIT
"""``amdgpu-hw diff``: two results of validate side by side."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from amdgpu_hw.cli.result_files import add_file, add_rows_option, only, terminal
from amdgpu_hw.verdict.difference import compare_runs, difference_text
from amdgpu_hw.verdict.reading import read_for_report

__all__ = ("add_commands",)

SAME, CHANGED = 0, 1
"""Exit status, as of diff(1)."""


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "diff",
        help="two results of validate, test by test: what changed",
        description=(
            "Compares two result files of amdgpu-hw validate test by test: before and after a patch, a card and a "
            "guest machine, two cards. Exit status: 0 every test ended the same, 1 some did not, 2 nothing could be "
            "compared."
        ),
        allow_abbrev=False,
    )
    add_file(parser, "a", "the result to compare with")
    add_file(parser, "b", "the result that may have changed")
    add_rows_option(parser)
    parser.set_defaults(run=run_diff, takes_rest=False)


def run_diff(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print what changed."""
    a, b = (only(read_for_report(path), options.expression) for path in (options.a, options.b))
    sys.stdout.write(difference_text(a, b, *terminal()))
    return CHANGED if compare_runs(a, b) else SAME
