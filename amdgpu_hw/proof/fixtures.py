# SPDX-License-Identifier: MIT
"""The fixtures of tests/hw: an address space, gated work, and the assertions.

def test_explicit_prt_unmap_takes_effect_while_work_is_in_flight(gpu, shut_gate, must):
    tiles = gpu.reserve(64 * MiB)
    tiles.map_prt()
    with shut_gate(gpu.compute) as job:
        must.signal(tiles.clear(explicit_sync=True), within=ms(500), while_pending=job)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol, TypeVar

import pytest

from amdgpu_hw.errors import DrmError, FeatureMissing, HarnessError
from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.evidence.trace import TraceInstance
from amdgpu_hw.gate import shut_gates
from amdgpu_hw.gate.running import PollingJob
from amdgpu_hw.gate.user_queue import UserQueueGate
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.helper_process import HelperProcess
from amdgpu_hw.memory import Buffer
from amdgpu_hw.proof.aftermath import COMPLETE_NS
from amdgpu_hw.proof.debugfs_action import EVICT_VRAM, GPU_RECOVER, DebugfsAction
from amdgpu_hw.proof.held import HeldFence, HeldJob, HeldWork, require_pending
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.neighbour import HeldForeignJob, Neighbour
from amdgpu_hw.proof.record import Broken, Inconclusive, NotTestable, Record
from amdgpu_hw.proof.run import RECORD, RUN, Run, behaviour_of
from amdgpu_hw.proof.traced import submit_watched
from amdgpu_hw.proof.units import duration
from amdgpu_hw.submit import Ib, Queue
from amdgpu_hw.sync import Syncobj
from amdgpu_hw.user_queue import UserQueue

__all__ = (
    "Amount",
    "ResetGpu",
    "RunningJob",
    "Seconds",
    "ShutFence",
    "ShutGate",
    "ShutGateElsewhere",
    "ShutUserQueue",
    "StartProcess",
    "amount",
    "drain",
    "evict_vram",
    "gpu",
    "must",
    "neighbour",
    "record",
    "reset_gpu",
    "running_job",
    "seconds",
    "shut_fence",
    "shut_gate",
    "shut_gate_elsewhere",
    "shut_user_queue",
    "start_process",
    "trace",
)


T = TypeVar("T")


class Seconds(Protocol):
    """What the fixture `seconds` is."""

    def __call__(self, usual: float, stress: float) -> float:
        """Of the time that a test may take this share, ``stress`` with ``--amdgpu-stress``, in seconds."""


class Amount(Protocol):
    """What the fixture `amount` is."""

    def __call__(self, usual: T, stress: T) -> T:
        """How often to do something, or how long: ``usual``, or ``stress`` with ``--amdgpu-stress``."""


class ShutGate(Protocol):
    """What the fixture `shut_gate` is."""

    def __call__(
        self,
        queue: Queue,
        ib: Sequence[int] | Sequence[Ib] | None = None,
        *,
        buffers: Sequence[Buffer] = (),
    ) -> AbstractContextManager[HeldJob]:
        """A job on ``queue`` (a NOP, or ``ib``) that stays in flight inside the ``with`` block."""


class RunningJob(Protocol):
    """What the fixture `running_job` is."""

    def __call__(
        self,
        queue: Queue,
        *,
        leader: Queue | None = None,
        member: Queue | None = None,
        signal: Sequence[Syncobj | tuple[Syncobj, int]] = (),
    ) -> AbstractContextManager[HeldWork]:
        """A job on ``queue`` that has started and goes on inside the ``with`` block.

        With ``leader`` it is a member of the gang of another queue's job, which is done; with ``member`` it leads a
        gang of which that queue's job is done. ``signal``: what the submission is to signal.
        """


class ShutGateElsewhere(Protocol):
    """What the fixture `shut_gate_elsewhere` is."""

    def __call__(self, buffer: Buffer | None = None) -> AbstractContextManager[HeldForeignJob]:
        """A job in another process's address space, which may list a buffer of ours, in flight inside the block."""


class ShutFence(Protocol):
    """What the fixture `shut_fence` is."""

    def __call__(self) -> AbstractContextManager[HeldFence]:
        """A fence that stays unsignalled inside the ``with`` block."""


class ResetGpu(Protocol):
    """What the fixture `reset_gpu` is."""

    def __call__(self) -> None:
        """Have the driver reset the whole GPU; all contexts hear of it, and no row is blamed."""


class ShutUserQueue(Protocol):
    """What the fixture `shut_user_queue` is."""

    def __call__(self, written: Buffer) -> AbstractContextManager[HeldFence]:
        """A fence of a user queue on a buffer, which stays unsignalled inside the ``with`` block."""


