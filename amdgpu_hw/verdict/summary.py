# SPDX-License-Identifier: MIT
"""What a run ends with: what was tested, a line for each section, what was left out, failures in full, the verdict.

A run without failures takes twenty lines of 80 columns at most; the whole table is `amdgpu_hw.verdict.table`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from amdgpu_hw.verdict.model import Case, Outcome
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.table import (
    OUTCOME_STYLE,
    VERDICT_STYLE,
    count_of,
    counts_text,
    expected_words,
    failures,
    ordered,
    render,
)
from amdgpu_hw.verdict.trouble import run_trouble
from amdgpu_hw.verdict.words import gpu_words, kernel_words, series_words, verdict_words

__all__ = ("LeftOut", "left_out", "outcome_counts", "sections", "summary_text")

_MOST_REASONS = 2
"""Lines for the reasons why something is not testable; the table has them all."""

_DETAILS = re.compile(r"[;:]\s")
"""Where a reason goes into details, which are for the table."""


def summary_text(results: Results, width: int, colour: bool) -> str:
    """The end of a run in a few lines; ends with a newline."""
    parts: list[RenderableType] = [_head(results), _sections(results), *_left_out(results)]
    parts += _expected(results)
    failed = failures(ordered(results.cases), results)
    parts += [*failed, Text("")] if failed else []
    parts += _verdict(results)
    return render(Group(*parts), width, colour)


def sections(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """The cases by section, the one with the first row first; those of none are under ``tests``."""
    found: dict[str, list[Case]] = {}
    for case in ordered(cases):
        found.setdefault(case.section or "tests", []).append(case)
    return found


def outcome_counts(cases: Iterable[Case]) -> Counter[Outcome]:
    """How many cases ended how."""
    return Counter(case.outcome for case in cases)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Cases that were not tested for one reason; ``command`` tests them, if a command can."""

    cases: Sequence[Case]
    reason: str
    command: str = ""


def left_out(results: Results) -> list[LeftOut]:
    """What was not tested, by reason: first what the run was not asked for, then what this machine cannot show."""
    groups: dict[tuple[bool, str], list[Case]] = {}
    for case in ordered(results.cases):
        if case.outcome is Outcome.NOT_TESTABLE:
            groups.setdefault((case.asked, _reason_key(case)), []).append(case)
    by_size = sorted(groups.items(), key=lambda group: (group[0][0], -len(group[1])))
    return [_group(results, cases, asked) for (asked, _), cases in by_size]


def _reason_key(case: Case) -> str:
    """What cases with the same reason have in common: the option, the capability, or the reason."""
    return case.left_out or case.missing or case.reason


def _group(results: Results, cases: Sequence[Case], asked: bool) -> LeftOut:
    first = cases[0]
    if asked:
        return LeftOut(cases, first.reason.partition("\n")[0])
    reasons = dict.fromkeys(case.reason.rpartition(": it ")[2].partition("\n")[0] for case in cases)
    return LeftOut(cases, "; ".join(reasons), results.again(first.left_out) if first.left_out else "")


def _head(results: Results) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("GPU", _loud(*gpu_words(results)))
    facts.add_row("kernel", _loud(*kernel_words(results)))
    for name, description in results.machine.mock_bugs.items():
        facts.add_row("planted bug", Text(f"{name}: {description}", style="bold red"))
    facts.add_row("gate", f"{results.gate or 'none'}; AMDGPU_VM_EXPLICIT_SYNC: {series_words(results)}")
    if results.expectations is not None:
        facts.add_row("expected", ", ".join(results.expectations) or "none for this kernel and GPU: all must hold")
    return facts


def _loud(words: str, is_real: bool) -> Text:
    """A fact, and in words that cannot be missed whether it is about a real thing."""
    text = Text(f"{words}: ")
    return text.append("REAL" if is_real else "MODELLED", style="bold" if is_real else "bold yellow")


def _sections(results: Results) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, cases in sections(results.cases).items():
        table.add_row(name, _counts(cases))
    return table


def _counts(cases: Sequence[Case]) -> Text:
    """How many ended how, what is bad in a colour."""
    text = Text()
    by_outcome = Counter((case.outcome, case.passes) for case in cases)
    for outcome in (Outcome.HOLDS, *Outcome):
        for passes in (False, True):
            number = by_outcome.pop((outcome, passes), 0)
            if not number:
                continue
            words = counts_text({outcome: number})
            if passes and not outcome.is_good:
                words += " as expected"
            elif not passes and outcome.is_good:
                words += " unexpectedly"
            style = "yellow" if passes and not outcome.is_good else OUTCOME_STYLE[outcome] if not passes else ""
            text.append(", " if text else "").append(words, style=style)
    return text


def _counted_groups() -> Table:
    """A table of what a group is, how many cases it has, and words about it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    return table


def _left_out(results: Results) -> Iterable[RenderableType]:
    groups = left_out(results)
    if not groups:
        return
    table = _counted_groups()
    for group in groups:
        if not group.cases[0].asked:
            text = Text(group.reason)
            if group.command:
                text.append("; they run with ").append(group.command, style="bold")
            table.add_row("left out", str(len(group.cases)), text)
    untestable = [group for group in groups if group.cases[0].asked]
    shown = untestable if len(untestable) <= _MOST_REASONS else untestable[: _MOST_REASONS - 1]
    for group in shown:
        table.add_row("not testable", str(len(group.cases)), _DETAILS.split(group.reason, maxsplit=1)[0])
    rest = untestable[len(shown) :]
    if rest:
        table.add_row("", str(sum(len(group.cases) for group in rest)), f"for {count_of(len(rest), 'other reason')}")
    yield table


def _expected(results: Results) -> Iterable[RenderableType]:
    """What does not hold and was expected not to, by the reason that entries give; which, the table of rows says."""
    groups: dict[str, list[Case]] = {}
    for case in ordered(results.cases):
        if case.expected and case.passes and not case.outcome.is_good:
            reason, _, _place = case.expected.rpartition(" (")
            groups.setdefault(reason or case.expected, []).append(case)
    if not groups:
        return
    table = _counted_groups()
    for reason, cases in groups.items():
        rows = ", ".join(dict.fromkeys(case.row for case in cases))
        table.add_row("expected", str(len(cases)), f"{rows}: {reason}")
    yield table


def _verdict(results: Results) -> Iterable[RenderableType]:
    counts = outcome_counts(results.cases)
    rows = len({case.row for case in results.cases})
    told = counts_text(counts, lambda outcome: expected_words(results, outcome))
    tests = f"{count_of(len(results.cases), 'test')} of {count_of(rows, 'behaviour')}: {told or 'none'}"
    machine = results.machine
    loud = "bold" if machine.gpu_is_real else "bold yellow"
    yield Text(f"{machine.words}: ", style=loud).append(f"{machine.meaning}.", style="not bold")
    yield Text(f"{tests}. {verdict_words(results)}", style=f"bold {VERDICT_STYLE[results.verdict]}")
    if results.on_the_series:
        yield Text(results.on_the_series, style="bold yellow")
    for fault in results.expectation_faults:
        yield Text(fault, style="bold red")
    for text in run_trouble(results):
        yield Text(text, style="bold yellow")
    if results.interrupted:
        yield Text(f"The run ended early: {results.interrupted}", style="bold yellow")
