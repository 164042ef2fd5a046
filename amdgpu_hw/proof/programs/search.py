# SPDX-License-Identifier: MIT
"""One search for a program that the kernel gets wrong, and how such a program is made smaller.

Hypothesis draws the programs; making one smaller is done here, on what was called in the end and not on what was drawn:
calls that go where something is mapped are drawn without knowing where, so taking one away from the draws changes all
that come after it. It also has an end: a test has its time, and the smallest program so far says enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from hypothesis import HealthCheck, Phase, settings

from amdgpu_hw.proof.programs.actions import Action, Step
from amdgpu_hw.proof.record import Broken

__all__ = ("Patience", "Search", "candidates", "drawing")

T = TypeVar("T")


def drawing(programs: int, steps_each: int = 20) -> settings:
    """Settings under which the same programs are drawn every time; failing ones are not kept for another run."""
    return settings(
        max_examples=programs,
        stateful_step_count=steps_each,
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=False,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


class _Enough(BaseException):
    """Ends the drawing; no `Exception`, so that hypothesis does not take it for another failure."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for drawing programs, on a machine that has no time for all of them, and for making one smaller."""

    drawing: float
    smaller: float


class Search:
    """``run`` does a whole program from the start and raises `Broken`."""

    def __init__(self, run: Callable[[list[Action]], None], patience: Patience) -> None:
        self._run = run
        self._patience = patience
        self._end = time.monotonic() + patience.drawing
        self._is_over = False
        self._found: tuple[list[Action], Broken] | None = None
        self.programs = 0
        """How many were drawn."""
        self.actions = 0
        """How many actions they had together."""

    @contextmanager
    def program(self, actions: list[Action]) -> Iterator[None]:
        """Around a program, or a part of one; ``actions`` are those done when it is over."""
        try:
            yield
        except Broken as error:
            self._found = list(actions), error
            raise

    def begin(self) -> None:
        """Another program begins; there is none after one that went wrong, nor when the time is over."""
        self._is_over |= self._found is not None or time.monotonic() > self._end
        if self._is_over and self.programs:
            raise _Enough
        self.programs += 1

    @contextmanager
    def smallest(self) -> Iterator[None]:
        """Around all of it: what is raised is the failure of a program that cannot be made any smaller."""
        try:
            yield
        except (Exception, _Enough):
            # Whatever hypothesis makes of it: a kernel that goes wrong only sometimes is a flaky test to it, and so
            # is one that wants no more.
            if self._found is not None:
                raise self._smaller(*self._found) from None
            if not self._is_over:
                raise

    def _smaller(self, actions: list[Action], error: Broken) -> Broken:
        """The failure of the smallest program that is found in time: without whole parts, then with simpler calls."""
        end = time.monotonic() + self._patience.smaller
        progress = True
        while progress:
            progress = False
            for candidate in candidates(actions):
                if time.monotonic() > end:
                    return error
                failure = self._failure(candidate)
                if failure is not None:
                    actions, error, progress = candidate, failure, True
                    break
        return error

    def _failure(self, actions: list[Action]) -> Broken | None:
        try:
            self._run(actions)
        except Broken as error:
            return error
        return None


def candidates(actions: list[T]) -> Iterator[list[T]]:
    """Programs that are simpler than this one, those that leave most out first; calls stay calls."""
    length = len(actions) // 2
    while length:
        for start in range(0, len(actions), length):
            yield actions[:start] + actions[start + length :]
        length //= 2
    for at, action in enumerate(actions):
        if isinstance(action, Step):
            yield from ([*actions[:at], cast("T", simpler), *actions[at + 1 :]] for simpler in _simpler(action))


def _simpler(step: Step) -> Iterator[Step]:
    """The same call with less to it."""
    if step.delay:
        yield replace(step, delay=False)
    if step.explicit:
        yield replace(step, explicit=False)
    if step.index:
        yield replace(step, index=0)
    if step.first:
        yield replace(step, first=0)
    if step.count > 1:
        yield replace(step, count=1)
        yield replace(step, count=step.count // 2)
