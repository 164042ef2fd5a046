# SPDX-License-Identifier: MIT
"""What the machines do otherwise: findings, and those that are known (`differences.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from amdgpu_hw.decode import TOML, DecodeError, decode

__all__ = ("DIFFERENCES", "Area", "AreaResult", "Differences", "Disagreement", "KnownDifference", "load_differences")

DIFFERENCES = Path(__file__).parent / "differences.toml"


class Area(Enum):
    """What is compared."""

    PROGRAMS = "programs"
    ERRNOS = "errnos"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One thing that the machines do otherwise."""

    area: Area
    name: str
    """The test, the call or the program."""
    what: str
    """In which respect: ``outcome``, ``errno``, ``signalled``, ``memory drm-total-vram`` and so on."""
    guest: str
    mock: str

    @property
    def kind(self) -> str:
        """In which respect, without which of several: a smaller program has other steps, pages and buffers."""
        return self.what.partition(" ")[0]

    def __str__(self) -> str:
        return f"{self.name}: {self.what}: {self.guest} on the guest, {self.mock} on the mock"


@dataclass(frozen=True)
class KnownDifference:
    """A difference that is known: shell patterns of what it covers, and why it is there.

    ``guest`` and ``mock`` say what it looks like. ``sometimes``: whether it may be gone from a run without being stale.
    """

    area: Area
    why: str
    names: Sequence[str] = ("*",)
    what: Sequence[str] = ("*",)
    kernels: Sequence[str] = ("*",)
    gpus: Sequence[str] = ("*",)
    guest: str = "*"
    mock: str = "*"
    sometimes: bool = False

    def is_for(self, kernel: str, gpu: str) -> bool:
        """Whether it speaks of these machines."""
        return _any([kernel], self.kernels) and _any([gpu], self.gpus)

    def covers(self, finding: Disagreement) -> bool:
        """Whether a finding is this one."""
        return (
            finding.area is self.area
            and _any([finding.name], self.names)
            and _any([finding.what], self.what)
            and fnmatchcase(finding.guest, self.guest)
            and fnmatchcase(finding.mock, self.mock)
        )

    def __str__(self) -> str:
        return f"{self.area.value} {', '.join(self.names)} ({', '.join(self.what)}): {self.why}"


def _any(values: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(value, pattern) for value in values for pattern in patterns)


@dataclass
class AreaResult:
    """How far the machines agree in one area; a unit is a test, a call or a program."""

    area: Area
    unit: str
    compared: int
    findings: list[Disagreement]
    steps: int = 0
    """Calls that the programs are made of."""
    left_out: list[str] = field(default_factory=list)
    """What could not be done on one of the machines, each with the reason."""
    listed: list[tuple[Disagreement, KnownDifference]] = field(default_factory=list)
    unlisted: list[Disagreement] = field(default_factory=list)

    @property
    def equal(self) -> int:
        """How many units are the same in all respects."""
        return self.compared - len({finding.name for finding in self.findings})


class Differences:
    """Those that are known on two machines."""

    def __init__(self, entries: Sequence[KnownDifference], kernel: str, gpu: str) -> None:
        self._entries = [entry for entry in entries if entry.is_for(kernel, gpu)]
        self._seen: set[int] = set()

    def known(self, finding: Disagreement) -> KnownDifference | None:
        """The entry that a finding is covered by."""
        for number, entry in enumerate(self._entries):
            if entry.covers(finding):
                self._seen.add(number)
                return entry
        return None

    def judge(self, result: AreaResult) -> None:
        """Tell listed from unlisted."""
        for finding in result.findings:
            entry = self.known(finding)
            if entry is None:
                result.unlisted.append(finding)
            else:
                result.listed.append((finding, entry))

    def stale(self, areas: Sequence[Area]) -> list[KnownDifference]:
        """Entries of areas that were compared as a whole, of which nothing was seen."""
        return [
            entry
            for number, entry in enumerate(self._entries)
            if number not in self._seen and entry.area in areas and not entry.sometimes
        ]


def load_differences(path: Path = DIFFERENCES) -> list[KnownDifference]:
    """Read the list. Raises `ValueError` for one that means nothing."""
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        entries: list[KnownDifference] = decode(
            list[KnownDifference], content.get("difference", []), "difference", TOML
        )
    except (DecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    return entries
