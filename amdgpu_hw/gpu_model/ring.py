# SPDX-License-Identifier: MIT
"""Rings: queues of work that one engine does in order, in slices, side by side with the other rings.

A ring runs from the work queue. One slice is bounded in packets and in bytes moved; a ring that has more to do
queues itself behind the others, so that a job of one ring that waits for another ring's job gets what it waits for.
A ring whose packet has to wait is parked: it costs nothing until a timer polls again (50 us at first, growing to
1 ms) or any ring has written memory.

With modelled time (`gpu_model.timing`) each ring keeps a clock of its own, `Ring.front`: when what it has executed is
over. Nothing is begun, and no job is reported as done, before that time has come; until then a timer holds the ring,
while others go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from enum import Enum
from inspect import GEN_RUNNING, getgeneratorstate
from typing import TYPE_CHECKING

from amdgpu_hw.packets import Engine

from .faults import RingStop, StopCause
from .work import CallWork, IbWork, PlacedIb, Work

if TYPE_CHECKING:
    from .command_processor import CommandProcessor
    from .gpu import GpuCore
    from .loop import TimerHandle
    from .timing import EngineTiming

__all__ = ("CallWork", "Hang", "IbWork", "PlacedIb", "Ring", "RingActivity", "Work")

SLICE = 128
"""Packets of one slice."""
SLICE_COST = 100
"""What a slice that was used up counts as, in items of the work queue: a job may go on for seconds, and whoever makes
a system call meanwhile waits for the 1000 items that are run between two calls."""

POLL_FIRST_NS = 50_000
POLL_LAST_NS = 1_000_000


class RingActivity(Enum):
    """What a ring is doing."""

    IDLE = "idle"
    RUNNING = "running"
    WAITING = "waiting"
    """A packet waits for memory to change."""
    HUNG = "hung"
    """Stopped by a packet or an access; only `Ring.abort_current` helps, or `Ring.kill_waves` if it is a wave."""


class Hang(Enum):
    """What keeps a hung ring from going on."""

    PROCESSOR = "command processor"
    """It stopped at a packet or an access. Nothing but a reset helps."""
    WAVE = "wave"
    """A shader that does not end: a client's, or as the console makes one."""


class _State(Enum):
    """What keeps a ring from going on; one thing at a time. `Ring.held` comes on top: people may hold any ring."""

    READY = "nothing", False, False
    """It goes on, from the work queue, as soon as it has work."""
    POLLING = "memory", True, False
    """A packet waits for memory to change; a timer has another look."""
    BUSY = "time", True, False
    """What was executed is not over yet; a timer runs out at `front`."""
    STOPPED = "the command processor", False, True
    """See `Hang.PROCESSOR`."""
    WAVE_HUNG = "a wave", False, True
    """See `Hang.WAVE`."""

    def __init__(self, _what: str, parked: bool, hung: bool) -> None:
        self.parked = parked
        """A timer ends it."""
        self.hung = hung
        """Nothing in the model ends it."""


_STATE_OF = {Hang.PROCESSOR: _State.STOPPED, Hang.WAVE: _State.WAVE_HUNG}


class _Stage(Enum):
    """How far the current work is."""

    NONE = "there is none"
    EXECUTING = "executing"
    WAITING = "waiting"
    """At a packet that waits for memory, also while the ring has another look."""
    EXECUTED = "executed"
    """Only its time is not over."""


# Looked at with every packet: an attribute of a module, not of a class with a metaclass.
_READY, _POLLING, _BUSY = _State.READY, _State.POLLING, _State.BUSY
_NO_WORK, _EXECUTING, _WAITING, _EXECUTED = _Stage


