# SPDX-License-Identifier: MIT
"""What must be seen: the assertions of the tests, which measure, note the evidence and explain a failure.

A failure says what was submitted, what it waited for, how long, and what signalled and what did not. Whatever is
claimed "while pending" is only claimed when the gate was still shut afterwards; else it is inconclusive.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from amdgpu_hw.address_space import Mapping, Update
from amdgpu_hw.errors import DrmError, errno_name
from amdgpu_hw.gate.base import WATCHDOG
from amdgpu_hw.options.suite import WATCH_NS
from amdgpu_hw.proof.held import Held, require_pending
from amdgpu_hw.proof.record import Broken, Inconclusive, Record
from amdgpu_hw.proof.units import duration, ms
from amdgpu_hw.proof.words import update_words
from amdgpu_hw.submit import Submission
from amdgpu_hw.sync import BackgroundCall

__all__ = ("Call", "Must", "Subject")

Call = BackgroundCall[Update] | BackgroundCall[Mapping] | BackgroundCall[Submission]
"""A call that may itself block: GEM_VA, or a submission that comes after one."""

Subject = Update | Submission | Call
"""What can be waited for: an update's fence, a job, or what a call that may block has returned."""

# Left of a gate's time when a wait under it must end, so that the gate is still shut when it is asked.
_MARGIN_NS = ms(50)
# With less time than this before its gate opens, what is not done yet may only be slow: a busy machine is.
_ENOUGH_NS = ms(100)
# After the gate has opened, what waited for it is done in well under a millisecond; runtime PM may add to that.
_AFTER_OPENING_NS = ms(2000)

_MOST_COUNTED = 1023


@dataclass(frozen=True, slots=True)
class _Watched:
    """A subject in words, and how to wait for it."""

    subject: Subject
    wait: Callable[[int], bool]
    ioctl_ns: int = 0

    @property
    def _done(self) -> Update | Submission | None:
        """What was done; unknown as long as the call that does it is blocked."""
        if not isinstance(self.subject, BackgroundCall):
            return self.subject
        return self.subject.result(0) if self.subject.done() else None

    @property
    def action(self) -> str:
        """What was done, in words."""
        done = self._done
        if isinstance(done, Submission):
            return f"CS of {done}"
        return update_words(done) if done is not None else "GEM_VA"

    @property
    def noun(self) -> str:
        """What signals when it is done."""
        done = self._done
        return str(done) if isinstance(done, Submission) else "update fence"


