# SPDX-License-Identifier: MIT
"""Results as one HTML page that needs nothing beside it: no script, no font, no picture from elsewhere.

Evidence is folded, failures are open; a timeline shows when gates were shut and fences signalled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import jinja2

from amdgpu_hw.report.facts import case_label, machine_facts, warning
from amdgpu_hw.report.findings import findings, findings_of
from amdgpu_hw.report.timeline import Timeline, timeline
from amdgpu_hw.verdict.model import Case, Outcome, Verdict
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.summary import left_out, outcome_counts, sections
from amdgpu_hw.verdict.table import count_of, counts_text
from amdgpu_hw.verdict.trouble import case_trouble, run_trouble
from amdgpu_hw.verdict.words import verdict_words

__all__ = ("html_report",)

_TEMPLATE = "page.html.jinja"

_VERDICT_CLASS = {
    Verdict.PROVEN: "good",
    Verdict.BROKEN: "bad",
    Verdict.INCOMPLETE: "unsure",
    Verdict.NOTHING: "unsure",
}


@dataclass(frozen=True, slots=True)
class _Shown:
    """A case with what the page shows of it."""

    case: Case
    label: str
    tone: str
    words: str
    findings: str
    picture: Timeline | None
    again: str
    trouble: tuple[str, ...]


def html_report(results: Results) -> str:
    """The page."""
    rows = len({case.row for case in results.cases})
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            results=results,
            warning=warning(results),
            verdict=verdict_words(results),
            verdict_class=_VERDICT_CLASS[results.verdict],
            tests=f"{count_of(len(results.cases), 'test')} of {count_of(rows, 'behaviour')}",
            counts=counts_text(outcome_counts(results.cases)),
            facts=list(machine_facts(results)),
            trouble=list(run_trouble(results)),
            findings=findings(results.cases),
            left_out=left_out(results),
            sections=[
                (name, counts_text(outcome_counts(cases)), [_shown(case, results) for case in cases])
                for name, cases in sections(results.cases).items()
            ],
        )
    )


def _shown(case: Case, results: Results) -> _Shown:
    words = case.outcome.value
    if case.unexpected:
        words += ", unexpectedly"
    elif case.expected and not case.outcome.is_good:
        words += ", as expected"
    return _Shown(
        case,
        case_label(case),
        _tone(case),
        words,
        ", ".join(findings_of(case)),
        timeline(case),
        results.again("--test", case.test_id),
        tuple(case_trouble(case)),
    )


def _tone(case: Case) -> str:
    """How loud the page is about a case."""
    if not case.passes:
        return (
            "bad"
            if case.outcome in (Outcome.BROKEN, Outcome.FLAKY, Outcome.UNFINISHED) or case.unexpected
            else "unsure"
        )
    return "good" if case.outcome is Outcome.HOLDS else "quiet"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("amdgpu_hw.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = _duration
    return environment


def _duration(nanoseconds: int) -> str:
    """A time as people read it."""
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1e3:.0f} \N{MICRO SIGN}s"
    return f"{nanoseconds / 1e6:.3g} ms" if nanoseconds < 1_000_000_000 else f"{nanoseconds / 1e9:.3g} s"