class StartProcess(Protocol):
    """What the fixture `start_process` is."""

    def __call__(self, module: str, *arguments: str) -> HelperProcess:
        """A process of ours, see `HelperProcess`. Raises `HarnessError` if it cannot work."""


@pytest.fixture
def amount(_run: Run) -> Amount:
    """How much a test that could go on for ever does; see `Amount`."""

    def choose(usual: T, stress: T) -> T:
        return stress if _run.stress else usual

    return choose


@pytest.fixture
def seconds(_run: Run) -> Seconds:
    """The time that a test has for something that it could go on with for ever; see `Seconds`."""

    def share(usual: float, stress: float) -> float:
        return _run.test_s * (stress if _run.stress else usual)

    return share


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """The notes of this test."""
    notes: Record | None = request.node.stash.get(RECORD, None)
    if notes is None:
        pytest.fail(f"{request.node.nodeid} asks for fixtures of the suite without @behaviour", pytrace=False)
    return notes


@pytest.fixture
def must(record: Record, _run: Run) -> Must:
    """What must be seen; see `Must`."""
    return Must(record, _run.watch_ns)


@pytest.fixture
def _run(request: pytest.FixtureRequest) -> Run:
    run = request.config.stash.get(RUN, None)
    if run is None:
        pytest.fail(f"{request.node.nodeid} asks for fixtures of the suite without @behaviour", pytrace=False)
    return run


@pytest.fixture
def gpu(request: pytest.FixtureRequest, _run: Run) -> Iterator[Gpu]:
    """The GPU under test with an address space of its own, which must be well and idle afterwards."""
    gpu = _run.open_gpu()
    before = vm_fault(gpu)
    yield gpu
    fault = _run.aftermath.leave(gpu, _row(request), before)
    if fault is not None and not _run.may_fault(request.node):
        raise Broken(f"afterwards the kernel reported {fault}")


def _row(request: pytest.FixtureRequest) -> str:
    behaviour = behaviour_of(request.node)
    return behaviour.row if behaviour is not None else str(request.node.name)


@pytest.fixture
def shut_gate(gpu: Gpu, record: Record, _run: Run) -> Callable[..., AbstractContextManager[HeldJob]]:
    """Holds a job in flight; see `ShutGate`."""

    @contextmanager
    def shut(
        queue: Queue, ib: Sequence[int] | Sequence[Ib] | None = None, *, buffers: Sequence[Buffer] = ()
    ) -> Iterator[HeldJob]:
        _idle_first(gpu)
        with _run.shut(f"a job on {queue}") as gate:
            record.held_by(gate.name)
            submission, watch = submit_watched(
                _run.trace,
                lambda: queue.submit(ib or queue.packets.nop(), buffers=buffers, wait=[gate.fence(gpu)]),
            )
            job = HeldJob(submission, gate, watch)
            require_pending(job)
            try:
                yield job
            finally:
                gate.open()
                if not submission.wait(COMPLETE_NS):
                    raise Broken(f"{submission} has not completed {duration(COMPLETE_NS)} after its gate opened")

    return shut


