# SPDX-License-Identifier: MIT
"""The fleet's loop and its index: every order comes to an end that the index tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.conduct import Installable
from amdgpu_hw.fleet.events import Ending, Event, Note, Phase, Rows, State, event_of, line_of
from amdgpu_hw.fleet.index import Index, read_index, write_index
from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.fleet.plan import FleetPlan, PlannedKernel, PlannedPlace
from amdgpu_hw.fleet.run import reopen, run_fleet
from amdgpu_hw.fleet.status import exit_status, status_text
from tests.mock.fleet.fake_crew import Answer, FakeCrew

TWO = FleetPlan(
    (PlannedPlace("a", "navi31", ssh="a"), PlannedPlace("b", "navi31", ssh="b"), PlannedPlace("c", "mi300x", ssh="c")),
    (PlannedKernel("k1", mock="base"), PlannedKernel("k2", mock="series-v1")),
)
DONE = (Note(Phase.START, "x"), Rows({"t": "holds"}, 5), Ending(State.DONE, "", 0))


def carry_out(directory: Path, answer: Answer, index: Index | None = None) -> tuple[Index, FakeCrew]:
    """Run the fleet with made-up places; the index is what the file says."""
    crew = FakeCrew(answer)
    run_fleet(index or Index.of(TWO), directory, Installable(Path("w"), "d"), lambda line: None, crew)
    return read_index(directory), crew


def test_every_order_is_carried_out_once(tmp_path: Path) -> None:
    """By a place that can; the index says by whom, and with what."""
    index, crew = carry_out(tmp_path, lambda member, order: DONE)
    assert {(each.order.gpu, each.order.kernel) for each in index.orders} == {
        (gpu, kernel) for gpu in ("navi31", "mi300x") for kernel in ("k1", "k2")
    }
    assert len(crew.given) == 4
    assert all(each.state is State.DONE and each.tests == 5 and each.finished for each in index.orders)
    assert index.finished
    assert exit_status(index) == 0


def test_a_row_that_is_broken_is_told_as_soon_as_it_is_known(tmp_path: Path) -> None:
    """Nobody has to wait for the end of the order; what holds is not told."""
    rows = Rows({"tests/hw/test_x.py::test_b06": "holds", "tests/hw/test_x.py::test_b09": "broken"}, 2)
    crew, said = FakeCrew(lambda member, order: [rows, DONE[-1]]), list[str]()
    index = Index.of(replace(TWO, place=TWO.place[:1], kernel=TWO.kernel[:1]))
    run_fleet(index, tmp_path, Installable(Path("w"), "d"), said.append, crew)
    assert said == ["navi31@k1@1 on a: broken: test_x.py::test_b09", "navi31@k1@1 on a: done, exit status 0"]


def test_a_broken_place_leaves_its_orders_to_others(tmp_path: Path) -> None:
    """And gets no more; the rest goes on."""

    def answer(member: str, order: Order) -> Sequence[Event]:
        return [Ending(State.LOST, "it burns", place_is_broken=True)] if member == "a" else DONE

    index, crew = carry_out(tmp_path, answer)
    assert index.broken == {"a": "it burns"}
    assert [member for member, _ in crew.given].count("a") == 1
    assert all(each.state is State.DONE for each in index.orders)
    assert {each.place for each in index.orders} == {"b", "c"}


def test_orders_that_nobody_can_take_any_more_are_lost_and_say_why(tmp_path: Path) -> None:
    """They are no verdict, and the run is incomplete."""

    def answer(member: str, order: Order) -> Sequence[Event]:
        return [Ending(State.LOST, "it burns", place_is_broken=True)] if member == "c" else DONE

    index, _ = carry_out(tmp_path, answer)
    lost = [each for each in index.orders if each.state is State.LOST]
    assert [each.order.gpu for each in lost] == ["mi300x", "mi300x"]
    assert lost[0].why == "it burns"
    assert lost[1].why == "no place is left that could take it: c is broken: it burns"
    assert exit_status(index) == 3
    assert "c is broken: it burns" in status_text(index, 100, False)


def test_an_interrupted_run_is_gone_on_with(tmp_path: Path) -> None:
    """What was done is not done again, what was begun goes to the place where it was begun."""
    begun: list[str] = []

    def answer(member: str, order: Order) -> Sequence[Event]:
        begun.append(member)
        return DONE if order.kernel == "k1" else []

    with pytest.raises(KeyboardInterrupt):
        carry_out(tmp_path, answer)
    index = read_index(tmp_path)
    interrupted = [each for each in index.orders if each.state is State.INTERRUPTED]
    assert interrupted
    reopen(index)
    index, crew = carry_out(tmp_path, lambda member, order: DONE, index)
    again = {order: member for member, order in crew.given}
    assert again.keys() == {each.order for each in interrupted}
    assert all(again[each.order] == each.place for each in interrupted)
    assert all(each.state is State.DONE for each in index.orders)


def test_what_the_infrastructure_lost_is_tried_again_when_the_run_is_gone_on_with(tmp_path: Path) -> None:
    """Also on other places; what was judged is not."""
    index, _ = carry_out(
        tmp_path, lambda m, o: DONE if m != "c" else [Ending(State.LOST, "away", place_is_broken=True)]
    )
    reopen(index)
    index, crew = carry_out(tmp_path, lambda member, order: DONE, index)
    assert {member for member, _ in crew.given} == {"c"}
    assert index.broken == {}
    assert all(each.state is State.DONE for each in index.orders)


def test_a_place_that_labgrid_is_to_find_twice_works_twice(tmp_path: Path) -> None:
    """With a process for each."""
    rack = PlannedPlace("rack", "navi31", tags={"gpu": "navi31"}, count=2)
    plan = replace(TWO, place=(rack,), coordinator="127.0.0.1:1")
    index, crew = carry_out(tmp_path, lambda member, order: DONE, Index.of(plan))
    assert sorted(crew.started) == ["rack-1", "rack-2"]
    assert {each.place for each in index.orders} == {"rack-1", "rack-2"}


@pytest.mark.parametrize(
    ("endings", "status"),
    [
        ((0, 4), 0),
        ((4, 4), 4),
        ((0, 3), 3),
        ((0, None), 3),
        ((1, None), 1),
    ],
)
def test_the_exit_status_is_that_of_the_worst_order(endings: tuple[int | None, ...], status: int) -> None:
    """Broken before incomplete; what the infrastructure lost is never broken."""
    index = Index.of(replace(TWO, place=TWO.place[:1]))
    for each, ending in zip(index.orders, endings, strict=True):
        each.state, each.status = (State.LOST if ending is None else State.DONE), ending
    assert exit_status(index) == status


@pytest.mark.parametrize("event", [*DONE, Ending(State.LOST, "x", None, True)])
def test_events_survive_the_way_from_a_process(event: Event) -> None:
    """As a line."""
    assert event_of(line_of(event)) == event


def test_an_index_of_something_else_is_one_sentence(tmp_path: Path) -> None:
    """None, no JSON, another format, another version, damaged."""
    with pytest.raises(HarnessError, match="has no results of a fleet"):
        read_index(tmp_path)
    write_index(tmp_path, Index.of(TWO))
    good = (tmp_path / "index.json").read_text()
    for bad, sentence in (
        ("{", "is not an index"),
        ('{"format": "x"}', "is not an index"),
        (good.replace('"version": 1', '"version": 2'), "is of version 2; this amdgpu_hw reads 1"),
        (good.replace('"waiting"', '"lazy"', 1), "is damaged: orders"),
    ):
        (tmp_path / "index.json").write_text(bad)
        with pytest.raises(HarnessError, match=sentence):
            read_index(tmp_path)


def test_an_index_that_cannot_be_written_says_how_to_go_on(tmp_path: Path) -> None:
    """A full disk here costs nothing of what runs on the boxes."""
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match="what runs on the boxes goes on: make room and run"):
        write_index(tmp_path / "file", Index.of(TWO))
