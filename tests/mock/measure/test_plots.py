# SPDX-License-Identifier: MIT
"""The pictures: that they contain what they must. How they look was looked at."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.lines import Line2D
from matplotlib.text import Text
from numpy.typing import NDArray

from amdgpu_hw.measure import plot_style, plots
from amdgpu_hw.measure.analysis import analyse_latency, analyse_overlap
from amdgpu_hw.measure.plot_style import EXPLICIT, IMPLICIT, filled
from amdgpu_hw.measure.results import NOT_SEEN, Cell
from tests.mock.measure.made_up import CELL, LONG_NS, SHORT_NS, latency, overlap

GRID = [Cell(load, "UNMAP", mapping, 65536) for load in ("idle", "gfx x4") for mapping in ("PRT", "ordinary")]


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they contain does not depend on the number of dots, the time to draw them does."""
    monkeypatch.setattr(plot_style, "_DPI", 30)


def words_in(drawn: Figure) -> str:
    """All text of a figure that belongs to no axis."""
    return "\n".join([*(text.get_text() for text in drawn.texts), drawn.get_suptitle(), drawn.get_supxlabel()])


def x_of(line: Line2D) -> NDArray[np.float64]:
    """Where the points of a line are, horizontally."""
    return np.asarray(line.get_xdata(), np.float64)


def y_of(line: Line2D) -> NDArray[np.float64]:
    """And vertically."""
    return np.asarray(line.get_ydata(), np.float64)


def test_the_ecdf_has_a_panel_per_load_and_mapping_with_both_arms() -> None:
    """A logarithmic time axis in seconds, shares up to 100 %, both arms at their medians, the finding in each title."""
    result = latency(GRID)
    with plots.ecdf_figure(analyse_latency(result), result.conditions) as drawn:
        assert len(drawn.axes) == 4
        for axes in drawn.axes:
            assert axes.get_xscale() == "log"
            lines = {line.get_color(): line for line in axes.lines if len(x_of(line)) > 1}
            assert set(lines) == {IMPLICIT.colour, EXPLICIT.colour}
            implicit, explicit = lines[IMPLICIT.colour], lines[EXPLICIT.colour]
            assert np.median(x_of(implicit)) == pytest.approx(LONG_NS / 1e9, rel=0.01)
            assert np.median(x_of(explicit)) == pytest.approx(SHORT_NS / 1e9, rel=0.01)
            assert max(y_of(explicit)) == 100
            assert {text.get_text() for text in axes.texts} == {"implicit\n4.00 ms", "explicit\n30.0 µs"}
            assert axes.get_title(loc="left").endswith(": 133x faster")
        assert drawn.axes[2].get_xlabel() == "time until the update is effective"
        assert drawn.axes[0].get_ylabel() == "samples (%)"


def test_what_was_not_seen_keeps_the_ecdf_below_100_percent() -> None:
    """It took longer than anything that was seen."""
    result = latency()
    lost = [replace(each, fence_ns=np.where(np.arange(20) < 5, NOT_SEEN, each.fence_ns)) for each in result.rounds]
    with plots.ecdf_figure(analyse_latency(replace(result, rounds=tuple(lost))), result.conditions) as drawn:
        assert max(max(y_of(line)) for line in drawn.axes[0].lines) == 75


def test_the_ratio_strip_has_a_dot_per_block_and_a_verdict_per_cell() -> None:
    """With interval, noise floor and a line where the arms are equal."""
    result = latency(GRID, blocks=7)
    with plots.ratio_figure(analyse_latency(result), result.conditions) as drawn:
        axes = drawn.axes[0]
        dots, floors = (
            [each for each in axes.collections if type(each).__name__ == name]
            for name in ("PathCollection", "FillBetweenPolyCollection")
        )
        assert [len(each.get_offsets()) for each in dots] == [7] * 4  # type: ignore[arg-type]
        assert len(floors) == 4
        assert axes.get_yticklabels()[0].get_text() == "idle: UNMAP of 64 KiB PRT"
        assert {label.get_text() for label in axes.child_axes[0].get_yticklabels()} == {"133x faster"}
        assert axes.get_xscale() == "log"
        assert "equal" in [label.get_text() for label in axes.get_xticklabels()]


