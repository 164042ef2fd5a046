# SPDX-License-Identifier: MIT
"""Two runs side by side, test by test: before and after a patch, a card and a guest, two cards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from amdgpu_hw.verdict.model import Case, Outcome, row_order
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.summary import outcome_counts
from amdgpu_hw.verdict.table import OUTCOME_STYLE, count_of, counts_text, render
from amdgpu_hw.verdict.words import gpu_words, kernel_words, series_words

__all__ = ("Difference", "compare_runs", "difference_text")

_SIDE_BY_SIDE_FROM = 100
"""Columns from which on there is room for a table."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A test that ended otherwise in B than in A, or that one of them does not have."""

    a: Case | None
    b: Case | None

    @property
    def either(self) -> Case:
        """The case of the run that has it."""
        case = self.a or self.b
        if case is None:
            raise ValueError("a difference is between a case and another, or none")
        return case

    @property
    def is_change(self) -> bool:
        """Whether both runs have it."""
        return self.a is not None and self.b is not None

    @property
    def got_worse(self) -> bool:
        """Whether it holds in A and does not in B."""
        return self.is_change and _outcome(self.a) is Outcome.HOLDS


def _outcome(case: Case | None) -> Outcome | None:
    return None if case is None else case.outcome


def compare_runs(a: Results, b: Results) -> list[Difference]:
    """What ended otherwise: what got worse, other changes, what only A has, what only B has; each by row."""
    ours, theirs = _by_name(a.cases), _by_name(b.cases)
    found = [
        Difference(ours.get(name), theirs.get(name))
        for name in dict.fromkeys([*ours, *theirs])
        if _outcome(ours.get(name)) is not _outcome(theirs.get(name))
    ]
    return sorted(found, key=_order)


def _by_name(cases: Iterable[Case]) -> dict[str, Case]:
    """Cases by file and test: a suite that is installed lies elsewhere than one in a checkout."""
    return {
        case.test.partition("::")[0].rpartition("/")[2] + "::" + case.test.partition("::")[2]: case for case in cases
    }


def _order(each: Difference) -> tuple[int, tuple[str, int, int, str], str]:
    kind = (0 if each.got_worse else 1) if each.is_change else (2 if each.b is None else 3)
    return kind, row_order(each.either.row), each.either.test


def difference_text(a: Results, b: Results, width: int, colour: bool) -> str:
    """Everything `amdgpu-hw diff` says; ends with a newline."""
    found = compare_runs(a, b)
    changed = [each for each in found if each.is_change]
    parts: list[RenderableType] = [*_heads(a, b)]
    if changed:
        parts.append(_side_by_side(changed) if width >= _SIDE_BY_SIDE_FROM else _stacked(changed))
    for letter, only in (("A", [e for e in found if e.b is None]), ("B", [e for e in found if e.a is None])):
        if only:
            parts.append(Text(f"\nonly in {letter}:", style="bold"))
            parts += [Text(f"  {each.either.row} {_name(each.either)}: {each.either.outcome.value}") for each in only]
    parts.append(Text(_conclusion(a, found, changed), style="bold"))
    return render(Group(*parts), width, colour)


def _heads(a: Results, b: Results) -> Iterator[Text]:
    """What the runs were on, and how they ended."""
    for letter, results in (("A", a), ("B", b)):
        text = Text(f"{letter}: ", style="bold")
        words = []
        for what, is_real in (gpu_words(results), kernel_words(results)):
            words.append(f"{what} ({'REAL' if is_real else 'MODELLED'})")
        words += [f"gate {results.gate or 'none'}", f"AMDGPU_VM_EXPLICIT_SYNC: {series_words(results)}"]
        yield text.append("; ".join(words), style="not bold")
        yield Text(f"   {counts_text(outcome_counts(results.cases))}")
        if results.interrupted:
            yield Text(f"   the run ended early: {results.interrupted}", style="bold yellow")


def _side_by_side(changed: Iterable[Difference]) -> Table:
    table = Table(show_edge=False, pad_edge=False, header_style="bold", expand=True)
    table.add_column("row", no_wrap=True)
    table.add_column("test", ratio=4, overflow="fold")
    table.add_column("A", no_wrap=True)
    table.add_column("B", no_wrap=True)
    table.add_column("what was seen", ratio=5)
    for each in changed:
        table.add_row(
            each.either.row, _name(each.either), _styled(each.a), _styled(each.b), Text("\n".join(_seen(each)))
        )
    return table


def _stacked(changed: Iterable[Difference]) -> Group:
    parts: list[RenderableType] = []
    for each in changed:
        line = Text(f"\n{each.either.row} ", style="bold").append_text(_styled(each.a)).append(" -> ", style="not bold")
        parts += [line.append_text(_styled(each.b)), Text(_name(each.either)), *map(Text, _seen(each))]
    return Group(*parts)


def _styled(case: Case | None) -> Text:
    return Text("") if case is None else Text(case.outcome.value, style=OUTCOME_STYLE[case.outcome])


def _name(case: Case) -> str:
    return case.test.rpartition("::")[2]


def _seen(each: Difference) -> Iterator[str]:
    """What each run says of it, in a line."""
    for letter, case in (("A", each.a), ("B", each.b)):
        if case is not None:
            words = case.seen if case.outcome is Outcome.HOLDS else case.reason.partition("\n")[0]
            yield f"{letter}: {words}"


def _conclusion(a: Results, found: list[Difference], changed: list[Difference]) -> str:
    if not found:
        return f"All {count_of(len(a.cases), 'test')} ended the same."
    worse = sum(each.got_worse for each in changed)
    rows = ", ".join(dict.fromkeys(each.either.row for each in changed))
    text = f"{count_of(len(changed), 'test')} ended otherwise, {worse} of which held in A"
    text += f" (rows {rows})" if rows else ""
    others = len(found) - len(changed)
    return f"{text}; {others} {'is' if others == 1 else 'are'} in one run only." if others else f"{text}."
