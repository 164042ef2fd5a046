# SPDX-License-Identifier: MIT
"""Results as Markdown: for the summary page of a CI job, and for issues."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from amdgpu_hw.report.facts import machine_facts, warning
from amdgpu_hw.report.findings import findings, findings_of
from amdgpu_hw.verdict.model import Case, Outcome
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.summary import left_out, outcome_counts, sections
from amdgpu_hw.verdict.table import counts_text, ordered
from amdgpu_hw.verdict.trouble import case_trouble, run_trouble
from amdgpu_hw.verdict.words import verdict_words

__all__ = ("markdown_report",)

_SPECIAL = re.compile(r"([\\`*_\[\]{}|#~])")


def markdown_report(results: Results) -> str:
    """The verdict, what was tested, a line for each section, every failure, and what was left out."""
    return "".join(f"{line}\n" for line in _lines(results))


def _lines(results: Results) -> Iterator[str]:
    yield f"# amdgpu_hw: {_text(verdict_words(results))}"
    yield ""
    if warning(results):
        yield from (f"> **{_text(warning(results))}**", "")
    yield f"{counts_text(outcome_counts(results.cases))}."
    if results.interrupted:
        yield from ("", f"**The run ended early: {_text(results.interrupted)}**")
    for text in run_trouble(results):
        yield from ("", f"**{_text(text)}**")
    yield from ("", "| | |", "|---|---|")
    yield from (f"| {_text(name)} | {_text(words)} |" for name, words in machine_facts(results))
    yield from ("", "| section | tests |", "|---|---|")
    for name, cases in sections(results.cases).items():
        yield f"| {_text(name)} | {counts_text(outcome_counts(cases))} |"
    failed = [case for case in ordered(results.cases) if not case.passes]
    if failed:
        yield from ("", "## What failed", "")
        for case in failed:
            yield from _failure(case, results)
    known = findings(results.cases)
    if known:
        yield from ("", "## Findings", "")
        yield from (f"* **{each.name}** ({', '.join(each.rows)}): {_text(each.what)}" for each in known)
    groups = left_out(results)
    if groups:
        yield from ("", "## What was not tested", "", "| tests | why | with |", "|---|---|---|")
        for group in groups:
            yield f"| {len(group.cases)} | {_text(group.reason)} | {_code(group.command)} |"


def _failure(case: Case, results: Results) -> Iterator[str]:
    names = f" ({', '.join(findings_of(case))})" if findings_of(case) else ""
    outcome = "unexpectedly holds" if case.outcome is Outcome.HOLDS else case.outcome.value
    yield f"<details><summary><b>{escape(case.row)}</b> {outcome}{names}: {escape(case.behaviour)}</summary>"
    yield ""
    for text in (case.reason, case.unexpected, case.explanation):
        yield from (f"{_text(line)}  " for line in text.splitlines() if line)
    yield from (f"{_text(line)}  " for line in case_trouble(case))
    yield from ("", f"{_code(results.again('--test', case.test_id))}", "", "</details>", "")


def _text(text: str) -> str:
    """Words as they are: no markup, no line of their own."""
    return _SPECIAL.sub(r"\\\1", escape(" ".join(text.split()), quote=False))


def _code(text: str) -> str:
    """A command, in a line; what would end it is left out."""
    return f"`{' '.join(text.replace('`', ' ').replace('|', ' ').split())}`" if text else ""
