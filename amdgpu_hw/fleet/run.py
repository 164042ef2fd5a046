# SPDX-License-Identifier: MIT
"""A run of the fleet: gives orders to places until all have come to an end, and keeps the index."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from amdgpu_hw.fleet.conduct import Installable
from amdgpu_hw.fleet.crew import Crew, Said
from amdgpu_hw.fleet.events import Ending, Note, Rows, State
from amdgpu_hw.fleet.index import Index, OrderState, now, write_index
from amdgpu_hw.fleet.orders import Order, orders_of
from amdgpu_hw.fleet.place_process import Assignment
from amdgpu_hw.fleet.plan import FleetPlan
from amdgpu_hw.fleet.schedule import Schedule
from amdgpu_hw.verdict.model import Outcome

__all__ = ("members_of", "reopen", "run_fleet")

_WRITE_EVERY_S = 1.0
"""The index is written when an order is given or ends, and so often at most for what happens meanwhile: it has all
orders, and is flushed to the disk."""

_TOLD_AT_ONCE = (Outcome.BROKEN.value, Outcome.FLAKY.value)


def members_of(plan: FleetPlan) -> dict[str, str]:
    """The processes of a plan's places, by name: a place that labgrid is to find several times has as many."""
    return {
        place.name if place.count == 1 else f"{place.name}-{number}": place.name
        for place in plan.place
        for number in range(1, place.count + 1)
    }


def reopen(index: Index) -> None:
    """Make the index of a run that ended early one to go on with: what the infrastructure lost is tried again."""
    index.broken, index.finished = {}, ""
    for each in index.orders:
        if each.state is State.LOST:
            each.state, each.place = State.WAITING, ""


def run_fleet(
    index: Index, directory: Path, installable: Installable, tell: Callable[[str], None], crew: Crew | None = None
) -> None:
    """Bring all orders of an index to their end; ``tell`` takes a line for each step.

    An interrupt ends what runs on the boxes in order and goes on to the caller. Raises `HarnessError` where the index
    cannot be written.
    """
    run = _Run(index, directory, installable, crew or Crew(directory / "places"), tell)
    try:
        run.go()
    finally:
        run.end()


class _Run:
    def __init__(
        self, index: Index, directory: Path, installable: Installable, crew: Crew, tell: Callable[[str], None]
    ) -> None:
        self._index, self._directory, self._installable = index, directory, installable
        self._crew, self._tell = crew, tell
        self._members = members_of(index.plan)
        self._schedule = Schedule(_open_orders(index, self._members))
        self._hired: set[str] = set()
        """The members that have a process."""
        self._busy: dict[str, Order] = {}
        self._written, self._is_stale = 0.0, False

    def go(self) -> None:
        """Until every order has come to an end."""
        self._employ_all()
        while self._busy:
            said = self._crew.hear(_WRITE_EVERY_S)
            if said is not None:
                self._heed(said)
            if self._is_stale and time.monotonic() - self._written > _WRITE_EVERY_S:
                self._write()
        self._index.finished = now()

    def end(self) -> None:
        """Let all places go, and note what becomes of the orders that were running."""
        self._schedule.clear()
        self._crew.close()
        while (said := self._crew.hear(0)) is not None:
            self._heed(said)
        for order in self._busy.values():
            self._note_end(self._index.of_order(order), Ending(State.INTERRUPTED, "the run of the fleet was ended"))
        self._write()

    def _employ_all(self) -> None:
        self._employ([each for each in self._members if each not in self._busy and each not in self._index.broken])

    def _employ(self, members: Sequence[str]) -> None:
        """Give free places their next orders, or let them go."""
        given: dict[str, Order] = {}
        for member in members:
            order = self._schedule.take(member)
            if order is None:
                self._let_go(member)
                continue
            given[member] = order
            state = self._index.of_order(order)
            state.state, state.place, state.started = State.RUNNING, member, state.started or now()
            state.why, state.finished, state.tests = "", "", 0
        self._busy.update(given)
        # Before they know: whoever goes on with this run has to look for each order where it was begun.
        self._write()
        for member, order in given.items():
            if member not in self._hired:
                self._hired.add(member)
                self._crew.start(member, self._assignment(self._members[member]))
            self._crew.give(member, order)

    def _let_go(self, member: str) -> None:
        if member in self._hired:
            self._hired.discard(member)
            self._crew.dismiss(member)

    def _assignment(self, place: str) -> Assignment:
        made = self._installable
        wheels = tuple(map(str, made.wheels))
        return Assignment(self._index.plan, place, str(self._directory), str(made.wheel), made.digest, wheels)

    def _heed(self, said: Said) -> None:
        order = self._busy.get(said.member)
        if order is None:
            return
        state = self._index.of_order(order)
        if isinstance(said.event, Note):
            state.notes.append(said.event)
            self._tell(f"{order.name} on {said.member}: {said.event.phase.value}: {said.event.text}")
            self._is_stale = True
        elif isinstance(said.event, Rows):
            state.tests = said.event.known
            for test, outcome in said.event.outcomes.items():
                if outcome in _TOLD_AT_ONCE:
                    self._tell(f"{order.name} on {said.member}: {outcome}: {test.rpartition('/')[2]}")
            self._is_stale = True
        else:
            self._ended(said.member, order, said.event)

    def _ended(self, member: str, order: Order, ending: Ending) -> None:
        del self._busy[member]
        state = self._index.of_order(order)
        self._note_end(state, ending)
        if ending.place_is_broken:
            self._break(member, state, ending)
        if ending.place_is_broken:
            self._employ_all()
        else:
            self._employ([member])

    def _break(self, member: str, state: OrderState, ending: Ending) -> None:
        """A place is of no use any more: others take its orders, as far as they can."""
        self._index.broken[member] = ending.why
        self._tell(f"{member} is broken: {ending.why}")
        self._let_go(member)
        if ending.state is State.LOST and self._schedule.put_back(state.order, member):
            state.state = State.WAITING
        for order in self._schedule.withdraw(member):
            why = f"no place is left that could take it: {member} is broken: {ending.why}"
            self._note_end(self._index.of_order(order), Ending(State.LOST, why))

    def _note_end(self, state: OrderState, ending: Ending) -> None:
        state.state, state.why, state.status, state.finished = ending.state, ending.why, ending.status, now()
        words = ending.state.value if ending.status is None else f"{ending.state.value}, exit status {ending.status}"
        place = f" on {state.place}" if state.place else ""
        self._tell(f"{state.order.name}{place}: {words}{f': {ending.why}' if ending.why else ''}")

    def _write(self) -> None:
        write_index(self._directory, self._index)
        self._written, self._is_stale = time.monotonic(), False


def _open_orders(index: Index, members: Mapping[str, str]) -> dict[Order, list[str]]:
    """What is still to be done, with the members that can do it: what was begun on a box is gone on with there."""
    eligible = orders_of(index.plan)
    found = {}
    for each in index.orders:
        if each.state is State.WAITING or (not each.state.is_final and each.place not in members):
            found[each.order] = [member for member, place in members.items() if place in eligible[each.order]]
        elif not each.state.is_final:
            found[each.order] = [each.place]
    return found
