# SPDX-License-Identifier: MIT
"""Heaps as numbers, and the order in which buffers leave them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import (
    ANYWHERE,
    HIDDEN,
    TTM_PL_FLAG_DESIRED,
    TTM_PL_FLAG_FALLBACK,
    TTM_PL_FLAG_TEMPORARY,
    TTM_PL_TT,
    TTM_PL_VRAM,
    VISIBLE,
    TtmLruBulkMove,
    TtmPlace,
    TtmResourceManager,
    VramManager,
    ttm_resource_compatible,
)


class Bo(SimpleNamespace):
    """What an LRU needs of a buffer."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def bo(name: str, priority: int = 1, bulk: TtmLruBulkMove | None = None) -> Any:
    """A buffer."""
    return Bo(name=name, priority=priority, bulk_move=bulk, lru=None)


def names(manager: TtmResourceManager) -> str:
    """Buffers in the order of eviction."""
    return "".join(cast(Bo, entry).name for entry in manager.lru_walk())


# -- heaps ------------------------------------------------------------------------------------------------------------


def test_gtt_is_full_when_the_sum_is() -> None:
    """No fragmentation; a stop on the way may overdraw it."""
    gtt = TtmResourceManager(TTM_PL_TT, 100, pinned=10)
    place = TtmPlace(TTM_PL_TT)
    first = gtt.alloc(60, place)
    assert first is not None
    assert gtt.alloc(31, place) is None
    assert gtt.alloc(31, TtmPlace(TTM_PL_TT, TTM_PL_FLAG_TEMPORARY)) is not None
    gtt.free(first)
    assert (gtt.used, gtt.usage) == (31, 41)


@pytest.mark.parametrize(
    ("part", "fits", "visible"), [(VISIBLE, 20, 20), (HIDDEN, 60, 0), (ANYWHERE, 60, 0), (ANYWHERE, 72, 12)]
)
def test_vram_has_two_parts(part: int, fits: int, visible: int) -> None:
    """Hidden VRAM is used first unless the CPU needs the buffer; 100 bytes, 30 of them visible, 18 taken, 10 kept."""
    vram = VramManager(100, 30, pinned_visible=8, pinned_hidden=10, reserved=10)
    resource = vram.alloc(fits, TtmPlace(TTM_PL_VRAM, 0, part))
    assert resource is not None
    assert resource.visible == visible
    assert vram.visible_usage == 8 + visible
    vram.free(resource)
    assert (vram.used, vram.visible_usage) == (0, 8)


@pytest.mark.parametrize(("part", "size"), [(VISIBLE, 23), (HIDDEN, 61), (ANYWHERE, 73)])
def test_vram_is_full(part: int, size: int) -> None:
    """One byte more than there is, or than clients may have."""
    vram = VramManager(100, 30, pinned_visible=8, pinned_hidden=10, reserved=10)
    assert vram.alloc(size, TtmPlace(TTM_PL_VRAM, 0, part)) is None
    assert (vram.used, vram.visible_usage) == (0, 8)


def test_where_all_vram_is_visible_there_is_one_part() -> None:
    """Resizable BAR."""
    vram = VramManager(100, 100, pinned_visible=8, pinned_hidden=0, reserved=10)
    resource = vram.alloc(80, TtmPlace(TTM_PL_VRAM, 0, ANYWHERE))
    assert resource is not None
    assert resource.visible == 80
    assert vram.alloc(3, TtmPlace(TTM_PL_VRAM, 0, VISIBLE)) is None


def test_what_is_in_the_way_and_what_is_good_where_it_is() -> None:
    """A buffer that straddles both parts is in the way of either and right for neither."""
    vram = VramManager(100, 50, pinned_visible=0, pinned_hidden=0, reserved=0)
    straddling = vram.alloc(60, TtmPlace(TTM_PL_VRAM))
    assert straddling is not None
    assert straddling.visible == 10
    for part, intersects, compatible in ((VISIBLE, True, False), (HIDDEN, True, False), (ANYWHERE, True, True)):
        place = TtmPlace(TTM_PL_VRAM, 0, part)
        assert (vram.intersects(straddling, place), vram.compatible(straddling, place)) == (intersects, compatible)


@pytest.mark.parametrize(
    ("flag", "without_evictions", "with_evictions"),
    [(0, True, True), (TTM_PL_FLAG_FALLBACK, False, True), (TTM_PL_FLAG_DESIRED, True, False)],
)
def test_flags_of_places(flag: int, without_evictions: bool, with_evictions: bool) -> None:
    """A fallback is no place to be while there may be room elsewhere, a desired one not once that costs evictions."""
    gtt = TtmResourceManager(TTM_PL_TT, 100)
    resource = gtt.alloc(10, TtmPlace(TTM_PL_TT))
    assert resource is not None
    places = [TtmPlace(TTM_PL_TT, flag)]
    assert ttm_resource_compatible(gtt, resource, places, False) is without_evictions
    assert ttm_resource_compatible(gtt, resource, places, True) is with_evictions
    temporary = gtt.alloc(10, TtmPlace(TTM_PL_TT, TTM_PL_FLAG_TEMPORARY))
    assert temporary is not None
    assert not ttm_resource_compatible(gtt, temporary, [TtmPlace(TTM_PL_TT)], True)


# -- LRU --------------------------------------------------------------------------------------------------------------


def test_eviction_goes_by_priority_and_last_use() -> None:
    """Discardable buffers before all others."""
    manager = TtmResourceManager(TTM_PL_TT, 100)
    entries = [bo("a"), bo("b"), bo("c"), bo("d", priority=0)]
    for entry in entries:
        manager.lru_add(entry)
    assert names(manager) == "dabc"
    entries[0].lru.move_to_end(entries[0])
    assert names(manager) == "dbca"
    manager.lru_del(entries[2])
    assert names(manager) == "dba"
    assert entries[2].lru is None


def test_a_group_moves_as_one() -> None:
    """Its members keep their order, and stand where the group stands."""
    manager, bulk = TtmResourceManager(TTM_PL_TT, 100), TtmLruBulkMove()
    members = [bo("x", bulk=bulk), bo("y", bulk=bulk)]
    for entry in (bo("a"), members[0], bo("b"), members[1], bo("c")):
        manager.lru_add(entry)
    assert names(manager) == "axybc"
    bulk.move_tail()
    assert names(manager) == "abcxy"
    for entry in members:
        manager.lru_del(entry)
    assert names(manager) == "abc"
    assert not bulk.members


def test_the_walk_goes_on_while_the_list_changes() -> None:
    """Each buffer comes once: those that are evicted meanwhile leave, those that stay are not tried again."""
    manager = TtmResourceManager(TTM_PL_TT, 100)
    entries = [bo(chr(0x4E00 + number)) for number in range(200)]
    for entry in entries:
        manager.lru_add(entry)
    seen = []
    for number, entry in enumerate(manager.lru_walk()):
        seen.append(entry)
        if number % 3 == 0:
            manager.lru_del(entry)
        if number % 7 == 0 and entry.lru is not None:
            entry.lru.move_to_end(entry)
    assert seen == entries
