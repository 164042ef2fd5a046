# SPDX-License-Identifier: MIT
"""Whether tests are declared rightly, looked at when they are collected: rows, controls, needs, fixtures.

A slip of the pen must not look like a kernel's fault, or like nothing at all: a control nobody runs proves nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from amdgpu_hw.capabilities import Capabilities, Probe
from amdgpu_hw.proof import fixtures
from amdgpu_hw.proof.behaviour import MARKER, Behaviour
from amdgpu_hw.proof.rows import RowTable
from amdgpu_hw.proof.run import behaviour_of

__all__ = ("Suites", "check_declarations", "probe_names")


class Suites:
    """The suites of a session: directories, each with the table of its rows."""

    def __init__(self) -> None:
        self._tables: dict[Path, RowTable] = {}

    def add(self, directory: Path, table: RowTable) -> None:
        """Take the tests below a directory for those of a suite."""
        self._tables[directory] = table

    def of(self, path: Path) -> RowTable | None:
        """The rows of the suite that a file belongs to, the innermost one; None if it belongs to none."""
        return next((self._tables[above] for above in path.parents if above in self._tables), None)


def check_declarations(items: Iterable[pytest.Item], suites: Suites) -> None:
    """Raise `pytest.UsageError` with file, line and what is wrong, for every test that is not declared rightly."""
    faults = dict.fromkeys(f"{_place(item)}: {fault}" for item in items for fault in _faults(item, suites))
    if faults:
        raise pytest.UsageError(*faults)


def _faults(item: pytest.Item, suites: Suites) -> Iterator[str]:
    markers = list(item.iter_markers(MARKER))
    behaviour = behaviour_of(item)
    if not markers:
        used = _suite_fixtures(item)
        if used:
            yield f"{_name(item)} uses {', '.join(used)} without @behaviour: say which row it proves, and in words what"
    elif behaviour is None:
        yield f"{_name(item)} has a marker '{MARKER}' of its own making: use @behaviour of amdgpu_hw.proof.behaviour"
    elif len(markers) > 1:
        yield f"{_name(item)} has more than one @behaviour: a test proves one"
    else:
        table = suites.of(item.path)
        if table is None:
            yield f"{_name(item)} is in no suite: a conftest.py above it has to call amdgpu_hw.proof.suite.load_suite"
        else:
            yield from _faults_of_rows(behaviour, table)
        yield from _faults_of_words(behaviour)


def _faults_of_rows(behaviour: Behaviour, table: RowTable) -> Iterator[str]:
    row = behaviour.row
    if row not in table:
        yield f"there is no row '{row}' in {table.path}{table.like(row)}"
    for control in behaviour.controls:
        if control not in table:
            yield f"the control '{control}' of {row} is no row in {table.path}{table.like(control)}"
        elif control == row:
            yield f"{row} is its own control: a control shows the opposite"


def _faults_of_words(behaviour: Behaviour) -> Iterator[str]:
    if not behaviour.text.strip():
        yield f"{behaviour.row} does not say in words what it proves"
    for need in behaviour.needs:
        if need not in probe_names():
            yield f"{behaviour.row} needs '{need}', for which there is no probe; there are: {', '.join(probe_names())}"


@functools.cache
def probe_names() -> tuple[str, ...]:
    """What a test can need: the probes of `Capabilities`."""
    return tuple(name for name, kind in get_type_hints(Capabilities).items() if kind is Probe)


def _suite_fixtures(item: pytest.Item) -> list[str]:
    """The fixtures of ours that a test uses, itself or through others; not those of somebody else under these names."""
    definitions: dict[str, Any] = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    return [name for name, found in definitions.items() if found[-1].func.__module__ == fixtures.__name__]


def _name(item: pytest.Item) -> str:
    return item.name.partition("[")[0]


def _place(item: pytest.Item) -> str:
    """File and line, the file as seen from where the user is."""
    line = item.reportinfo()[1]
    path = item.path.relative_to(Path.cwd()) if item.path.is_relative_to(Path.cwd()) else item.path
    return f"{path}:{(line or 0) + 1}"
