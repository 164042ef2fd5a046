# SPDX-License-Identifier: MIT
"""Small latency and overlap runs: which arms wait. ``CASE_KERNEL`` names the machine's kernel.

What waited is told by order: whether the load was still in flight when the update had become effective.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from amdgpu_hw import Engine, Gpu, KiB
from amdgpu_hw.measure.conditions import Clocks, StablePstate, clocks, read_conditions
from amdgpu_hw.measure.grid import LatencySettings, Load
from amdgpu_hw.measure.latency import Latency
from amdgpu_hw.measure.model import Conditions
from amdgpu_hw.measure.overlap import Overlap, OverlapSettings
from amdgpu_hw.measure.results import load, save

HAS_FLAG = os.environ["CASE_KERNEL"] == "series-fixed"

GRID = LatencySettings(
    loads=(Load(Engine.GFX, 4),),
    operations=("UNMAP", "REPLACE"),
    sizes=(64 * KiB,),
    blocks=1,
    null_blocks=0,
    samples=4,
    warm_up=1,
    job_ns=10_000_000,
)
BACKGROUND_NS = 100_000_000
SCENE = OverlapSettings(
    frame_ns=5_000_000,
    budget_ns=20_000_000,
    rate_hz=200,
    background_ns=BACKGROUND_NS,
    frames=5,
    blocks=1,
    null_blocks=0,
)


@pytest.fixture
def conditions(gpu: Gpu) -> Iterator[Conditions]:
    """The conditions of a run whose clocks are held."""
    with StablePstate(gpu, "peak") as held:
        assert held.name == "peak", held.why_not
        yield read_conditions(gpu, held.name, None, {})


def test_only_explicit_updates_of_prt_and_always_valid_mappings_do_not_wait(
    gpu: Gpu, conditions: Conditions, tmp_path: Path
) -> None:
    """And with an ordinary buffer the flag changes nothing; without the flag, and on base, every update waits."""
    run = Latency(gpu, GRID, conditions)
    steps = list(run.measure())
    result = run.result
    assert result.complete
    assert sum(expected for expected, _ in steps) == run.expected_ns
    assert result.conditions.simulated
    for cell in result.cells:
        for arm in ("explicit", "implicit"):
            rounds = [each for each in result.rounds if (each.cell, each.arm) == (cell, arm) and each.usable]
            assert rounds, f"no usable round of {cell} {arm}: {[each.flags for each in result.rounds]}"
            outlasted = float(np.mean([each.in_flight[1] for each in rounds if each.in_flight is not None]))
            waits = not (HAS_FLAG and arm == "explicit" and cell.mapping != "ordinary")
            words = f"{cell}, {arm}: the load outlasted {outlasted:.0%} of the updates"
            # One would do: on a busy machine some end late, but one that waits never ends early.
            assert outlasted == 0 if waits else outlasted > 0, words
    assert any("both arms are the same" in note for note in result.notes) is not HAS_FLAG
    save(result, tmp_path / "latency.json")
    again = load(tmp_path / "latency.json")
    assert again.samples == result.samples


def test_frames_wait_for_implicit_updates(gpu: Gpu, conditions: Conditions) -> None:
    """An implicit update waits for the long jobs of another queue; an explicit one is effective while they run."""
    run = Overlap(gpu, SCENE, conditions)
    assert sum(expected for expected, _ in run.measure()) == run.expected_ns
    result = run.result
    assert result.complete
    took: dict[str, list[int]] = {"explicit": [], "implicit": []}
    for stretch in result.series:
        took[stretch.arm].extend(stretch.unmap_effective_ns - stretch.unmap_start_ns)
        assert (stretch.frame_end_ns > stretch.frame_start_ns).all()
        assert len(stretch.frame_ns) == SCENE.frames
    # Half of a job that is two hundred times as long as an update: no matter of speed. One that waits would do: on a
    # busy machine some find no job in flight.
    waiting = {arm for arm, times in took.items() if max(times) > BACKGROUND_NS / 2}
    assert "implicit" in waiting, f"implicit updates took {max(took['implicit']) / 1e6:.1f} ms at most"
    usual = float(np.median(took["explicit"])) / 1e6
    if HAS_FLAG:
        assert usual < BACKGROUND_NS / 2e6, f"explicit updates took {usual:.1f} ms"
    else:
        assert "explicit" in waiting, f"explicit updates took {usual:.1f} ms"


def test_the_clocks_are_let_go(gpu: Gpu) -> None:
    """Held only as long as the block lasts, also when it ends with an error; a second holder is told why not."""
    before = clocks(gpu)
    with pytest.raises(ZeroDivisionError):
        _fail_while_holding(gpu, before)
    assert clocks(gpu) == before


def _fail_while_holding(gpu: Gpu, before: Clocks) -> None:
    with StablePstate(gpu, "peak"):
        assert clocks(gpu) != before
        with StablePstate(gpu, "standard") as second:
            assert second.name == ""
            assert "EBUSY" in second.why_not
        raise ZeroDivisionError