def test_the_timeline_marks_frames_over_budget_and_every_unmap() -> None:
    """A lane per arm; the bars of late frames stand out; a mark per unmap."""
    result = overlap()
    (kind,) = analyse_overlap(result)
    with plots.timeline_figure(kind, result.conditions) as drawn:
        implicit, explicit = drawn.axes
        assert [axes.get_ylabel() for axes in drawn.axes] == ["frame time (ms)"] * 2
        assert explicit.get_xlabel() == "time (ms)"
        shown = int(re.search(r"(\d+) of (\d+) frames", implicit.get_title(loc="left")).group(2))  # type: ignore[union-attr]
        late = [bar for bar in implicit.patches if to_rgba(bar.get_facecolor())[0] > 0.8]
        assert len(late) == pytest.approx(shown / 10, abs=1)
        assert len(explicit.containers[1].patches) == 0  # type: ignore[attr-defined]
        marks = next(line for line in explicit.lines if line.get_marker() == "^")
        assert len(x_of(marks)) >= 6


def test_frame_times_stand_beside_their_budget() -> None:
    """Both arms, the budget as a line, and the blocks' ratios below."""
    result = overlap()
    with plots.frame_figure(analyse_overlap(result), result.conditions) as drawn:
        upper, lower = drawn.axes
        assert any(np.allclose(x_of(line), 0.0167) for line in upper.lines)
        assert "budget 16.7 ms" in {text.get_text() for text in upper.texts}
        assert [label.get_text() for label in lower.get_yticklabels()] == ["mean frame", "unmap"]


@pytest.mark.parametrize("simulated", [True, False])
def test_a_picture_says_what_it_found_and_whether_that_is_simulated(simulated: bool) -> None:
    """In its title and at its foot; a real one never has the word."""
    result = latency(simulated=simulated)
    with plots.ratio_figure(analyse_latency(result), result.conditions) as drawn:
        words = words_in(drawn)
    assert "PRT 133x faster" in words.replace("\n", " ")
    assert ("SIMULATED: mock AMD Radeon RX 7900 XTX" in words) is simulated
    assert ("(simulated)" in words.replace("\n", " ")) is simulated


def test_png_and_svg_are_written_beside_the_result(tmp_path: Path) -> None:
    """One pair per operation, one for the ratios; text in the SVG stays text; the same data gives the same file."""
    cells = [CELL, replace(CELL, operation="CLEAR")]
    written = plots.save_latency(latency(cells), tmp_path / "run")
    names = [path.name for path in written]
    assert names == [
        f"run-{name}.{suffix}" for name in ("ecdf-unmap", "ecdf-clear", "ratios") for suffix in ("png", "svg")
    ]
    assert imread(written[0]).shape[2] == 4
    first = written[-1].read_bytes()
    assert "95\N{NO-BREAK SPACE}% interval" in first.decode()
    plots.save_latency(latency(cells), tmp_path / "run")
    assert written[-1].read_bytes() == first


def test_pictures_of_a_partial_result_are_drawn_all_the_same(tmp_path: Path) -> None:
    """One round, nothing usable: no picture fails for it."""
    whole, frames = latency(blocks=1), overlap(blocks=1)
    for count, flags in ((1, ()), (8, ("reset",))):
        rounds = tuple(replace(each, flags=flags) for each in whole.rounds[:count])
        assert len(plots.save_latency(replace(whole, rounds=rounds), tmp_path / "run")) == 4
        series = tuple(replace(each, flags=flags) for each in frames.series[:count])
        assert len(plots.save_overlap(replace(frames, series=series), tmp_path / "run")) == 4


def test_a_number_and_its_percent_sign_stay_in_one_line() -> None:
    """Titles are broken where they are too long."""
    assert filled("inconclusive (within 78 %)", 24) == "inconclusive (within\n78\N{NO-BREAK SPACE}%)"


def cut_off(drawn: Figure) -> list[str]:
    """Text of a figure that reaches beyond its edges."""
    drawn.canvas.draw()
    ticks = {id(label) for axes in drawn.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())}
    texts = [text for text in drawn.findobj(Text) if isinstance(text, Text) and text.get_text()]
    extents = [(text.get_text(), text.get_window_extent()) for text in texts if id(text) not in ticks]
    return [words for words, box in extents if box.x0 < -1 or box.x1 > drawn.bbox.x1 + 1 or box.y0 < -1]


def test_no_text_is_cut_off() -> None:
    """However long the words below an axis are."""
    measured, frames = latency(GRID), overlap()
    with plots.ratio_figure(analyse_latency(measured), measured.conditions) as drawn:
        assert cut_off(drawn) == []
    with plots.frame_figure(analyse_overlap(frames), frames.conditions) as drawn:
        assert cut_off(drawn) == []
