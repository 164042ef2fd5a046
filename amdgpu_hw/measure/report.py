# SPDX-License-Identifier: MIT
"""Results as people read them on a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from amdgpu_hw.measure.analysis import (
    ARMS,
    METRIC_WORDS,
    CellAnalysis,
    OverlapAnalysis,
    analyse_latency,
    analyse_overlap,
    latency_finding,
    overlap_finding,
    troubles,
)
from amdgpu_hw.measure.fitting import FirstThatFits
from amdgpu_hw.measure.model import Arm, Conditions, Frames, LatencyResult, OverlapResult, Result, Round
from amdgpu_hw.measure.statistics import Claim, Effect, Summary, summary
from amdgpu_hw.measure.wording import (
    conditions_words,
    effect_words,
    floor_words,
    found_words,
    interval_words,
    time_words,
    verdict_summary,
)
from amdgpu_hw.proof.units import size

__all__ = (
    "conditions_panel",
    "effect_text",
    "latency_report",
    "new_table",
    "overlap_report",
    "reasons",
)

_OTHERS = ("victim_ns", "ioctl_ns")

_VERDICT_STYLE = {
    Claim.FASTER: "bold green",
    Claim.SLOWER: "bold red",
    Claim.NO_DIFFERENCE: "cyan",
    Claim.INCONCLUSIVE: "yellow",
}


def effect_text(effect: Effect) -> Text:
    """A verdict with its size, in its colour."""
    return Text(effect_words(effect), style=_VERDICT_STYLE[effect.verdict])


def latency_report(result: LatencyResult) -> RenderableType:
    """Everything a latency run ends with: finding, a row per cell, what was wrong, conditions."""
    cells = analyse_latency(result)
    effects = [effect for each in cells for effect in each.effects.values()]
    return Group(
        Text(latency_finding(cells, result.conditions), style="bold"),
        FirstThatFits(_latency_table(cells), _narrow_latency_table(cells)),
        FirstThatFits(_others_table(cells), _others_table(cells, narrow=True)),
        *reasons(effects),
        *_tail(cells),
        *_counted(result.rounds, "round", "rounds"),
        *_ending(result),
    )


def _latency_table(cells: Sequence[CellAnalysis]) -> Table:
    """A row per cell: how long until the update is effective; loads as headings."""
    table = new_table()
    for name in ("operation", "mapping"):
        table.add_column(name, no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for arm in ARMS:
        for percentile in ("p50", "p90", "max"):
            table.add_column(f"{arm}\n{percentile}" if percentile == "p50" else f"\n{percentile}", justify="right")
    table.add_column("explicit is", no_wrap=True)
    table.add_column("95 % interval", no_wrap=True)
    table.add_column("noise", justify="right", no_wrap=True)
    for load, of_load in groupby(cells, key=lambda each: each.cell.load):
        table.add_row(Text(f"GPU {load}", style="bold"))
        previous = ("", "")
        for each in of_load:
            operation, mapping = each.cell.operation, each.cell.mapping
            table.add_row(
                "" if operation == previous[0] else operation,
                "" if (operation, mapping) == previous else mapping,
                size(each.cell.size),
                *(text for arm in ARMS for text in _three(each.summary(arm))),
                effect_text(each.effect),
                interval_words(each.effect),
                floor_words(each.effect),
            )
            previous = (operation, mapping)
    return table


def _narrow_latency_table(cells: Sequence[CellAnalysis]) -> Table:
    """The same with a row per arm, for 80 columns: beside the first the verdict, beside the second its interval."""
    table = new_table(narrow=True)
    table.add_column("operation", no_wrap=True)
    table.add_column("sync", no_wrap=True)
    for name in ("p50", "p90", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("explicit is\n95 % interval")  # the only one that may wrap: between its ends
    table.add_column("noise", justify="right", no_wrap=True)
    for load, of_load in groupby(cells, key=lambda each: each.cell.load):
        table.add_row(Text(f"GPU {load}", style="bold"))
        for each in of_load:
            what = f"{each.cell.operation} {size(each.cell.size)}"
            implicit, explicit = (_three(each.summary(arm)) for arm in ARMS)
            table.add_row(what, ARMS[0], *implicit, effect_text(each.effect))
            interval = interval_words(each.effect)
            table.add_row(each.cell.mapping, ARMS[1], *explicit, interval, floor_words(each.effect))
    return table


def _others_table(cells: Sequence[CellAnalysis], *, narrow: bool = False) -> Table:
    """What the flag does to the ioctl and the next submission, and what outlasted what; a row per load and mapping."""
    table = new_table(narrow=narrow)
    for name in ("GPU", "mapping", *(f"{METRIC_WORDS[metric]} with the flag" for metric in _OTHERS)):
        table.add_column(name)
    for arm in ARMS:
        table.add_column(f"effective while\nthe load ran: {arm}", justify="right")
    by_place: dict[tuple[str, str], list[CellAnalysis]] = {}
    for each in cells:
        by_place.setdefault((each.cell.load, each.cell.mapping), []).append(each)
    for place, there in by_place.items():
        verdicts = (verdict_summary([each.effects[metric] for each in there]) for metric in _OTHERS)
        table.add_row(*place, *verdicts, *(_outlasted(there, arm) for arm in ARMS))
    return table


def _outlasted(cells: Sequence[CellAnalysis], arm: Arm) -> str:
    shares = [share for share in (each.outlasted(arm) for each in cells) if not math.isnan(share)]
    return f"{100 * sum(shares) / len(shares):.3g} %" if shares else "-"


def new_table(title: str | None = None, *, narrow: bool = False) -> Table:
    """An empty table in the style of all reports; ``narrow``: for where columns are dear."""
    return Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0) if narrow else (0, 1),
        title=title,
        title_justify="left",
        title_style="bold",
    )


def _three(of: Summary) -> tuple[str, str, str]:
    return time_words(of.p50), time_words(of.p90), time_words(of.max)


def _tail(cells: Iterable[CellAnalysis]) -> list[RenderableType]:
    """The 99th percentiles, where there are samples enough for one, and the outliers."""
    lines: list[RenderableType] = [Text()]
    outliers: Counter[Arm] = Counter()
    samples: Counter[Arm] = Counter()
    for each in cells:
        for arm in ARMS:
            of = each.summary(arm)
            outliers[arm] += of.outliers
            samples[arm] += of.n
            if of.p99 is not None:
                where = f"{each.cell.load} {each.cell.operation} {each.cell.mapping} {size(each.cell.size)}"
                lines.append(Text(f"p99 {arm} {where}: {time_words(of.p99)} of {of.n} samples"))
    told = "; ".join(f"{arm} {outliers[arm]} of {samples[arm]} samples" for arm in ARMS)
    lines.append(Text(f"Outliers (kept): {told}."))
    return lines


def reasons(effects: Iterable[Effect]) -> list[RenderableType]:
    """Why some effects are inconclusive, the most frequent first."""
    why = Counter(each.reason for each in effects if each.verdict is Claim.INCONCLUSIVE)
    most = [f"{reason} ({number} times)" if number > 1 else reason for reason, number in why.most_common(4)]
    rest = sum(number for _, number in why.most_common()[4:])
    told = "; ".join([*most, *([f"{rest} for other reasons like these"] if rest else [])])
    return [Text(f"Inconclusive: {told}.", style="yellow")] if why else []


def overlap_report(result: OverlapResult) -> RenderableType:
    """Everything an overlap run ends with."""
    kinds = analyse_overlap(result)
    effects = [effect for each in kinds for effect in (each.frame_effect, each.unmap_effect)]
    return Group(
        Text(overlap_finding(kinds, result.conditions), style="bold"),
        *(_overlap_table(each) for each in kinds),
        *reasons(effects),
        *_counted(result.series, "stretch", "stretches"),
        *_ending(result),
    )


def _overlap_table(kind: OverlapAnalysis) -> RenderableType:
    title = (
        f"\n{kind.rate_hz:g} unmaps/s beside frames of {time_words(kind.frame_gpu_ns)} GPU time, "
        f"budget {time_words(kind.budget_ns)}"
    )
    wide, narrow, unmaps_alone = new_table(title), new_table(title), new_table()
    frame_columns = ("frames", "mean", "p50", "p90", "p99", "max", "over budget")
    unmap_columns = ("unmaps", "effective p50", "p90", "max")
    columns = (wide, (*frame_columns, *unmap_columns)), (narrow, frame_columns), (unmaps_alone, unmap_columns)
    for table, names in columns:
        table.add_column("sync", no_wrap=True)
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
    for arm in ARMS:
        frames, unmaps = kind.frame_ns(arm), summary(kind.unmap_ns(arm))
        if len(frames):
            of_frames, of_unmaps = _frame_figures(kind, arm), (str(unmaps.n), *_three(unmaps))
            wide.add_row(arm, *of_frames, *of_unmaps)
            narrow.add_row(arm, *of_frames)
            unmaps_alone.add_row(arm, *of_unmaps)
    lines = [
        _effect_line("Mean frame time with the flag", kind.frame_effect),
        _effect_line("Unmaps effective with the flag", kind.unmap_effect),
    ]
    return Group(FirstThatFits(wide, Group(narrow, unmaps_alone)), *lines)


def _frame_figures(kind: OverlapAnalysis, arm: Arm) -> list[str]:
    frames, stutters = kind.frame_ns(arm), kind.stutters(arm)
    of = summary(frames)
    times = (float(frames.mean()), of.p50, of.p90, math.nan if of.p99 is None else of.p99, of.max)
    return [str(of.n), *map(time_words, times), f"{stutters} ({100 * stutters / of.n:.3g} %)"]


def _effect_line(what: str, effect: Effect) -> Text:
    line = Text(f"{what}: ").append(effect_text(effect))
    if effect.blocks:
        found = "" if effect_words(effect) == found_words(effect) else f"found {found_words(effect)}, "
        line.append(
            f" ({found}95 % interval {interval_words(effect)}, "
            f"noise {floor_words(effect)}, {len(effect.blocks)} blocks)"
        )
    return line


def _counted(items: Sequence[Round | Frames], one: str, several: str) -> list[RenderableType]:
    """How many rounds there are and what was wrong with which part of them."""
    noun = one if len(items) == 1 else several
    found = "; ".join(f"{each.rounds} {each.what}" for each in troubles(items))
    lost = sum(not each.usable for each in items)
    line = Text(f"{len(items)} {noun}, {lost} of them not used{f': {found}' if found else ''}.")
    if lost:
        line.stylize("yellow")
    return [line]


def _ending(result: Result) -> list[RenderableType]:
    incomplete = [] if result.complete else [Text("The run ended early: this is what it had by then.", "bold yellow")]
    notes = [Text(f"Note: {note}.") for note in result.notes]
    return [*incomplete, *notes, conditions_panel(result.conditions)]


def conditions_panel(conditions: Conditions, name: str = "") -> Panel:
    """Where the figures come from; that they are simulated cannot be overlooked."""
    pinned = "not pinned" if conditions.pinned_cpu is None else f"CPU {conditions.pinned_cpu}"
    governors = ", ".join(sorted(set(conditions.governors.values()))) or "no governor"
    facts = (
        f"amdgpu {'.'.join(map(str, conditions.driver_version))}, libdrm {conditions.libdrm or 'unknown'}, "
        f"GC {'.'.join(map(str, conditions.gc_version))}, power state {conditions.pstate or 'not held'}; "
        f"{pinned}, {governors}, load average {conditions.load_average[0]:.2f}; {conditions.started}"
    )
    words = "SIMULATED" if conditions.simulated else "REAL GPU"
    colour = "yellow" if conditions.simulated else ""
    title = Text(f" {name + ': ' if name else ''}{words} ", style=f"bold reverse {colour}")
    return Panel(Text(f"{conditions_words(conditions)}\n{facts}", justify="center"), title=title, border_style=colour)
