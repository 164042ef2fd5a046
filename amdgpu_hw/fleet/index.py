# SPDX-License-Identifier: MIT
"""The index of a fleet's results: which orders there were, where each ran, how it ended; one JSON file beside them.

RESULTS/index.json
RESULTS/runs/GPU@KERNEL@REPETITION/result.json    as `amdgpu-hw validate` writes it, also of runs that were cut short
                                   log            what validate printed
                                   result.evidence
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.decode import JSON, DecodeError, decode
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.events import Note, State
from amdgpu_hw.fleet.orders import Order, orders_of
from amdgpu_hw.fleet.plan import FleetPlan

__all__ = ("FORMAT", "Index", "OrderState", "now", "read_index", "write_index")

FORMAT = "amdgpu_hw fleet"
FORMAT_VERSION = 1


def now() -> str:
    """The time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(slots=True)
class OrderState:
    """What is known of an order; times are ISO 8601 in UTC."""

    order: Order
    state: State = State.WAITING
    why: str = ""
    status: int | None = None
    """The exit status of amdgpu-hw validate."""
    place: str = ""
    started: str = ""
    finished: str = ""
    tests: int = 0
    """How many have ended so far."""
    notes: list[Note] = field(default_factory=list)
    """What was done, and what went wrong on the way."""


@dataclass(slots=True)
class Index:
    """The whole of it. ``broken`` are places that are of no use any more, and why."""

    plan: FleetPlan
    orders: list[OrderState]
    started: str = field(default_factory=now)
    finished: str = ""
    broken: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: FleetPlan) -> Index:
        """The index of a plan of which nothing is done yet."""
        return cls(plan, [OrderState(order) for order in orders_of(plan)])

    def of_order(self, order: Order) -> OrderState:
        """What is known of an order."""
        return next(each for each in self.orders if each.order == order)


def write_index(directory: Path, index: Index) -> None:
    """Replace the index. Raises `HarnessError` where it cannot be written."""
    content = {"format": FORMAT, "version": FORMAT_VERSION, **asdict(index)}
    try:
        text = json.dumps(content, indent=1, default=lambda value: value.value)
        replace_file(directory / "index.json", f"{text}\n".encode())
    except OSError as error:
        raise HarnessError(
            f"the index of the results in {directory} could not be written: {error.strerror}; what runs on the boxes "
            f"goes on: make room and run 'amdgpu-hw fleet run --resume {directory}'"
        ) from None


def read_index(directory: Path) -> Index:
    """The index of a directory of results. Raises `HarnessError` in one sentence."""
    path = directory / "index.json"
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HarnessError(f"{directory} has no results of a fleet: {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise HarnessError(f"{path} is not an index of 'amdgpu-hw fleet run'")
    if content.get("version") != FORMAT_VERSION:
        raise HarnessError(f"{path} is of version {content.get('version')}; this amdgpu_hw reads {FORMAT_VERSION}")
    try:
        index: Index = decode(Index, dict(content), "", JSON)
    except DecodeError as error:
        raise HarnessError(f"{path} is damaged: {error}") from None
    return index