class Must:
    """The assertions of one test; evidence goes to its record.

    ``watch_ns`` is for how long a thing is watched that must not be done, in nanoseconds.
    """

    def __init__(self, record: Record, watch_ns: int = WATCH_NS) -> None:
        self._record = record
        self._watch_ns = watch_ns

    def did(self, what: str) -> None:
        """Note a step that the arguments of the assertions do not show."""
        self._record.did(what)

    def note(self, what: str) -> None:
        """Note what was seen beside the evidence that decides."""
        self._record.saw("note", what)

    # -- fences -----------------------------------------------------------------------------------------------

    def signal(
        self,
        subject: Subject,
        *,
        within: int = ms(500),
        while_pending: Held | None = None,
        after: Held | None = None,
    ) -> None:
        """``subject`` must be done within so many nanoseconds, while one thing is pending or after one was let go."""
        if while_pending is not None:
            self._signal_while(subject, within, while_pending)
            return
        watched = self._watch(subject)
        started = time.monotonic_ns()
        since = (after.gate.opened_at or started) if after is not None else started
        signalled = watched.wait(within if after is None else max(within, _AFTER_OPENING_NS))
        ended = time.monotonic_ns()
        took = duration(ended - since)
        moment = "the gate had opened" if after is not None else "GEM_VA had returned"
        if not signalled:
            if after is not None:
                self._note_times(after, watched.noun, started, done=False)
            raise Broken(
                f"{watched.action}: {watched.noun} still unsignalled {took} after {moment}, although nothing is "
                "left that it may wait for."
            )
        noun = "" if after is not None else f"{watched.noun} "
        times = self._times(after, watched.noun, started, ended, done=True) if after is not None else {}
        text = f"{noun}signalled within {took} after {moment}"
        self._record.saw("fence", text, within_ns=ended - since, **times)

    def signal_each(
        self, subjects: Iterable[Subject], what: str, *, within: int = ms(500), while_pending: Held
    ) -> None:
        """Each of ``subjects``, ``what`` in words, must be done in time; the next is taken when one has been seen."""
        self._record.did(what)
        began = time.monotonic_ns()
        took = [self._time_while(_watched(subject), within, while_pending) for subject in subjects]
        slowest = max(took)
        noun = f"{len(took)} update fences"
        self._record.saw(
            "fence",
            f"{noun} signalled after {duration(slowest)} at most, with the gate shut",
            signalled_ns=slowest,
            **self._times(while_pending, noun, began, time.monotonic_ns(), done=True),
        )
        self._note_dependencies(while_pending)

    def not_signal(self, subject: Subject, *, at_most: int | None = None, while_pending: Held) -> None:
        """``subject`` must not be done as long as it is watched, because ``while_pending`` is pending.

        ``at_most`` so many nanoseconds, for tests that watch several things under one gate.
        """
        watched, held = self._watch(subject), while_pending
        started = time.monotonic_ns()
        if _waited_in_ioctl(watched, held):
            waited = watched.ioctl_ns
            text = f"the ioctl itself waited {duration(waited)}, until the watchdog opened the gate"
            self._record.saw("fence", text, waited_ns=waited)
            return
        longest = self._watch_ns if at_most is None else min(at_most, self._watch_ns)
        # A fence that is signalled from the start is often not the update's own, but a stub or that of one before.
        at_once = watched.wait(0)
        signalled = at_once or watched.wait(min(longest, self._time_left(held)))
        ended = time.monotonic_ns()
        took = ended - started
        require_pending(held)
        if signalled:
            self._note_times(held, watched.noun, started, done=True)
            when = "had signalled when it was first looked at," if at_once else f"signalled after {duration(took)}"
            raise Broken(
                f"{watched.action} did not wait for {held.words}: {watched.noun} {when} with the gate "
                f"({held.gate.name}) still shut."
            )
        seen = "the ioctl still blocked" if _blocked(subject) else f"{watched.noun} unsignalled"
        times = self._times(held, "the ioctl" if _blocked(subject) else watched.noun, started, ended, done=False)
        self._record.saw("fence", f"{seen} after {duration(took)} with the gate shut", waited_ns=took, **times)
        self._note_dependencies(held)

    def was_done(self, update: Update) -> bool:
        """Watch what may go either way as long as what must not happen; whether it was done by then."""
        return update.wait(self._watch_ns)

    def come_back(
        self, call: BackgroundCall[Any], *, what: str = "GEM_VA", within: int = ms(500), while_pending: Held
    ) -> None:
        """A call must return, or be refused, within so many nanoseconds although ``while_pending`` is pending."""
        held = while_pending
        started = time.monotonic_ns()
        given = min(within, self._time_left(held))
        returned = call.wait(given)
        ended = time.monotonic_ns()
        took = ended - started
        require_pending(held)
        if not returned:
            _require_enough(given, within, held)
            self._note_times(held, "the ioctl", started, done=False)
            raise Broken(f"{what} blocked in the ioctl for {duration(took)}, with {held.words} pending.")
        times = self._times(held, "the ioctl", started, ended, done=True)
        text = f"the ioctl returned after {duration(took)} with the gate shut"
        self._record.saw("fence", text, returned_ns=took, **times)

    def _signal_while(self, subject: Subject, within: int, held: Held) -> None:
        watched = self._watch(subject)
        began = time.monotonic_ns()
        took = self._time_while(watched, within, held)
        times = self._times(held, watched.noun, began, began + took, done=True)
        text = f"{watched.noun} signalled after {duration(took)} with the gate shut"
        self._record.saw("fence", text, signalled_ns=took, **times)
        self._note_dependencies(held)

    def _time_while(self, watched: _Watched, within: int, held: Held) -> int:
        """How long it took until the subject was done, in nanoseconds."""
        started = time.monotonic_ns()
        given = min(within, max(held.gate.remaining_ns - _MARGIN_NS, 0))
        signalled = watched.wait(given)
        took = time.monotonic_ns() - started
        if not held.is_pending():
            if _waited_in_ioctl(watched, held):
                raise Broken(
                    f"{watched.action} waited for {held.words} inside the ioctl, for {duration(watched.ioctl_ns)}: "
                    f"until the watchdog opened the gate ({held.gate.name})."
                )
            raise Inconclusive(f"{held.words} is not pending any more: {held.gate.why_open}")
        if not signalled:
            _require_enough(given, within, held)
            raise Broken(self._why_unsignalled(watched, held, took))
        return took

    def _note_times(self, held: Held, noun: str, began: int, *, done: bool) -> None:
        """Note what was seen of a fence that a failure is about, whose message has the words."""
        words = "signalled" if done else "unsignalled"
        self._record.saw("fence", f"{noun} {words}", **self._times(held, noun, began, time.monotonic_ns(), done=done))

    @staticmethod
    def _times(held: Held, noun: str, began: int, ended: int, *, done: bool) -> dict[str, Any]:
        """When a thing was watched, whether it was done at the end of that, and what its gate did: CLOCK_MONOTONIC."""
        return {
            "watched": noun,
            "done": done,
            "held": held.words,
            "shut_at": held.gate.shut_at,
            "opened_at": held.gate.opened_at,
            "began_at": began,
            "ended_at": ended,
        }

    def _note_dependencies(self, held: Held) -> None:
        """Put what the scheduler's trace says beside what the fence said."""
        if held.watch is not None:
            self._record.saw("trace", held.watch.words())

    def _why_unsignalled(self, watched: _Watched, held: Held, took: int) -> str:
        """Open the gate to see whether it was what the subject waited for."""
        shut = f"{watched.noun} unsignalled after {duration(took)} with the gate ({held.gate.name}) shut"
        self._note_times(held, watched.noun, time.monotonic_ns() - took, done=False)
        held.open()
        opened = time.monotonic_ns()
        signalled = watched.wait(_AFTER_OPENING_NS)
        self._note_times(held, watched.noun, opened, done=signalled)
        if signalled:
            return (
                f"{watched.action} waited for {held.words}: {shut}, "
                f"signalled {duration(time.monotonic_ns() - opened)} after it opened."
            )
        return (
            f"{watched.action} waited: {shut}, and still unsignalled {duration(time.monotonic_ns() - opened)} after "
            f"it opened, so not for {held.words} alone."
        )

    @staticmethod
    def _time_left(held: Held) -> int:
        left = held.gate.remaining_ns - _MARGIN_NS
        if left <= 0:
            raise Inconclusive(f"no time left to watch under {held.gate}: {held.gate.why_open}")
        return left

    def _watch(self, subject: Subject) -> _Watched:
        if isinstance(subject, Update):
            self._record.did(update_words(subject))
        return _watched(subject)

    # -- answers and memory -----------------------------------------------------------------------------------

    def accept(self, what: str, call: Callable[[], object]) -> None:
        """The kernel must accept a call."""
        self._record.did(what)
        errno = _errno_of(call)
        if errno:
            raise Broken(f"{what}: refused with {errno_name(errno)}.")
        self._record.saw("errno", "accepted", errno=0)

    @contextmanager
    def refuse(self, errno: int, what: str) -> Iterator[None]:
        """The call in the block must be refused with this errno."""
        self._record.did(what)
        try:
            yield
        except DrmError as error:
            if error.errno == errno:
                self._record.saw("errno", f"refused with {error.errno_name}", errno=errno)
                return
            raise Broken(f"{what}: refused with {error.errno_name} instead of {errno_name(errno)} ({error}).") from None
        raise Broken(f"{what}: accepted instead of refused with {errno_name(errno)}.")

    def answer(self, what: str, calls: Iterable[tuple[str, int | tuple[int, ...], Callable[[], object]]]) -> None:
        """Every call, of (its words, errno or 0, the call), must answer so; all wrong ones are reported together.

        Several errnos where released kernels differ.
        """
        self._record.did(what)
        wrong, count, refused = [], 0, 0
        for words, answers, call in calls:
            errnos = answers if isinstance(answers, tuple) else (answers,)
            count += 1
            refused += errnos[0] != 0
            got = _errno_of(call)
            if got not in errnos:
                wrong.append(f"{words}: {_answer(got)} instead of {' or '.join(map(_answer, errnos))}")
        if wrong:
            raise Broken(f"{what}: {len(wrong)} of {count} answers are wrong: {'; '.join(wrong)}.")
        self._record.saw(
            "errno", f"{count - refused} accepted, {refused} refused as they must be", calls=count, refused=refused
        )

    def be(self, fact: bool, *, seen: str, otherwise: str, kind: str = "memory") -> None:
        """A fact must be true: ``seen`` is the evidence in words, ``otherwise`` what the failure says."""
        if not fact:
            raise Broken(otherwise)
        self._record.saw(kind, seen)

    def equal(self, got: object, expected: object, what: str, kind: str = "memory") -> None:
        """Two values must be equal; ``what`` they are, in words ("the job read from the tile"). Data is told in hex."""
        is_data = _is_data(got) or _is_data(expected)
        if got != expected:
            raise Broken(f"{what} {_value(got, is_data)}, expected {_value(expected, is_data)}.")
        self._record.saw(kind, f"{what} {_value(got, is_data)}")


