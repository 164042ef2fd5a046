# SPDX-License-Identifier: MIT
"""When the gate of a case was shut and open, and when its fences signalled: lanes to be drawn, from its evidence.

The words of the tests note the moments (`Must` in amdgpu_hw/proof/must.py): ``shut_at``, ``opened_at`` of the gate,
``began_at``, ``ended_at`` of watching a fence, and whether it was ``done`` then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from amdgpu_hw.verdict.model import Case

__all__ = ("Lane", "Span", "Timeline", "timeline")

_MOMENTS = ("shut_at", "began_at", "ended_at")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a lane, in nanoseconds from the start of the picture.

    ``kind``: ``shut`` (a gate), ``waiting`` (a fence that was watched, unsignalled), ``signalled`` (one that signalled
    at the end of the span). ``is_open_ended``: the end is only as far as anybody looked.
    """

    kind: str
    start_ns: int
    end_ns: int
    is_open_ended: bool = False


@dataclass(slots=True)
class Lane:
    """One gate or one fence."""

    name: str
    spans: list[Span] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The lanes of a case, gates first, and how long all of it took."""

    lanes: list[Lane]
    length_ns: int


def timeline(case: Case) -> Timeline | None:
    """What its evidence says about time; None if nothing of it does."""
    watched = [facts for each in case.evidence if _has_moments(facts := each.facts)]
    if not watched:
        return None
    zero = min(facts["shut_at"] for facts in watched)
    end = max(max(facts["ended_at"], facts.get("opened_at") or 0) for facts in watched)
    lanes = [*_gates(watched, case, zero), *_fences(watched, zero)]
    return Timeline(lanes, max(end - zero, 1))


def _has_moments(facts: Mapping[str, Any]) -> bool:
    """Whether they are those of a fence that was watched, as whole numbers; a file may say anything."""
    opened = facts.get("opened_at")
    return all(type(facts.get(name)) is int for name in _MOMENTS) and (opened is None or type(opened) is int)


def _gates(watched: Iterable[Mapping[str, Any]], case: Case, zero: int) -> list[Lane]:
    """A lane for each gate; when it was opened only those know that looked afterwards."""
    gates: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for facts in watched:
        gates.setdefault((str(facts.get("held", "")), facts["shut_at"]), []).append(facts)
    lanes = []
    kind = ", ".join(case.gates) or "gate"
    for (held, shut), seen in gates.items():
        opened = next((facts["opened_at"] for facts in seen if facts.get("opened_at") is not None), None)
        last = max(facts["ended_at"] for facts in seen)
        span = Span("shut", shut - zero, (last if opened is None else opened) - zero, opened is None)
        lanes.append(Lane(f"{kind} holds {held}", [span]))
    return lanes


def _fences(watched: Iterable[Mapping[str, Any]], zero: int) -> list[Lane]:
    """A lane for each fence, by its name; one that has signalled is not seen again: what comes then is another."""
    lanes: list[Lane] = []
    current: dict[str, Lane] = {}
    for facts in watched:
        name = str(facts.get("watched", "fence"))
        done = bool(facts.get("done"))
        lane = current.get(name)
        if lane is None:
            lane = current[name] = Lane(name)
            lanes.append(lane)
        lane.spans.append(
            Span("signalled" if done else "waiting", facts["began_at"] - zero, facts["ended_at"] - zero, not done)
        )
        if done:
            del current[name]
    return lanes
