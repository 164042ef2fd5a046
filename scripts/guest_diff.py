#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two results of `amdgpu-hw validate` side by side: the tests that ended otherwise, and what the reports say about it.

usage: scripts/guest_diff.py A.json B.json

It is made for a guest machine beside the mock machine with the kernel of that age, and takes any two result files.
Exit status: 0 every test ended the same, 1 some did not, 2 nothing could be compared.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.model import row_order
from amdgpu_hw.verdict.results import load_content

__all__ = ("CaseDifference", "RunFile", "differences", "main", "read")

AGREE, DISAGREE, UNUSABLE = 0, 1, 2
MISSING = "not in the results"


@dataclass(frozen=True, slots=True)
class RunFile:
    """What a result file says."""

    machine: str
    cases: Mapping[str, Mapping[str, Any]]
    """By test."""

    def outcome(self, test: str) -> str:
        """How a test ended."""
        return str(self.cases[test]["outcome"]) if test in self.cases else MISSING

    def reason(self, test: str) -> str:
        """What the report says about that, the first line of it."""
        return str(self.cases.get(test, {}).get("reason", "")).partition("\n")[0]

    @property
    def counts(self) -> str:
        """How many tests ended how."""
        return ", ".join(f"{count} {name}" for name, count in Counter(map(self.outcome, self.cases)).most_common())


@dataclass(frozen=True, slots=True)
class CaseDifference:
    """A test that ended otherwise in the second run than in the first."""

    row: str
    test: str
    outcomes: tuple[str, str]
    reasons: tuple[str, str]


def read(path: Path) -> RunFile:
    """Read a result file. Raises `HarnessError` where it is none, or has no results."""
    content = load_content(path)
    if not content["cases"]:
        raise HarnessError(f"{path} has the results of no test")
    return RunFile(_words(content), {case["test"]: case for case in content["cases"]})


def _words(content: Mapping[str, Any]) -> str:
    """Which machine it was, shortly."""
    machine = content["machine"]
    modelled = ", ".join([*machine["mock_gpus"], *machine["guest_gpus"]])
    gpu = f"modelled {modelled}" if modelled else content["gpu"].get("name", "an unknown GPU")
    kernel = (
        f"real kernel {machine['kernel']}" if machine["kernel_is_real"] else f"mock kernel {machine['mock_kernel']}"
    )
    return f"{gpu}, {kernel}"


def differences(first: RunFile, second: RunFile) -> list[CaseDifference]:
    """Every test that ended otherwise, in the order of the table of behaviours."""
    found = []
    for test in dict.fromkeys([*first.cases, *second.cases]):
        outcomes = first.outcome(test), second.outcome(test)
        if outcomes[0] != outcomes[1]:
            row = str((first.cases.get(test) or second.cases[test])["row"])
            found.append(CaseDifference(row, test, outcomes, (first.reason(test), second.reason(test))))
    return sorted(found, key=lambda difference: row_order(difference.row))


def _print(console: Console, files: tuple[RunFile, RunFile], found: Sequence[CaseDifference]) -> None:
    for letter, file in zip("AB", files, strict=True):
        console.print(f"{letter}: {escape(file.machine)}: {file.counts}", highlight=False, soft_wrap=True)
    if not found:
        console.print(f"All {len(files[0].cases)} tests ended the same.", highlight=False)
        return
    table = Table(show_lines=True)
    for name in ("row", "test", "A", "B", "what the reports say"):
        table.add_column(name, overflow="fold")
    for difference in found:
        reasons = [f"{letter}: {reason}" for letter, reason in zip("AB", difference.reasons, strict=True) if reason]
        name = difference.test.rpartition("::")[2]
        cells = (difference.row, name, *difference.outcomes, "\n".join(reasons))
        table.add_row(*(escape(cell) for cell in cells))
    console.print(table)
    rows = list(dict.fromkeys(difference.row for difference in found))
    console.print(f"{len(found)} tests ended otherwise, of {len(rows)} rows: {', '.join(rows)}.", highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare as the command line says; the exit status."""
    parser = argparse.ArgumentParser(description="Compare two results of 'amdgpu-hw validate' test by test.")
    parser.add_argument("a", metavar="A.json", type=Path, help="a result file, e.g. that of a guest machine")
    parser.add_argument("b", metavar="B.json", type=Path, help="another, e.g. that of the mock machine")
    options = parser.parse_args(arguments)
    try:
        files = read(options.a), read(options.b)
    except HarnessError as error:
        print(f"guest_diff: {error}", file=sys.stderr)
        return UNUSABLE
    found = differences(*files)
    _print(Console(), files, found)
    return DISAGREE if found else AGREE


if __name__ == "__main__":
    sys.exit(main())
