# SPDX-License-Identifier: MIT
"""Reading traces: lines as kernels print them, the jobs in them, and what happens where there is no tracefs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.evidence.trace import FenceId, TraceInstance, parse_events, queued_jobs

RECORDED = """\
# tracer: nop
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
     my game-t-3-4321    [002] .....   812.000101: drm_sched_job_queue: dev=0000:03:00.0, fence=1010:7, \
ring=gfx_0.0.0, job count:0, hw job count:0, client_id:8
     my game-t-3-4321    [002] .....   812.000102: drm_sched_job_add_dep: fence=1010:7 depends on fence=77:1
CPU:1 [LOST 3 EVENTS]
          python-100     (    100) [000] d..1.   812.500000: drm_sched_job_queue: dev=0000:03:00.0, fence=9:300, \
ring=sdma0, job count:1, hw job count:2, client_id:18446744073709551613
          python-100     (    100) [000] d..1.   812.500001: drm_sched_job_add_dep: fence=9:300 depends on fence=1010:7
          python-100     (    100) [000] d..1.   812.500002: drm_sched_job_add_dep: fence=9:300 depends on fence=55:2
          python-100     (-------) [000] 812.600000: amdgpu_vm_bo_unmap: bo=00000000f3, start=8, last=f, flags=402
"""


def test_lines_of_a_trace_are_read() -> None:
    """Names of tasks with spaces and dashes, with and without the columns that options add."""
    events = parse_events(RECORDED)
    assert [event.name.removeprefix("drm_sched_job_") for event in events] == [
        *("queue", "add_dep", "queue", "add_dep", "add_dep", "amdgpu_vm_bo_unmap")
    ]
    assert (events[0].task, events[0].pid, events[0].time_s) == ("my game-t-3", 4321, 812.000101)
    assert events[-1].text.endswith("flags=402")


def test_jobs_know_what_they_depend_on() -> None:
    """By the number of the finished fence, or of the scheduled one before it."""
    game, update = queued_jobs(parse_events(RECORDED))
    assert (game.fence, game.ring, game.dependencies) == (FenceId(1010, 7), "gfx_0.0.0", (FenceId(77, 1),))
    assert (update.fence, update.pid, update.device) == (FenceId(9, 300), 100, "0000:03:00.0")
    assert update.depends_on(game.fence)
    assert update.depends_on(FenceId(1011, 7)), "1010 would be its scheduled fence"
    assert not update.depends_on(FenceId(1010, 8))
    assert not game.depends_on(update.fence)


def make_tracefs(root: Path) -> Path:
    """A directory that looks like tracefs, but in which mkdir() makes nothing; where our instance would be."""
    (root / "instances").mkdir()
    return root / "instances" / f"amdgpu_hw-{os.getpid()}"


def test_a_kernel_without_the_events_is_told_so(tmp_path: Path) -> None:
    """And the instance is removed again."""
    instance = make_tracefs(tmp_path)
    with pytest.raises(FeatureMissing, match=r"no event gpu_scheduler/drm_sched_job_queue \(Linux 6.17\)"):
        TraceInstance(tmp_path)
    assert not instance.exists()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    """Those of processes that are there stay."""
    make_tracefs(tmp_path)
    dead, living = (tmp_path / "instances" / f"amdgpu_hw-{pid}" for pid in (2**22 + 1, 1))
    dead.mkdir()
    living.mkdir()
    with pytest.raises(FeatureMissing):
        TraceInstance(tmp_path)
    assert not dead.exists()
    assert living.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_who_may_not_use_tracefs_is_told_so(tmp_path: Path) -> None:
    """It is for root."""
    make_tracefs(tmp_path)
    (tmp_path / "instances").chmod(0o555)
    with pytest.raises(FeatureMissing, match=r"no instance can be made in .*: Permission denied"):
        TraceInstance(tmp_path)
