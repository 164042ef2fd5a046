# SPDX-License-Identifier: MIT
"""A reset or a hang: what happened, and whose work it was. A verdict may not rest on somebody else's reset."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from amdgpu_hw.evidence.health import Resets, WedgedEvent
from amdgpu_hw.evidence.keeper import Kept
from amdgpu_hw.evidence.kernel_log import LogEvent
from amdgpu_hw.evidence.log_rules import EventKind

__all__ = ("Culprit", "Found", "Incident", "Traces", "decisive", "find_culprit", "incident_of")


class Culprit(Enum):
    """Whose work hung."""

    OURS = "ours"
    OTHERS = "others"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Traces:
    """What an incident has left behind, from all that can be asked."""

    resets: Resets = field(default_factory=Resets)
    stuck: str = ""
    """Work of ours that did not end although every gate was open; empty if all did."""
    guilty: bool = False
    """The kernel holds a context of ours guilty (AMDGPU_CTX_QUERY2_FLAGS_GUILTY)."""
    events: Sequence[LogEvent] = ()
    has_log: bool = False
    wedged: Sequence[WedgedEvent] = ()
    dumped_process: int | None = None
    """The process that a devcoredump names."""
    alone: bool = False
    """Nobody else has the GPU open, as far as root can see."""


@dataclass(slots=True)
class Incident:
    """One reset or hang, as results keep it."""

    what: str
    culprit: Culprit
    whose: str
    """In words, with the source: ``process 4711 (glxgears), as the kernel's log says``."""
    gone: bool
    """Nothing can be done with the GPU any more."""
    certain: bool = True
    """Whether something says whose it was; if not, it is only concluded."""
    reset: bool = True
    """Whether anything was reset, or is gone; if not, work of ours was late, and that is all that is known."""
    kept: Kept = field(default_factory=Kept)

    @property
    def words(self) -> str:
        """One sentence without its full stop."""
        kept = f"; evidence is in {self.kept.directory}" if self.kept.directory else ""
        return f"{self.what}; {self.whose}{kept}"

    def to_json(self) -> dict[str, Any]:
        """The form it has in a result file."""
        return {
            "what": self.what,
            "culprit": self.culprit.value,
            "whose": self.whose,
            "gone": self.gone,
            "evidence": self.kept.to_json(),
        }


def incident_of(traces: Traces, ours: Collection[int], *, sees_all_pids: bool) -> Incident:
    """Put into words what happened, and find out whose work it was.

    ``ours`` are processes and threads of this run; ``sees_all_pids``: the kernel's numbers of processes are ours, which
    in a container they are not.
    """
    found = find_culprit(traces, ours, sees_all_pids=sees_all_pids)
    told = [event.words for event in traces.events if event.kind.is_reset]
    told += [event.words for event in traces.wedged]
    parts = [traces.resets.words, traces.stuck, f"kernel: {', '.join(dict.fromkeys(told))}" if told else ""]
    gone = traces.resets.gone or traces.resets.in_progress
    reset = bool(traces.resets or traces.guilty or told)
    return Incident("; ".join(filter(None, parts)), found.culprit, found.whose, gone, found.certain, reset)


class Found(NamedTuple):
    """Whose work hung, how that is known, and whether it is, or only nobody else could be found."""

    culprit: Culprit
    whose: str
    certain: bool = True


def find_culprit(traces: Traces, ours: Collection[int], *, sees_all_pids: bool) -> Found:
    """Whose work hung; see `incident_of`."""
    if traces.guilty:
        return Found(Culprit.OURS, "it was this row's work, as the kernel holds its context guilty")
    named = _named(traces)
    for pid, name, source in named:
        if pid in ours:
            return Found(Culprit.OURS, f"it was this run's own work ({name or 'process'} {pid}), as {source} says")
    if named:
        pid, name, source = named[0]
        who = f"process {pid} ({name or 'unknown'})"
        if sees_all_pids:
            return Found(Culprit.OTHERS, f"it was the work of {who}, as {source} says")
        return Found(Culprit.UNKNOWN, f"{source} names {who}, which cannot be told from in here", certain=False)
    if traces.has_log and traces.resets.happened and not any(_is_hang(event) for event in traces.events):
        return Found(Culprit.OTHERS, "no job had timed out before, so somebody asked for it")
    if traces.alone:
        return Found(Culprit.OURS, "nobody is named, and nobody else has the GPU open", certain=False)
    why = "" if traces.has_log else ": no kernel log can be read"
    return Found(Culprit.UNKNOWN, f"whose work it was is not known{why}", certain=False)


def decisive(incidents: Sequence[Incident]) -> Incident:
    """The incident of a row that tells whose work it was: one that is certain, then our own, then somebody else's.

    A hang is seen before the kernel names anybody, and then only concluded to be ours.
    """
    return max(incidents, key=lambda one: (one.certain, -list(Culprit).index(one.culprit)))


def _is_hang(event: LogEvent) -> bool:
    return event.kind in (EventKind.RING_TIMEOUT, EventKind.SOFT_RECOVERY, EventKind.VM_FAULT, EventKind.BAD_PACKET)


def _named(traces: Traces) -> list[tuple[int, str, str]]:
    """Processes that something holds responsible: number, name, what says so; the log knows best."""
    found = [
        (event.pid, event.process, "the kernel's log")
        for event in traces.events
        if event.pid and event.kind is EventKind.RING_TIMEOUT
    ]
    found += [(event.pid, event.task, "the uevent") for event in traces.wedged if event.pid]
    if traces.dumped_process:
        found.append((traces.dumped_process, "", "the devcoredump"))
    return found
