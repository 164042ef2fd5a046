# SPDX-License-Identifier: MIT
"""A comparison as people read it on a terminal."""

from __future__ import annotations

from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from amdgpu_hw.measure.compare import ArmPair, Comparison, LatencyComparison, OverlapComparison, OverlapPair
from amdgpu_hw.measure.fitting import FirstThatFits
from amdgpu_hw.measure.report import conditions_panel, effect_text, new_table, reasons
from amdgpu_hw.measure.statistics import Effect, summary
from amdgpu_hw.measure.wording import floor_words, interval_words, time_words
from amdgpu_hw.proof.units import size

__all__ = ("comparison_report",)


def comparison_report(comparison: LatencyComparison | OverlapComparison) -> RenderableType:
    """Everything `amdgpu-hw compare` ends with: finding, tables, what was not compared, both sides' conditions."""
    if isinstance(comparison, LatencyComparison):
        forms = _latency_table(comparison), _narrow_latency_table(comparison)
        tables: list[RenderableType] = [FirstThatFits(*forms)]
        effects = [*comparison.effects.values()]
    else:
        tables = [_overlap_table(pair, comparison) for pair in comparison.pairs]
        effects = [
            effect
            for pair in comparison.pairs
            for arms in comparison.arms
            for effect in (pair.frame_effect(arms), pair.unmap_effect(arms))
        ]
    return Group(Text(comparison.finding(), style="bold"), *tables, *reasons(effects), *_ending(comparison))


def _latency_table(comparison: LatencyComparison) -> Table:
    """A row per cell and arm with both medians, and one for what the flag does within each result."""
    table = new_table()
    for name in ("operation", "mapping"):
        table.add_column(name, no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("sync")
    for name in ("A p50", "B p50"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("B is", "95 % interval", "noise"):
        table.add_column(name, no_wrap=True)
    for load, pairs in groupby(comparison.pairs, key=lambda pair: pair.cell.load):
        table.add_row(Text(f"GPU {load}", style="bold"))
        for pair in pairs:
            place = [pair.cell.operation, pair.cell.mapping, size(pair.cell.size)]
            for arms in comparison.arms:
                effect = comparison.effects[pair.cell, arms]
                medians = [time_words(each.p50) for each in (pair.a.summary(arms.a), pair.b.summary(arms.b))]
                table.add_row(*place, str(arms), *medians, *_effect_cells(effect))
                place = ["", "", ""]
            flag = _flag_texts(comparison, pair.a.effect, pair.b.effect)
            table.add_row(*place, "flag", *flag, style="dim")
    return table


def _narrow_latency_table(comparison: LatencyComparison) -> Table:
    """The same with what is compared as headings, for 80 columns."""
    table = new_table(narrow=True)
    table.add_column("sync", no_wrap=True)
    for name in ("A p50", "B p50"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("B is", "95 % interval", "noise"):
        table.add_column(name, no_wrap=name != "95 % interval")  # its ends may stand below each other
    for pair in comparison.pairs:
        table.add_section()
        table.add_row(Text(pair.cell.operation, "bold"), Text(size(pair.cell.size), "bold"), "", pair.cell.mapping)
        table.add_row(Text(f"GPU {pair.cell.load}"))
        for arms in comparison.arms:
            medians = [time_words(each.p50) for each in (pair.a.summary(arms.a), pair.b.summary(arms.b))]
            table.add_row(str(arms), *medians, *_effect_cells(comparison.effects[pair.cell, arms]))
        table.add_row("flag", *_flag_texts(comparison, pair.a.effect, pair.b.effect), style="dim")
    return table


def _flag_texts(comparison: Comparison, of_a: Effect, of_b: Effect) -> list[RenderableType]:
    """What the flag does in A and in B, where the kernel has it."""
    sides = ((comparison.a, of_a), (comparison.b, of_b))
    return [effect_text(effect) if conditions.explicit_sync else "no flag" for conditions, effect in sides]


def _effect_cells(effect: Effect) -> tuple[RenderableType, str, str]:
    return effect_text(effect), interval_words(effect), floor_words(effect)


def _overlap_table(pair: OverlapPair, comparison: OverlapComparison) -> Table:
    table = new_table(
        f"\n{pair.a.rate_hz:g} unmaps/s, budget {time_words(pair.a.budget_ns)}; undisturbed frames of "
        f"{time_words(pair.a.frame_gpu_ns)} (A) and {time_words(pair.b.frame_gpu_ns)} (B) GPU time"
    )
    for name in ("sync", "", "A", "B", "B is", "95 % interval", "noise"):
        table.add_column(name, justify="right" if name in "AB" and name else "left")
    for arms in comparison.arms:
        for row in _overlap_rows(pair, arms):
            table.add_row(*row)
    for words, of_a, of_b in (
        ("mean frame", pair.a.frame_effect, pair.b.frame_effect),
        ("unmap effective p50", pair.a.unmap_effect, pair.b.unmap_effect),
    ):
        table.add_row("flag", words, *_flag_texts(comparison, of_a, of_b), style="dim")
    return table


def _overlap_rows(pair: OverlapPair, arms: ArmPair) -> list[list[RenderableType]]:
    frames = [pair.a.frame_ns(arms.a), pair.b.frame_ns(arms.b)]
    means = [time_words(float(each.mean())) if len(each) else "-" for each in frames]
    over = [
        f"{100 * side.stutters(arm) / max(len(each), 1):.3g} %"
        for side, arm, each in zip((pair.a, pair.b), (arms.a, arms.b), frames, strict=True)
    ]
    unmaps = [time_words(summary(each).p50) for each in (pair.a.unmap_ns(arms.a), pair.b.unmap_ns(arms.b))]
    return [
        [str(arms), "mean frame", *means, *_effect_cells(pair.frame_effect(arms))],
        ["", "frames over budget", *over],
        ["", "unmap effective p50", *unmaps, *_effect_cells(pair.unmap_effect(arms))],
    ]


def _ending(comparison: Comparison) -> list[RenderableType]:
    lines: list[RenderableType] = [Text()]
    if comparison.mismatches:
        told = "; ".join(map(str, comparison.mismatches))
        lines.append(Text(f"Compared all the same (--allow-mismatch) although they differ in {told}.", "bold yellow"))
    if comparison.missing:
        lines.append(Text(f"Not compared: {'; '.join(comparison.missing)}."))
    lines.append(
        Text(
            "The rows named after an arm compare two runs: another boot alone may change them, so repeat both. "
            'The rows "flag" say what explicit sync does within A and within B.'
        )
    )
    return [*lines, conditions_panel(comparison.a, "A"), conditions_panel(comparison.b, "B")]
