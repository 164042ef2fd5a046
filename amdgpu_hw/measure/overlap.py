# SPDX-License-Identifier: MIT
"""What sparse binding does to frames that overlap with it: the run.

A stretch is a row of frames on one queue, one per budget, while another thread binds and unbinds tiles at a rate, and
a third keeps another queue busy with long jobs of the same address space, as a game's asynchronous compute does.
Implicit updates wait for those, and the next frame waits for the update (KERNEL.md 4.5). Each thread is one call into
C (`libdrm.sampling.repeat`). The arms take turns as in a latency run.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from amdgpu_hw.address_space import Operation
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.evidence.health import HealthWatch
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm import sampling
from amdgpu_hw.libdrm.sampling import Beat, BeatTimes, Call, Stop
from amdgpu_hw.measure.calls import NumberedContext, update_call
from amdgpu_hw.measure.conditions import clock_changes, clocks
from amdgpu_hw.measure.grid import Turn, turns
from amdgpu_hw.measure.latency import RunEnded, ended_by, troubles_of
from amdgpu_hw.measure.load import LONGEST_JOB_NS, Job
from amdgpu_hw.measure.model import REPEATED, Conditions, Frames, OverlapResult, Scalar
from amdgpu_hw.measure.scene import free_ring, require_update_fences
from amdgpu_hw.memory import KiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.units import duration
from amdgpu_hw.uapi import amdgpu_drm as uapi

__all__ = ("QUICK", "Overlap", "OverlapSettings")

_TILES = 8
_ALIGNMENT = 2 << 20
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlapSettings:
    """One run: the frames, the sparse binding beside them, and how much of it."""

    frame_ns: int = 8_000_000
    """GPU time of a frame that nothing disturbs."""
    budget_ns: int = 16_666_667
    """From frame to frame, and what a frame may take."""
    rate_hz: float = 120.0
    """Binds and unbinds per second, each of which takes a mapping away."""
    background_ns: int = 25_000_000
    """How long a job on the other queue lasts; 0: it has none."""
    tile_size: int = 64 * KiB
    frames: int = 60
    """Of each stretch."""
    blocks: int = 6
    """A block is four stretches, A B B A."""
    null_blocks: int = 6
    timeout_ns: int = 5_000_000_000
    """Bound of each wait."""

    def __post_init__(self) -> None:
        if not 0 < self.frame_ns < self.budget_ns:
            raise HarnessError(
                f"frames of {duration(self.frame_ns)} do not fit into a budget of {duration(self.budget_ns)}"
            )
        if not 0 <= self.background_ns <= LONGEST_JOB_NS:
            raise HarnessError(f"background jobs last up to {duration(LONGEST_JOB_NS)}, 0 for none")
        if not 0 < self.rate_hz <= 100_000:
            raise HarnessError(f"the rate of sparse binding is up to 100000 per second, not {self.rate_hz:g}")
        if self.frames < 1 or self.blocks < 1 or self.null_blocks < 0:
            raise HarnessError("frames and blocks have to be 1 or more, null blocks 0 or more")

    @property
    def stretch_ns(self) -> int:
        """How long a stretch takes if no frame is late."""
        return self.frames * self.budget_ns

    @property
    def shape(self) -> dict[str, Scalar]:
        """What shapes a sample, for the result file."""
        names = ("frame_ns", "budget_ns", "rate_hz", "background_ns", "tile_size", "frames")
        return {name: getattr(self, name) for name in names}


QUICK = OverlapSettings(frames=4)
"""A first look, in a few seconds."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What the threads of a stretch repeat."""

    frames: Beat
    binding: dict[bool, Beat]
    """By whether the updates have the flag."""
    background: Beat | None


