# SPDX-License-Identifier: MIT
"""The rows of a suite with what they prove and need: collected as pytest collects them, on no machine at all."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.proof.behaviour import Behaviour
from amdgpu_hw.proof.rows import load_rows
from amdgpu_hw.proof.run import behaviour_of
from amdgpu_hw.proof.suite import ROWS_FILE
from amdgpu_hw.verdict.model import row_order

__all__ = ("ListedRow", "ListedTest", "list_rows")

_GATES = {
    "shut_gate": "any",
    "shut_gate_elsewhere": "any",
    "shut_fence": "any",
    "shut_user_queue": "user queue",
}
"""The fixtures that hold work back, and which kind of gate they do it with."""

_TRACE = "trace"
"""The fixture that needs the scheduler's trace."""


@dataclass(frozen=True, slots=True)
class ListedTest:
    """A test and what it needs: capabilities by their probes' names, kinds of gates, the trace, leave to do harm."""

    test: str
    behaviour: str
    controls: tuple[str, ...]
    needs: tuple[str, ...]
    gates: tuple[str, ...]
    trace: bool
    harm: str
    rule: str
    finding: str


@dataclass(slots=True)
class ListedRow:
    """A row, its section, and the tests that prove it."""

    row: str
    section: str
    tests: list[ListedTest] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As `amdgpu-hw rows --json` prints it."""
        return asdict(self)


class _Catcher:
    """Hooks of a pytest session that keep the tests it has collected."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Keep them."""
        self.items = list(session.items)


def list_rows(suite: Path, expression: str | None) -> list[ListedRow]:
    """The rows of a suite by section, or those that pytest's ``-k`` chooses, with their controls.

    Raises `HarnessError`: the suite cannot be collected, or the expression chooses nothing.
    """
    catcher, said = _Catcher(), io.StringIO()
    arguments = ["--collect-only", "-qq", "-c", os.devnull, f"--rootdir={suite.parents[1]}", f"--confcutdir={suite}"]
    arguments += ["-p", "no:cacheprovider", str(suite), *(["-k", expression] if expression is not None else [])]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = pytest.main(arguments, plugins=[catcher])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise HarnessError(f"no row or test is called '{expression}'")
    if status != pytest.ExitCode.OK:
        lines = said.getvalue().strip().splitlines()
        raise HarnessError(f"the suite {suite} cannot be listed: {lines[-1] if lines else status}")
    return _by_row(catcher.items, load_rows(suite / ROWS_FILE).sections)


def _by_row(items: Iterable[pytest.Item], sections: dict[str, str] | Any) -> list[ListedRow]:
    rows: dict[str, ListedRow] = {}
    for item in items:
        behaviour = behaviour_of(item)
        if behaviour is not None:
            row = rows.setdefault(behaviour.row, ListedRow(behaviour.row, sections[behaviour.row]))
            row.tests.append(_listed(item, behaviour))
    order = list(dict.fromkeys(sections.values()))
    return sorted(rows.values(), key=lambda row: (order.index(row.section), row_order(row.row)))


def _listed(item: pytest.Item, behaviour: Behaviour) -> ListedTest:
    used: Sequence[str] = getattr(item, "fixturenames", ())
    callspec = getattr(item, "callspec", None)
    return ListedTest(
        item.nodeid,
        f"{behaviour.text} ({callspec.id})" if callspec is not None else behaviour.text,
        behaviour.controls,
        behaviour.needs,
        tuple(dict.fromkeys(kind for name, kind in _GATES.items() if name in used)),
        _TRACE in used,
        behaviour.harm,
        behaviour.rule,
        behaviour.finding,
    )
