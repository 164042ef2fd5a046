# SPDX-License-Identifier: MIT
"""Waits for submissions by their numbers, and their fences in other forms: what WAIT_FENCES and FENCE_TO_HANDLE say."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.asleep import comes_to_sleep
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.held import require_pending
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
from amdgpu_hw.submit import SCHED_JOBS, Queue, Submission
from amdgpu_hw.sync import BackgroundCall, SyncFile, Syncobj
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import drm as core

ANYWHERE = pytest.mark.parametrize("at", [0, 1, 2], ids=["first", "second", "last"])


@ANYWHERE
@behaviour(
    "O90",
    "a wait for several submissions ends when all of them are done",
    rule="One after the other is waited for, with the time that is left (amdgpu_cs_wait_all_fences).",
)
def test_a_wait_for_all_submissions(gpu: Gpu, shut_fence: ShutFence, must: Must, at: int) -> None:
    """One of three, of three queues, is pending; which must not matter."""
    with shut_fence() as pending:
        jobs = [
            queue.submit(queue.packets.nop(), wait=[pending.syncobj] if index == at else [])
            for index, queue in enumerate(three_queues(gpu))
        ]
        wait_for_others(jobs, at)
        must.did(f"three submissions, of which number {at} waits for a pending fence; WAIT_FENCES for all")
        status, _ = wait_fences(gpu, jobs, all_of_them=True, within=ms(5))
        require_pending(pending)
        must.equal(status, 0, "within 5 ms the status was", kind="fence")
    must.signal(jobs[at], after=pending)
    must.equal(wait_fences(gpu, jobs, all_of_them=True, within=0)[0], 1, "then it was", kind="fence")


@pytest.mark.parametrize("place", ["first", "last"])
@behaviour(
    "O90",
    "a wait for all of several submissions passes over those that are long done, and over those alone",
    rule="Of a submission before the last amdgpu_sched_jobs there is no fence (amdgpu_cs_wait_all_fences: continue).",
)
def test_a_wait_for_all_with_an_old_submission(gpu: Gpu, shut_fence: ShutFence, must: Must, place: str) -> None:
    """Of one queue as many more than it keeps the fences of; of another one that is pending."""
    queue, *_, other = three_queues(gpu)
    old = queue.submit(queue.packets.nop())
    for _ in range(SCHED_JOBS + 1):
        queue.submit(queue.packets.nop()).wait()
    with shut_fence() as pending:
        job = other.submit(other.packets.nop(), wait=[pending.syncobj])
        must.did(
            f"WAIT_FENCES for all of {old}, which is long done, {place}, and {job}, which waits for a pending fence"
        )
        jobs = [old, job] if place == "first" else [job, old]
        status, _ = wait_fences(gpu, jobs, all_of_them=True, within=ms(5))
        require_pending(pending)
        must.equal(status, 0, "within 5 ms the status was", kind="fence")
    must.signal(job, after=pending)
    must.equal(wait_fences(gpu, jobs, all_of_them=True, within=0)[0], 1, "then it was", kind="fence")


@ANYWHERE
@behaviour(
    "O90",
    "a wait for any of several submissions says which is done",
    rule="The first in the list that is done, if several are (amdgpu_cs_wait_any_fence).",
)
def test_a_wait_for_any_submission(gpu: Gpu, shut_fence: ShutFence, must: Must, at: int) -> None:
    """It sleeps for three of three queues, of which one ends; then it does not sleep."""
    with ExitStack() as gates:
        fences = [gates.enter_context(shut_fence()) for _ in range(3)]
        jobs = [
            queue.submit(queue.packets.nop(), wait=[fence.syncobj])
            for queue, fence in zip(three_queues(gpu), fences, strict=True)
        ]
        must.did(f"three submissions that wait for a pending fence each; WAIT_FENCES for any; number {at} goes on")
        must.equal(wait_fences(gpu, jobs, within=ms(5))[0], 0, "within 5 ms the status was", kind="fence")
        with BackgroundCall(lambda: wait_fences(gpu, jobs, within=ms(2000))) as call:
            must.be(comes_to_sleep(call), seen="it sleeps", otherwise="it does not sleep", kind="fence")
            fences[at].open()
            must.signal(jobs[at], after=fences[at])
            must.equal(call.result(ms(3000)), (1, at), "status and number were then", kind="fence")
        must.equal(wait_fences(gpu, jobs, within=0), (1, at), "asked again, they are", kind="fence")


@behaviour(
    "O90",
    "a submission's fence is the same in all forms that it can be had in",
    rule="Clients hand it on in the form that the next one wants (amdgpu_cs_fence_to_handle_ioctl).",
)
def test_all_forms_of_a_fence(gpu: Gpu, shut_fence: ShutFence, must: Must) -> None:
    """A syncobj, a descriptor of one, a sync file: pending with the job, and done with it."""
    queue, device = gpu.compute, gpu.context.device
    with shut_fence() as pending, ExitStack() as things:
        job = queue.submit(queue.packets.nop(), wait=[pending.syncobj])
        must.did(f"FENCE_TO_HANDLE of {job}, which waits for a pending fence, in all three forms")
        descriptor = as_handle(gpu, job, uapi.AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ_FD)
        try:
            opened = gpu.ioctl(core.IOCTL_SYNCOBJ_FD_TO_HANDLE, fd=descriptor)["handle"]
        finally:
            os.close(descriptor)
        forms: list[Syncobj | SyncFile] = [
            Syncobj(device, opened),
            Syncobj(device, as_handle(gpu, job, uapi.AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ)),
            SyncFile(as_handle(gpu, job, uapi.AMDGPU_FENCE_TO_HANDLE_GET_SYNC_FILE_FD)),
        ]
        for form in forms:
            things.enter_context(form)
        signalled = [form.signaled() for form in forms]
        require_pending(pending)
        must.equal(signalled, [False] * 3, "whether they have signalled:", kind="fence")
        pending.open()
        must.signal(job, after=pending)
        must.equal([form.signaled() for form in forms], [True] * 3, "whether they have signalled then:", kind="fence")


def three_queues(gpu: Gpu) -> tuple[Queue, Queue, Queue]:
    """Of two engines, two contexts and, where there are, two rings: no number stands for another, no job waits."""
    last_ring = gpu.capabilities.rings[Engine.COMPUTE].rings[-1]
    return gpu.compute, gpu.sdma, gpu.new_context().queue(Engine.COMPUTE, last_ring)


def wait_for_others(jobs: Sequence[Submission], at: int) -> None:
    """Wait for all but one."""
    for index, job in enumerate(jobs):
        if index != at:
            job.wait()


def fence_of(job: Submission) -> dict[str, int]:
    """The fields of struct drm_amdgpu_fence."""
    queue = job.queue
    record = queue.context.handle.dependency(queue.engine, queue.ring, job.fence_seq)
    found = uapi.CS_CHUNK_DEP.as_dict(record)
    return {
        "ctx_id": found["ctx_id"],
        "ip_type": found["ip_type"],
        "ip_instance": found["ip_instance"],
        "ring": found["ring"],
        "seq_no": found["handle"],
    }


def wait_fences(gpu: Gpu, jobs: Sequence[Submission], *, all_of_them: bool = False, within: int) -> tuple[int, int]:
    """WAIT_FENCES within so many nanoseconds: status (1: done), and which was the first."""
    records = b"".join(uapi.FENCE.pack(**fence_of(job)) for job in jobs)
    answer = gpu.ioctl(
        uapi.IOCTL_AMDGPU_WAIT_FENCES,
        out=uapi.WAIT_FENCES_OUT,
        fences=bytearray(records),
        fence_count=len(jobs),
        wait_all=int(all_of_them),
        timeout_ns=time.monotonic_ns() + within,
    )
    return answer["status"], answer["first_signaled"]


def as_handle(gpu: Gpu, job: Submission, what: int) -> int:
    """FENCE_TO_HANDLE: a handle or a descriptor."""
    request = uapi.IOCTL_AMDGPU_FENCE_TO_HANDLE
    handle: int = gpu.ioctl(request, out=uapi.FENCE_TO_HANDLE_OUT, **fence_of(job), what=what)["handle"]
    return handle
