# SPDX-License-Identifier: MIT
"""Processes that die in the middle of updates: the kernel takes back what they had, and others go on.

The process that dies is one of our own; its gate is ours, so that the kernel is never left with work that waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from amdgpu_hw.address_space import SyncOptions
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.helper_process import HelperProcess
from amdgpu_hw.memory import PAGE_SIZE, Buffer, MiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.doomed_process import DONE
from amdgpu_hw.proof.fixtures import ShutFence, StartProcess
from amdgpu_hw.proof.held import require_pending
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.neighbour_process import OPEN, SUBMIT
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.units import ms, size
from amdgpu_hw.proof.usage import gtt_usage
from amdgpu_hw.sync import SyncFile

MUCH = 32 * MiB
"""So much more than what other programs may allocate and free meanwhile, that the usage of all tells ours."""

GONE_S = 5.0
"""A killed process waits for its page-table jobs in the kernel, those for the gate (KERNEL.md E16)."""

KILLED_S = 2.5
"""So long a process that exits waits at most until its jobs are on the ring: twice MAX_WAIT_SCHED_ENTITY_Q_EMPTY."""

WATCH_S = 1.2
"""Longer than that once, for kernels that let the process go first."""


@pytest.fixture
def doomed(gpu: Gpu, start_process: StartProcess) -> HelperProcess:
    """A process with `MUCH` memory mapped, which waits for the word to take it out again."""
    return start_process("amdgpu_hw.proof.doomed_process", gpu.identity.node, str(MUCH))


@behaviour(
    "D01",
    "a process killed with updates and work in flight leaves nothing behind, and others go on",
    needs=("prt", "page_table_jobs"),
    rule="Closing the file flushes the entities and takes the address space down (amdgpu_flush, amdgpu_vm_fini).",
)
def test_killed_process_leaves_nothing(
    gpu: Gpu,
    shut_fence: ShutFence,
    must: Must,
    gpu_view: GpuView,
    ordinary: Buffer,
    sync: SyncOptions,
    doomed: HelperProcess,
) -> None:
    """SIGKILL while its job waits for a gate, and its page-table jobs for that or for nothing at all."""
    before = gtt_usage(gpu)
    how = "explicit" if sync else "plain"
    with shut_fence() as fence:
        with fence.syncobj.export_sync_file() as file:
            doomed.send(how, [file.fileno()])
        answer, _ = doomed.receive(GONE_S)
        if answer != DONE.decode():
            raise HarnessError(f"the process that is to be killed did not get there: {answer}")
        gone = doomed.kill(0.2)
        must.did(f"another process took memory out tile by tile ({how} REPLACE, CLEAR) under a gated job: SIGKILL")
        held = fence.is_pending()
    must.note(f"it was {'gone' if gone else 'still there'} with the gate {'shut' if held else 'open'}")
    must.be(
        gone or doomed.kill(GONE_S),
        seen="it was gone when the gate had opened" if not gone else "nothing of it was left",
        otherwise=f"it is still there {GONE_S:g} s after its gate opened, killed as it is",
        kind="note",
    )
    must.be(
        is_soon(lambda: gtt_usage(gpu) < before - MUCH // 2),
        seen="its memory was free again",
        otherwise=f"its {size(MUCH)} are still in use {GONE_S:g} s after it was gone",
    )
    ordinary.fill(0x600DDA7A)
    tile = gpu.reserve(ordinary.size)
    tile.map(ordinary)
    read = int.from_bytes(gpu_view.read(tile.va, PAGE_SIZE, [ordinary])[:4], "little")
    must.equal(read, 0x600DDA7A, "from a new mapping in this process the GPU read")


@pytest.fixture
def client(gpu: Gpu, start_process: StartProcess) -> HelperProcess:
    """A process with the GPU open, which submits what it is asked to."""
    process = start_process("amdgpu_hw.proof.neighbour_process", gpu.identity.node)
    process.send(OPEN)
    answer, _ = process.receive(GONE_S)
    if answer != DONE.decode():
        raise HarnessError(f"the process that is to be killed did not get there: {answer}")
    return process


@behaviour(
    "O80",
    "the fence of a job whose process was killed signals when what the job waits for has",
    control="O52c",
    rule="Who waits for the job relies on what it depends on: that is waited for, although the job is not executed "
    "(drm_sched_entity_kill_jobs_work).",
)
def test_the_fence_of_a_killed_job_comes_after_its_dependencies(
    gpu: Gpu, shut_fence: ShutFence, must: Must, client: HelperProcess
) -> None:
    """The job's fence is with us, as a compositor has that of a client."""
    with shut_fence() as pending:
        if pending.gate.remaining_ns < ms(1e3 * (KILLED_S + WATCH_S)):
            why = f"needs a gate that stays shut for {KILLED_S + WATCH_S:g} s, not {pending.gate.name}"
            raise NotTestable(why, missing="long_gate")
        with pending.syncobj.export_sync_file() as file:
            client.send(SUBMIT, [file.fileno()])
        answer, fds = client.receive(GONE_S)
        if not fds:
            raise HarnessError(f"the process that is to be killed could not submit a job: {answer}")
        with SyncFile(fds[0]) as fence:
            gone = client.kill(KILLED_S)
            must.did("another process submitted a job that waits for a pending fence: SIGKILL")
            signalled = fence.wait(ms(1e3 * WATCH_S))
            require_pending(pending)
            must.note(f"the process was {'gone' if gone else 'still there'} then")
            must.be(
                not signalled,
                seen="its job's fence was unsignalled with the gate shut",
                otherwise="the fence of the killed process's job has signalled before what the job waits for",
                kind="fence",
            )
            with pending.syncobj.export_sync_file() as file, fence.merge(file) as merged:
                pending.open()
                must.be(
                    fence.wait(ms(1e3 * GONE_S)),
                    seen="it signalled when the gate had opened",
                    otherwise=f"the killed process's job's fence has not signalled {GONE_S:g} s after its gate opened",
                    kind="fence",
                )
                status, of_merged = fence.status(), merged.wait(ms(1e3 * GONE_S)) and merged.status()
            must.note(f"it signalled with status {status}")
            must.equal(
                of_merged, status if status < 0 else 1, "merged with another fence, the status of both is", kind="fence"
            )


def is_soon(condition: Callable[[], bool]) -> bool:
    """Whether something comes true within `GONE_S`."""
    end = time.monotonic() + GONE_S
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
