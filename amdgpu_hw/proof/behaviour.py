# SPDX-License-Identifier: MIT
"""What a test proves, as data beside the test: the row, the behaviour in words, its control, what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

__all__ = ("FLAG", "MARKER", "Behaviour", "behaviour")

F = TypeVar("F", bound=Callable[..., object])

FLAG = "explicit_sync"
"""What behaviours need that are about the series itself: a capability of the GPU's kernel."""

MARKER = "behaviour"
"""Name of the pytest marker that carries a `Behaviour`."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One behaviour that a kernel developer would name.

    ``row`` is its name in the project's table of behaviours (B09, T01, O1; a trailing c marks a control). ``controls``
    are the rows that show the opposite where it must happen: without them holding in the same process, this one proves
    nothing. ``needs`` names capabilities of the GPU (attributes of `Gpu.capabilities`); ``faults`` says that the
    GPU may fault or hang, ``resets`` that it is reset, ``stalls`` that other programs on it may have to wait: such
    tests only run where that is allowed (``--amdgpu-allow-faults``). ``rule`` says why the kernel must behave so,
    ``finding`` which suspected fault of the series breaks it.
    """

    row: str
    text: str
    controls: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    rule: str = ""
    finding: str = ""
    faults: bool = False
    resets: bool = False
    stalls: bool = False

    @property
    def harm(self) -> str:
        """What the test may do to the machine it runs on, in words; empty if nothing."""
        if self.resets:
            return "resets the GPU, and ends what anybody runs on it"
        if self.faults:
            return "may make the GPU fault or hang"
        return "may hold up other programs on this GPU" if self.stalls else ""


def behaviour(
    row: str,
    text: str,
    *,
    control: str | tuple[str, ...] = (),
    needs: str | tuple[str, ...] = (),
    rule: str = "",
    finding: str = "",
    faults: bool = False,
    resets: bool = False,
    stalls: bool = False,
) -> Callable[[F], F]:
    """Say what the decorated test proves; see `Behaviour`."""
    value = Behaviour(row, text, _tuple(control), _tuple(needs), rule, finding, faults, resets, stalls)

    def mark(test: F) -> F:
        marked: F = pytest.mark.behaviour(value)(test)
        return marked

    return mark


def _tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
