# SPDX-License-Identifier: MIT
"""Whose work a reset is laid at, by what there is to go by."""

from __future__ import annotations

import pytest

from amdgpu_hw.evidence.health import Resets, WedgedEvent
from amdgpu_hw.evidence.incident import Culprit, Incident, Traces, decisive, find_culprit, incident_of
from amdgpu_hw.evidence.kernel_log import LogEvent
from amdgpu_hw.evidence.log_rules import EventKind

OURS, OTHER = 4711, 4712
RESET = Resets(happened=True)


def timeout(pid: int | None) -> LogEvent:
    """A ring timeout of a process's work, or of the kernel's own."""
    return LogEvent(EventKind.RING_TIMEOUT, "text", ring="sdma0", pid=pid, process="glxgears")


def culprit(traces: Traces, *, sees_all_pids: bool = True) -> Culprit:
    """Whose it is."""
    return find_culprit(traces, {OURS}, sees_all_pids=sees_all_pids).culprit


@pytest.mark.parametrize(
    ("traces", "expected"),
    [
        (Traces(RESET, guilty=True), Culprit.OURS),
        (Traces(RESET, events=[timeout(OURS)], has_log=True), Culprit.OURS),
        (Traces(RESET, events=[timeout(OTHER)], has_log=True), Culprit.OTHERS),
        (Traces(RESET, events=[timeout(OTHER), timeout(OURS)], has_log=True), Culprit.OURS),
        (Traces(RESET, wedged=[WedgedEvent("none", OURS, "python")]), Culprit.OURS),
        (Traces(RESET, wedged=[WedgedEvent("none", OTHER, "glxgears")]), Culprit.OTHERS),
        (Traces(RESET, dumped_process=OURS), Culprit.OURS),
        (Traces(RESET, dumped_process=OTHER), Culprit.OTHERS),
        (Traces(RESET, events=[LogEvent(EventKind.RESET_BEGIN, "text")], has_log=True, alone=True), Culprit.OTHERS),
        (Traces(RESET, events=[timeout(None)], has_log=True, alone=True), Culprit.OURS),
        (Traces(RESET, events=[timeout(None)], has_log=True), Culprit.UNKNOWN),
        (Traces(RESET, alone=True), Culprit.OURS),
        (Traces(RESET), Culprit.UNKNOWN),
        (Traces(stuck="job 1 of sdma0 did not end"), Culprit.UNKNOWN),
        (Traces(stuck="job 1 of sdma0 did not end", alone=True), Culprit.OURS),
    ],
)
def test_whose_work_it_was(traces: Traces, expected: Culprit) -> None:
    """Who is named; a reset without a timeout is somebody's wish; a page-table job of nobody is whoever's is alone."""
    assert culprit(traces) is expected


def test_numbers_of_another_namespace_accuse_nobody() -> None:
    """In a container the kernel's number of a process of ours is not the one that we know."""
    traces = Traces(RESET, events=[timeout(OTHER)], has_log=True, alone=True)
    assert culprit(traces, sees_all_pids=False) is Culprit.UNKNOWN


def test_an_incident_tells_what_happened_and_who_says_whose_it_was() -> None:
    """What a report prints."""
    traces = Traces(Resets(happened=True, vram_lost=1), events=[timeout(OTHER)], has_log=True)
    incident = incident_of(traces, {OURS}, sees_all_pids=True)
    assert incident.words == (
        "the GPU was reset, VRAM was lost; kernel: ring timeout of sdma0 (glxgears 4712); "
        "it was the work of process 4712 (glxgears), as the kernel's log says"
    )
    assert not incident.gone


@pytest.mark.parametrize("resets", [Resets(gone=True), Resets(happened=True, in_progress=True)])
def test_a_gpu_that_does_not_come_back_is_gone(resets: Resets) -> None:
    """Nothing can be tested on it any more."""
    assert incident_of(Traces(resets), set(), sees_all_pids=True).gone


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((Culprit.OURS, False), (Culprit.OTHERS, True), Culprit.OTHERS),
        ((Culprit.UNKNOWN, False), (Culprit.OTHERS, True), Culprit.OTHERS),
        ((Culprit.OTHERS, True), (Culprit.OURS, True), Culprit.OURS),
        ((Culprit.UNKNOWN, False), (Culprit.OURS, False), Culprit.OURS),
    ],
)
def test_of_several_incidents_the_one_that_is_certain_decides(
    first: tuple[Culprit, bool], second: tuple[Culprit, bool], expected: Culprit
) -> None:
    """That nobody else has the GPU open counts for less than what the kernel says later; in any order."""
    incidents = [Incident("reset", culprit, "", gone=False, certain=certain) for culprit, certain in (first, second)]
    assert decisive(incidents).culprit is expected
    assert decisive(incidents[::-1]).culprit is expected
