# SPDX-License-Identifier: MIT
"""The verdict as people read it on a terminal."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from amdgpu_hw.terminal import printable
from amdgpu_hw.verdict.fingerprint_words import fingerprint_facts
from amdgpu_hw.verdict.model import Case, Outcome, Verdict, row_order
from amdgpu_hw.verdict.results import Results
from amdgpu_hw.verdict.trouble import case_trouble, run_trouble
from amdgpu_hw.verdict.words import verdict_words, version_words

__all__ = (
    "OUTCOME_STYLE",
    "VERDICT_STYLE",
    "count_of",
    "counts_text",
    "expected_words",
    "failures",
    "ordered",
    "render",
    "verdict_text",
)

VERDICT_STYLE = {
    Verdict.PROVEN: "green",
    Verdict.BROKEN: "red",
    Verdict.INCOMPLETE: "magenta",
    Verdict.NOTHING: "yellow",
}

NARROWEST, WIDEST = 40, 200
"""Columns of a report; on a wider terminal lines get too long to read."""

_TABLE_FROM = 72
"""Columns from which on there is room for a table."""

OUTCOME_STYLE = {
    Outcome.HOLDS: "green",
    Outcome.BROKEN: "bold red",
    Outcome.NOT_TESTABLE: "yellow",
    Outcome.INCONCLUSIVE: "bold magenta",
    Outcome.FLAKY: "bold red",
    Outcome.UNFINISHED: "bold red",
}


def verdict_text(results: Results, width: int, colour: bool) -> str:
    """Everything a run ends with: table, failures, facts about the machine, banner, summary; ends with a newline."""
    cases = ordered(results.cases)
    table = _table(cases) if width >= _TABLE_FROM else _stacked(cases)
    parts: list[RenderableType] = [table, *failures(cases, results), _facts(results), _banner(results)]
    return render(Group(*parts), width, colour)


def ordered(cases: Iterable[Case]) -> list[Case]:
    """In the order of the table of behaviours."""
    return sorted(cases, key=lambda case: row_order(case.row))


def render(content: RenderableType, width: int, colour: bool) -> str:
    """Rich content as text of a given width."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=min(max(width, NARROWEST), WIDEST),
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )
    console.print(_Printable(content))
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


class _Printable:
    """Rich content whose own characters are all printable: rich keeps escape sequences as they are."""

    def __init__(self, content: RenderableType) -> None:
        self._content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._content, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def _table(cases: Iterable[Case]) -> Table:
    table = Table(show_edge=False, pad_edge=False, header_style="bold", expand=True)
    table.add_column("row", no_wrap=True)
    table.add_column("behaviour", ratio=5)
    table.add_column("what was done and seen", ratio=7)
    table.add_column("verdict", no_wrap=True)
    for case in cases:
        table.add_row(case.row, case.behaviour, _done_and_seen(case), _outcome(case))
    return table


def _stacked(cases: Iterable[Case]) -> Group:
    """What the table says, one below the other."""
    parts: list[RenderableType] = []
    for case in cases:
        parts.append(Text(f"{case.row} ", style="bold").append_text(_outcome(case)))
        parts += [Padding(Text(case.behaviour), (0, 0, 0, 2)), Padding(_done_and_seen(case), (0, 0, 0, 4))]
    return Group(*parts)


def _outcome(case: Case) -> Text:
    style = "yellow" if case.expected and case.passes else OUTCOME_STYLE[case.outcome]
    text = Text(case.outcome.value, style=style)
    return text.append("\nunexpected", style="bold red") if case.unexpected else text


def _done_and_seen(case: Case) -> Text:
    text = _seen(case)
    if case.expected and case.outcome is not Outcome.NOT_TESTABLE:
        text.append(f"\nexpected: {case.expected}", style="yellow")
    if case.unexpected:
        text.append(f"\nunexpected: {case.unexpected}", style="bold red")
    return text


def _seen(case: Case) -> Text:
    if case.outcome is Outcome.NOT_TESTABLE:
        return Text(case.reason, style="dim")
    if case.outcome is not Outcome.HOLDS:
        return Text(case.reason.partition("\n")[0])
    text = Text(f"{'; '.join(case.done)}: " if case.done else "", style="dim")
    return text.append(case.seen, style="not dim")


