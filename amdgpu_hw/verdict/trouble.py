# SPDX-License-Identifier: MIT
"""Resets, hangs and sudden ends of a run in words, with what was kept of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from amdgpu_hw.decode import JSON, decode
from amdgpu_hw.verdict.model import Case
from amdgpu_hw.verdict.results import Results

__all__ = ("RunTrouble", "case_trouble", "run_trouble", "troubles")

_MOST_RECORDS = 12
"""Records of the kernel's log that a report tells of a case; the result file and the evidence have more."""
_NAMED_FILES = 4
"""Files of the evidence that are named: the first ones are what people look at first, and the many are rings."""


@dataclass(frozen=True, slots=True)
class _Kept:
    directory: str = ""
    files: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What is there, and what is not; empty if nothing is known."""
        words = f"evidence in {self.directory}: {self._files}" if self.directory else ""
        missing = ", ".join(f"{name}: {why}" for name, why in self.missing.items())
        return "; ".join(filter(None, (words, f"not kept: {missing}" if missing else "")))

    @property
    def _files(self) -> str:
        sizes = list(self.files.values())
        told = [f"{name} ({size} bytes)" for name, size in self.files.items()][:_NAMED_FILES]
        if more := sizes[_NAMED_FILES:]:
            told.append(f"{len(more)} more of {sum(more)} bytes")
        return ", ".join(told) or "nothing"


@dataclass(frozen=True, slots=True)
class RunTrouble:
    """A reset or a hang as a result file has it (`amdgpu_hw.evidence.incident`)."""

    what: str
    whose: str
    before: str = ""
    evidence: _Kept = _Kept()


def troubles(incidents: Sequence[Mapping[str, Any]], where: str) -> list[RunTrouble]:
    """What result files hold. Raises `DecodeError`."""
    found: list[RunTrouble] = decode(list[RunTrouble], list(map(dict, incidents)), where, JSON)
    return found


def case_trouble(case: Case) -> Iterator[str]:
    """What happened to the GPU during a case beyond what its reason tells, a line each."""
    for each in troubles(case.incidents, "incidents"):
        if each.what not in case.reason:
            yield f"meanwhile: {each.what}; {each.whose}"
        if each.evidence.words:
            yield each.evidence.words
    yield from (f"kernel: {record}" for record in case.log[:_MOST_RECORDS])
    if len(case.log) > _MOST_RECORDS:
        yield f"kernel: {len(case.log) - _MOST_RECORDS} more records are in the result file"


def run_trouble(results: Results) -> Iterator[str]:
    """What happened to the GPU or to the run that no failure tells, a sentence each."""
    if results.suspect is not None:
        yield (
            f"The run ended while {results.suspect.row} ({results.suspect.test_id}) was running, and nobody had ended "
            "it: that is the suspect, and validate --resume goes on without it."
        )
    for each in troubles(results.incidents, "incidents"):
        test = each.before.rpartition("/")[2]
        yield f"Between two rows, before {test}: {each.what}; {each.whose}. {each.evidence.words}".rstrip()
    for case in results.cases:
        if case.passes:
            for each in troubles(case.incidents, f"{case.test}: incidents"):
                told = f"During {case.row}, which {case.outcome.value}: {each.what}; {each.whose}."
                yield f"{told} {each.evidence.words}".rstrip()
