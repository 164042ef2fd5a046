# SPDX-License-Identifier: MIT
"""How far a run of the fleet is, and what it ends with."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.fleet.events import Phase, State
from amdgpu_hw.fleet.index import Index, OrderState
from amdgpu_hw.verdict.table import count_of, render

__all__ = ("exit_status", "mishaps", "status_text")

_MISHAPS = (Phase.AWAY, Phase.HANG, Phase.POWER, Phase.RESUME, Phase.BOOT)


def exit_status(index: Index) -> ExitStatus:
    """What a run ends with: broken if any kernel was judged so, else that something is missing, else the best proof."""
    statuses = {each.status for each in index.orders if each.state is State.DONE}
    if ExitStatus.BROKEN in statuses:
        return ExitStatus.BROKEN
    if ExitStatus.INCOMPLETE in statuses or any(each.state is not State.DONE for each in index.orders):
        return ExitStatus.INCOMPLETE
    return ExitStatus.PROVEN if ExitStatus.PROVEN in statuses else ExitStatus.SILENT


def mishaps(state: OrderState) -> list[str]:
    """What happened to an order on the way that does not happen to each."""
    return [f"{note.phase.value}: {note.text}" for note in state.notes if note.phase in _MISHAPS]


def status_text(index: Index, width: int, colour: bool) -> str:
    """Every order with its place and what happened on the way; ends with a newline."""
    table = Table(box=None, show_header=True, header_style="bold", pad_edge=False)
    for name in ("GPU", "kernel", "#", "place", "state", "tests", "what happened"):
        table.add_column(name, ratio=1 if name == "what happened" else None)
    for each in index.orders:
        status = "" if each.status is None else f", {each.status}"
        order = each.order
        words = "; ".join([*mishaps(each), *([each.why] if each.why else [])])
        table.add_row(
            order.gpu,
            order.kernel,
            str(order.repetition),
            each.place,
            each.state.value + status,
            str(each.tests),
            words,
        )
    counts = Counter(each.state for each in index.orders)
    words = ", ".join(f"{counts[state]} {state.value}" for state in State if counts[state])
    parts: list[RenderableType] = [table, Text(f"{count_of(len(index.orders), 'order')}: {words}", style="bold")]
    parts += [Text(f"{place} is broken: {why}", style="bold magenta") for place, why in index.broken.items()]
    return render(Group(*parts), width, colour)