def failures(cases: Iterable[Case], results: Results) -> list[RenderableType]:
    """Every case that fails the run in full: what was seen, why it must not be so, and how to see it again."""
    parts: list[RenderableType] = []
    for case in cases:
        if case.passes:
            continue
        title = Text(f"\n{case.row} {case.outcome.value}: ", style=OUTCOME_STYLE[case.outcome])
        title.append(case.behaviour, style="bold")
        parts += [title, *(Text(text) for text in (case.reason, case.unexpected) if text)]
        if case.explanation:
            parts.append(Text(case.explanation))
        parts += map(Text, case_trouble(case))
        if case.done:
            parts.append(Text(f"done: {'; '.join(case.done)}", style="dim"))
        parts.append(Text(f"again: {results.again('--test', case.test_id)}", style="dim"))
    return parts


def _facts(results: Results) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    facts.add_row()
    gpu = results.gpu
    if gpu:
        versions = f"GC {version_words(gpu['gc_version'])}, SDMA {version_words(gpu['sdma_version'])}"
        facts.add_row("GPU", f"{gpu['name']} at {gpu['pci_address']} ({gpu['node']}), {versions}")
        if results.other_gpus:
            facts.add_row("not tested", f"the other GPUs of this machine: {'; '.join(results.other_gpus)}")
        facts.add_row("driver", f"amdgpu {version_words(gpu['driver_version'])}")
    facts.add_row("kernel", results.machine.mock_kernel or results.machine.kernel)
    if results.machine.guest_module is not None:
        facts.add_row("amdgpu.ko", results.machine.guest_module.words)
    if results.machine.driver_build_id:
        facts.add_row("build ID", results.machine.driver_build_id)
    for name, description in results.machine.mock_bugs.items():
        facts.add_row("planted bug", f"{name}: {description}", style="bold red")
    for name, probe in results.probes.items():
        answer = "yes" if probe["supported"] else f"no: {probe['why']}"
        facts.add_row(name.replace("_", " "), answer)
    others = "; ".join(f"{name}: {why}" for name, why in results.gates.items() if why)
    facts.add_row("gate", f"{results.gate or 'none'}{f'  ({others})' if others else ''}")
    if results.expectations is not None:
        facts.add_row("expectations", ", ".join(results.expectations) or "none for this kernel and GPU: all must hold")
    facts.add_row("software", ", ".join(f"{name} {version}" for name, version in results.versions.items()))
    for name, words in fingerprint_facts(results):
        facts.add_row(name, words)
    return facts


def count_of(number: int, noun: str) -> str:
    """A number of things, e.g. ``1 test``, ``2 tests``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def counts_text(counts: Mapping[Outcome, int], expected: Callable[[Outcome], str] = lambda _: "") -> str:
    """How many cases ended how, e.g. ``2 broken, 1 hold``; what ``expected`` says of an outcome follows its number."""
    words = {Outcome.HOLDS: "hold"}
    return ", ".join(
        f"{counts[outcome]} {words.get(outcome, outcome.value)}{expected(outcome)}"
        for outcome in Outcome
        if counts.get(outcome)
    )


def expected_words(results: Results, outcome: Outcome) -> str:
    """How many of the cases with an outcome were expected, where there are expectations."""
    if results.expectations is None or outcome is Outcome.HOLDS:
        return ""
    return f" ({sum(case.outcome is outcome and bool(case.expected) for case in results.cases)} expected)"


def _banner(results: Results) -> Group:
    counts = counts_text(
        Counter(case.outcome for case in results.cases), lambda outcome: expected_words(results, outcome)
    )
    rows = len({case.row for case in results.cases})
    tests = f"{count_of(len(results.cases), 'test')} of {count_of(rows, 'behaviour')}: {counts or 'none'}"
    lines = [Text(f"{tests}. {verdict_words(results)}", f"bold {VERDICT_STYLE[results.verdict]}")]
    if results.on_the_series:
        lines.append(Text(results.on_the_series, style="bold yellow"))
    for option, left_out in results.left_out.items():
        command = results.again(option, "-k", " or ".join(left_out))
        lines.append(Text(f"{count_of(len(left_out), 'row')} left out: {option} ({command})", style="yellow"))
    lines += [Text(fault, style="bold red") for fault in results.expectation_faults]
    lines += [Text(text, style="bold yellow") for text in run_trouble(results)]
    if results.interrupted:
        lines.append(Text(f"The run ended early: {results.interrupted}", style="bold yellow"))
    banner = Panel(
        Text(results.machine.sentence, justify="center"),
        title=Text(
            f" {results.machine.words} ", style="bold reverse" if results.machine.gpu_is_real else "bold reverse yellow"
        ),
        border_style="none" if results.machine.gpu_is_real else "yellow",
    )
    return Group(banner, *lines)
