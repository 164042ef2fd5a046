# SPDX-License-Identifier: MIT
"""Process context: where functions may sleep that are no generators.

Most of the mock kernel says with its types what may sleep (`wait.Blocking`), and plain functions are the faster for it.
Some of them sleep under rare options only: page tables are written by jobs, unless the CPU is told to write them.
There a whole system call runs in a context of its own, which any function in it can leave until it has been woken.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import ParamSpec, TypeVar, cast

from greenlet import getcurrent, greenlet

from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, Wake

__all__ = ("in_process_context", "wait_for")

P = ParamSpec("P")
T = TypeVar("T")


class _Process(greenlet):
    """A system call that can be left and entered again."""


def in_process_context(function: Callable[P, T | Blocking[T]], *args: P.args, **kwargs: P.kwargs) -> Blocking[T]:
    """Call a function, and finish it if it is a generator, in a context in which `wait_for` can be called."""

    def call() -> T:
        result = function(*args, **kwargs)
        return wait_for(result) if isinstance(result, Generator) else result

    process = _Process(call)
    left = process.switch()
    while not process.dead:
        try:
            wake = yield cast(Sleep, left)
        except GeneratorExit:
            process.throw(GeneratorExit)
            raise
        process.parent = getcurrent()  # whoever resumes it now
        left = process.switch(wake)
    return cast(T, left)


def wait_for(blocking: Blocking[T]) -> T:
    """Finish a function that may sleep, from one that is no generator.

    Outside of process context it must not sleep: that is a bug of the caller, as in a kernel that schedules while
    atomic.
    """
    process = getcurrent()
    with contextlib.closing(blocking):
        try:
            sleep = next(blocking)
            while True:
                if not isinstance(process, _Process) or process.parent is None:
                    raise AssertionError("scheduling while atomic: this is not process context")
                wake: Wake = process.parent.switch(sleep)
                sleep = blocking.send(wake)
        except StopIteration as stop:
            return cast(T, stop.value)
