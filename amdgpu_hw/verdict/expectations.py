# SPDX-License-Identifier: MIT
"""What a run may find on one kernel and GPU without failing, and how what it did find compares with that.

An expectation names a case and the status it has, as the files of Mesa and drm-ci do. An outcome that an entry
names does not fail the run; an outcome better than the entry does, and so does a skip that no entry names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from amdgpu_hw.verdict.model import Case, Outcome

__all__ = ("FOUND_BY_TESTS", "NEEDS", "STATUS_OF", "Expectation", "Expectations", "Status", "compare", "names_of")

NEEDS = "needs "
"""Begins the name of an entry that stands for every case that cannot be tested for want of one capability."""


class Status(Enum):
    """What an entry says about its case, in the words of Mesa's files where those have one."""

    PASS = "Pass"
    """It holds here, or nothing is skipped for want of this, although a more general file says otherwise."""
    FAIL = "Fail"
    CRASH = "Crash"
    INCONCLUSIVE = "Inconclusive"
    FLAKE = "Flake"
    SKIP = "Skip"
    NOT_RUN = "NotRun"
    """The test is not even started: it would take the machine down."""


STATUS_OF = {
    Outcome.BROKEN: Status.FAIL,
    Outcome.UNFINISHED: Status.CRASH,
    Outcome.INCONCLUSIVE: Status.INCONCLUSIVE,
    Outcome.NOT_TESTABLE: Status.SKIP,
    Outcome.FLAKY: Status.FLAKE,
}
"""How an outcome other than `Outcome.HOLDS` is written in a file."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One entry: ``name,status``, why it is there, and where it stands ("file:line")."""

    name: str
    status: Status
    reason: str
    place: str


@dataclass(slots=True)
class Expectations:
    """The entries for one kernel and GPU by name; ``files`` are where they come from, for people."""

    directory: str
    files: list[str] = field(default_factory=list)
    entries: dict[str, Expectation] = field(default_factory=dict)

    def of(self, case: Case) -> Expectation | None:
        """The entry for a case, by the most exact of its names."""
        return next((self.entries[name] for name in names_of(case) if name in self.entries), None)

    def not_run(self, case: Case) -> Expectation | None:
        """The entry that forbids to start the case's test; None if it may run."""
        entry = self.of(case)
        return entry if entry is not None and entry.status is Status.NOT_RUN else None


FOUND_BY_TESTS = frozenset(
    {
        "compute_rings",
        "cpu_page_tables",
        "debug_vm",
        "debugfs",
        "fault_reports",
        "foreign_gate",
        "gangs",
        "graphics_ring",
        "huge_entries",
        "job_trace",
        "long_gate",
        "mapping_info",
        "mapping_trace",
        "max_ibs",
        "memory",
        "one_reserved_vmid",
        "page_faults",
        "prt_copies",
        "reserved_vmid",
        "slabinfo",
        "syncobj_eventfd",
        "unlisted_buffers",
        "updates_at_once",
        "user_queues",
    }
)
"""What a machine may lack that no probe asks for: a test finds it out, if it is run (`NotTestable.missing`)."""


def names_of(case: Case) -> list[str]:
    """The names under which an entry may speak of a case, the most exact one first.

    By test or by row, all cases of it or one: ``test_x[CLEAR]``, ``test_x``, ``B07[CLEAR]``, ``B07``.
    """
    names = []
    for name in (case.test_name, case.row):
        names += [f"{name}[{case.parameters}]", name] if case.parameters else [name]
    if case.missing:
        names.append(f"{NEEDS}{case.missing}")
    return names


def compare(
    cases: Iterable[Case],
    expectations: Expectations,
    probes: Mapping[str, bool],
    known: Iterable[str] | None = None,
) -> list[str]:
    """Note on each case whether its outcome is expected; returns what is wrong with the entries themselves.

    ``probes`` says which capabilities this machine has, by name; ``known`` gives the names of all cases that there
    are (`names_of`), or None if only some of them ran, so that nobody can tell which names mean nothing.
    """
    cases = list(cases)
    for case in cases:
        if case.asked:
            _judge(case, expectations)
    faults = [*_needless(expectations, probes)]
    if known is not None:
        faults += _unknown(expectations, {*known, *probes, *FOUND_BY_TESTS})
    return faults


def _judge(case: Case, expectations: Expectations) -> None:
    entry = expectations.of(case)
    case.expected = case.unexpected = ""
    if entry is None:
        if case.outcome is Outcome.NOT_TESTABLE:
            case.unexpected = f"a skip that no entry of {expectations.directory} expects"
    elif entry.status is Status.FLAKE:
        if case.outcome is not Outcome.HOLDS:
            case.expected = f"{entry.reason} ({entry.place}, a flake)"
    elif _matches(entry.status, case.outcome):
        case.expected = "" if entry.status is Status.PASS else f"{entry.reason} ({entry.place})"
    else:
        case.unexpected = f"{entry.place} expects {entry.status.value}: mend the entry, or find out what changed"


def _matches(status: Status, outcome: Outcome) -> bool:
    if status is Status.PASS:
        return outcome is Outcome.HOLDS
    return status is STATUS_OF.get(outcome) or (status is Status.NOT_RUN and outcome is Outcome.NOT_TESTABLE)


def _needless(expectations: Expectations, probes: Mapping[str, bool]) -> Iterable[str]:
    for entry in expectations.entries.values():
        if entry.status is not Status.PASS and probes.get(entry.name.removeprefix(NEEDS)):
            yield f"{entry.place}: expects skips for want of {entry.name.removeprefix(NEEDS)}, which is there"


def _unknown(expectations: Expectations, known: set[str]) -> Iterable[str]:
    for entry in expectations.entries.values():
        if entry.name.removeprefix(NEEDS) in known:
            continue
        if entry.name.startswith(NEEDS) and entry.status is Status.PASS:
            continue  # it takes back what a more general file says
        if entry.name.startswith(NEEDS):
            yield f"{entry.place}: no test was skipped for want of '{entry.name.removeprefix(NEEDS)}'"
        else:
            yield f"{entry.place}: no test is called '{entry.name}': name a row as B07, or one case of it as B07[CLEAR]"
