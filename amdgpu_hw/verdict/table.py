# SPDX-License-Identifier: MIT
"""The verdict as people read it on a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from amdgpu_hw.verdict.model import Case, Outcome, Verdict, row_order
from amdgpu_hw.verdict.results import Results

__all__ = ("OUTCOME_STYLE", "verdict_text")

OUTCOME_STYLE = {
    Outcome.HOLDS: "green",
    Outcome.BROKEN: "bold red",
    Outcome.NOT_TESTABLE: "yellow",
    Outcome.INCONCLUSIVE: "bold magenta",
    Outcome.UNFINISHED: "bold red",
}


def verdict_text(results: Results, width: int, colour: bool) -> str:
    """Everything a run ends with: table, failures, facts about the machine, banner, summary; ends with a newline."""
    cases = sorted(results.cases, key=lambda case: row_order(case.row))
    parts: list[RenderableType] = [_table(cases), *_failures(cases, results), _facts(results), _banner(results)]
    return render(Group(*parts), width, colour)


def render(content: RenderableType, width: int, colour: bool) -> str:
    """Rich content as text of a given width."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=min(max(width, 60), 160),
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        soft_wrap=False,
    )
    console.print(content)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _table(cases: Iterable[Case]) -> Table:
    table = Table(show_edge=False, pad_edge=False, header_style="bold", expand=True)
    table.add_column("row", no_wrap=True)
    table.add_column("behaviour", ratio=5)
    table.add_column("what was done and seen", ratio=7)
    table.add_column("verdict", no_wrap=True)
    for case in cases:
        table.add_row(case.row, case.behaviour, _done_and_seen(case), _outcome(case))
    return table


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


def _failures(cases: Iterable[Case], results: Results) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for case in cases:
        if case.passes:
            continue
        title = Text(f"\n{case.row} {case.outcome.value}: ", style=OUTCOME_STYLE[case.outcome])
        title.append(case.behaviour, style="bold")
        parts += [title, *(Text(text) for text in (case.reason, case.unexpected) if text)]
        if case.explanation:
            parts.append(Text(case.explanation))
        if case.done:
            parts.append(Text(f"done: {'; '.join(case.done)}", style="dim"))
        parts.append(Text(f"again: {_again(case, results)}", style="dim"))
    return parts


def _again(case: Case, results: Results) -> str:
    machine = results.machine
    where = f" --mock {machine.mock_gpus[0]} --kernel {machine.mock_kernel}" if machine.is_mock else ""
    if machine.guest_gpus:
        where = f" --guest {machine.kernel.partition(' ')[0]} --gpu {machine.guest_gpus[0]}"
        where += f" --module {machine.guest_module.file}" if machine.guest_module else ""
    where += "".join(f" --bug {name}" for name in machine.mock_bugs)
    where += "".join(f" --parameter {name}={value:#x}" for name, value in machine.mock_parameters.items())
    return f"amdgpu-hw validate{where} -k {case.test_name}"


def _facts(results: Results) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    facts.add_row()
    gpu = results.gpu
    if gpu:
        versions = f"GC {_version(gpu['gc_version'])}, SDMA {_version(gpu['sdma_version'])}"
        facts.add_row("GPU", f"{gpu['name']} at {gpu['pci_address']} ({gpu['node']}), {versions}")
        facts.add_row("driver", f"amdgpu {_version(gpu['driver_version'])}")
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
    return facts


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _version(numbers: Sequence[int]) -> str:
    return ".".join(map(str, numbers))


def _expected(results: Results, outcome: Outcome) -> str:
    """How many of the cases with an outcome were expected, where there are expectations."""
    if results.expectations is None or outcome is Outcome.HOLDS:
        return ""
    return f" ({sum(case.outcome is outcome and bool(case.expected) for case in results.cases)} expected)"


def _banner(results: Results) -> Group:
    words = {Outcome.HOLDS: "hold"}
    counts = ", ".join(
        f"{results.count(outcome)} {words.get(outcome, outcome.value)}{_expected(results, outcome)}"
        for outcome in Outcome
        if results.count(outcome)
    )
    rows = len({case.row for case in results.cases})
    style = {Verdict.PROVEN: "green", Verdict.BROKEN: "red", Verdict.NOTHING: "yellow"}[results.verdict]
    as_expected = results.expectations is not None
    verdict = {
        Verdict.PROVEN: "Everything is as expected." if as_expected else "Nothing is broken.",
        Verdict.BROKEN: "Not everything is as expected." if as_expected else "Not every behaviour holds.",
        Verdict.NOTHING: "This is no verdict.",
    }[results.verdict]
    tests = f"{_count(len(results.cases), 'test')} of {_count(rows, 'behaviour')}: {counts or 'none'}"
    lines = [Text(f"{tests}. {verdict}", f"bold {style}")]
    lines += [Text(fault, style="bold red") for fault in results.expectation_faults]
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
