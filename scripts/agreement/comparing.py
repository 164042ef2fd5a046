# SPDX-License-Identifier: MIT
"""Holds what came of both machines against each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from agreement.bounded import Answer
from agreement.findings import Area, AreaResult, Disagreement
from agreement.program import Program
from amdgpu_hw.errors import errno_name
from amdgpu_hw.verdict.difference import compare_runs
from amdgpu_hw.verdict.model import Case
from amdgpu_hw.verdict.results import Results

__all__ = ("compare_calls", "compare_programs", "compare_rows", "program_findings")

_NUMBER = re.compile(r"0x[0-9a-f_]+|\d[\d_.,]*( ?(ns|µs|us|ms|s|KiB|MiB|GiB))?\b")
_NOT_REACHED = "did not come to it"


# -- rows ----


def compare_rows(guest: Results, mock: Results) -> AreaResult:
    """Every test's outcome, and the kinds of evidence of those that ended the same."""
    findings = [
        Disagreement(
            Area.ROWS,
            _test(change.either),
            "outcome",
            change.a.outcome.value if change.a else "no such test",
            change.b.outcome.value if change.b else "no such test",
        )
        for change in compare_runs(guest, mock)
    ]
    others = {finding.name for finding in findings}
    theirs = {_test(case): case for case in mock.cases}
    for case in guest.cases:
        name = _test(case)
        if name in others or name not in theirs:
            continue
        seen, there = _evidence(case), _evidence(theirs[name])
        if seen != there:
            findings.append(Disagreement(Area.ROWS, name, "evidence", seen, there))
    return AreaResult(Area.ROWS, "test", len({_test(case) for case in (*guest.cases, *mock.cases)}), findings)


def _test(case: Case) -> str:
    return f"{case.row} {case.test_id.partition('::')[2] or case.test_id}"


def _evidence(case: Case) -> str:
    """What was seen, without the numbers: these are times and addresses."""
    return "; ".join(f"{each.kind}: {_NUMBER.sub('#', each.text)}" for each in case.evidence)


# -- calls ----


def compare_calls(names: Sequence[str], guest: Sequence[Answer], mock: Sequence[Answer]) -> AreaResult:
    """The errno of every call, by name."""
    ours, theirs = ({answer["call"]: answer for answer in answers} for answers in (guest, mock))
    findings, left_out, compared = [], [], 0
    for name in names:
        if name not in ours or name not in theirs:
            where = "guest" if name not in ours else "mock"
            findings.append(Disagreement(Area.ERRNOS, name, "errno", *_sides(ours.get(name), theirs.get(name))))
            left_out.append(f"{name}: the {where} {_NOT_REACHED}")
        elif "cannot" in ours[name] and "cannot" in theirs[name]:
            left_out.append(f"{name}: {ours[name]['cannot']}")
            continue
        elif _errno(ours[name]) != _errno(theirs[name]):
            findings.append(Disagreement(Area.ERRNOS, name, "errno", *_sides(ours[name], theirs[name])))
        compared += 1
    return AreaResult(Area.ERRNOS, "call", compared, findings, left_out=left_out)


def _sides(guest: Answer | None, mock: Answer | None) -> tuple[str, str]:
    return _errno(guest), _errno(mock)


def _errno(answer: Answer | None) -> str:
    """What a call ended with, in a word or two."""
    if answer is None:
        return _NOT_REACHED
    if "errno" in answer:
        return errno_name(answer["errno"]) if answer["errno"] else "0"
    if "blocked" in answer:
        return "blocked"
    return str(answer.get("died") or answer.get("cannot"))


# -- programs ----


def compare_programs(programs: Sequence[Program], guest: Sequence[Answer], mock: Sequence[Answer]) -> AreaResult:
    """Everything that came of every program."""
    findings = [
        finding
        for number in range(len(programs))
        for finding in program_findings(
            f"program {number}",
            guest[number] if number < len(guest) else {},
            mock[number] if number < len(mock) else {},
        )
    ]
    return AreaResult(Area.PROGRAMS, "program", len(programs), findings, steps=sum(map(len, programs)))


def program_findings(name: str, guest: Answer, mock: Answer) -> list[Disagreement]:
    """In what one program's answers differ: the first step that does, and what is there in the end."""
    found = [*_end_differences(guest, mock)] if "steps" in guest and "steps" in mock else [*_ends(guest, mock)]
    steps = zip(guest.get("steps", ()), mock.get("steps", ()), strict=False)
    for number, (ours, theirs) in enumerate(steps):
        if ours != theirs:
            found[:0] = [
                (key, f"step {number}: {_step(ours, key)}", f"step {number}: {_step(theirs, key)}")
                for key in sorted({*ours, *theirs})
                if ours.get(key) != theirs.get(key)
            ]
            break
    return [Disagreement(Area.PROGRAMS, name, *each) for each in found]


def _step(answer: Answer, key: str) -> str:
    return _errno(answer) if key == "errno" else str(answer.get(key))


def _ends(guest: Answer, mock: Answer) -> Iterator[tuple[str, str, str]]:
    """Of programs of which one has not come to its end."""
    ours, theirs = (
        "it ended" if "steps" in answer else _errno(answer) if answer else _NOT_REACHED for answer in (guest, mock)
    )
    if ours != theirs:
        yield "end", ours, theirs


def _end_differences(guest: Answer, mock: Answer) -> Iterator[tuple[str, str, str]]:
    for key in sorted({*guest, *mock} - {"steps"}):
        ours, theirs = guest.get(key), mock.get(key)
        if ours == theirs:
            continue
        if isinstance(ours, dict) and isinstance(theirs, dict):
            yield from _by_key(key, ours, theirs)
        else:
            yield key, str(ours), str(theirs)


def _by_key(what: str, guest: dict[str, Any], mock: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key in sorted({*guest, *mock}):
        if guest.get(key) != mock.get(key):
            yield f"{what} {key}", str(guest.get(key)), str(mock.get(key))
