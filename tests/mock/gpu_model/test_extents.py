# SPDX-License-Identifier: MIT
"""Extents: ranges that are handed out and taken back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from amdgpu_hw.gpu_model.extents import Extents

requests = st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 30)), max_size=80)


@settings(max_examples=200, deadline=None)
@given(requests)
def test_ranges_never_overlap_and_everything_comes_back(todo: list[tuple[bool, int, int]]) -> None:
    """Random allocations and frees: no two live ranges share a byte, and in the end one range fills everything."""
    extents = Extents(128)
    live: list[tuple[int, int]] = []
    for free, size, victim in todo:
        if free and live:
            extents.free(*live.pop(victim % len(live)))
            continue
        start = extents.alloc(size)
        if start is None:
            continue
        assert 0 <= start <= 128 - size
        for other, length in live:
            assert start + size <= other or other + length <= start, f"{start} overlaps {other}"
        live.append((start, size))
        assert extents.used == sum(size for _, size in live)
    for start, size in live:
        extents.free(start, size)
    assert extents.used == 0
    assert extents.alloc(128) == 0, "freed neighbours were not joined"


def test_the_smallest_range_that_fits_is_taken() -> None:
    """A hole of the right size is filled before a larger one is cut."""
    extents = Extents(100)
    small, _, large, _ = (extents.alloc(size) for size in (10, 10, 30, 50))
    assert small is not None
    assert large is not None
    extents.free(large, 30)
    extents.free(small, 10)
    assert extents.alloc(10) == small
    assert extents.alloc(31) is None


def test_nothing_can_be_had_from_nothing() -> None:
    """An empty space refuses instead of failing."""
    assert Extents(0).alloc(1) is None