def _require_enough(given: int, within: int, held: Held) -> None:
    """Raise `Inconclusive` if what is not done was ``given`` too little of the time ``within`` which it must be."""
    if given < min(within, _ENOUGH_NS):
        raise Inconclusive(
            f"{held.gate.name} gate: only {duration(given)} of its time were left, too little to call anything late"
        )


def _waited_in_ioctl(watched: _Watched, held: Held) -> bool:
    """Whether GEM_VA came back only because the watchdog opened the gate: page tables written by the CPU wait there.

    See `amdgpu_vm_cpu_prepare` and the module parameter vm_update_mode.
    """
    return held.gate.opened_by == WATCHDOG and watched.ioctl_ns > held.gate.hold_ns // 2


def _blocked(subject: Subject) -> bool:
    return isinstance(subject, BackgroundCall) and not subject.done()


def _watched(subject: Subject) -> _Watched:
    if isinstance(subject, BackgroundCall):
        return _Watched(subject, lambda timeout: _wait_call(subject, timeout))
    return _Watched(subject, subject.wait, subject.ioctl_ns if isinstance(subject, Update) else 0)


def _wait_call(call: Call, timeout_ns: int) -> bool:
    end = time.monotonic_ns() + timeout_ns
    return call.wait(timeout_ns) and call.result(0).wait(max(0, end - time.monotonic_ns()))


def _errno_of(call: Callable[[], object]) -> int:
    try:
        call()
    except DrmError as error:
        return error.errno or 0
    return 0


def _answer(errno: int) -> str:
    return f"refused with {errno_name(errno)}" if errno else "accepted"


def _is_data(value: object) -> bool:
    """Whether there is a number in it that nobody counts: data, an address, a word of flags."""
    if isinstance(value, list | set | frozenset):
        return any(map(_is_data, value))
    return isinstance(value, int) and value > _MOST_COUNTED


def _value(value: object, is_data: bool) -> str:
    if isinstance(value, set | frozenset):
        return ", ".join(sorted(_value(item, is_data) for item in value)) or "nothing"
    if isinstance(value, list):
        return f"[{', '.join(_value(item, is_data) for item in value)}]"
    return f"{value:#x}" if is_data and isinstance(value, int) and not isinstance(value, bool) else str(value)
