# SPDX-License-Identifier: MIT
"""Which findings a run has seen, by their names in docs/findings.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from amdgpu_hw.verdict.model import Case, Outcome
from amdgpu_hw.verdict.table import ordered

__all__ = ("Finding", "findings", "findings_of")

_NAMED = re.compile(r"\b(F[1-9]\d*)\b(?::\s*(?P<what>[^\n]+))?")


@dataclass(slots=True)
class Finding:
    """One of them: its name, what it is in words (empty if no case says), and the cases that show it."""

    name: str
    what: str = ""
    cases: list[Case] = field(default_factory=list)

    @property
    def rows(self) -> list[str]:
        """The rows of the cases."""
        return list(dict.fromkeys(case.row for case in self.cases))


def findings_of(case: Case) -> dict[str, str]:
    """The findings that a broken case is a sign of, by name, and what its texts say of each."""
    if case.outcome is not Outcome.BROKEN:
        return {}
    found: dict[str, str] = {}
    for match in _NAMED.finditer(f"{case.explanation}\n{case.expected}"):
        found[match.group(1)] = found.get(match.group(1)) or (match.group("what") or "").strip()
    return found


def findings(cases: Iterable[Case]) -> list[Finding]:
    """Every finding that was seen, in the order of their numbers."""
    seen: dict[str, Finding] = {}
    for case in ordered(cases):
        for name, what in findings_of(case).items():
            finding = seen.setdefault(name, Finding(name))
            finding.what = finding.what or what
            finding.cases.append(case)
    return sorted(seen.values(), key=lambda finding: int(finding.name[1:]))
