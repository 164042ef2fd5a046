# SPDX-License-Identifier: MIT
"""What the commands that read result files have in common."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from _pytest.mark.expression import Expression

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.model import Case
from amdgpu_hw.verdict.results import Results

__all__ = ("add_file", "add_rows_option", "only", "terminal")

_WIDE = 120
"""Columns where the output is no terminal and COLUMNS does not say."""


def add_file(parser: argparse.ArgumentParser, name: str, help_text: str) -> None:
    """Declare a result file as a positional argument."""
    parser.add_argument(name, metavar=f"{name.upper()}.json", type=Path, help=help_text)


def add_rows_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``-k``."""
    parser.add_argument(
        "-k", metavar="EXPRESSION", dest="expression", help="only these rows or tests, as pytest chooses: 'B09 or prt'"
    )


def only(results: Results, expression: str | None) -> Results:
    """Results with the cases that an expression names, as pytest's ``-k`` does. Raises `HarnessError` if none is."""
    if expression is None:
        return results
    try:
        compiled = Expression.compile(expression)
        cases = [case for case in results.cases if compiled.evaluate(_names(case))]
    except (SyntaxError, ValueError, RecursionError) as error:
        raise HarnessError(f"-k '{expression}' is no expression as pytest's -k takes it: {error}") from None
    if not cases:
        raise HarnessError(f"no row or test in the results is called '{expression}'")
    return replace(results, cases=cases)


class _Names:
    """What a case is called; a word of an expression is any part of one of them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [name.lower() for name in names]

    def __call__(self, word: str, /, **_: object) -> bool:
        return any(word.lower() in name for name in self._names)


def _names(case: Case) -> _Names:
    return _Names((case.row, *case.test.split("::"), case.outcome.value.replace(" ", "_")))


def terminal() -> tuple[int, bool]:
    """Columns, and whether to use colours."""
    is_terminal = sys.stdout.isatty()
    return shutil.get_terminal_size((_WIDE, 24)).columns, is_terminal and "NO_COLOR" not in os.environ
