# SPDX-License-Identifier: MIT
"""What the process of a place says while it works, a line of JSON each; and how an order can end."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from amdgpu_hw.decode import JSON, decode

__all__ = ("Ending", "Note", "Phase", "Rows", "State", "event_of", "line_of")


class State(enum.Enum):
    """Where an order is."""

    WAITING = "waiting"
    """No place has taken it yet."""
    RUNNING = "running"
    DONE = "done"
    """It came to a verdict, whatever that is; the result file has it."""
    UNUSABLE = "unusable"
    """amdgpu-hw validate says that nothing can be validated there (exit status 2)."""
    LOST = "lost"
    """The infrastructure failed: nothing is said about the kernel beyond the rows that were fetched."""
    INTERRUPTED = "interrupted"
    """The fleet's run was ended; it can be gone on with."""

    @property
    def is_final(self) -> bool:
        """Whether the order needs no place any more."""
        return self in (State.DONE, State.UNUSABLE, State.LOST)


class Phase(enum.Enum):
    """What a note is about."""

    PLACE = "place"
    """Reached, locked, released."""
    BOOT = "boot"
    PREPARE = "prepare"
    START = "start"
    AWAY = "away"
    """The box cannot be reached."""
    HANG = "hang"
    POWER = "power"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Note:
    """A step that was taken, or something that went wrong on the way and was mended."""

    phase: Phase
    text: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Tests that have ended since the last look, with their outcomes; ``known`` is how many there are in all."""

    outcomes: Mapping[str, str]
    known: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How an order ended on this place; ``why`` is a sentence where it is not done."""

    state: State
    why: str = ""
    status: int | None = None
    """The exit status of amdgpu-hw validate."""
    place_is_broken: bool = False
    """Whether the place is of no use any more: the order may be taken by another."""


Event = Note | Rows | Ending

_KINDS: Mapping[str, type[Event]] = {"note": Note, "rows": Rows, "ending": Ending}


def line_of(event: Event) -> str:
    """The event as a line."""
    name = next(name for name, kind in _KINDS.items() if isinstance(event, kind))
    return json.dumps({name: asdict(event)}, default=lambda value: value.value)


def event_of(line: str) -> Event:
    """The event in a line. Raises ValueError."""
    content: Any = json.loads(line)
    ((name, value),) = content.items()
    event: Event = decode(_KINDS[name], value, name, JSON)
    return event
