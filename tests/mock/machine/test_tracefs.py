# SPDX-License-Identifier: MIT
"""The tracefs of a mock machine, as programs find it."""

from __future__ import annotations

from collections.abc import Callable

OutputOf = Callable[[str | list[str]], list[str]]


def test_instances_come_with_their_events(output_of: OutputOf) -> None:
    """mkdir() makes all that is in one, rmdir() removes it; both say what is wrong."""
    output = output_of("""
import os
where = "/sys/kernel/tracing/instances/mine"
os.mkdir(where)
events = sorted(os.listdir(f"{where}/events/gpu_scheduler"))
print(events, open(f"{where}/events/gpu_scheduler/{events[0]}/enable").read().strip())
for call, path in ((os.mkdir, where), (os.rmdir, where + "2"), (os.mkdir, where + "/events/x")):
    try:
        call(path)
    except OSError as error:
        print(error.strerror)
os.rmdir(where)
print(os.listdir(os.path.dirname(where)))
""")
    assert output == [
        "['drm_sched_job_add_dep', 'drm_sched_job_queue'] 0",
        "File exists",
        "No such file or directory",
        "Operation not permitted",
        "[]",
    ]


def test_other_directories_are_the_hosts(output_of: OutputOf) -> None:
    """As before."""
    assert output_of("""
import os, tempfile
with tempfile.TemporaryDirectory() as parent:
    os.mkdir(f"{parent}/x")
    os.rmdir(f"{parent}/x")
    print(os.listdir(parent))
""") == ["[]"]


def test_an_update_is_traced_with_what_it_waits_for(output_of: OutputOf) -> None:
    """Between two reads there is exactly what happened; events that were not switched on do not come."""
    output = output_of("""
from amdgpu_hw import open_gpu
from amdgpu_hw.evidence.trace import TraceInstance, queued_jobs
with TraceInstance() as trace, open_gpu() as gpu:
    trace.take()
    job = gpu.compute.submit(gpu.compute.packets.nop())
    jobs = queued_jobs(trace.take())
    print([(one.ring[:5], one.device) for one in jobs])
    gpu.reserve(4096).map_prt().wait()
    print([one.ring[:4] for one in queued_jobs(trace.take())], trace.take())
""")
    assert output[0] == "[('comp_', '0000:03:00.0')]"
    assert output[1] in ("['sdma'] []", "['sdma', 'sdma'] []")
