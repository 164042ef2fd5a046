# SPDX-License-Identifier: MIT
"""Drawn programs: what the oracle says of the operations, and that a failing program becomes a small one."""

from __future__ import annotations

import errno
import time

import pytest

from amdgpu_hw.address_space import Operation
from amdgpu_hw.proof.programs.actions import LOOK, SUBMIT, Action, Close, Step
from amdgpu_hw.proof.programs.oracle import PRT, Extent, Oracle
from amdgpu_hw.proof.programs.search import Patience, Search
from amdgpu_hw.proof.record import Broken

MAP, UNMAP, CLEAR, REPLACE = Operation.MAP, Operation.UNMAP, Operation.CLEAR, Operation.REPLACE


@pytest.fixture
def oracle() -> Oracle:
    """Ten pages of A from page 100 on, which are its pages 2 to 11."""
    oracle = Oracle({"A": 16, "B": 4})
    assert oracle.map(100, 10, "A", 2) == 0
    return oracle


@pytest.mark.parametrize(
    ("first", "count", "owner", "index"),
    [(109, 1, PRT, 0), (95, 6, "B", 0), (95, 100, PRT, 0), (0, 5, "B", 0), (0, 2, "B", 3), (0, 0, PRT, 0)],
)
def test_a_map_over_something_or_beyond_the_buffer_is_refused(
    oracle: Oracle, first: int, count: int, owner: str, index: int
) -> None:
    """And changes nothing."""
    before = dict(oracle.pages)
    assert oracle.map(first, count, owner, index) == errno.EINVAL
    assert oracle.pages == before


def test_a_clear_leaves_both_ends(oracle: Oracle) -> None:
    """The right one begins behind it, further on in the buffer."""
    assert oracle.clear(104, 3) == 0
    assert oracle.extents("A") == [Extent(100, 4, 2), Extent(107, 3, 9)]
    assert oracle.clear(0, 100) == 0


def test_an_unmap_takes_what_begins_there(oracle: Oracle) -> None:
    """Of that owner, and nothing else of it."""
    oracle.clear(104, 3)
    assert oracle.unmap(101, "A") == errno.ENOENT
    assert oracle.unmap(100, "B") == errno.ENOENT
    assert oracle.unmap(100, "A") == 0
    assert oracle.extents("A") == [Extent(107, 3, 9)]


def test_a_replace_that_is_refused_clears_nothing(oracle: Oracle) -> None:
    """Beyond the buffer's end."""
    assert oracle.replace(100, 5, "B", 0) == errno.EINVAL
    assert oracle.extents("A") == [Extent(100, 10, 2)]
    assert oracle.replace(102, 4, "B", 0) == 0
    assert oracle.extents("A") == [Extent(100, 2, 2), Extent(106, 4, 8)]
    assert oracle.extents("B") == [Extent(102, 4, 0)]


def test_a_close_takes_all_of_a_buffer(oracle: Oracle) -> None:
    """However often it is mapped."""
    oracle.map(0, 4, "A", 0)
    oracle.map(50, 1, PRT, 0)
    oracle.close("A")
    assert oracle.extents("A") == []
    assert oracle.span(7) == (50, 1)


CUT = Step(REPLACE, 16, 512, "C", 2, delay=True, explicit=True)
PROGRAM: list[Action] = [
    SUBMIT,
    Step(MAP, 0, 16, "A"),
    LOOK,
    CUT,
    Close("B"),
    Step(CLEAR, 1, 2),
    SUBMIT,
    Step(UNMAP, 0, 1, "A"),
]


def test_a_failing_program_becomes_a_small_one() -> None:
    """Only what matters is left of it, and of each call in it."""
    tried: list[list[Action]] = []

    def run(actions: list[Action]) -> None:
        tried.append(actions)
        delayed = [action for action in actions if isinstance(action, Step) and action.delay]
        if delayed and Close("B") in actions[actions.index(delayed[0]) :]:
            raise Broken(" ".join(map(str, actions)))

    search = Search(run, Patience(60, 60))
    with pytest.raises(Broken) as failure, search.smallest(), search.program(PROGRAM):
        run(PROGRAM)
    small = Step(REPLACE, 0, 1, "C", 0, delay=True, explicit=False)
    assert str(failure.value) == f"{small} {Close('B')}"
    assert len(tried) < 60


def test_making_it_smaller_has_an_end() -> None:
    """The smallest so far is told."""

    def run(actions: list[Action]) -> None:
        time.sleep(0.05)
        raise Broken(f"{len(actions)} actions")

    search = Search(run, Patience(60, 0.12))
    with pytest.raises(Broken, match=r"[1-4] actions"), search.smallest(), search.program(PROGRAM):
        run(PROGRAM)


def test_drawing_has_an_end() -> None:
    """Not before the first program; what ran until then is what is told."""
    search = Search(lambda actions: None, Patience(0, 1))
    with search.smallest():
        for _ in range(5):
            search.begin()
        pytest.fail("it goes on")
    assert search.programs == 1


def test_a_fault_of_the_harness_is_not_the_kernels() -> None:
    """It comes out as it is."""
    search = Search(lambda actions: None, Patience(60, 1))
    with pytest.raises(ZeroDivisionError), search.smallest(), search.program(PROGRAM):
        raise ZeroDivisionError


def test_a_step_reads_as_the_call_that_it_is() -> None:
    """With what GEM_VA is given."""
    assert str(CUT) == (
        "GEM_VA(REPLACE, va=W+0x10000, size=0x200000, bo=C, offset=0x2000, "
        "flags=DELAY_UPDATE|READABLE|WRITEABLE|EXPLICIT_SYNC)"
    )
    assert str(Step(UNMAP, 1, 1)) == "GEM_VA(UNMAP, va=W+0x1000, size=0x1000, flags=PRT)"
    assert str(Step(CLEAR, 1, 1)) == "GEM_VA(CLEAR, va=W+0x1000, size=0x1000, flags=0)"
