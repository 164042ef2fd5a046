# SPDX-License-Identifier: MIT
"""The interval tree of an address space."""

from __future__ import annotations

import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping, VaTree

ranges = st.tuples(st.integers(0, 120), st.integers(0, 20)).map(lambda r: (r[0], r[0] + r[1]))


def mapping(start: int, last: int) -> AmdgpuBoVaMapping:
    """A mapping that belongs to nobody."""
    return AmdgpuBoVaMapping(start, last, 0, 0, None)


@settings(max_examples=200, deadline=None)
@given(st.lists(ranges, max_size=40), st.lists(st.integers(0, 39), max_size=20), ranges)
def test_finds_what_a_list_of_mappings_finds(
    wanted: list[tuple[int, int]], removals: list[int], query: tuple[int, int]
) -> None:
    """Whatever was inserted and removed, a query gives the overlapping mappings in ascending order."""
    tree = VaTree()
    live: list[AmdgpuBoVaMapping] = []
    for start, last in wanted:
        if not any(m.start <= last and m.last >= start for m in live):
            live.append(mapping(start, last))
            tree.insert(live[-1])
    for index in removals:
        if index < len(live):
            tree.remove(live.pop(index))
    expected = sorted((m for m in live if m.start <= query[1] and m.last >= query[0]), key=lambda m: m.start)
    assert tree.overlapping(*query) == expected, f"query {query} of {live}"
    assert tree.iter_first(*query) is (expected[0] if expected else None)
    assert len(tree) == len(live)
    assert tree.in_order() == sorted(live, key=lambda m: m.start)


def test_a_mapping_is_found_by_its_first_page_only() -> None:
    """UNMAP needs the exact start (KERNEL.md 3.4); an inner page is not one."""
    tree = VaTree()
    tree.insert(inner := mapping(16, 31))
    assert tree.starting_at(16) is inner
    assert tree.starting_at(17) is None


def test_a_mapping_is_a_small_object() -> None:
    """A million of them must fit into 600 bytes each, with tree, lists and page table."""
    assert sys.getsizeof(mapping(1 << 36, (1 << 36) + 1)) <= 80
