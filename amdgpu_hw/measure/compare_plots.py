# SPDX-License-Identifier: MIT
"""Pictures of two results beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from matplotlib.figure import Figure

from amdgpu_hw.measure.compare import ArmPair, Comparison, LatencyComparison, OverlapComparison
from amdgpu_hw.measure.model import Cell
from amdgpu_hw.measure.plot_parts import (
    Line,
    draw_ratios,
    ecdf_grid,
    grid_inches,
    label_medians,
    ratio_axis,
    room_for_labels,
)
from amdgpu_hw.measure.plot_style import (
    A_STYLE,
    B_STYLE,
    Source,
    draw_ecdf,
    figure,
    grid,
    save_figure,
    time_axis,
    titles,
)
from amdgpu_hw.measure.plots import count_frames, draw_budget, ecdf_words
from amdgpu_hw.measure.wording import cell_words, verdict_summary

__all__ = ("comparison_ecdf_figure", "comparison_frame_figure", "comparison_ratio_figure", "save_comparison")


def save_comparison(comparison: LatencyComparison | OverlapComparison, stem: Path) -> list[Path]:
    """Write all pictures of a comparison as PNG and SVG; `stem` is what their names begin with."""
    written: list[Path] = []
    if isinstance(comparison, OverlapComparison):
        with comparison_frame_figure(comparison) as drawn:
            return save_figure(drawn, stem, "frames")
    for operation in dict.fromkeys(pair.cell.operation for pair in comparison.pairs):
        for arms in comparison.arms:
            with comparison_ecdf_figure(comparison, operation, arms) as drawn:
                written += save_figure(drawn, stem, f"ecdf-{operation.lower()}-{arms.b}")
    with comparison_ratio_figure(comparison) as drawn:
        written += save_figure(drawn, stem, "ratios")
    return written


def _sources(comparison: Comparison, of_a: int, of_b: int) -> Sequence[Source]:
    """Both sides, with how many samples of each are drawn."""
    return ("A: ", comparison.a, of_a), ("B: ", comparison.b, of_b)


def _samples(comparison: LatencyComparison, arms: Sequence[ArmPair]) -> tuple[int, int]:
    pairs = [(pair, each) for pair in comparison.pairs for each in arms]
    return sum(len(pair.a.samples(each.a)) for pair, each in pairs), sum(
        len(pair.b.samples(each.b)) for pair, each in pairs
    )


@contextmanager
def comparison_ecdf_figure(comparison: LatencyComparison, operation: str, arms: ArmPair) -> Iterator[Figure]:
    """How long updates of one operation take with one arm: a panel per load and mapping, A and B in each."""
    pairs = {pair.cell: pair for pair in comparison.pairs if pair.cell.operation == operation}

    name_a, name_b = comparison.names

    def lines(cell: Cell) -> list[Line]:
        pair = pairs[cell]
        return [(name_a, pair.a.samples(arms.a), A_STYLE), (name_b, pair.b.samples(arms.b), B_STYLE)]

    with figure(*grid_inches([*pairs])) as drawn:
        ecdf_grid(
            drawn,
            [*pairs],
            lines,
            lambda there: verdict_summary([comparison.effects[cell, arms] for cell in there]),
        )
        what = f"{arms} sync; {ecdf_words([*pairs])}"
        titles(drawn, comparison.finding(arms), _sources(comparison, *_samples(comparison, [arms])), what)
        yield drawn


@contextmanager
def comparison_ratio_figure(comparison: LatencyComparison) -> Iterator[Figure]:
    """B over A in every cell, with interval and noise floor."""
    rows = [(f"{cell_words(cell)}, {arms}", effect) for (cell, arms), effect in comparison.effects.items()]
    with figure(10, 2.3 + 0.3 * len(rows)) as drawn:
        axes = grid(drawn, 1, 1)[0][0]
        draw_ratios(axes, rows)
        ratio_axis(axes, [effect for _, effect in rows], "B / A: time until the update is effective")
        titles(
            drawn,
            comparison.finding(),
            _sources(comparison, *_samples(comparison, comparison.arms)),
            "Bar: 95 % interval of the ratio of medians. Grey: noise floor (A/A runs, and drift within a run).",
        )
        yield drawn


@contextmanager
def comparison_frame_figure(comparison: OverlapComparison) -> Iterator[Figure]:
    """Frame times of A and B: a row per kind of stretch, a column per arm."""
    with figure(1.0 + 4.6 * len(comparison.arms), 2.3 + 2.6 * len(comparison.pairs)) as drawn:
        panels = grid(drawn, len(comparison.pairs), len(comparison.arms), sharey=True)
        for row, pair in zip(panels, comparison.pairs, strict=True):
            row[0].set_ylabel("frames (%)")
            for axes, arms in zip(row, comparison.arms, strict=True):
                lines = [
                    (comparison.names[0], pair.a.frame_ns(arms.a), A_STYLE),
                    (comparison.names[1], pair.b.frame_ns(arms.b), B_STYLE),
                ]
                for _, samples, style in lines:
                    draw_ecdf(axes, samples, style)
                label_medians(axes, lines)
                draw_budget(axes, pair.a.budget_ns)
                room_for_labels(axes, lines)
                axes.set_ylim(0, 103)
                effect = verdict_summary([pair.frame_effect(arms)])
                axes.set_title(f"{pair.a.rate_hz:g} unmaps/s, {arms} sync: mean {effect}")
                time_axis(axes, "frame time")
        counts = (count_frames([getattr(pair, side) for pair in comparison.pairs]) for side in "ab")
        what = "Share of frames that are done within a time"
        titles(drawn, comparison.finding(), _sources(comparison, *counts), what)
        yield drawn
