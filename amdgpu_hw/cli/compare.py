# SPDX-License-Identifier: MIT
"""``amdgpu-hw compare``: two results of measurements side by side."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from amdgpu_hw.atomic_file import require_writable
from amdgpu_hw.cli.packages import require_packages
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.table import render

__all__ = ("add_commands",)


def add_commands(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "compare",
        help="two measurements side by side: kernels, GPUs, or the flag",
        description=(
            "Compares two results of amdgpu-hw latency or overlap, arm by arm, as a table and as pictures. They may "
            "differ in the kernel or in the GPU; where other conditions differ too, it says which, and stops."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("a", metavar="A.json", type=Path, help="the result to compare with")
    parser.add_argument("b", metavar="B.json", type=Path, help="the result that is called faster or slower")
    parser.add_argument(
        "--arms",
        metavar="A:B",
        help="one arm of each, such as implicit:explicit (default: implicit with implicit, explicit with explicit)",
    )
    parser.add_argument(
        "--allow-mismatch", action="store_true", help="compare although conditions differ; the table names them"
    )
    parser.add_argument(
        "--output", metavar="STEM", type=Path, help="what the pictures' names begin with (default: in results/)"
    )
    parser.add_argument("--no-plots", action="store_true", help="draw no pictures")
    parser.set_defaults(run=run_compare, takes_rest=False)


def run_compare(options: argparse.Namespace, _rest: Sequence[str]) -> int:
    """Print the table and draw the pictures."""
    for path in (options.a, options.b):
        _require_readable(path)
    stem = options.output or Path("results") / f"compare-{options.a.stem}-{options.b.stem}"
    if not options.no_plots:
        require_writable(stem, f"the pictures {stem}-*")
    require_packages()
    from amdgpu_hw.measure.compare import SAME_ARMS, compare
    from amdgpu_hw.measure.compare_plots import save_comparison
    from amdgpu_hw.measure.compare_report import comparison_report
    from amdgpu_hw.measure.results import load

    arms = [_arm_pair(options.arms)] if options.arms else SAME_ARMS
    working = Console(stderr=True)
    with working.status("reading and judging"):
        comparison = compare(load(options.a), load(options.b), arms, options.allow_mismatch)
        width = shutil.get_terminal_size((160, 24)).columns
        table = render(comparison_report(comparison), width, sys.stdout.isatty())
    sys.stdout.write(table)
    sys.stdout.flush()
    if not options.no_plots:
        try:
            with working.status("drawing"):
                written = save_comparison(comparison, stem)
        except OSError as error:
            raise HarnessError(f"the pictures {stem}-* could not be written: {error.strerror}") from error
        print(f"Pictures: {', '.join(str(path) for path in written if path.suffix == '.png')} (and .svg)")
    return 0


def _require_readable(path: Path) -> None:
    """Raise `HarnessError` if a file cannot be opened: before packages are installed to read it with."""
    try:
        if path.exists() and not path.is_file():
            raise HarnessError(f"{path} cannot be read: it is no file.")
        with path.open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise HarnessError(f"{path} cannot be read: {why}.") from None


def _arm_pair(text: str) -> Any:
    from amdgpu_hw.measure.analysis import ARMS
    from amdgpu_hw.measure.compare import ArmPair

    by_name = {arm: arm for arm in ARMS}
    a, colon, b = text.partition(":")
    if not colon or a not in by_name or b not in by_name:
        raise HarnessError(f"--arms is one arm of A and one of B, such as implicit:explicit, not '{text}'")
    return ArmPair(by_name[a], by_name[b])
