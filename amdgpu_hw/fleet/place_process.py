# SPDX-License-Identifier: MIT
"""The process of one place: takes orders from its standard input, a line of JSON each, and says what becomes of them.

The first line says which place of which plan it is for. When the input ends, a run on the box is ended in order, and
the place is let go.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import queue
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from amdgpu_hw.decode import JSON, decode
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.box import Box, BoxFailed, Unreachable
from amdgpu_hw.fleet.conduct import Conduct, Installable
from amdgpu_hw.fleet.events import Ending, Event, State, line_of
from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.fleet.plan import FleetPlan, PlannedPlace
from amdgpu_hw.fleet.ssh import SshBox

__all__ = ("Assignment", "box_of", "serve")


@dataclass(frozen=True, slots=True)
class Assignment:
    """The first line: which place, and all that its orders have in common. ``results`` and the wheels are paths."""

    plan: FleetPlan
    place: str
    results: str
    wheel: str
    digest: str
    wheels: tuple[str, ...]

    def line(self) -> str:
        """It as a line."""
        return json.dumps(asdict(self))


MakeBox = Callable[[FleetPlan, PlannedPlace], Box]


def box_of(plan: FleetPlan, place: PlannedPlace) -> Box:
    """The box of a place, locked for us where labgrid keeps it. Raises `HarnessError`."""
    if place.ssh:
        return SshBox(place, plan.limits)
    # Only where it is needed: it is an extra, and takes a second to import.
    from amdgpu_hw.fleet.labgrid_box import LabgridBox

    return LabgridBox(plan, place)


def serve(make_box: MakeBox = box_of) -> int:
    """Carry out orders until there are no more."""
    # Whoever started us ends us by closing our input, so that what runs on the box is ended in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assignment: Assignment = decode(Assignment, json.loads(sys.stdin.readline()), "assignment", JSON)
    place = assignment.plan.place_named(assignment.place)
    orders: queue.Queue[Order | None] = queue.Queue()
    ended = threading.Event()
    threading.Thread(target=_read, args=(orders, ended), daemon=True).start()
    order = orders.get()
    if order is None:
        return 0
    box: Box | None = None
    try:
        box = make_box(assignment.plan, place)
        conduct = Conduct(
            assignment.plan,
            place,
            box,
            Installable(Path(assignment.wheel), assignment.digest, tuple(map(Path, assignment.wheels))),
            Path(assignment.results),
            f"{getpass.getuser()}@{platform.node()}, process {os.getppid()}",
            _say,
            ended.wait,
        )
        while order is not None:
            _say(conduct.carry_out(order))
            order = orders.get()
    except (HarnessError, Unreachable, BoxFailed) as error:
        _say(Ending(State.LOST, str(error), place_is_broken=True))
    finally:
        if box is not None:
            box.close()
    return 0


def _read(orders: queue.Queue[Order | None], ended: threading.Event) -> None:
    """Queue what comes in."""
    for line in sys.stdin:
        orders.put(decode(Order, json.loads(line), "order", JSON))
    ended.set()
    orders.put(None)


def _say(event: Event) -> None:
    print(line_of(event), flush=True)


if __name__ == "__main__":
    sys.exit(serve())
