# SPDX-License-Identifier: MIT
"""Programs that both machines run: GEM_VA and closes as P01 draws them, a gate that shuts and opens, syncobjs.

They travel as JSON: an array of actions for a program, one object for an action.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from amdgpu_hw.address_space import Operation
from amdgpu_hw.proof.programs.actions import Close, Step

__all__ = ("SYNCOBJS", "Action", "Door", "Program", "Sync", "SyncOperation", "from_json", "to_json")

SYNCOBJS = 3
"""How many syncobjs a program has, by number."""


class Door(Enum):
    """What a program does beside GEM_VA, closes and syncobjs."""

    SHUT = "shut a gate before a job of the compute ring that lists all buffers"
    OPEN = "open the gate"
    SUBMIT = "submit a NOP to SDMA that lists all buffers"

    def __str__(self) -> str:
        return self.value


class SyncOperation(Enum):
    """What can be done to a syncobj; `Sync` says how."""

    HOLD = "import the gate's fence"
    RESET = "RESET"
    SIGNAL = "SIGNAL"
    SIGNAL_POINT = "TIMELINE_SIGNAL"
    TRANSFER = "TRANSFER"
    WAIT = "WAIT"
    WAIT_POINT = "TIMELINE_WAIT"
    QUERY = "QUERY"
    EXPORT = "HANDLE_TO_FD as a sync file"
    JOB_IN = "submit a NOP that waits for it"
    JOB_OUT = "submit a NOP that signals it"


@dataclass(frozen=True, slots=True)
class Sync:
    """One call on syncobj ``at``, or a submission with it; waits are over at once."""

    operation: SyncOperation
    at: int
    point: int = 0
    source: int = 0
    source_point: int = 0
    flags: int = 0

    def __str__(self) -> str:
        text = f"{self.operation.value}(syncobj {self.at}, point {self.point}, flags {self.flags:#x}"
        if self.operation is SyncOperation.TRANSFER:
            text += f", from syncobj {self.source}, point {self.source_point}"
        return f"{text})"


Action: TypeAlias = Step | Close | Door | Sync
Program: TypeAlias = tuple[Action, ...]


def to_json(program: Iterable[Action]) -> list[dict[str, Any]]:
    """What `from_json` reads."""
    return [_encode(action) for action in program]


def _encode(action: Action) -> dict[str, Any]:
    if isinstance(action, Door):
        return {"do": action.name}
    if isinstance(action, Close):
        return {"do": "CLOSE", "name": action.name}
    fields = {name: getattr(action, name) for name in action.__dataclass_fields__ if name != "operation"}
    kept = {name: value for name, value in fields.items() if value or name in ("first", "count", "owner", "at")}
    return {"do": type(action).__name__.upper(), "operation": action.operation.name, **kept}


def from_json(program: Iterable[dict[str, Any]]) -> Program:
    """A program from what `to_json` made of it. Raises KeyError or TypeError for anything else."""
    return tuple(_decode(dict(action)) for action in program)


def _decode(fields: dict[str, Any]) -> Action:
    kind = fields.pop("do")
    if kind == "CLOSE":
        return Close(**fields)
    if kind == "STEP":
        return Step(Operation[fields.pop("operation")], **fields)
    if kind == "SYNC":
        return Sync(SyncOperation[fields.pop("operation")], **fields)
    return Door[kind]