class Ring:
    """One hardware queue of an engine."""

    def __init__(self, gpu: GpuCore, engine: Engine, index: int, name: str) -> None:
        """Make an idle ring; it is not entered into `GpuModel.rings`."""
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
        self.timing: EngineTiming | None = gpu.timing.engines[engine] if gpu.timing is not None else None
        """What packets cost; None without modelled time."""
        self._operations: tuple[tuple[int, float], ...] = ()
        self._vm_switch = self._vm_flush = 0
        if gpu.timing is not None:
            self._operations = gpu.timing.operations(engine)
            self._vm_switch, self._vm_flush = gpu.timing.vm_switch, gpu.timing.vm_flush
        self.front = 0
        """When what was executed is over (CLOCK_MONOTONIC, ns); 0 without modelled time."""
        self.seen = 0
        """The clock when it was last looked at."""
        self.hangs_next: Hang | None = None
        """What will hang the next job (`hang`)."""
        self._queue: deque[Work] = deque()
        self._current: Work | None = None
        self._processor: CommandProcessor | None = None
        self._execution: Generator[bool, None, None] | None = None
        self._stage = _NO_WORK
        self._address_space = 0
        """Which page table the last job of a client used (`id`: it must not be kept alive)."""
        self._state = _READY
        self._timer: TimerHandle | None = None
        """Ends the state of a ring that is parked."""
        self._scheduled = False
        """It is in the work queue, which nothing leaves but by being run: a ring that has hung since is still there."""
        self._poll_delay = POLL_FIRST_NS

    def __repr__(self) -> str:
        return f"<{self.name} {self.state.value}>"

    # -- for the driver -------------------------------------------------------------------------------------------

    def submit(self, work: Work) -> None:
        """Put work on the ring; it begins from the work queue, never inside this call."""
        if self.timing is not None:
            work.submitted = self.gpu.now()
        self._queue.append(work)
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
    def state(self) -> RingActivity:
        """What the ring is doing."""
        if self._state.hung:
            return RingActivity.HUNG
        if self._stage is _WAITING:
            return RingActivity.WAITING
        return RingActivity.IDLE if self._current is None and not self._queue else RingActivity.RUNNING

    def lag(self) -> int:
        """Tell by how many ns a ring that could go on is behind its modelled time: the mock is slower than hardware."""
        runs = self.state is RingActivity.RUNNING and self._state is _READY and not self.held
        if self.timing is None or not runs:
            return 0
        begun = self.front if self._current is not None else max(self.front, self._queue[0].submitted)
        return max(0, self.gpu.now() - begun)

    def where(self) -> str:
        """Say which packet the current job is at, for logs."""
        return self._processor.where() if self._processor is not None else "no packet"

    def abort_current(self, error: int) -> bool:
        """End the job at the head of the ring with ``error`` and go on with the next one.

        What the reset of a queue does; also takes a job that was not started yet. Its `on_done` is called before
        this returns. Returns False if the ring is empty. Not to be called from `GpuModel.on_fault`.
        """
        if self._current is None:
            if not self._queue:
                return False
            self._current = self._queue.popleft()
        if self._execution is not None:
            self._execution.close()
        self._enter(_READY)
        self._idle_until_now()
        self._finish(error)
        self._schedule()
        return True

    def drop(self, work: Work, error: int) -> bool:
        """Take work off the ring: end it with ``error`` if it is the current one, else only its end is left.

        What the reset of a queue does with the jobs of a guilty context: their fences stay. Returns whether the work
        was still there.
        """
        if work is self._current:
            return self.abort_current(error)
        for index, queued in enumerate(self._queue):
            if queued is work:
                self._queue[index] = CallWork(_nothing, work.on_done, submitted=work.submitted)
                return True
        return False

    @property
    def executing(self) -> bool:
        """Whether a packet of this ring is just being executed: it cannot be taken off the ring then."""
        return self._execution is not None and getgeneratorstate(self._execution) == GEN_RUNNING

    def go_on(self, execution: Generator[bool, None, None]) -> None:
        """Have the current job, hung or not, go on with ``execution``: what it was doing is given up."""
        if self._execution is not None:
            self._execution.close()
        self._execution = execution
        self._enter(_READY)
        self._stage = _EXECUTING
        self._idle_until_now()
        self._schedule()

    def kill_waves(self, vmid: int) -> bool:
        """Kill the shader that a job of ``vmid`` runs (SQ_CMD); returns whether there was one. The job is done."""
        work = self._current
        if not isinstance(work, IbWork) or work.vmid != vmid:
            return False
        runs = self._processor is not None and self._processor.in_shader
        if self._state is not _State.WAVE_HUNG and not (runs and not self._state.hung):
            return False
        return self.abort_current(0)

    def counter(self) -> int:
        """Return what a timestamp packet writes: the GPU's counter at `front`, or now without modelled time."""
        return self.gpu.counter(self.front if self.timing is not None else None)

    # -- for the console ------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Stop after the packet being executed, until `release`."""
        self.held = True

    def release(self) -> None:
        """Go on after `hold`."""
        self.held = False
        self._unpark()
        self._idle_until_now()
        self._schedule()

    def step(self) -> bool:
        """Execute one packet, or one piece of the kernel's own work, of a held ring; returns whether there was one."""
        if self._state.hung or (self._current is None and not self._queue):
            return False
        self._unpark()
        self.front = self.seen
        self._advance(1)
        return True

    def hang(self, cause: Hang) -> None:
        """Make the current job hang, or the next one if there is none."""
        if self._current is None:
            self.hangs_next = cause
            return
        self._enter(_STATE_OF[cause])

    # -- for command processors -----------------------------------------------------------------------------------

    def begin_wait(self, deadline: int | None = None) -> None:
        """Note that a packet begins to wait, and when it gives up."""
        self._stage = _WAITING
        self._poll_delay = POLL_FIRST_NS
        self.wait_deadline = deadline

    def end_wait(self) -> None:
        """Note that the packet goes on now."""
        self._stage = _EXECUTING
        self._idle_until_now()

    # -- running --------------------------------------------------------------------------------------------------

    def kick(self) -> None:
        """Make a waiting ring look at memory again."""
        if self._state is _POLLING:
            self._go_on()

    def _enter(self, state: _State, until: int = 0) -> None:
        """Change the state: the only place that does, with the timer that ends it at ``until`` if the ring parks.

        Any ring can be made ready again and can hang; only one that was ready parks.
        """
        assert not state.parked or self._state is _READY, f"{self.name} parks while {self._state.name}"
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.gpu.waiting.pop(self, None)
        self._state = state
        if state.parked:
            self._timer = self.gpu.timers.call_at(until, self._poll if state is _POLLING else self._go_on)
            if state is _POLLING:
                self.gpu.waiting[self] = None

    def _go_on(self) -> None:
        """End the state of a parked ring."""
        self._enter(_READY)
        self._schedule()

    def _schedule(self) -> None:
        if (
            (self._current is not None or self._queue)
            and not self._scheduled
            and not self.held
            and self._state is _READY
        ):
            self._scheduled = True
            self.gpu.work.queue(self._run)

    def _run(self) -> None:
        self._scheduled = False
        if self._state is _READY and not self.held:
            self._advance(SLICE)

    def _advance(self, budget: int) -> None:
        self.budget = budget
        try:
            pause = self._execute()
        except BaseException:
            # A bug of the mock: whoever runs the work queue reports it. The job never ends, as after an oops.
            self._enter(_State.STOPPED)
            raise
        if self.budget <= 0:
            self.gpu.work.charged += SLICE_COST
        if self.wrote:
            self.wrote = False
            self.gpu.memory_written(self)
        if pause is None:
            self._schedule()
        elif not self.held:
            self._enter(pause, self.front if pause is _BUSY else self._next_look())

    def _execute(self) -> _State | None:
        """Do work until the slice is used up or nothing is left; returns the state to park in if it ends before that.

        None as well if the ring has hung.
        """
        while self.budget > 0:
            if self.front > self.seen:
                self.seen = self.gpu.now()
                if self.front > self.seen:
                    return _BUSY
            if self._stage is _EXECUTED:
                self._finish(0)
                continue
            work = self._current
            if work is None:
                if not self._queue:
                    return None
                work = self._begin(self._queue.popleft())
                if self._state is not _READY:
                    return None
                if isinstance(work, IbWork):
                    continue
            if isinstance(work, CallWork):
                work.run()
                # It may have changed page tables or memory that a packet elsewhere waits for.
                self.wrote = True
                if self._current is work:
                    self._stage = _EXECUTED
                continue
            assert self._execution is not None, "a started job has a command processor"
            try:
                if next(self._execution):
                    return _POLLING
            except StopIteration:
                self._stage = _EXECUTED
                if self.timing is not None:
                    self.front += self.timing.end
            except RingStop as stop:
                self._enter(_State.WAVE_HUNG if stop.cause is StopCause.ENDLESS else _State.STOPPED)
                self.gpu.on_stop(self, stop.cause, f"{stop} ({self.where()})")
                return None
        return None

    def _begin(self, work: Work) -> Work:
        self._current = work
        self._stage = _EXECUTING
        if self.hangs_next is not None:
            self._enter(_STATE_OF[self.hangs_next])
            self.hangs_next = None
        timing = self.timing
        if isinstance(work, CallWork):
            if timing is not None:
                job, each = self._operations[work.operation]
                submitted = work.submitted
                self.front = (submitted if submitted > self.front else self.front) + job + int(work.amount * each)
            return work
        self._processor = self.gpu.command_processor(self, work)
        self._execution = self._processor.run()
        if timing is not None:
            self.front = max(self.front, work.submitted) + timing.begin
            address_space = id(work.page_table)
            if address_space != self._address_space:
                self._address_space = address_space
                self.front += self._vm_switch
            if work.flush:
                self.front += self._vm_flush
        return work

    def _finish(self, error: int) -> None:
        work = self._current
        assert work is not None, "only a job that was begun can end"
        self.budget -= 1
        self._current = self._processor = self._execution = None
        self._stage = _NO_WORK
        work.on_done(error)

    def _idle_until_now(self) -> None:
        """Begin what comes next not before now: the ring had nothing to do, or was stopped."""
        if self.timing is not None:
            self.seen = self.gpu.now()
            self.front = max(self.front, self.seen)

    def _next_look(self) -> int:
        """When a ring that polls looks at memory again, or the packet gives up."""
        look = self.gpu.now() + self._poll_delay
        return look if self.wait_deadline is None else min(look, self.wait_deadline)

    def _poll(self) -> None:
        self._poll_delay = min(2 * self._poll_delay, POLL_LAST_NS)
        self._go_on()

    def _unpark(self) -> None:
        if self._state.parked:
            self._enter(_READY)


def _nothing() -> None:
    """Do what is left of work that was dropped."""
