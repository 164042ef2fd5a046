# SPDX-License-Identifier: MIT
"""Parts of pictures that several of them have: distributions per place of the grid, ratios with their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from amdgpu_hw.measure.model import Cell, Samples
from amdgpu_hw.measure.plot_style import INK, VERDICT_COLOURS, LineStyle, draw_ecdf, filled, grid, time_axis
from amdgpu_hw.measure.statistics import Effect, summary
from amdgpu_hw.measure.wording import effect_words, time_words

__all__ = (
    "Line",
    "draw_ratios",
    "ecdf_grid",
    "grid_inches",
    "label_medians",
    "ratio_axis",
    "room_for_labels",
)

Line = tuple[str, Samples, LineStyle]
"""Name, samples and style of a line."""

_RATIO_STEPS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 2.0, 5.0, 30.0, 300.0, 1.5, 1.2, 3.0, 1.1, 1.05, 1.02)
"""What a ratio axis is labelled with, the most welcome first."""

_FACTOR_FROM = 2.0
"""Ticks from here on are factors, smaller ones percentages."""


_EQUAL_FACTORS = "(left of 'equal' is faster; equal distances are equal factors; arrow: goes on beyond the axis)"
"""What a `ratio_axis` has to be read with."""

_TITLE_CHARACTERS = 50
"""That fit above a panel of an `ecdf_grid`."""


def grid_inches(cells: Sequence[Cell]) -> tuple[float, float]:
    """The size of a figure with an `ecdf_grid` of these cells."""
    columns, rows = len({cell.mapping for cell in cells}), len({cell.load for cell in cells})
    return 1.0 + 3.6 * max(columns, 2), 2.0 + 2.0 * rows


def ecdf_grid(
    drawn: Figure,
    cells: Sequence[Cell],
    lines: Callable[[Cell], Sequence[Line]],
    verdict: Callable[[Sequence[Cell]], str],
) -> None:
    """A panel per load and mapping with two lines per cell, which are the same two in each; the verdict above it."""
    loads, mappings = (list(dict.fromkeys(getattr(cell, name) for cell in cells)) for name in ("load", "mapping"))
    panels = grid(drawn, len(loads), len(mappings), sharex=True, sharey=True)
    for row, load in zip(panels, loads, strict=True):
        row[0].set_ylabel("samples (%)")
        for axes, mapping in zip(row, mappings, strict=True):
            there = [cell for cell in cells if (cell.load, cell.mapping) == (load, mapping)]
            if there:
                axes.set_title(filled(f"{mapping}, GPU {load}: {verdict(there)}", _TITLE_CHARACTERS))
                _ecdf_panel(axes, [lines(cell) for cell in there])
            else:
                axes.axis("off")
    room_for_labels(panels[0][0], [line for cell in cells for line in lines(cell)])
    for axes in panels[-1]:
        time_axis(axes, "time until the update is effective")


def _ecdf_panel(axes: Axes, lines: Sequence[Sequence[Line]]) -> None:
    for of_cell in lines:
        for _, samples, style in of_cell:
            draw_ecdf(axes, samples, style, alpha=1.0 if len(lines) == 1 else 0.75)
    pooled = [
        (same[0][0], np.concatenate([samples for _, samples, _ in same]), same[0][2])
        for same in zip(*lines, strict=True)
    ]
    label_medians(axes, pooled)
    axes.set_ylim(0, 103)
    axes.grid(axis="both")


def label_medians(axes: Axes, lines: Sequence[Line]) -> None:
    """Name two lines of a panel where they reach one half, the left one on its left and the right one on its right."""
    middles = sorted(
        (middle, name, style) for name, samples, style in lines if math.isfinite(middle := summary(samples).p50)
    )
    for place, (middle, name, style) in enumerate(middles):
        right = place == len(middles) - 1
        axes.plot([middle / 1e9], [50], marker="o", markersize=4, color=style.colour)
        axes.annotate(
            f"{name}\n{time_words(middle)}",
            (middle / 1e9, 50),
            xytext=(9 if right else -9, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            fontsize=9,
            color=style.colour,
            fontweight="bold",
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )


def room_for_labels(axes: Axes, lines: Sequence[Line]) -> None:
    """Widen the x axis so that the labels beside the outermost lines are inside a panel of an `ecdf_grid`."""
    seen = [samples[samples >= 0] for _, samples, _ in lines if len(samples) and np.max(samples) >= 0]
    if not seen:
        return
    low, high = (math.log(extreme(max(extreme(each), 1) for each in seen) / 1e9) for extreme in (min, max))
    # A label takes this share of the axis, and the axis is what is drawn and the room on both sides.
    share = 0.1 + 0.018 * min(max(len(name) for name, _, _ in lines), 14)
    room = max(high - low, math.log(3)) * share / (1 - 2 * share)
    axes.set_xlim(math.exp(low - room), math.exp(high + room))


def draw_ratios(axes: Axes, rows: Sequence[tuple[str, Effect]]) -> None:
    """A row per effect: blocks as dots, the interval as a bar, the noise floor as a band, the verdict in words."""
    for y, (_, effect) in enumerate(rows):
        if math.isnan(effect.ratio):
            continue
        colour = VERDICT_COLOURS[effect.verdict]
        if not math.isnan(effect.noise_floor):
            axes.fill_betweenx([y - 0.4, y + 0.4], 1 / effect.noise_floor, effect.noise_floor, color="#D8D8D8", lw=0)
        # Blocks that coincide would hide each other in a single line.
        heights = y + np.linspace(0.22, -0.22, len(effect.blocks))
        axes.scatter(effect.blocks, heights, s=9, color=colour, alpha=0.55, linewidths=0)
        axes.plot([effect.low, effect.high], [y, y], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot([effect.ratio], [y], marker="|", markersize=11, markeredgewidth=2, color=colour)
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    verdicts = axes.secondary_yaxis("right")
    verdicts.set_yticks(range(len(rows)), [effect_words(effect) for _, effect in rows])
    for tick, (_, effect) in zip(verdicts.get_yticklabels(), rows, strict=True):
        tick.set_color(VERDICT_COLOURS[effect.verdict])
    for side in (axes, verdicts):
        side.tick_params(axis="y", length=0)


def ratio_axis(axes: Axes, effects: Sequence[Effect], label: str) -> None:
    """A logarithmic axis of ratios around 1 that shows every block; equal distances are equal factors."""
    ends = [value for each in effects for value in (*each.blocks, each.low, each.high) if 0 < value < math.inf]
    low, high = min([0.9, *ends]), max([1.1, *ends])
    axes.set_xscale("log")
    axes.set_xlim(low / 1.15, high * 1.15)
    ticks: list[float] = []
    for step in _RATIO_STEPS:
        for value in dict.fromkeys((step, 1 / step if step >= _FACTOR_FROM else 2 - step)):
            apart = min((abs(math.log(value / tick)) for tick in ticks), default=math.inf)
            if low / 1.15 <= value <= high * 1.15 and apart > math.log(high / low) / 9:
                ticks.append(value)
    axes.set_xticks(ticks, [_ratio_tick(value) for value in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(f"{label}\n{_EQUAL_FACTORS}")
    axes.grid(axis="x")
    for y, effect in enumerate(effects):
        _mark_clipped(axes, y, effect)


def _mark_clipped(axes: Axes, y: int, effect: Effect) -> None:
    """Arrows where an interval or a noise floor goes on beyond the axis."""
    low, high = axes.get_xlim()
    floor = 1.0 if math.isnan(effect.noise_floor) else effect.noise_floor
    for reach, edge, marker in ((min(effect.low, 1 / floor), low, "<"), (max(effect.high, floor), high, ">")):
        if (reach < edge) if marker == "<" else (reach > edge):
            axes.plot([edge], [y], marker=marker, markersize=7, color=INK, clip_on=False, zorder=5)


def _ratio_tick(value: float) -> str:
    if math.isclose(value, 1):
        return "equal"
    factor = max(value, 1 / value)
    if factor < _FACTOR_FROM:
        return f"{100 * abs(value - 1):.0f} %\n{'less' if value < 1 else 'more'}"
    return f"{factor:g}x\n{'faster' if value < 1 else 'slower'}"
