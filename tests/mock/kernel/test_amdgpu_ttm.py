# SPDX-License-Identifier: MIT
"""Allocation of VRAM and GTT."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from amdgpu_hw.mock.kernel.amdgpu_ttm import RangeManager

PAGE = 4096
requests = st.lists(
    st.tuples(st.booleans(), st.integers(1, 40), st.sampled_from([1, 2, 8]), st.booleans(), st.integers(0, 30)),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(requests)
def test_ranges_never_overlap_and_all_memory_comes_back(todo: list[tuple[bool, int, int, bool, int]]) -> None:
    """Random allocations and frees: no two live ranges share a byte, and in the end one range fills everything."""
    manager = RangeManager(16 * PAGE, 128 * PAGE)
    live: list[tuple[int, int]] = []
    for free, pages, align, topdown, victim in todo:
        if free and live:
            manager.free(*live.pop(victim % len(live)))
            continue
        start = manager.alloc(pages * PAGE, align * PAGE, topdown=topdown)
        if start is None:
            continue
        assert start % (align * PAGE) == 0
        assert 16 * PAGE <= start <= (16 + 128 - pages) * PAGE
        for other, size in live:
            assert start + pages * PAGE <= other or other + size <= start, f"{start:#x} overlaps {other:#x}"
        live.append((start, pages * PAGE))
        assert manager.used == sum(size for _, size in live)
    for start, size in live:
        manager.free(start, size)
    assert manager.used == 0
    assert manager.alloc(128 * PAGE, PAGE) == 16 * PAGE, "freed neighbours were not joined"


def test_memory_below_a_limit_is_kept_for_those_who_need_it() -> None:
    """CPU-visible VRAM: an allocation with a limit stays below it, one from the top leaves it alone."""
    manager = RangeManager(0, 64 * PAGE)
    assert manager.alloc(8 * PAGE, PAGE, topdown=True) == 56 * PAGE
    assert manager.alloc(8 * PAGE, PAGE, end=8 * PAGE) == 0
    assert manager.alloc(PAGE, PAGE, end=8 * PAGE) is None


def test_an_empty_heap_gives_nothing() -> None:
    """A heap of size 0, as GTT or VRAM of odd configurations, refuses instead of failing."""
    assert RangeManager(0, 0).alloc(PAGE, PAGE) is None