@pytest.fixture
def running_job(gpu: Gpu, record: Record) -> RunningJob:
    """Has a job run on the GPU; see `RunningJob`. For tests that may make the GPU hang."""

    @contextmanager
    def run(
        queue: Queue,
        *,
        leader: Queue | None = None,
        member: Queue | None = None,
        signal: Sequence[Syncobj | tuple[Syncobj, int]] = (),
    ) -> Iterator[HeldWork]:
        polling = PollingJob(gpu, queue)
        _idle_first(gpu)
        if leader is not None:
            nop = leader.packets.nop()
            submission = leader.submit(nop, gang=[(queue, polling.dwords)], buffers=polling.buffers, signal=signal)
            words = f"a job on {queue}, member of the gang of {submission}"
        else:
            gang = [(member, member.packets.nop())] if member is not None else []
            submission = queue.submit(polling.dwords, gang=gang, buffers=polling.buffers, signal=signal)
            words = f"the leader of a gang, {submission}" if member is not None else f"the running {submission}"
        with polling.watch(submission) as gate:
            record.held_by(gate.name)
            if leader is not None and not submission.wait(gate.remaining_ns // 2):
                raise Inconclusive(f"{submission}, a NOP that leads a gang, was not done while its member was running")
            work = HeldWork(gate, words)
            require_pending(work)
            try:
                yield work
            finally:
                gate.open()
                if not gate.wait(COMPLETE_NS):
                    raise Broken(f"{words} has not completed {duration(COMPLETE_NS)} after it was let go")

    return run


@pytest.fixture
def evict_vram(_run: Run) -> DebugfsAction:
    """Empties VRAM when called; see `EVICT_VRAM`."""
    return DebugfsAction(_run.node, EVICT_VRAM)


@pytest.fixture
def reset_gpu(_run: Run) -> ResetGpu:
    """Resets the GPU; see `ResetGpu`. For tests that may make the GPU hang."""
    recover = DebugfsAction(_run.node, GPU_RECOVER)

    def reset() -> None:
        try:
            recover()
        finally:
            _run.note_reset()

    return reset


@pytest.fixture
def neighbour(_run: Run) -> Iterator[Neighbour]:
    """Another process with an address space of its own on the GPU; see `Neighbour`."""
    with Neighbour(_run.neighbour) as neighbour:
        yield neighbour


@pytest.fixture
def start_process(_run: Run) -> Iterator[StartProcess]:
    """Starts processes that end with the test; see `StartProcess`. For fixtures: a test's own time is too short."""
    with ExitStack() as processes:

        def start(module: str, *arguments: str) -> HelperProcess:
            process = HelperProcess(module, *arguments, start_s=_run.answer_s)
            processes.callback(process.close)
            if process.trouble:
                raise HarnessError(f"no second process on the GPU: {process.trouble}")
            return process

        yield start


@pytest.fixture
def shut_gate_elsewhere(gpu: Gpu, record: Record, neighbour: Neighbour, _run: Run) -> ShutGateElsewhere:
    """Holds a job of another process in flight; see `ShutGateElsewhere`."""

    @contextmanager
    def shut(buffer: Buffer | None = None) -> Iterator[HeldForeignJob]:
        _idle_first(gpu)
        with _run.shut("a job of another process") as gate:
            record.held_by(gate.name)
            job = neighbour.submit(gate, gpu, buffer)
            with job.fence:
                require_pending(job)
                try:
                    yield job
                finally:
                    gate.open()
                    if not job.fence.wait(COMPLETE_NS):
                        raise Broken(f"{job.words} has not completed {duration(COMPLETE_NS)} after its gate opened")

    return shut


@pytest.fixture
def trace(_run: Run) -> TraceInstance:
    """The trace of the scheduler; not testable where there is none."""
    if _run.trace is None:
        raise NotTestable(_run.why_no_trace, missing="job_trace")
    return _run.trace


@pytest.fixture
def shut_fence(gpu: Gpu, record: Record, _run: Run) -> Iterator[Callable[[], AbstractContextManager[HeldFence]]]:
    """Holds a fence unsignalled; see `ShutFence`.

    The syncobj lives until the end of the test: a kernel that waits for one input fence after the other looks the
    next one up only when the gate of the first has opened.
    """
    gates = ExitStack()

    @contextmanager
    def shut() -> Iterator[HeldFence]:
        _idle_first(gpu)
        gate = gates.enter_context(_run.shut("an input fence"))
        record.held_by(gate.name)
        fence = HeldFence(gate.fence(gpu), gate)
        require_pending(fence)
        try:
            yield fence
        finally:
            gate.open()

    with gates:
        yield shut


@pytest.fixture
def shut_user_queue(gpu: Gpu, record: Record) -> Iterator[ShutUserQueue]:
    """Holds the fence of a user queue unsignalled; not testable where no queue can be had."""
    try:
        queue = UserQueue(gpu)
    except (FeatureMissing, DrmError) as error:
        raise NotTestable(f"needs a user queue: {error}", missing="user_queues") from None

    @contextmanager
    def shut(written: Buffer) -> Iterator[HeldFence]:
        _idle_first(gpu)
        with UserQueueGate(queue, [written], "the user queue") as gate:
            record.held_by(gate.name)
            fence = HeldFence(gate.fence(gpu), gate, "the user queue's fence")
            require_pending(fence)
            yield fence

    with queue:
        yield shut


def _idle_first(gpu: Gpu) -> None:
    """Drain before the first gate of a test is shut; under one, draining would wait for what that gate holds."""
    if not shut_gates():
        drain(gpu)


def drain(gpu: Gpu) -> None:
    """See every page-table job of the address space done, so that nothing under test queues behind one.

    Page-table jobs of one VM run in order (KERNEL.md 4.4); an update that queues one for sure is waited for.
    """
    if not gpu.address_space.drain(COMPLETE_NS):
        raise Broken(f"page-table updates did not end within {duration(COMPLETE_NS)}, although nothing is pending")
