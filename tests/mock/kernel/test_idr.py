# SPDX-License-Identifier: MIT
"""Handles: lowest free number first."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.idr import Idr


def test_lowest_free_number_first() -> None:
    """KERNEL.md 1.4: from 1 upwards, freed numbers are used again, the lowest first."""
    idr: Idr[str] = Idr()
    assert [idr.alloc(name) for name in "abcd"] == [1, 2, 3, 4]
    assert [idr.remove(3), idr.remove(1)] == ["c", "a"]
    assert [idr.alloc(name) for name in "efg"] == [1, 3, 5]


def test_chosen_numbers_do_not_disturb_the_order() -> None:
    """GEM_CHANGE_HANDLE may take any free number; automatic ones go around it."""
    idr: Idr[str] = Idr()
    idr.alloc_at(2, "two")
    idr.alloc_at(1000, "far")
    assert [idr.alloc("x") for _ in range(3)] == [1, 3, 4]
    idr.remove(1000)
    assert idr.alloc("x") == 5, "a freed number far above must not come first"
    idr.remove(2)
    idr.alloc_at(2, "again")
    idr.remove(2)
    assert [idr.alloc("x"), idr.alloc("x")] == [2, 6]


def test_numbers_that_cannot_be() -> None:
    """Taken ENOSPC, outside of int EINVAL, unknown ENOENT."""
    idr: Idr[str] = Idr()
    idr.alloc("a")
    for number, error in ((1, errno.ENOSPC), (0, errno.EINVAL), (1 << 31, errno.EINVAL)):
        with pytest.raises(KernelError) as caught:
            idr.alloc_at(number, "b")
        assert caught.value.errno == error
    with pytest.raises(KernelError) as caught:
        idr.replace(9, "b")
    assert caught.value.errno == errno.ENOENT
    assert idr.remove(9) is None


def test_items_may_be_removed_while_looping() -> None:
    """Closing a file removes its handles one by one."""
    idr: Idr[str] = Idr()
    for name in "abc":
        idr.alloc(name)
    for number, _ in idr.items():
        idr.remove(number)
    assert len(idr) == 0
