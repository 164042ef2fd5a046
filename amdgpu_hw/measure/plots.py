# SPDX-License-Identifier: MIT
"""Pictures of one result. Each says its finding in the title, and "simulated" where it is.

`latency_figures` and `overlap_figures` draw, `save_latency` and `save_overlap` write them as PNG and SVG.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from amdgpu_hw.measure.analysis import (
    ARMS,
    CellAnalysis,
    OverlapAnalysis,
    analyse_latency,
    analyse_overlap,
    latency_finding,
    overlap_finding,
)
from amdgpu_hw.measure.model import Arm, Conditions, Frames, LatencyResult, OverlapResult, Samples
from amdgpu_hw.measure.plot_style import (
    BUDGET,
    EXPLICIT,
    IMPLICIT,
    INK,
    VERDICT_COLOURS,
    LineStyle,
    draw_ecdf,
    figure,
    grid,
    save_figure,
    time_axis,
    titles,
)
from amdgpu_hw.measure.statistics import Effect, summary
from amdgpu_hw.measure.wording import cell_words, effect_words, time_words, verdict_summary
from amdgpu_hw.proof.units import size

__all__ = ("draw_ratios", "ratio_axis", "save_latency", "save_overlap")

_STYLES: dict[Arm, LineStyle] = {"implicit": IMPLICIT, "explicit": EXPLICIT}

_RATIO_STEPS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 2.0, 5.0, 30.0, 300.0, 1.5, 1.2, 3.0, 1.1, 1.05, 1.02)
"""What a ratio axis is labelled with, the most welcome first."""

_TIMELINE_NS = 700_000_000
"""How much of a stretch the timeline shows: some forty frames, each still visible."""


def save_latency(result: LatencyResult, stem: Path) -> list[Path]:
    """Write all pictures of a latency result; `stem` is the result file without its suffix."""
    cells = analyse_latency(result)
    written: list[Path] = []
    for operation in dict.fromkeys(each.cell.operation for each in cells):
        of_operation = [each for each in cells if each.cell.operation == operation]
        with ecdf_figure(of_operation, result.conditions) as drawn:
            written += save_figure(drawn, stem, f"ecdf-{operation.lower()}")
    with ratio_figure(cells, result.conditions) as drawn:
        written += save_figure(drawn, stem, "ratios")
    return written


def save_overlap(result: OverlapResult, stem: Path) -> list[Path]:
    """Write all pictures of an overlap result."""
    kinds = analyse_overlap(result)
    with timeline_figure(kinds[0], result.conditions) as drawn:
        written = save_figure(drawn, stem, "timeline")
    with frame_figure(kinds, result.conditions) as drawn:
        written += save_figure(drawn, stem, "frames")
    return written


@contextmanager
def ecdf_figure(cells: Sequence[CellAnalysis], conditions: Conditions) -> Iterator[Figure]:
    """How long updates of one operation take: a panel per load and mapping, a line per arm and size."""
    loads = list(dict.fromkeys(each.cell.load for each in cells))
    mappings = list(dict.fromkeys(each.cell.mapping for each in cells))
    with figure(1.0 + 3.6 * len(mappings), 2.0 + 2.0 * len(loads)) as drawn:
        panels = grid(drawn, len(loads), len(mappings), sharex=True, sharey=True)
        for row, load in zip(panels, loads, strict=True):
            for axes, mapping in zip(row, mappings, strict=True):
                there = [each for each in cells if (each.cell.load, each.cell.mapping) == (load, mapping)]
                _ecdf_panel(axes, there)
                axes.set_title(
                    f"{mapping}, GPU {load}: {verdict_summary([each.effect for each in there])}" if there else ""
                )
        _room_for_labels(panels, [each.samples(arm) for each in cells for arm in ARMS])
        for axes in panels[-1]:
            time_axis(axes, "time until the update is effective")
        for row in panels:
            row[0].set_ylabel("samples (%)")
        operation = cells[0].cell.operation
        sizes = ", ".join(dict.fromkeys(size(each.cell.size) for each in cells))
        titles(
            drawn,
            latency_finding(cells, conditions),
            [("", conditions)],
            f"{operation} of {sizes}: share of updates that are effective within a time; a line per size",
        )
        yield drawn


def _ecdf_panel(axes: Axes, cells: Sequence[CellAnalysis]) -> None:
    samples = {arm: np.concatenate([np.empty(0, np.int64), *(each.samples(arm) for each in cells)]) for arm in ARMS}
    for arm in ARMS:
        for each in cells:
            draw_ecdf(axes, each.samples(arm), _STYLES[arm], alpha=1.0 if len(cells) == 1 else 0.75)
    label_medians(axes, [(arm, samples[arm], _STYLES[arm]) for arm in ARMS])
    axes.set_ylim(0, 103)
    axes.grid(axis="both")


def label_medians(axes: Axes, lines: Sequence[tuple[str, Samples, LineStyle]]) -> None:
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


def _room_for_labels(panels: Sequence[Sequence[Axes]], samples: Sequence[Samples]) -> None:
    """Widen the shared axis so that labels beside the outermost lines are inside it."""
    seen = [array[array >= 0] for array in samples if len(array) and array.max() >= 0]
    if not seen:
        return
    low, high = min(max(array.min(), 1) for array in seen) / 1e9, max(array.max() for array in seen) / 1e9
    room = max((high / low) ** 0.3, 1.5)
    for row in panels:
        for axes in row:
            axes.set_xlim(low / room, high * room)


@contextmanager
def ratio_figure(cells: Sequence[CellAnalysis], conditions: Conditions) -> Iterator[Figure]:
    """Explicit over implicit in each block of each cell, with interval and noise floor."""
    rows = [(cell_words(each.cell), each.effect) for each in cells]
    with figure(10, 1.9 + 0.3 * len(rows)) as drawn:
        axes = grid(drawn, 1, 1)[0][0]
        draw_ratios(axes, rows)
        ratio_axis(axes, [effect for _, effect in rows], "explicit / implicit: time until the update is effective")
        titles(
            drawn,
            latency_finding(cells, conditions),
            [("", conditions)],
            "Dots: one block of four interleaved rounds each. Bar: 95 % interval of the median. Grey: noise floor.",
        )
        yield drawn


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
        for value in dict.fromkeys((step, 1 / step)):
            apart = min((abs(math.log(value / tick)) for tick in ticks), default=math.inf)
            if low / 1.15 <= value <= high * 1.15 and apart > math.log(high / low) / 9:
                ticks.append(value)
    axes.set_xticks(ticks, [_ratio_tick(value) for value in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(label)
    axes.grid(axis="x")


def _ratio_tick(value: float) -> str:
    if math.isclose(value, 1):
        return "equal"
    factor = max(value, 1 / value)
    words = f"{factor:g}x" if factor >= 1.5 else f"{100 * (factor - 1):.0f} %"
    return f"{words}\n{'faster' if value < 1 else 'slower'}"


@contextmanager
def timeline_figure(kind: OverlapAnalysis, conditions: Conditions) -> Iterator[Figure]:
    """Frames as they were rendered, beside the unmaps that were under way: one lane per arm."""
    with figure(11, 5.6) as drawn:
        lanes = grid(drawn, 2, 1, sharex=True, sharey=True)
        for (axes,), arm in zip(lanes, ARMS, strict=True):
            stretches = kind.usable(arm)
            if stretches:
                _timeline_lane(axes, _typical(stretches, kind.budget_ns), kind, arm)
        lanes[-1][0].set_xlabel("time (ms)")
        titles(
            drawn,
            overlap_finding([kind], conditions),
            [("", conditions)],
            "Each bar is a frame, as wide and as high as the time it took; dotted: the budget. "
            "Triangles below: an unmap is asked for; the line goes on until it is effective.",
        )
        yield drawn


def _typical(stretches: Sequence[Frames], budget_ns: int) -> Frames:
    """The stretch with the median number of stutters: neither the best nor the worst is the story."""
    ordered = sorted(stretches, key=lambda each: int(np.count_nonzero(each.frame_ns > budget_ns)))
    return ordered[len(ordered) // 2]


def _timeline_lane(axes: Axes, frames: Frames, kind: OverlapAnalysis, arm: Arm) -> None:
    style = _STYLES[arm]
    origin = frames.frame_start_ns[0] if len(frames.frame_start_ns) else 0
    shown = frames.frame_start_ns - origin < _TIMELINE_NS
    start, took = ((values[shown]) / 1e6 for values in (frames.frame_start_ns - origin, frames.frame_ns))
    over = took > kind.budget_ns / 1e6
    axes.bar(start, took, width=took, align="edge", color="#BFBFBF", edgecolor="white", linewidth=0.5)
    axes.bar(
        start[over], took[over], width=took[over], align="edge", color=style.colour, edgecolor="white", linewidth=0.5
    )
    axes.axhline(kind.budget_ns / 1e6, color=BUDGET, linewidth=1, linestyle=":")
    unmaps = (frames.unmap_start_ns - origin >= 0) & (frames.unmap_start_ns - origin < _TIMELINE_NS)
    asked = (frames.unmap_start_ns[unmaps] - origin) / 1e6
    effective = (frames.unmap_effective_ns[unmaps] - origin) / 1e6
    depth = -0.12 * kind.budget_ns / 1e6
    axes.hlines(np.full(len(asked), depth), asked, np.maximum(effective, asked), color=style.colour, linewidth=2)
    axes.plot(asked, np.full(len(asked), depth), linestyle="none", marker="^", markersize=4, color=INK)
    stutters = int(np.count_nonzero(over))
    axes.set_title(f"{arm} sync: {stutters} of {len(took)} frames shown are over the budget (coloured)", color=INK)
    axes.set_ylabel("frame time (ms)")
    axes.set_xlim(0, max([axes.get_xlim()[1], *(start + took)]) if len(start) else 1)


@contextmanager
def frame_figure(kinds: Sequence[OverlapAnalysis], conditions: Conditions) -> Iterator[Figure]:
    """Frame times of both arms with the budget, and below, block by block, what the flag does to their mean."""
    with figure(1.0 + 5.2 * max(len(kinds), 1.5), 5.6) as drawn:
        rows = grid(drawn, 2, len(kinds), height_ratios=[3, 1])
        for upper, lower, kind in zip(*rows, kinds, strict=True):
            lines = [(arm, kind.frame_ns(arm), _STYLES[arm]) for arm in ARMS]
            for _, samples, style in lines:
                draw_ecdf(upper, samples, style)
            label_medians(upper, lines)
            _room_for_labels([[upper]], [samples for _, samples, _ in lines])
            upper.axvline(kind.budget_ns / 1e9, color=BUDGET, linewidth=1, linestyle=":")
            upper.annotate(
                f"budget {time_words(kind.budget_ns)}",
                (kind.budget_ns / 1e9, 4),
                xytext=(5, 0),
                textcoords="offset points",
            )
            upper.set_title(f"{kind.rate_hz:g} unmaps/s")
            upper.set_ylabel("frames (%)")
            upper.set_ylim(0, 103)
            time_axis(upper, "frame time")
            effects = [("mean frame", kind.frame_effect), ("unmap", kind.unmap_effect)]
            draw_ratios(lower, effects)
            ratio_axis(lower, [effect for _, effect in effects], "explicit / implicit, per block")
        titles(
            drawn, overlap_finding(kinds, conditions), [("", conditions)], "Share of frames that are done within a time"
        )
        yield drawn