class Overlap:
    """One run on one GPU: `measure` takes the stretches, `result` is what there is so far, at any time."""

    def __init__(self, gpu: Gpu, options: OverlapSettings, conditions: Conditions) -> None:
        require_update_fences(gpu)
        self.notes: list[str] = []
        self.series: list[Frames] = []
        self.conditions = conditions
        self._gpu = gpu
        self._options = options
        self._complete = False
        self._frame_gpu_ns = options.frame_ns
        flag = gpu.capabilities.explicit_sync
        self._has_flag = bool(flag)
        if not flag:
            self.notes.append(f"{flag.why}: both arms are the same implicit operation")

    @property
    def result(self) -> OverlapResult:
        """Everything measured so far."""
        return OverlapResult(
            conditions=self.conditions, series=tuple(self.series), complete=self._complete, notes=tuple(self.notes)
        )

    @property
    def expected_ns(self) -> int:
        """About how long it takes: the sum of what the steps of `measure` say."""
        return len(list(turns(self._options.blocks, self._options.null_blocks))) * self._options.stretch_ns

    def measure(self) -> Iterator[tuple[int, str]]:
        """Take all stretches, one per step; a step tells how long it was expected to take (ns) and which it was.

        Raises `RunEnded`, `DrmError`, `HarnessError`.
        """
        options = self._options
        with ExitStack() as stack:
            work = self._prepare(stack)
            watch = HealthWatch(self._gpu)
            for turn in turns(options.blocks, options.null_blocks):
                taken = self._take(work, turn, watch, ())
                if not taken.usable:
                    self._take(work, turn, watch, (REPEATED,))
                yield options.stretch_ns, f"block {turn.index + 1}, {turn.arm}"
        self._complete = True

    def _prepare(self, stack: ExitStack) -> _Work:
        gpu, options = self._gpu, self._options
        engine = Engine.GFX if gpu.capabilities.rings[Engine.GFX].rings else Engine.COMPUTE
        frame = self._job(stack, engine, 0, options.frame_ns)
        self._frame_gpu_ns = frame.measured_ns
        background = None
        if options.background_ns:
            other = self._job(stack, *free_ring(gpu, engine), options.background_ns)
            background = self._beat([other.call], other.fence.handle)
            self.notes.append(f"frames: {frame}; beside them, one after the other: {other}")
        else:
            self.notes.append(f"frames: {frame}; nothing else in the address space")
        return _Work(
            frames=self._beat([frame.call], frame.fence.handle, options.budget_ns),
            binding=self._binding(stack),
            background=background,
        )

    def _job(self, stack: ExitStack, engine: Engine, ring: int, length_ns: int) -> Job:
        context = stack.enter_context(NumberedContext(self._gpu))
        job = stack.enter_context(Job(self._gpu, context, engine, ring))
        job.calibrate(length_ns)
        return job

    def _binding(self, stack: ExitStack) -> dict[bool, Beat]:
        """Unbinding and binding of every tile in turn: REPLACE by PRT, REPLACE by a part of the buffer."""
        gpu, size = self._gpu, self._options.tile_size
        buffer = gpu.alloc(_TILES * size, "vram", always_valid=True, cpu_access=False)
        stack.callback(buffer.close)
        tiles = stack.enter_context(gpu.reserve(_TILES * size, _ALIGNMENT))
        if not tiles.map(buffer).wait(self._options.timeout_ns):
            raise HarnessError(f"the GPU did not map the tiles within {duration(self._options.timeout_ns)}")
        fence = stack.enter_context(gpu.syncobj())
        beats = {}
        for explicit in {False, self._has_flag}:
            flags = uapi.AMDGPU_VM_EXPLICIT_SYNC if explicit else 0
            calls: list[Call] = []
            for tile in range(_TILES):
                va = tiles.va + tile * size
                calls.append(update_call(Operation.REPLACE, va, size, fence, flags=flags))
                calls.append(
                    update_call(Operation.REPLACE, va, size, fence, buffer=buffer, offset=tile * size, flags=flags)
                )
            beats[explicit] = self._beat(calls, fence.handle, round(_NS_PER_S / self._options.rate_hz))
        return beats

    def _beat(self, calls: list[Call], fence: int, period_ns: int = 0) -> Beat:
        return Beat(self._gpu.fileno(), calls, fence, period_ns, self._options.timeout_ns)

    def _take(self, work: _Work, turn: Turn, watch: HealthWatch, flags: tuple[str, ...]) -> Frames:
        options = self._options
        before, origin, stop = clocks(self._gpu), sampling.clock_ns(), Stop()
        # The A/A run has the flag, as in a latency run.
        beside = [work.binding[self._has_flag and turn.arm != "implicit"]]
        beside += [work.background] if work.background else []
        threads = [_Repeating(beat, self._most_calls(beat), stop) for beat in beside]
        try:
            frames = sampling.repeat(work.frames, options.frames, stop)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        binding = threads[0].times
        outcomes = [frames.outcome, *(thread.times.outcome for thread in threads)]
        names = ("a frame", "binding", "a background job")
        failed = next((at for at, outcome in enumerate(outcomes) if outcome.error), 0)
        where = f"{names[failed]}, frames beside {turn.arm} binding"
        flag, sentence = ended_by(outcomes[failed], troubles_of(watch), where, options.timeout_ns)
        found = filter(None, (flag, *clock_changes(before, clocks(self._gpu))))
        taken = Frames(
            arm=turn.arm,
            rate_hz=options.rate_hz,
            frame_gpu_ns=self._frame_gpu_ns,
            budget_ns=options.budget_ns,
            frame_start_ns=frames.start_ns - origin,
            frame_end_ns=frames.end_ns - origin,
            unmap_start_ns=binding.start_ns - origin,
            unmap_effective_ns=binding.end_ns - origin,
            index=turn.index,
            order=turn.order,
            flags=(*flags, *found),
        )
        if len(frames.start_ns):
            self.series.append(taken)
        if sentence:
            raise RunEnded(sentence)
        return taken

    def _most_calls(self, beat: Beat) -> int:
        """Room for more calls than can be made while the frames last, late ones included."""
        longest_ns = self._options.stretch_ns + self._options.frames * self._options.timeout_ns
        return min(longest_ns // max(beat.period_ns, _SHORTEST_NS) + 1, _MOST_CALLS)


_SHORTEST_NS = 10_000
_MOST_CALLS = 200_000


class _Repeating(threading.Thread):
    """A `sampling.repeat` in a thread of its own; ``times`` once it is joined. Should it end early, all do."""

    def __init__(self, beat: Beat, most: int, stop: Stop) -> None:
        super().__init__(daemon=True)
        self._beat, self._most, self._stop_all = beat, most, stop
        self.times: BeatTimes
        self.start()

    def run(self) -> None:
        """See `threading.Thread.run`."""
        self.times = sampling.repeat(self._beat, self._most, self._stop_all)
        if self.times.outcome.error:
            self._stop_all.set()
