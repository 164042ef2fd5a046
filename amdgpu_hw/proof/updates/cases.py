# SPDX-License-Identifier: MIT
"""Cases of one update under one job: what it takes away, how, beside what, where, under which work."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from amdgpu_hw.proof.covering import covering
from amdgpu_hw.proof.sync_rules import MemorySort, waits_for_jobs

__all__ = (
    "AXES",
    "BEFORE",
    "BESIDE",
    "CUT",
    "CUT_ALWAYS_VALID",
    "CUT_DELAYED",
    "ELSEWHERE",
    "LEADER",
    "LEFT_OF_A_CUT",
    "LOW",
    "MADE_EXPLICIT",
    "MAPPED_TWICE",
    "MEANWHILE",
    "MEMBER",
    "MEMORY",
    "MOVED",
    "MOVED_BUFFER",
    "OLDER",
    "QUEUED",
    "READ_ONLY",
    "RUNNING",
    "STARTED",
    "TO_BE_MAPPED",
    "TO_BE_MOVED",
    "UpdateCase",
    "cases",
    "grouped",
    "is_possible",
)


MOVED_BUFFER = "a BO that has moved"
MADE_EXPLICIT = "a BO made with EXPLICIT_SYNC"
READ_ONLY = "a BO that is mapped read-only"
MAPPED_TWICE = "a BO that is mapped elsewhere as well"
CUT_BEFORE = "what is left of a BO that was cut"
CUT_DELAYED = "what is left of a BO that was cut with DELAY_UPDATE"
CUT_ALWAYS_VALID = "what is left of an always-valid BO that was cut"
CUT = "cut in the middle"

LEFT_OF_A_CUT = (CUT_BEFORE, CUT_DELAYED, CUT_ALWAYS_VALID)
"""Mappings that no update has written, with the entries of those that they are left of (KERNEL.md E6)."""

MEMORY = {
    "an always-valid BO in GTT": MemorySort.ALWAYS_VALID,
    "PRT": MemorySort.PRT,
    "a BO in GTT": MemorySort.OTHER,
    "an always-valid BO in VRAM": MemorySort.ALWAYS_VALID,
    "a userptr BO": MemorySort.OTHER,
    "an exported BO": MemorySort.OTHER,
    "an imported BO": MemorySort.OTHER,
    MOVED_BUFFER: MemorySort.OTHER,
    "a BO in VRAM without CPU access": MemorySort.OTHER,
    MADE_EXPLICIT: MemorySort.OTHER,
    READ_ONLY: MemorySort.OTHER,
    MAPPED_TWICE: MemorySort.OTHER,
    CUT_BEFORE: MemorySort.OTHER,
    CUT_DELAYED: MemorySort.OTHER,
    CUT_ALWAYS_VALID: MemorySort.ALWAYS_VALID,
}
"""Sorts of memory that an update takes away."""

BESIDE = {
    "alone": (),
    "between always-valid BOs": (MemorySort.ALWAYS_VALID, MemorySort.ALWAYS_VALID),
    "between PRT": (MemorySort.PRT, MemorySort.PRT),
    "below a BO in GTT": (MemorySort.OTHER,),
    CUT: (),
}
"""What else there is, and goes as well."""

OPERATIONS = ("UNMAP", "CLEAR", "REPLACE by PRT", "REPLACE by an always-valid BO", "REPLACE by a BO")

QUEUED, RUNNING, ELSEWHERE, OLDER = (
    "a queued job",
    "a running job",
    "a queued job of another context on sdma",
    "an older job than the newest",
)
MEMBER, LEADER = "a running member of a gang whose leader is done", "a running leader of a gang whose member is done"

MEANWHILE = (
    "nothing else",
    "a delayed MAP of an always-valid BO elsewhere",
    "SET_PLACEMENT of an always-valid BO that is mapped elsewhere",
    "a BO that is mapped elsewhere moved by another process",
)
"""What else the next submission has to see to."""
TO_BE_MAPPED, TO_BE_MOVED, MOVED = MEANWHILE[1:]
HIGH, LOW = "the upper half", "the lower half"

BEFORE = (QUEUED, ELSEWHERE, OLDER)
"""Jobs that a gate holds back before they start."""
STARTED = (RUNNING, MEMBER, LEADER)
"""Jobs on the GPU."""


AXES: dict[str, Sequence[str]] = {
    "memory": tuple(MEMORY),
    "operation": OPERATIONS,
    "beside": tuple(BESIDE),
    "meanwhile": MEANWHILE,
    "half": (HIGH, LOW),
    "job": (*BEFORE, *STARTED),
}


@dataclass(frozen=True)
class UpdateCase:
    """One update under one job; what it is on each of `AXES`, and whether it has the flag."""

    memory: str
    operation: str
    beside: str
    meanwhile: str
    half: str
    job: str
    explicit: bool

    @property
    def taken(self) -> tuple[MemorySort, ...]:
        """What goes: UNMAP takes one mapping, the others all that is in their range."""
        alone = (MEMORY[self.memory],)
        return alone if self.operation == "UNMAP" else alone + BESIDE[self.beside]

    @property
    def waits(self) -> bool:
        """Whether it has to wait for the job."""
        return waits_for_jobs(self.taken, explicit=self.explicit)

    def __str__(self) -> str:
        how = "explicit " if self.explicit else ""
        what = f"{how}{self.operation} of {self.memory}, {self.beside}, in {self.half}"
        return f"{what}, under {self.job}, {self.meanwhile}"


def is_possible(values: Mapping[str, str], explicit: bool) -> bool:
    """Whether there is such a case: what is not known of it yet may still become anything.

    UNMAP cuts nothing, and takes what no update has written for what never was in the page tables (F18). With a BO that
    must be moved some kernels take no update at all (KERNEL.md E11), so that it is seen only where nothing must wait.
    """
    open_values = ((values[axis],) if axis in values else AXES[axis] for axis in AXES)
    choices = (dict(zip(AXES, chosen, strict=True)) for chosen in itertools.product(*open_values))
    return any(_can_be(UpdateCase(**chosen, explicit=explicit)) for chosen in choices)


def _can_be(case: UpdateCase) -> bool:
    if case.operation == "UNMAP" and (case.beside == CUT or case.memory in LEFT_OF_A_CUT):
        return False
    return case.meanwhile != TO_BE_MOVED or not case.waits


def cases(explicit: bool, **axes: Sequence[str]) -> list[UpdateCase]:
    """The covering array of `AXES`, of which ``axes`` may narrow some."""
    found = covering(AXES | axes, lambda values: is_possible(values, explicit))
    return [UpdateCase(**values, explicit=explicit) for values in found]


def grouped(all_cases: Iterable[UpdateCase], axis: str) -> dict[str, list[UpdateCase]]:
    """Cases by what they are on one axis."""
    groups: dict[str, list[UpdateCase]] = {}
    for case in all_cases:
        groups.setdefault(getattr(case, axis), []).append(case)
    return groups
