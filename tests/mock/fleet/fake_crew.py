# SPDX-License-Identifier: MIT
"""A crew without processes: what each place says of an order is made up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from amdgpu_hw.fleet.crew import Crew, Said
from amdgpu_hw.fleet.events import Event
from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.fleet.place_process import Assignment

Answer = Callable[[str, Order], Sequence[Event]]


class FakeCrew(Crew):
    """``answer`` says what a member says of an order."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(Path())
        self._answer = answer
        self._queue: deque[Said] = deque()
        self.given: list[tuple[str, Order]] = []
        self.started: list[str] = []
        self.dismissed: list[str] = []

    def start(self, member: str, assignment: Assignment) -> None:
        self.started.append(member)

    def give(self, member: str, order: Order) -> None:
        self.given.append((member, order))
        self._queue.extend(Said(member, event) for event in self._answer(member, order))

    def dismiss(self, member: str) -> None:
        self.dismissed.append(member)

    def hear(self, timeout_s: float | None = None) -> Said | None:
        if not self._queue and timeout_s != 0:
            raise KeyboardInterrupt  # nobody says anything any more: a person has had enough
        return self._queue.popleft() if self._queue else None

    def close(self) -> None:
        self.dismissed.append("all")
