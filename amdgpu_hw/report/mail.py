# SPDX-License-Identifier: MIT
"""Results as a mail for the list: at most 72 columns, and Tested-by only where a real kernel ran on a real GPU.

The text is for ``git send-email`` or a mail program: headers, an empty line, the body.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from email.utils import parseaddr

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.report.facts import machine_facts, warning
from amdgpu_hw.report.findings import findings, findings_of
from amdgpu_hw.verdict.model import Case, Outcome, Verdict
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.summary import left_out, outcome_counts, sections
from amdgpu_hw.verdict.table import count_of, counts_text, ordered
from amdgpu_hw.verdict.trouble import case_trouble, run_trouble
from amdgpu_hw.verdict.words import verdict_words

__all__ = ("mail_report",)

_WIDTH = 72

_PIECE = 50
"""Characters of a word in a command that stay together; quoting makes them more."""

_BAD = (Outcome.BROKEN, Outcome.FLAKY, Outcome.UNFINISHED, Outcome.INCONCLUSIVE)

_ADDRESS = "--tested-by 'Name <address>'"


def mail_report(results: Results, tested_by: str | None, in_reply_to: str | None) -> str:
    """The whole mail. Raises `HarnessError` for a name and address that are none."""
    if tested_by is not None:
        _check_address(tested_by)
    if in_reply_to is not None and (not in_reply_to.strip() or not in_reply_to.isprintable()):
        raise HarnessError(f"'{in_reply_to}' is no message ID")
    return "".join(f"{line.rstrip()}\n" for line in _lines(results, tested_by, in_reply_to))


def _check_address(text: str) -> None:
    name, address = parseaddr(text)
    local, at, domain = address.partition("@")
    if not (name and local and at and domain) or not text.isprintable():
        raise HarnessError(f"'{text}' is no name and address: write {_ADDRESS}")


def _lines(results: Results, tested_by: str | None, in_reply_to: str | None) -> Iterator[str]:
    yield from _wrapped(f"Subject: {_subject(results)}", further=" ")
    if in_reply_to is not None:
        yield f"In-Reply-To: <{in_reply_to.strip().strip('<>')}>"
    yield ""
    if warning(results):
        yield from ("*" * _WIDTH, *_wrapped(warning(results)), "*" * _WIDTH, "")
    yield from _tested(results)
    yield from _result(results)
    yield from _findings(results)
    yield from _not_tested(results)
    yield from _tag(results, tested_by)


def _subject(results: Results) -> str:
    gpu = results.gpu.get("name", "no GPU")
    counts = outcome_counts(results.cases)
    bad = {outcome: counts[outcome] for outcome in _BAD if counts[outcome]}
    what = counts_text(bad) if bad else verdict_words(results).rstrip(".").lower()
    modelled = "" if results.machine.gpu_is_real else f" ({results.machine.words})"
    return f"amdgpu explicit sync on {gpu}{modelled}: {what}"


def _tested(results: Results) -> Iterator[str]:
    yield "What was tested"
    facts = list(machine_facts(results))
    column = max(len(name) for name, _ in facts) + 4
    for name, words in facts:
        yield from _wrapped(words, first=f"  {name:<{column - 2}}", further=" " * column)
    yield "  with"
    yield from _command(results.again())
    yield ""


def _result(results: Results) -> Iterator[str]:
    rows = len({case.row for case in results.cases})
    tests = f"{count_of(len(results.cases), 'test')} of {count_of(rows, 'behaviour')}"
    counts = counts_text(outcome_counts(results.cases))
    yield from _wrapped(f"Result: {verdict_words(results)} {tests}: {counts}.")
    if results.interrupted:
        yield from _wrapped(f"The run ended early: {results.interrupted}")
    by_section = sections(results.cases)
    column = max(map(len, by_section)) + 4
    for name, cases in by_section.items():
        counts = counts_text(outcome_counts(cases))
        yield from _wrapped(counts, first=f"  {name:<{column - 2}}", further=" " * column)
    for text in run_trouble(results):
        yield from _wrapped(text)
    yield ""


def _findings(results: Results) -> Iterator[str]:
    known = findings(results.cases)
    if known:
        yield "Findings"
        for finding in known:
            yield from _wrapped(f"{finding.name} ({', '.join(finding.rows)}): {finding.what}", "  ", "    ")
        yield ""
    failed = [case for case in ordered(results.cases) if case.outcome in _BAD or not case.passes]
    if failed:
        yield "What was seen"
        for case in failed:
            yield from _failure(case, results)


def _failure(case: Case, results: Results) -> Iterator[str]:
    names = f" [{', '.join(findings_of(case))}]" if findings_of(case) else ""
    outcome = "unexpectedly holds" if case.outcome is Outcome.HOLDS else case.outcome.value
    yield from _wrapped(f"{case.row} {outcome}{names}: {case.behaviour}", "  ", "    ")
    for text in (f"done: {'; '.join(case.done)}" if case.done else "", case.reason, case.unexpected):
        for line in text.splitlines():
            yield from _wrapped(line, "    ", "    ")
    if case.expected:
        yield from _wrapped(f"expected: {case.expected}", "    ", "    ")
    for text in case_trouble(case):
        yield from _wrapped(text, "    ", "      ")
    yield from _command(results.again("--test", case.test_id))
    yield ""


def _not_tested(results: Results) -> Iterator[str]:
    groups = left_out(results)
    if not groups:
        return
    yield "Not tested"
    for group in groups:
        rows = ", ".join(dict.fromkeys(case.row for case in group.cases))
        yield from _wrapped(f"{count_of(len(group.cases), 'test')} ({rows}): {group.reason}", "  ", "    ")
        yield from _command(group.command) if group.command else ()
    yield ""


def _tag(results: Results, tested_by: str | None) -> Iterator[str]:
    """The line that vouches for it, or why there is none."""
    why = _why_no_tag(results)
    if why:
        yield from _wrapped(f"(No Tested-by line: {why}.)")
    elif tested_by is None:
        yield from _wrapped(f"(No Tested-by line yet: set user.name and user.email in git, or give {_ADDRESS}.)")
    else:
        yield f"Tested-by: {tested_by}"


def _why_no_tag(results: Results) -> str:
    if not results.machine.kernel_is_real:
        return "kernel and GPU are modelled, no kernel was tested"
    if not results.machine.gpu_is_real:
        return "the GPU is modelled, this is no test on hardware"
    probe = results.probes.get("explicit_sync")
    if probe is None or not probe["supported"]:
        return "this kernel does not have the series"
    if any(case.outcome in _BAD for case in results.cases):
        return "not everything holds"
    return "" if results.verdict is Verdict.PROVEN else "this run is no proof"


def _wrapped(text: str, first: str = "", further: str = "") -> list[str]:
    """Words in lines that fit; a word that is longer than a line is cut."""
    return textwrap.wrap(
        " ".join(text.split()), _WIDTH, initial_indent=first, subsequent_indent=further, break_on_hyphens=False
    )


def _command(text: str) -> Iterator[str]:
    """A command, in several lines if need be, as a shell reads it.

    A word that is longer than a line goes on at the beginning of the next, where a shell joins both.
    """
    line = "   "
    for word in shlex.split(text):
        pieces = [word[start : start + _PIECE] for start in range(0, len(word), _PIECE)] or [""]
        quoted = [shlex.quote(piece) for piece in pieces]
        if len(line) + 1 + len(quoted[0]) > _WIDTH - 2:
            yield f"{line} \\"
            line = "     "
        line = f"{line} {quoted[0]}"
        for piece in quoted[1:]:
            yield f"{line}\\"
            line = piece
    yield line
