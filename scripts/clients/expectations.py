# SPDX-License-Identifier: MIT
"""Which tests run, and which of them are known not to pass: `programs.toml` and `expectations.toml`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from amdgpu_hw.decode import TOML, DecodeError, Within, decode
from clients.results import Result, Setup, TestCase, TestResult

__all__ = ("ClientExpectation", "ClientExpectations", "load_expectations", "load_sets")

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs.toml"
EXPECTATIONS = HERE / "expectations.toml"

Sets = dict[str, dict[str, list[str]]]
"""Patterns of tests, by set and program."""


@dataclass(frozen=True)
class ClientExpectation:
    """Tests that do not pass on some machines, how they end instead, and why that is right or cannot be helped.

    ``or_result``: another end that is as good, where timing decides. ``unless_parameter``: does not hold where this
    module parameter has been set. ``attempts``: how often a test may be tried that does not end so at once.
    ``timeout``: seconds after which a test that hangs is killed, if those are less than what the command line says.
    """

    tests: Sequence[str]
    result: Result
    why: str
    or_result: Result | None = None
    gpus: Sequence[str] = ("*",)
    kernels: Sequence[str] = ("*",)
    unless_parameter: str = ""
    attempts: Annotated[int, Within(range(1, 100), "a number from 1 to 99")] = 1
    timeout: float = math.inf

    def allows(self, result: Result) -> bool:
        """Whether a test may end so."""
        return result in (self.result, self.or_result)

    def covers(self, test: TestCase, setup: Setup) -> bool:
        """Whether it speaks of this test on this machine."""
        return (
            _matches([str(test)], self.tests)
            and _matches(setup.gpus, self.gpus)
            and _matches([setup.kernel], self.kernels)
            and self.unless_parameter not in setup.parameters
        )


_PASSES = ClientExpectation(["*"], Result.PASS, "")


class ClientExpectations:
    """All of them; the first that covers a test counts, and a test that none covers is expected to pass."""

    def __init__(self, entries: Sequence[ClientExpectation]) -> None:
        self.entries = tuple(entries)

    def of(self, test: TestCase, setup: Setup) -> ClientExpectation:
        """How a test should end on this machine, and why if not well."""
        return next((entry for entry in self.entries if entry.covers(test, setup)), _PASSES)

    def met(self, result: TestResult, setup: Setup) -> bool:
        """Whether a test ended as expected."""
        return self.of(result.test, setup).allows(result.result)


def _matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


@dataclass(frozen=True)
class _File:
    """A file of expectations."""

    expected: Sequence[ClientExpectation] = ()


def load_expectations(path: Path = EXPECTATIONS) -> ClientExpectations:
    """Read a file of expectations; raises `ValueError` with one sentence."""
    file: _File = _decoded(_File, path)
    return ClientExpectations(file.expected)


def load_sets(path: Path = PROGRAMS) -> Sets:
    """Read which tests the sets have; raises `ValueError` with one sentence."""
    sets: Sets = _decoded(Sets, path)
    return sets


def _decoded(declared: Any, path: Path) -> Any:
    try:
        return decode(declared, _load(path), dialect=TOML)
    except DecodeError as error:
        raise ValueError(f"{path}: {error}") from None


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
