# SPDX-License-Identifier: MIT
"""What the queues of a context promise about their own submissions."""

from __future__ import annotations

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import RunningJob
from amdgpu_hw.proof.must import Must


@behaviour(
    "O70",
    "a submission begins only when the one before it in its queue is done",
    rule="A context's queue stays on its ring until its last job has finished (drm_sched_entity_select_rq), and a ring "
    "executes in order: WAIT_CS and update fences rely on that.",
    faults=True,
)
def test_a_queue_executes_in_order(gpu: Gpu, running_job: RunningJob, must: Must) -> None:
    """Compute has several rings to choose from, of which the others are idle."""
    with running_job(gpu.compute) as job:
        later = gpu.compute.submit(gpu.compute.packets.nop())
        must.not_signal(later, while_pending=job)
    must.signal(later, after=job)


@behaviour(
    "O71",
    "a submission may list a buffer twice",
    rule="Drivers collect what their command buffers use, and the same buffer may be in several "
    "(DRM_EXEC_IGNORE_DUPLICATES in amdgpu_cs_parser_bos).",
)
def test_a_buffer_may_be_listed_twice(gpu: Gpu, must: Must, ordinary: Buffer) -> None:
    """It is not locked a second time, and the queue goes on."""
    queue = gpu.new_context().queue(gpu.compute.engine)
    must.accept(
        "a submission that lists a BO twice",
        lambda: queue.submit(queue.packets.nop(), buffers=[ordinary, ordinary]),
    )
    must.signal(queue.submit(queue.packets.nop()))
