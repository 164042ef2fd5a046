# SPDX-License-Identifier: MIT
"""Rings: queues of work that one engine does in order, in slices, side by side with the other rings.

A ring runs from the work queue. One slice is bounded in packets and in bytes moved; a ring that has more to do
queues itself behind the others, so that a job of one ring that waits for another ring's job gets what it waits for.
A ring whose packet has to wait is parked: it costs nothing until a timer polls again (50 us at first, growing to
1 ms) or any ring has written memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from amdgpu_hw.packets import Engine

from .faults import RingStop
from .page_table import PageTable

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.wait import TimerHandle

    from .command_processor import CommandProcessor
    from .gpu import MockGpu

__all__ = ("CallWork", "Ib", "IbWork", "Ring", "RingState", "Work")

SLICE = 128
"""Packets of one slice."""

POLL_FIRST_NS = 50_000
POLL_LAST_NS = 1_000_000


class Ib(NamedTuple):
    """An indirect buffer: where it is in the job's address space, its length, and AMDGPU_IB_FLAG_* bits."""

    va: int
    size_dw: int
    flags: int = 0


@dataclass(slots=True)
class IbWork:
    """A job: IBs to be executed one after the other.

    ``on_done`` is called once, with 0 or with the error given to `Ring.abort_current`.
    """

    ibs: list[Ib]
    page_table: PageTable
    vmid: int
    on_done: Callable[[int], None]


@dataclass(slots=True)
class CallWork:
    """A job the kernel builds itself (page tables, clears, copies): ``run`` is its effect."""

    run: Callable[[], None]
    on_done: Callable[[int], None]


Work = IbWork | CallWork


class RingState(Enum):
    """What a ring is doing."""

    IDLE = "idle"
    RUNNING = "running"
    WAITING = "waiting"
    """A packet waits for memory to change."""
    HUNG = "hung"
    """Stopped by a packet or an access; only `Ring.abort_current` helps."""


class Ring:
    """One hardware queue of an engine."""

    def __init__(self, gpu: MockGpu, engine: Engine, index: int, name: str) -> None:
        """Make an idle ring; it is not entered into `MockGpu.rings`."""
        self.gpu = gpu
        self.engine = engine
        self.index = index
        self.name = name
        self.held = False
        """Whether `hold` keeps it from running."""
        self.budget = 0
        """What is left of the slice; command processors count it down."""
        self.wrote = False
        """Set when memory was written: other rings may have waited for that."""
        self.wait_deadline: int | None = None
        """When the packet that waits gives up by itself (CLOCK_MONOTONIC, ns)."""
        self._queue: deque[Work] = deque()
        self._current: Work | None = None
        self._processor: CommandProcessor | None = None
        self._execution: Generator[bool, None, None] | None = None
        self._scheduled = False
        self._hung = False
        self._timer: TimerHandle | None = None
        self._poll_delay = POLL_FIRST_NS

    def __repr__(self) -> str:
        return f"<{self.name} {self.state.value}>"

    # -- for the driver -------------------------------------------------------------------------------------------

    def submit(self, work: Work) -> None:
        """Put work on the ring; it begins from the work queue, never inside this call."""
        self._queue.append(work)
        if self._timer is None:
            self._schedule()

    @property
    def current(self) -> Work | None:
        """The work being executed, None when nothing has been started."""
        return self._current

    @property
    def queued(self) -> int:
        """How many pieces of work have not been started."""
        return len(self._queue)

    @property
    def state(self) -> RingState:
        """What the ring is doing."""
        if self._hung:
            return RingState.HUNG
        if self._timer is not None:
            return RingState.WAITING
        return RingState.IDLE if self._current is None and not self._queue else RingState.RUNNING

    def where(self) -> str:
        """Say which packet the current job is at, for logs."""
        return self._processor.where() if self._processor is not None else "no packet"

    def abort_current(self, error: int) -> bool:
        """End the job at the head of the ring with ``error`` and go on with the next one.

        What the reset of a queue does; also takes a job that was not started yet. Its `on_done` is called before
        this returns. Returns False if the ring is empty. Not to be called from `MockGpu.on_fault`.
        """
        if self._current is None:
            if not self._queue:
                return False
            self._current = self._queue.popleft()
        if self._execution is not None:
            self._execution.close()
        self._hung = False
        self._unpark()
        self._finish(error)
        self._schedule()
        return True

    # -- for the console ------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Stop after the packet being executed, until `release`."""
        self.held = True

    def release(self) -> None:
        """Go on after `hold`."""
        self.held = False
        self._unpark()
        self._schedule()

    def step(self) -> bool:
        """Execute one packet, or one piece of the kernel's own work, of a held ring; returns whether there was one."""
        if self._hung or (self._current is None and not self._queue):
            return False
        self._unpark()
        self._advance(1)
        return True

    # -- for command processors -----------------------------------------------------------------------------------

    def begin_wait(self, deadline: int | None = None) -> None:
        """Note that a packet begins to wait, and when it gives up."""
        self._poll_delay = POLL_FIRST_NS
        self.wait_deadline = deadline

    # -- running --------------------------------------------------------------------------------------------------

    def kick(self) -> None:
        """Make a waiting ring look at memory again."""
        if self._timer is not None:
            self._unpark()
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and not self.held and not self._hung and (self._current is not None or self._queue):
            self._scheduled = True
            self.gpu.work.queue(self._run)

    def _run(self) -> None:
        self._scheduled = False
        if self.held or self._hung or self._timer is not None:
            return
        self._advance(SLICE)

    def _advance(self, budget: int) -> None:
        self.budget = budget
        try:
            waiting = self._execute()
        except BaseException:
            # A bug of the mock: whoever runs the work queue reports it. The job never ends, as after an oops.
            self._hung = True
            raise
        if self.wrote:
            self.wrote = False
            self.gpu.memory_written(self)
        if waiting:
            self._park()
        else:
            self._schedule()

    def _execute(self) -> bool:
        """Do work until the slice is used up or nothing is left; returns whether a packet waits."""
        while self.budget > 0:
            work = self._current
            if work is None:
                if not self._queue:
                    return False
                work = self._current = self._queue.popleft()
                if isinstance(work, IbWork):
                    self._processor = self.gpu.command_processor(self, work)
                    self._execution = self._processor.run()
            if isinstance(work, CallWork):
                work.run()
                # It may have changed page tables or memory that a packet elsewhere waits for.
                self.wrote = True
                if self._current is work:
                    self._finish(0)
                continue
            assert self._execution is not None, "a started job has a command processor"
            try:
                if next(self._execution):
                    return True
            except StopIteration:
                self._finish(0)
            except RingStop as stop:
                self._hung = True
                self.gpu.on_illegal(self, f"{stop} ({self.where()})")
                return False
        return False

    def _finish(self, error: int) -> None:
        work = self._current
        assert work is not None, "only a job that was begun can end"
        self.budget -= 1
        self._current = self._processor = self._execution = None
        work.on_done(error)

    def _park(self) -> None:
        gpu = self.gpu
        if self.held:
            return
        deadline = gpu.now() + self._poll_delay
        if self.wait_deadline is not None:
            deadline = min(deadline, self.wait_deadline)
        self._timer = gpu.timers.call_at(deadline, self._poll)
        gpu.waiting[self] = None

    def _unpark(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.gpu.waiting.pop(self, None)

    def _poll(self) -> None:
        self._poll_delay = min(2 * self._poll_delay, POLL_LAST_NS)
        self._unpark()
        self._schedule()
