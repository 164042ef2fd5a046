# SPDX-License-Identifier: MIT
"""Which updates wait for which work: every sort of memory, operation, place and job in flight, pair by pair.

The other files say with one example each how an update synchronises. Here the examples are drawn from all that may be
different, so that each two circumstances meet (`amdgpu_hw.proof.covering`), and what must happen is what a few
sentences say (`amdgpu_hw.proof.sync_rules`).
"""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import Amount, RunningJob, ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.neighbour import Neighbour
from amdgpu_hw.proof.units import ms
from amdgpu_hw.proof.updates.cases import BEFORE, ELSEWHERE, MEANWHILE, MEMBER, QUEUED, RUNNING, STARTED, cases, grouped
from amdgpu_hw.proof.updates.stage import JobsInFlight, UpdateStage, play

IMPLICITLY = grouped(
    cases(
        False,
        memory=("an always-valid BO in VRAM", "PRT", "a BO in GTT", "a userptr BO", "an imported BO"),
        beside=("alone", "between PRT", "cut in the middle"),
        job=BEFORE,
    ),
    "memory",
)
EXPLICITLY = grouped(cases(True, job=(QUEUED, ELSEWHERE)), "memory")
ON_THE_GPU = grouped(
    cases(False, memory=("a BO in GTT", "PRT"), job=STARTED, meanwhile=MEANWHILE[:1], beside=("alone",)), "job"
)
ON_THE_GPU_EXPLICITLY = grouped(
    cases(
        True,
        memory=("a BO in GTT", "an always-valid BO in GTT"),
        job=(RUNNING, MEMBER),
        meanwhile=MEANWHILE[:1],
        beside=("alone",),
    ),
    "job",
)

ARRAY = "What an update waits for is decided by what it takes away and by its flag, and by nothing else."

USUAL, STRESS = ms(15), ms(100)
"""For how long each case is watched: what does not wait is done within one."""


@pytest.fixture
def stage(gpu: Gpu, request: pytest.FixtureRequest) -> UpdateStage:
    """See `UpdateStage`; the other process is started by the first case that needs it."""

    def neighbour() -> Neighbour:
        process: Neighbour = request.getfixturevalue("neighbour")
        return process

    return UpdateStage(gpu, neighbour)


@pytest.fixture
def in_flight(gpu: Gpu, shut_gate: ShutGate, running_job: RunningJob) -> JobsInFlight:
    """See `JobsInFlight`."""
    return JobsInFlight(gpu, shut_gate, running_job)


@pytest.mark.parametrize("memory", IMPLICITLY)
@behaviour(
    "O14c",
    "a plain update waits for work in flight, whatever it takes away, however, and where",
    needs="update_fence",
    rule=ARRAY,
    stalls=True,
)
def test_plain_updates_wait(
    stage: UpdateStage, in_flight: JobsInFlight, must: Must, amount: Amount, memory: str
) -> None:
    """O14's control."""
    play(IMPLICITLY[memory], stage, in_flight, must, amount(USUAL, STRESS))


@pytest.mark.parametrize("memory", EXPLICITLY)
@behaviour(
    "O14",
    "an explicit update waits for work in flight only if it takes away what could be freed meanwhile",
    control="O14c",
    needs=("explicit_sync", "update_fence"),
    rule=ARRAY,
    stalls=True,
)
def test_explicit_updates_wait_for_the_sake_of_memory(
    stage: UpdateStage, in_flight: JobsInFlight, must: Must, amount: Amount, memory: str
) -> None:
    """Only always-valid BOs and PRT may go under a job; not what looks like them, and not with anything beside them."""
    play(EXPLICITLY[memory], stage, in_flight, must, amount(USUAL, STRESS))


@pytest.mark.parametrize("job", ON_THE_GPU)
@behaviour(
    "O15c",
    "a plain update waits until work on the GPU is done: jobs, leaders and members of gangs",
    needs="update_fence",
    rule=(
        "A job uses its memory until it has finished. Members of a gang leave their fences beside the leader's, with "
        "READ usage (amdgpu_cs_submit)."
    ),
    faults=True,
)
def test_plain_updates_wait_for_jobs_on_the_gpu(
    stage: UpdateStage, in_flight: JobsInFlight, must: Must, amount: Amount, job: str
) -> None:
    """A gate in front of a job does not tell a kernel that waits until it starts from one that waits until its end."""
    play(ON_THE_GPU[job], stage, in_flight, must, amount(USUAL, STRESS))


@pytest.mark.parametrize("job", ON_THE_GPU_EXPLICITLY)
@behaviour(
    "O15",
    "an explicit update waits for work on the GPU only if it takes away what could be freed meanwhile",
    control="O15c",
    needs=("explicit_sync", "update_fence"),
    rule=ARRAY,
    faults=True,
)
def test_explicit_updates_under_jobs_on_the_gpu(
    stage: UpdateStage, in_flight: JobsInFlight, must: Must, amount: Amount, job: str
) -> None:
    """As O14, under jobs that have started."""
    play(ON_THE_GPU_EXPLICITLY[job], stage, in_flight, must, amount(USUAL, STRESS))
