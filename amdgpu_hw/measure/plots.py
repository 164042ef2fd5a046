# SPDX-License-Identifier: MIT
"""Pictures of one result. Each says its finding in the title, and "simulated" where it is.

The ``*_figure`` functions draw, `save_latency` and `save_overlap` write all of a result as PNG and SVG.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
from amdgpu_hw.measure.model import Arm, Cell, Conditions, Frames, LatencyResult, OverlapResult
from amdgpu_hw.measure.plot_parts import (
    draw_ratios,
    ecdf_grid,
    grid_inches,
    label_medians,
    ratio_axis,
    room_for_labels,
)
from amdgpu_hw.measure.plot_style import (
    BUDGET,
    EXPLICIT,
    IMPLICIT,
    INK,
    LineStyle,
    Source,
    draw_ecdf,
    figure,
    grid,
    save_figure,
    time_axis,
    titles,
)
from amdgpu_hw.measure.wording import cell_words, time_words, verdict_summary
from amdgpu_hw.proof.units import size

__all__ = (
    "count_frames",
    "draw_budget",
    "ecdf_figure",
    "ecdf_words",
    "frame_figure",
    "ratio_figure",
    "save_latency",
    "save_overlap",
    "timeline_figure",
)

_STYLES: dict[Arm, LineStyle] = {"implicit": IMPLICIT, "explicit": EXPLICIT}

_TIMELINE_NS = 700_000_000
"""How much the timeline shows: some forty frames, each still visible."""
_ENOUGH_FRAMES = 24
"""In the timeline, of several stretches where they are short."""


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
    by_cell = {each.cell: each for each in cells}
    with figure(*grid_inches([*by_cell])) as drawn:
        ecdf_grid(
            drawn,
            [*by_cell],
            lambda cell: [(arm, by_cell[cell].samples(arm), _STYLES[arm]) for arm in ARMS],
            lambda there: verdict_summary([by_cell[cell].effect for cell in there]),
        )
        titles(drawn, latency_finding(cells, conditions), [_source(cells, conditions)], ecdf_words([*by_cell]))
        yield drawn


def _source(cells: Sequence[CellAnalysis], conditions: Conditions) -> Source:
    return "", conditions, sum(len(each.samples(arm)) for each in cells for arm in ARMS)


def count_frames(kinds: Sequence[OverlapAnalysis]) -> int:
    """How many frames of both arms there are."""
    return sum(len(kind.frame_ns(arm)) for kind in kinds for arm in ARMS)


def ecdf_words(cells: Sequence[Cell]) -> str:
    """What an `ecdf_grid` of cells of one operation shows."""
    sizes = [size(each) for each in dict.fromkeys(cell.size for cell in cells)]
    several = "; a line per size" if len(sizes) > 1 else ""
    return f"{cells[0].operation} of {', '.join(sizes)}: share of updates that are effective within a time{several}"


@contextmanager
def ratio_figure(cells: Sequence[CellAnalysis], conditions: Conditions) -> Iterator[Figure]:
    """Explicit over implicit in each block of each cell, with interval and noise floor."""
    rows = [(cell_words(each.cell), each.effect) for each in cells]
    with figure(10, 1.9 + 0.3 * len(rows)) as drawn:
        axes = grid(drawn, 1, 1)[0][0]
        draw_ratios(axes, rows)
        ratio_axis(
            axes,
            [effect for _, effect in rows],
            "explicit / implicit: time until the update is effective",
        )
        titles(
            drawn,
            latency_finding(cells, conditions),
            [_source(cells, conditions)],
            "Dots: one block of four interleaved rounds each. Bar: 95 % interval of the median. Grey: noise floor.",
        )
        yield drawn


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
            [("", conditions, count_frames([kind]))],
            "Each bar is a frame, as wide and as high as the time it took; dotted: the budget. "
            "Triangles below: an unmap is asked for; the line goes on until it is effective.",
        )
        yield drawn


def _typical(stretches: Sequence[Frames], budget_ns: int) -> list[Frames]:
    """The stretches around the one with the median number of stutters, as many as make `_ENOUGH_FRAMES`.

    Neither the best nor the worst is the story.
    """
    ordered = sorted(stretches, key=lambda each: int(np.count_nonzero(each.frame_ns > budget_ns)))
    middle = len(ordered) // 2
    nearest = sorted(range(len(ordered)), key=lambda place: abs(place - middle))
    chosen: list[Frames] = []
    for place in nearest:
        if sum(len(each.frame_ns) for each in chosen) < _ENOUGH_FRAMES:
            chosen.append(ordered[place])
    return chosen


def _timeline_lane(axes: Axes, stretches: Sequence[Frames], kind: OverlapAnalysis, arm: Arm) -> None:
    """The stretches one behind the other, up to `_TIMELINE_NS`; a thin line stands where another begins."""
    style, budget_ms = _STYLES[arm], kind.budget_ns / 1e6
    begin, shown, stutters, count = 0, 0, 0, 0
    for frames in stretches:
        if begin >= _TIMELINE_NS or not len(frames.frame_start_ns):
            continue
        if begin:
            axes.axvline(begin / 1e6, color=INK, linewidth=0.6)
        origin = int(frames.frame_start_ns[0]) - begin
        here = frames.frame_start_ns - origin < _TIMELINE_NS
        start, took = ((values[here]) / 1e6 for values in (frames.frame_start_ns - origin, frames.frame_ns))
        over = took > budget_ms
        bar: dict[str, Any] = {"align": "edge", "edgecolor": "white", "linewidth": 0.5}
        axes.bar(start, took, width=took, color="#BFBFBF", **bar)
        axes.bar(start[over], took[over], width=took[over], color=style.colour, **bar)
        unmaps = (frames.unmap_start_ns - origin >= begin) & (frames.unmap_start_ns - origin < _TIMELINE_NS)
        asked = (frames.unmap_start_ns[unmaps] - origin) / 1e6
        effective = (frames.unmap_effective_ns[unmaps] - origin) / 1e6
        depth = np.full(len(asked), -0.12 * budget_ms)
        axes.hlines(depth, asked, np.maximum(effective, asked), color=style.colour, linewidth=2)
        axes.plot(asked, depth, linestyle="none", marker="^", markersize=4, color=INK)
        shown, stutters, count = shown + len(took), stutters + int(np.count_nonzero(over)), count + 1
        begin = int(1e6 * max(start[-1] + took[-1], float(max(effective.tolist(), default=0.0)))) + kind.budget_ns // 2
    axes.axhline(budget_ms, color=BUDGET, linewidth=1, linestyle=":")
    several = f", of {count} stretches" if count > 1 else ""
    axes.set_title(f"{arm} sync: {stutters} of {shown} frames shown are over the budget (coloured){several}", color=INK)
    axes.set_ylabel("frame time (ms)")
    axes.margins(x=0)


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
            room_for_labels(upper, lines)
            draw_budget(upper, kind.budget_ns)
            upper.set_title(f"{kind.rate_hz:g} unmaps/s")
            upper.set_ylabel("frames (%)")
            upper.set_ylim(0, 103)
            time_axis(upper, "frame time")
            effects = [("mean frame", kind.frame_effect), ("unmap", kind.unmap_effect)]
            draw_ratios(lower, effects)
            ratio_axis(lower, [effect for _, effect in effects], "explicit / implicit, per block")
        titles(
            drawn,
            overlap_finding(kinds, conditions),
            [("", conditions, count_frames(kinds))],
            "Share of frames that are done within a time",
        )
        yield drawn


def draw_budget(axes: Axes, budget_ns: int) -> None:
    """Mark the budget on an axis of frame times."""
    axes.axvline(budget_ns / 1e9, color=BUDGET, linewidth=1, linestyle=":")
    axes.annotate(f"budget {time_words(budget_ns)}", (budget_ns / 1e9, 4), xytext=(5, 0), textcoords="offset points")
