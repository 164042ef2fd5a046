# SPDX-License-Identifier: MIT
"""Results as KTAP (Documentation/dev-tools/ktap.rst): a test for each section, below it one for each case.

``tools/testing/kunit/kunit.py parse`` reads it. Its parser knows SKIP, and goes by ok and not ok for other directives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amdgpu_hw.report.facts import case_label, machine_facts, warning
from amdgpu_hw.verdict.model import Case, Outcome
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.summary import sections
from amdgpu_hw.verdict.trouble import case_trouble, run_trouble
from amdgpu_hw.verdict.words import verdict_words

__all__ = ("ktap_report",)

_INDENT = "  "

_MOST_WORDS = 160
"""Characters of what follows a directive."""


def ktap_report(results: Results) -> str:
    """The whole run; the outermost test is the suite."""
    return "".join(f"{line}\n" for line in _lines(results))


def _lines(results: Results) -> Iterator[str]:
    yield "KTAP version 1"
    yield "1..1"
    yield from (f"{_INDENT}{line}" for line in _suite(results))
    # An interrupted run is never a success, whatever its cases say.
    good = all(case.passes for case in results.cases) and not (results.interrupted or results.expectation_faults)
    yield from _result(good, 1, "amdgpu_hw")


def _suite(results: Results) -> Iterator[str]:
    by_section = sections(results.cases)
    yield "KTAP version 1"
    yield "# Subtest: amdgpu_hw"
    yield f"1..{len(by_section)}"
    for text in (warning(results), *(f"{name}: {words}" for name, words in machine_facts(results))):
        yield from _diagnostics(text)
    for number, (name, cases) in enumerate(by_section.items(), 1):
        yield from (f"{_INDENT}{line}" for line in _section(name, cases))
        skipped = all(case.outcome is Outcome.NOT_TESTABLE for case in cases)
        good = all(case.passes for case in cases)
        yield from _result(good, number, name, "SKIP nothing of it could be tested" if skipped and good else "")
    yield from _diagnostics(verdict_words(results))
    yield from _diagnostics(f"The run ended early: {results.interrupted}" if results.interrupted else "")
    for text in run_trouble(results):
        yield from _diagnostics(text)


def _section(name: str, cases: Sequence[Case]) -> Iterator[str]:
    yield "KTAP version 1"
    yield f"# Subtest: {_plain(name)}"
    yield f"1..{len(cases)}"
    for number, case in enumerate(cases, 1):
        yield from _diagnostics(f"{case.row}: {case.behaviour}")
        for text in (*case.done, case.seen, case.reason, case.explanation, case.unexpected, *case_trouble(case)):
            yield from _diagnostics(text)
        yield from _result(case.passes, number, case_label(case), _directive(case))


def _directive(case: Case) -> str:
    """What follows the hash sign of a case's line."""
    reason = (case.unexpected or case.reason).partition("\n")[0]
    if case.outcome is Outcome.NOT_TESTABLE:
        return f"SKIP {reason}" if case.passes else f"ERROR {reason}"
    if case.passes and case.outcome is not Outcome.HOLDS:
        return f"XFAIL {case.expected}"
    if case.outcome in (Outcome.UNFINISHED, Outcome.INCONCLUSIVE):
        return f"ERROR {case.outcome.value}: {reason}"
    return "" if case.passes else reason


def _result(good: bool, number: int, name: str, directive: str = "") -> Iterator[str]:
    ending = f" # {_plain(directive)[:_MOST_WORDS].rstrip()}" if directive else ""
    yield f"{'ok' if good else 'not ok'} {number} {_plain(name)}{ending}"


def _diagnostics(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in map(_plain, text.splitlines()) if line)


def _plain(text: str) -> str:
    """Without what would end a description: a hash sign, a line's end, or other control characters."""
    return "".join(each if each.isprintable() else " " for each in text.replace("#", "No. ")).strip()
