# SPDX-License-Identifier: MIT
"""Makes a program smaller that two machines run otherwise, in batches: starting the clients takes longest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice

from agreement.program import Action, Program
from amdgpu_hw.proof.programs.search import candidates

__all__ = ("smallest",)

_BATCH = 16


def smallest(program: Program, differ: Callable[[Sequence[Program]], list[bool]], limit_s: float) -> Program:
    """The smallest program found in time that still differs; ``differ`` says it of several at once."""
    end = time.monotonic() + limit_s
    smaller: Program | None = program
    while smaller is not None:
        program = smaller
        smaller = _one_smaller(program, differ, end)
    return program


def _one_smaller(program: Program, differ: Callable[[Sequence[Program]], list[bool]], end: float) -> Program | None:
    """Of the first batch in which any does, the shortest that differs; None if none does, or time is up."""
    tries = candidates(list[Action](program))
    while (batch := [tuple(each) for each in islice(tries, _BATCH)]) and time.monotonic() < end:
        found = [each for each, differs in zip(batch, differ(batch), strict=True) if differs]
        if found:
            return min(found, key=len)
    return None
