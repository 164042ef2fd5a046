# SPDX-License-Identifier: MIT
"""Results as JUnit XML, as GitLab, Jenkins and others show them: a suite for each section, a test case for each case.

Names stay the same from run to run: CI systems compare by them. What a row is about is in the properties.
"""

from __future__ import annotations

from collections.abc import Iterator

from junitparser import Error, Failure, JUnitXml, Properties, Property, Skipped, TestCase, TestSuite

from amdgpu_hw.report.facts import case_label, machine_facts, warning
from amdgpu_hw.report.findings import findings_of
from amdgpu_hw.verdict.model import Case, Outcome
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.summary import sections
from amdgpu_hw.verdict.trouble import case_trouble, run_trouble

__all__ = ("junit_report",)

_SUITE = "amdgpu_hw"


def junit_report(results: Results) -> str:
    """The whole run."""
    xml = JUnitXml(_SUITE)
    for name, cases in sections(results.cases).items():
        suite = TestSuite(_clean(name))
        suite.timestamp = results.started.isoformat()
        for key, words in machine_facts(results):
            suite.add_property(key, _clean(words))
        if warning(results):
            suite.add_property("warning", _clean(warning(results)))
        suite.add_testcases([_case(case, name, results) for case in cases])
        xml.add_testsuite(suite)
    if results.interrupted or results.expectation_faults or any(run_trouble(results)):
        xml.add_testsuite(_run_itself(results))
    text: bytes = xml.tostring()
    return text.decode("utf-8") + "\n"


def _case(case: Case, section: str, results: Results) -> TestCase:
    element = TestCase(_clean(case_label(case)), f"{_SUITE}.{_clean(section)}", case.duration_ns / 1e9)
    properties = Properties()
    for key, words in _properties(case):
        properties.add_property(Property(key, _clean(words)))
    element.append(properties)
    for result in _result(case, results):
        element.result = result
    element.system_out = _clean("\n".join((*case.done, *(each.text for each in case.evidence), *case_trouble(case))))
    return element


def _properties(case: Case) -> Iterator[tuple[str, str]]:
    yield "row", case.row
    yield "behaviour", case.behaviour
    yield "outcome", case.outcome.value
    for key, values in (("gate", case.gates), ("control", case.controls), ("finding", findings_of(case))):
        yield from ((key, value) for value in values)
    if case.expected:
        yield "expected", case.expected


def _result(case: Case, results: Results) -> Iterator[Failure | Error | Skipped]:
    """What a reader must not take for a success; a known finding is skipped, as nobody is to be woken for it."""
    first = _clean((case.unexpected or case.reason).partition("\n")[0])
    if case.passes:
        if case.outcome is not Outcome.HOLDS:
            why = f"expected, {case.outcome.value}: {case.expected}" if case.expected else first
            yield Skipped(_clean(why), case.outcome.value)
        return
    kind = Error if case.outcome in (Outcome.UNFINISHED, Outcome.INCONCLUSIVE) else Failure
    result = kind(first, case.outcome.value)
    again = f"again: {results.again('--test', case.test_id)}"
    result.text = _clean("\n".join(filter(None, (case.reason, case.unexpected, case.explanation, again))))
    yield result


def _run_itself(results: Results) -> TestSuite:
    """What is wrong with the run as a whole: a reader of test cases alone must see it."""
    suite = TestSuite("the run itself")
    faults = [f"the run ended early: {results.interrupted}"] if results.interrupted else []
    for text in (*faults, *results.expectation_faults):
        element = TestCase(_clean(text), f"{_SUITE}.the run itself")
        element.result = Error(_clean(text), "did not finish")
        suite.add_testcase(element)
    # What happened to the GPU between rows that hold is no failure of theirs, and no success.
    for text in run_trouble(results):
        element = TestCase(_clean(text), f"{_SUITE}.the run itself")
        element.result = Skipped(_clean(text), "reset or hang")
        suite.add_testcase(element)
    return suite


def _clean(text: str) -> str:
    """Without the characters that XML cannot have (XML 1.0, 2.2)."""
    return "".join(each if each in "\t\n" or each.isprintable() else "?" for each in text)
