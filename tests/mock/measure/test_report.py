# SPDX-License-Identifier: MIT
"""The tables: the finding first, every cell, what was wrong, and whether it was simulated."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from rich.console import RenderableType

from amdgpu_hw.measure.compare import compare
from amdgpu_hw.measure.compare_report import comparison_report
from amdgpu_hw.measure.report import latency_report, overlap_report
from amdgpu_hw.measure.results import Cell, LatencyResult
from amdgpu_hw.verdict.table import render
from tests.mock.measure.made_up import LONG_NS, SHORT_NS, latency, overlap

PRT = Cell("gfx x4", "UNMAP", "PRT", 65536)
ORDINARY = Cell("gfx x4", "UNMAP", "ordinary", 65536)
IDLE = Cell("idle", "UNMAP", "PRT", 2 << 20)


def text_of(content: RenderableType) -> str:
    """As a wide terminal shows it."""
    return render(content, 160, colour=False)


def series_fixed() -> LatencyResult:
    """PRT does not wait with the flag, an ordinary BO does either way, and there is nothing to wait for when idle."""
    parts = [latency([PRT]), latency([ORDINARY], LONG_NS, LONG_NS), latency([IDLE], SHORT_NS, SHORT_NS)]
    return replace(parts[0], cells=(PRT, ORDINARY, IDLE), rounds=tuple(each for part in parts for each in part.rounds))


def test_the_first_line_is_the_finding() -> None:
    """Under load, by mapping, and that it was simulated."""
    first = text_of(latency_report(series_fixed())).splitlines()[0]
    assert first == "GPU busy, with explicit sync: PRT 133x faster; ordinary no difference (simulated)"


def test_there_is_a_row_per_cell_with_times_ratio_interval_and_verdict() -> None:
    """Grouped by load."""
    lines = text_of(latency_report(series_fixed())).splitlines()
    row = next(line for line in lines if re.match(r"UNMAP +PRT +64 KiB", line))
    assert re.search(r"4\.00 ms +4\.02 ms +4\.02 ms +30\.0 µs +30\.1 µs +30\.2 µs +133x faster +133x \.\. 133x", row)
    control = next(line for line in lines if re.match(r" +ordinary +64 KiB", line))
    assert re.search(r"4\.00 ms.*4\.00 ms.*no difference +-0\.1 \.\. \+0\.1 % +0\.0 %", control)
    assert lines.index("GPU idle") > lines.index("GPU gfx x4")


def test_eighty_columns_keep_every_figure_however_noisy_it_was() -> None:
    """A busy machine gives intervals that say which side each end is on, and those are long."""
    cells = [Cell("compute x4", "REPLACE", mapping, 65536) for mapping in ("always-valid", "PRT")]
    factors = (0.3, 4.1, 0.4, 3.2, 2.7, 0.2, 0.5, 2.9)
    result = latency(cells, 21_300_000, 21_300_000)
    rounds = []
    for each in result.rounds:
        factor = factors[each.index] if each.arm == "explicit" else 1
        rounds.append(replace(each, fence_ns=(each.fence_ns * factor).astype(np.int64)))
    noisy = replace(result, rounds=tuple(rounds))
    for content in (latency_report(noisy), comparison_report(compare(noisy, result))):
        text = render(content, 80, colour=False)
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= 80
        assert re.search(r"\dx faster", text)


def test_that_it_is_simulated_stands_beside_the_figures_and_only_then() -> None:
    """Twice: in the finding and around the conditions."""
    assert "SIMULATED: mock AMD Radeon RX 7900 XTX, mock kernel series-fixed" in text_of(latency_report(latency()))
    real = text_of(latency_report(latency(simulated=False, mock_kernel="")))
    assert "imulated" not in real
    assert "SIMULATED" not in real
    assert "REAL GPU" in real
    assert "Linux 6.1.0" in real


def test_a_kernel_without_the_flag_is_told_in_the_finding() -> None:
    """Nobody must read its second arm as explicit sync."""
    for report in (latency_report(latency(explicit_sync=False)), overlap_report(overlap(explicit_sync=False))):
        text = text_of(report).splitlines()[0]
        assert text.endswith("(simulated; this kernel has no flag: both arms are implicit)")


def test_rounds_that_were_not_used_are_counted_by_reason() -> None:
    """Nothing is left out in silence."""
    result = latency()
    rounds = list(result.rounds)
    rounds[0] = replace(rounds[0], flags=("unstable: shader clock 2400 MHz before, 1200 MHz after",))
    rounds[1] = replace(rounds[1], flags=("reset",))
    rounds[2] = replace(rounds[2], flags=("repeated",))
    text = text_of(latency_report(replace(result, rounds=tuple(rounds))))
    assert "64 rounds, 2 of them not used: 1 unstable; 1 reset; 1 taken again." in text


def test_an_unfinished_run_and_its_notes_are_told() -> None:
    """A partial result is a result, and says that it is one."""
    text = text_of(latency_report(replace(latency(blocks=3), complete=False, notes=("interrupted by the user",))))
    assert "The run ended early" in text
    assert "Note: interrupted by the user." in text
    assert re.search(r"Inconclusive: 3 blocks are too few for an interval, 6 are needed \(3 times\)\.", text)


def test_outliers_and_high_percentiles_are_told() -> None:
    """Outliers by arm; p99 only with samples enough for it."""
    few = text_of(latency_report(latency()))
    assert "Outliers (kept): implicit 0 of 320 samples; explicit 0 of 320 samples." in few
    assert "p99" not in few
    assert "p99 explicit gfx x1 UNMAP PRT 64 KiB: 30.2 µs of 1280 samples" in text_of(
        latency_report(latency(blocks=32))
    )


def test_frames_are_told_by_arm_with_those_over_the_budget() -> None:
    """Counts and shares, and what the flag does to frames and to unmaps."""
    text = text_of(overlap_report(overlap()))
    assert text.startswith(
        "Frames over budget beside 10 unmaps/s: 10.0 % without the flag, 0.0 % with it (simulated)\n"
    )
    assert re.search(r"implicit +960 +9\.20 ms +8\.00 ms +20\.0 ms +- +20\.0 ms +96 \(10 %\)", text)
    assert re.search(r"explicit +960 +8\.00 ms +8\.00 ms +8\.00 ms +- +8\.00 ms +0 \(0 %\)", text)
    assert "Mean frame time with the flag: 13.0 % less time (95 % interval" in text
    assert "Unmaps effective with the flag: 301x faster" in text
