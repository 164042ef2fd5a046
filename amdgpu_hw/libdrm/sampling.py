# SPDX-License-Identifier: MIT
"""Loops of ioctls whose times are taken in C (sampling.c): descriptions of the calls, and the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amdgpu_hw.libdrm.calls import ffi, lib
from amdgpu_hw.uapi.layout import Ioctl

__all__ = (
    "Beat",
    "BeatTimes",
    "Call",
    "InFlight",
    "SamplePlan",
    "Samples",
    "SamplingOutcome",
    "Stage",
    "Stop",
    "address_of",
    "clock_ns",
    "describe",
    "repeat",
    "run",
)


class Stage(IntEnum):
    """Which call of a sample (`sampling.h`)."""

    FORGET = lib.SAMPLING_FORGET
    LOAD = lib.SAMPLING_LOAD
    OPERATION = lib.SAMPLING_OPERATION
    VICTIM = lib.SAMPLING_VICTIM
    WAIT_UPDATE = lib.SAMPLING_WAIT_UPDATE
    WAIT_VICTIM = lib.SAMPLING_WAIT_VICTIM
    WAIT_LOAD = lib.SAMPLING_WAIT_LOAD
    RESTORE = lib.SAMPLING_RESTORE
    WAIT_RESTORE = lib.SAMPLING_WAIT_RESTORE


class InFlight(IntFlag):
    """When the load of a sample was in flight."""

    AT_START = lib.SAMPLING_LOAD_AT_START
    AT_END = lib.SAMPLING_LOAD_AT_END


@dataclass(frozen=True, slots=True)
class Call:
    """One ioctl with its argument; ``keep`` is what the argument points to."""

    ioctl: Ioctl
    argument: bytes
    keep: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """What one sample consists of; fences are handles of binary syncobjs, 0 for those of calls that are not there."""

    fd: int
    operation: Call
    update_fence: int
    """Signalled by the operation."""
    victim: Call | None = None
    """An unrelated submission right after the operation."""
    victim_fence: int = 0
    load: Call | None = None
    """A submission that is made ``load_jobs`` times before the operation, and waited for after it."""
    load_jobs: int = 0
    load_fence: int = 0
    restore: Call | None = None
    """Puts the mapping back when all is idle."""
    restore_fence: int = 0
    timeout_ns: int = 5_000_000_000
    """Bound of each wait."""


@dataclass(frozen=True, slots=True)
class SamplingOutcome:
    """How a run ended: 0, or the errno and the call that ended it; ``valid`` samples were taken."""

    valid: int
    stage: Stage
    error: int


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one run, in ns since the operation's ioctl was entered."""

    ioctl_ns: NDArray[np.int64]
    """The ioctl had returned."""
    fence_ns: NDArray[np.int64]
    """The update fence was seen signalled."""
    victim_ns: NDArray[np.int64]
    """The victim's fence was seen signalled; zeros without victim."""
    load: NDArray[np.uint8]
    """`InFlight` of each sample."""
    outcome: SamplingOutcome


@dataclass(frozen=True, slots=True)
class Beat:
    """Calls at a rate, in turn; each signals ``fence`` and is waited for before the next one."""

    fd: int
    calls: Sequence[Call]
    fence: int
    period_ns: int = 0
    """From start to start; with 0, and after a call that took longer, the next begins at once."""
    timeout_ns: int = 5_000_000_000


@dataclass(frozen=True, slots=True)
class BeatTimes:
    """When each call was made and when its fence was seen signalled (`clock_ns`)."""

    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    outcome: SamplingOutcome


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends a `repeat` in another thread."""

    flag: Any = field(default_factory=lambda: ffi.new("int *"))

    def set(self) -> None:
        """After the call that is being made."""
        self.flag[0] = 1


def address_of(data: bytes) -> int:
    """Where the bytes are, for a pointer in another struct; they must be kept for as long (`Call.keep`)."""
    return int(ffi.cast("uintptr_t", ffi.from_buffer(data)))


def clock_ns() -> int:
    """CLOCK_MONOTONIC_RAW, which all these times are read from."""
    return int(lib.sampling_clock())


def describe(plan: SamplePlan) -> tuple[Any, list[Any]]:
    """The plan as C has it (``struct sampling_plan *``), and what has to be kept for as long as that is used."""
    keep: list[Any] = []
    described = ffi.new("struct sampling_plan *")
    for name in ("fd", "load_jobs", "load_fence", "update_fence", "victim_fence", "restore_fence", "timeout_ns"):
        setattr(described, name, getattr(plan, name))
    for name in ("load", "operation", "victim", "restore"):
        call = getattr(plan, name)
        if call is not None:
            _describe(getattr(described, name), call, keep)
    return described, keep


def run(plan: SamplePlan, count: int) -> Samples:
    """Take ``count`` samples in one call, without the GIL. An error ends the run; see `Samples.outcome`."""
    described, keep = describe(plan)
    ioctl, fence, victim = (np.zeros(count, np.int64) for _ in range(3))
    load = np.zeros(count, np.uint8)
    arrays = ffi.new("struct sampling_samples *")
    arrays.ioctl_ns, arrays.fence_ns, arrays.victim_ns = (
        _pointer("int64_t[]", array, keep) for array in (ioctl, fence, victim)
    )
    arrays.load = _pointer("uint8_t[]", load, keep)
    outcome = ffi.new("struct sampling_outcome *")
    lib.sampling_run(described, count, arrays, outcome)
    keep.clear()
    valid = outcome.valid
    return Samples(ioctl[:valid], fence[:valid], victim[:valid], load[:valid], _outcome(outcome))


def repeat(beat: Beat, count: int, stop: Stop) -> BeatTimes:
    """Make up to ``count`` calls, until ``stop`` is set; without the GIL. See `BeatTimes.outcome` for errors."""
    keep: list[Any] = []
    described = ffi.new("struct sampling_beat *")
    calls = ffi.new("struct sampling_call[]", len(beat.calls))
    for place, call in zip(calls, beat.calls, strict=True):
        _describe(place, call, keep)
    described.calls, described.call_count = calls, len(beat.calls)
    for name in ("fd", "fence", "period_ns", "timeout_ns"):
        setattr(described, name, getattr(beat, name))
    start, end = np.zeros(count, np.int64), np.zeros(count, np.int64)
    outcome = ffi.new("struct sampling_outcome *")
    pointers = (_pointer("int64_t[]", array, keep) for array in (start, end))
    lib.sampling_repeat(described, count, stop.flag, *pointers, outcome)
    keep.clear()
    return BeatTimes(start[: outcome.valid], end[: outcome.valid], _outcome(outcome))


def _describe(place: Any, call: Call, keep: list[Any]) -> None:
    if len(call.argument) > lib.SAMPLING_ARGUMENT:
        raise ValueError(
            f"{call.ioctl.name} has {len(call.argument)} bytes; {lib.SAMPLING_ARGUMENT} are sampled at most"
        )
    argument = ffi.from_buffer(call.argument)
    keep += [argument, *call.keep]
    place.request, place.argument, place.size = call.ioctl.request, argument, len(call.argument)


def _pointer(type_: str, array: NDArray[Any], keep: list[Any]) -> Any:
    pointer = ffi.from_buffer(type_, array)
    keep.append(pointer)
    return pointer


def _outcome(outcome: Any) -> SamplingOutcome:
    return SamplingOutcome(int(outcome.valid), Stage(outcome.stage), int(outcome.error))
