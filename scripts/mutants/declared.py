# SPDX-License-Identifier: MIT
"""Mutants of the real driver, declared in a TOML file: mistakes of a line or two, as edits of its source."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.source_edits import Edit, EditFile, read_edit

__all__ = ("DECLARED", "DriverMutant", "MutantSet", "choose", "read_mutants")

DECLARED = Path(__file__).with_name("driver-7.3.toml")
_OF_AN_EDIT = {each.name for each in fields(Edit)} - {"why", "patch", "when"}
"""What a mutant says of its edit: why is what is wrong, and there is no patch beside which it is made."""


@dataclass(frozen=True, slots=True)
class DriverMutant:
    """One mistake in the driver."""

    name: str
    what: str
    """What is wrong, in a sentence without its full stop."""
    edit: Edit
    rows: tuple[str, ...]
    """The rows that are asked first: those about the behaviour it breaks."""

    def edits(self, linux: str) -> EditFile:
        """As `amdgpu_hw.guest.module_build.build_module` takes it."""
        digest = hashlib.sha256(repr(self.edit).encode()).hexdigest()
        return EditFile(self.name, self.what, linux, "", (), (self.edit,), digest)


@dataclass(frozen=True, slots=True)
class MutantSet:
    """All mutants for one kernel."""

    linux: str
    """The kernel: the beginning of its release."""
    mutants: tuple[DriverMutant, ...]


def read_mutants(path: Path = DECLARED) -> MutantSet:
    """Read a file of mutants. Raises `HarnessError` where it is none."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        mutants = tuple(_mutant(content["directory"], entry) for entry in content["mutant"])
        linux = content["linux"]
    except OSError as error:
        raise HarnessError(f"the mutants {path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(f"{path} is no file of mutants: {error!r}") from None
    names = [mutant.name for mutant in mutants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise HarnessError(f"{path}: there are two mutants called {', '.join(twice)}")
    return MutantSet(linux, mutants)


def _mutant(directory: str, entry: dict[str, Any]) -> DriverMutant:
    name, what, rows = entry.pop("name"), entry.pop("what"), tuple(entry.pop("rows"))
    unknown = entry.keys() - _OF_AN_EDIT
    if unknown:
        raise ValueError(f"{name} has what no mutant knows: {', '.join(unknown)}")
    if not rows:
        raise ValueError(f"{name} names no rows")
    place = {"file": f"{directory}/{entry['file']}", "within": entry["within"]}
    edit = read_edit({**entry, **place, "why": what})
    return DriverMutant(name, what, edit, rows)


def choose(mutants: Sequence[DriverMutant], names: Sequence[str]) -> list[DriverMutant]:
    """Those of the names given, or all. Raises `HarnessError` for a name that none has."""
    known = {mutant.name: mutant for mutant in mutants}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise HarnessError(f"there is no mutant called {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in names] if names else list(mutants)
