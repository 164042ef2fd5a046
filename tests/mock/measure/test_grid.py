# SPDX-License-Identifier: MIT
"""The grid of a latency run and the order of its rounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.measure.grid import MAPPINGS, OPERATIONS, QUICK, LatencySettings, Load, parse_load, parse_size, turns
from amdgpu_hw.memory import GiB, KiB
from amdgpu_hw.packets import Engine


def test_a_block_is_a_b_b_a_and_the_next_one_b_a_a_b() -> None:
    """So that a steady drift adds as much to one arm as to the other, over each block and over two."""
    arms = [turn.arm for turn in turns(2, 0)]
    explicit, implicit = "explicit", "implicit"
    assert arms == [explicit, implicit, implicit, explicit, implicit, explicit, explicit, implicit]
    taken = list(turns(2, 0))
    for arm in (explicit, implicit):
        assert sum(at for at, turn in enumerate(taken) if turn.arm == arm) == sum(range(8)) / 2


def test_blocks_of_the_null_run_stand_between_the_others() -> None:
    """They are counted apart, and what is left of either comes at the end."""
    assert [(turn.arm[:4], turn.index) for turn in turns(1, 2)][::4] == [("expl", 0), ("null", 0), ("null", 1)]
    assert [turn.order for turn in turns(1, 1)] == [0, 1, 2, 3] * 2


def test_the_default_grid_has_every_place() -> None:
    """Idle and each engine, three operations, three mappings, 4 KiB to 1 GiB."""
    options = LatencySettings()
    cells = [cell for load in options.loads for cell in options.cells(load, options.mappings)]
    assert len(cells) == len(set(cells)) == 4 * 3 * 3 * 4
    assert {cell.load for cell in cells} == {"idle", "gfx x4", "compute x4", "sdma x4"}
    assert {cell.operation for cell in cells} == set(OPERATIONS)
    assert {cell.mapping for cell in cells} == set(MAPPINGS)
    assert (min(options.sizes), max(options.sizes)) == (4 * KiB, GiB)


def test_a_first_look_takes_a_few_seconds() -> None:
    """By its own estimate, which leaves room for starting and drawing in the ten seconds that it may take."""
    rounds = len(list(turns(QUICK.blocks, QUICK.null_blocks)))
    cells = [cell for load in QUICK.loads for cell in QUICK.cells(load, QUICK.mappings)]
    assert sum(rounds * QUICK.round_ns(cell.load) for cell in cells) < 5_000_000_000


@pytest.mark.parametrize("text", ["idle", "gfx x1", "compute x4", "sdma x24"])
def test_a_load_is_read_as_it_is_written(text: str) -> None:
    """In options, in the result file and in tables it has one form."""
    assert str(parse_load(text)) == text


def test_short_forms() -> None:
    """An engine alone means four jobs; sizes have units."""
    assert parse_load("GFX") == Load(Engine.GFX, 4)
    assert [parse_size(text) for text in ("4096", "64K", "64 KiB", "1G")] == [4 * KiB, 64 * KiB, 64 * KiB, GiB]


@pytest.mark.parametrize("text", ["", "4K,", "-4K", "100", "0", "1T"])
def test_what_is_no_size(text: str) -> None:
    """One sentence."""
    with pytest.raises(HarnessError, match="a size is a multiple of 4096 bytes"):
        parse_size(text)


@pytest.mark.parametrize("change", [{"samples": 0}, {"blocks": 0}, {"null_blocks": -1}, {"job_ns": 0}])
def test_what_is_no_run(change: dict[str, Any]) -> None:
    """One sentence."""
    with pytest.raises(HarnessError):
        replace(LatencySettings(), **change)
