# SPDX-License-Identifier: MIT
"""The assertions: what counts as seen, as broken, and as proving nothing."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from amdgpu_hw.address_space import Operation, Update
from amdgpu_hw.errors import DrmError
from amdgpu_hw.gate.base import WATCHDOG
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import Broken, Inconclusive, Record
from amdgpu_hw.proof.traced import JobWatch
from amdgpu_hw.proof.units import ms
from amdgpu_hw.submit import Submission
from amdgpu_hw.sync import BackgroundCall
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VM_EXPLICIT_SYNC


class FakeGate:
    """A gate that knows no kernel."""

    name = "fake"
    hold_ns = ms(5000)
    why_open = "the fake gate opened by itself"

    def __init__(self) -> None:
        self.is_shut = True
        self.opened_by: str | None = None
        self.opened_at: int | None = None
        self.shut_at = time.monotonic_ns()
        self.remaining_ns = ms(5000)

    def open(self, by: str = "the test") -> None:
        self.is_shut, self.opened_by, self.opened_at = False, by, time.monotonic_ns()


class FakeHeld:
    """A job behind such a gate."""

    words = "job 1 of compute0"
    watch: JobWatch | None = None

    def __init__(self) -> None:
        self.gate: Any = FakeGate()

    def is_pending(self) -> bool:
        return bool(self.gate.is_shut)

    def open(self) -> None:
        self.gate.open()


class FakeJob(Submission):
    """A submission that is done when told so."""

    def __init__(self) -> None:
        self.done = False

    def wait(self, timeout_ns: int = 0) -> bool:
        return self.done

    def __str__(self) -> str:
        return "job 2 of sdma0"


class FakeFence:
    """An update fence that signals when a condition holds; waiting takes no time."""

    def __init__(self, signalled: Callable[[], bool]) -> None:
        self._signalled = signalled

    def wait(self, timeout_ns: int) -> bool:
        return self._signalled()


def update(signalled: Callable[[], bool], ioctl_ns: int = 1000) -> Update:
    """An explicit CLEAR with such a fence."""
    fence: Any = FakeFence(signalled)
    return Update(Operation.CLEAR, 0x8000_0000, 0x10000, AMDGPU_VM_EXPLICIT_SYNC, fence, ioctl_ns)


@pytest.fixture
def record() -> Record:
    """Empty notes."""
    return Record()


@pytest.fixture
def must(record: Record) -> Must:
    """Assertions that write there."""
    return Must(record)


@pytest.fixture
def held() -> FakeHeld:
    """A pending job."""
    return FakeHeld()


@pytest.mark.parametrize(("left", "outcome"), [(ms(400), Broken), (ms(149), Inconclusive), (0, Inconclusive)])
def test_nothing_is_late_that_had_no_time(must: Must, held: FakeHeld, left: int, outcome: type[Exception]) -> None:
    """A gate that opens by itself after half a second leaves little on a busy machine; 50 ms of that are a margin."""
    held.gate.remaining_ns = left
    with pytest.raises(outcome):
        must.signal(update(lambda: False), while_pending=held)
    held.gate = FakeGate()
    held.gate.remaining_ns = left
    over = threading.Event()
    with pytest.raises(outcome):
        must.come_back(BackgroundCall(over.wait), while_pending=held)
    over.set()


def test_a_signal_with_the_gate_shut_is_evidence(must: Must, record: Record, held: FakeHeld) -> None:
    """The words say when, and that the gate was shut."""
    must.signal(update(lambda: True), while_pending=held)
    assert record.done == ["explicit CLEAR at 0x8000_0000+64 KiB"]
    assert "update fence signalled after" in record.evidence[0].text
    assert "with the gate shut" in record.evidence[0].text
    assert record.evidence[0].facts["signalled_ns"] >= 0


def test_many_signals_are_one_line_of_evidence(must: Must, record: Record, held: FakeHeld) -> None:
    """With the slowest; the first that does not come ends it."""
    must.signal_each((update(lambda: True) for _ in range(3)), "three of them", while_pending=held)
    assert record.done == ["three of them"]
    (evidence,) = record.evidence
    assert evidence.text.startswith("3 update fences signalled after ")
    assert evidence.facts["signalled_ns"] >= 0
    one_waits = iter([update(lambda: True), update(lambda: not held.is_pending()), update(lambda: True)])
    with pytest.raises(Broken, match="waited for job 1 of compute0"):
        must.signal_each(one_waits, "three more", while_pending=held)
    assert next(one_waits, None) is not None


def test_a_signal_after_the_gate_opened_early_proves_nothing(must: Must, held: FakeHeld) -> None:
    """It may have waited for the job after all."""
    held.open()
    with pytest.raises(Inconclusive, match="not pending any more: the fake gate opened by itself"):
        must.signal(update(lambda: True), while_pending=held)


def test_no_signal_is_broken_and_says_whether_the_gate_was_it(must: Must, held: FakeHeld) -> None:
    """The gate is opened to find out; operation, range, job, gate and times are in the message."""
    with pytest.raises(Broken) as caught:
        must.signal(update(lambda: not held.is_pending()), while_pending=held)
    message = str(caught.value)
    assert "explicit CLEAR at 0x8000_0000+64 KiB waited for job 1 of compute0" in message
    assert "with the gate (fake) shut, signalled" in message
    assert "after it opened" in message


def test_no_signal_even_after_opening_is_told_apart(must: Must, held: FakeHeld) -> None:
    """Then it waits for something else."""
    with pytest.raises(Broken, match="so not for job 1 of compute0 alone"):
        must.signal(update(lambda: False), while_pending=held)


def test_a_call_that_came_back_only_with_the_watchdog_waited_in_the_ioctl(must: Must, held: FakeHeld) -> None:
    """That is no early gate: the kernel blocked the caller."""
    held.gate.open(WATCHDOG)
    with pytest.raises(Broken, match="inside the ioctl"):
        must.signal(update(lambda: True, ioctl_ns=ms(5000)), while_pending=held)


def test_no_signal_under_the_gate_is_evidence_of_waiting(must: Must, record: Record, held: FakeHeld) -> None:
    """The control's half."""
    must.not_signal(update(lambda: False), at_most=ms(1), while_pending=held)
    assert "update fence unsignalled after" in record.evidence[0].text


def test_what_must_not_happen_is_watched_as_long_as_the_run_says(record: Record, held: FakeHeld) -> None:
    """A test may want less of it, never more."""
    asked: list[int] = []

    def never(timeout_ns: int) -> bool:
        asked.append(timeout_ns)
        return False

    fence: Any = FakeFence(lambda: False)
    fence.wait = never
    subject = Update(Operation.CLEAR, 0x8000_0000, 0x10000, 0, fence, 1000)
    must = Must(record, watch_ns=ms(7))
    must.not_signal(subject, while_pending=held)
    must.not_signal(subject, at_most=ms(3), while_pending=held)
    must.not_signal(subject, at_most=ms(30), while_pending=held)
    assert not must.was_done(subject)
    assert asked == [0, ms(7), 0, ms(3), 0, ms(7), ms(7)]


def test_a_signal_under_the_gate_breaks_waiting(must: Must, held: FakeHeld) -> None:
    """With the gate named as still shut, and whether the fence had ever been seen unsignalled."""
    with pytest.raises(
        Broken, match=r"did not wait for job 1 of compute0: .* when .* with the gate \(fake\) still shut"
    ):
        must.not_signal(update(lambda: True), while_pending=held)
    looks = iter((False, True))
    with pytest.raises(Broken, match=r"update fence signalled after [^ ]+ .s with the gate \(fake\) still shut"):
        must.not_signal(update(lambda: next(looks)), while_pending=held)


def test_waiting_is_not_shown_once_the_gate_is_open(must: Must, held: FakeHeld) -> None:
    """Neither way."""
    held.open()
    with pytest.raises(Inconclusive):
        must.not_signal(update(lambda: False), at_most=ms(1), while_pending=held)


def test_no_time_left_under_the_gate_is_inconclusive(must: Must, held: FakeHeld) -> None:
    """The last resort holds for half a second only."""
    held.gate.remaining_ns = ms(10)
    with pytest.raises(Inconclusive, match="no time left"):
        must.not_signal(update(lambda: False), while_pending=held)


def test_waiting_inside_the_ioctl_is_waiting(must: Must, record: Record, held: FakeHeld) -> None:
    """Page tables written by the CPU wait there (vm_update_mode)."""
    held.gate.open(WATCHDOG)
    must.not_signal(update(lambda: True, ioctl_ns=ms(5000)), while_pending=held)
    assert "the ioctl itself waited 5.0 s" in record.evidence[0].text


def test_what_waited_must_proceed_when_the_gate_opens(must: Must, record: Record, held: FakeHeld) -> None:
    """Else it hangs."""
    held.open()
    must.signal(update(lambda: True), after=held)
    assert "after the gate had opened" in record.evidence[0].text
    with pytest.raises(Broken, match="nothing is left that it may wait for"):
        must.signal(update(lambda: False), after=held)


def test_a_blocked_ioctl_counts_as_waiting(must: Must, record: Record, held: FakeHeld) -> None:
    """Kernels before the series block on input fences in the ioctl."""
    let_go = threading.Event()

    def blocked() -> Update:
        let_go.wait()
        return update(lambda: True)

    call = BackgroundCall(blocked)
    must.not_signal(call, at_most=ms(5), while_pending=held)
    assert "the ioctl still blocked after" in record.evidence[0].text
    with pytest.raises(Broken, match="GEM_VA blocked in the ioctl"):
        must.come_back(call, within=ms(5), while_pending=held)
    held.open()
    let_go.set()
    must.signal(call, after=held)


def test_an_early_return_with_a_signalled_fence_is_not_waiting(must: Must, held: FakeHeld) -> None:
    """The message has the operation's words, once it has come back."""
    call = BackgroundCall(lambda: update(lambda: True))
    assert call.wait()
    with pytest.raises(Broken, match="explicit CLEAR at 0x8000_0000"):
        must.not_signal(call, while_pending=held)
    must.come_back(call, while_pending=held)


def test_what_comes_after_a_call_that_may_block_is_named(must: Must, record: Record, held: FakeHeld) -> None:
    """A submission behind a GEM_VA: the job is what signals."""
    job = FakeJob()
    call: BackgroundCall[Submission] = BackgroundCall(lambda: job)
    assert call.wait()
    must.not_signal(call, at_most=ms(1), while_pending=held)
    assert record.evidence[-1].text.startswith("job 2 of sdma0 unsignalled after")
    job.done = True
    with pytest.raises(Broken, match="CS of job 2 of sdma0 did not wait for job 1 of compute0"):
        must.not_signal(call, at_most=ms(1), while_pending=held)


def test_a_call_that_is_refused_has_come_back(must: Must, held: FakeHeld) -> None:
    """Whoever asks for its result hears how."""
    call: BackgroundCall[object] = BackgroundCall(drm_error(errno.EINVAL))
    must.come_back(call, what="MAP over a mapping", while_pending=held)
    with must.refuse(errno.EINVAL, "MAP over a mapping"):
        call.result()


def drm_error(number: int) -> Callable[[], object]:
    """A call that the kernel refuses."""

    def call() -> object:
        raise DrmError(number, "DRM_IOCTL_AMDGPU_GEM_VA")

    return call


def test_the_right_refusal_is_evidence(must: Must, record: Record) -> None:
    """By errno."""
    with must.refuse(errno.ENOENT, "UNMAP of nothing"):
        drm_error(errno.ENOENT)()
    assert record.evidence[0].text == "refused with ENOENT"


def test_wrong_answers_are_told_by_name(must: Must) -> None:
    """What came, and what had to come."""
    with pytest.raises(Broken, match="refused with EINVAL instead of ENOENT"), must.refuse(errno.ENOENT, "UNMAP"):
        drm_error(errno.EINVAL)()
    with pytest.raises(Broken, match="accepted instead of refused with ENOENT"), must.refuse(errno.ENOENT, "UNMAP"):
        pass
    with pytest.raises(Broken, match="CLEAR: refused with EINVAL"):
        must.accept("CLEAR", drm_error(errno.EINVAL))


def test_a_matrix_tells_all_its_wrong_answers(must: Must, record: Record) -> None:
    """Not only the first."""
    calls = [
        ("a", 0, lambda: None),
        ("b", 0, drm_error(errno.EINVAL)),
        ("c", errno.EINVAL, lambda: None),
        ("d", errno.EINVAL, drm_error(errno.EINVAL)),
    ]
    with pytest.raises(Broken, match=r"2 of 4 answers are wrong: b: refused with EINVAL .*; c: accepted instead"):
        must.answer("matrix", calls)
    must.answer("matrix", [calls[0], calls[3]])
    assert record.evidence[0].text == "1 accepted, 1 refused as they must be"


def test_data_is_told_in_hex_and_counts_are_not(must: Must, record: Record) -> None:
    """Sets and lists too; the smaller of two values is told as the larger one."""
    must.equal({0xABC}, {0xABC}, "the GPU read")
    must.equal([True, 3], [True, 3], "there are")
    assert [evidence.text for evidence in record.evidence] == ["the GPU read 0xabc", "there are [True, 3]"]
    with pytest.raises(Broken, match="the wait ended with number 1, expected 2"):
        must.equal(1, 2, "the wait ended with number")
    with pytest.raises(Broken, match=r"the GPU read \[0x0\], expected \[0xabcd\]"):
        must.equal([0], [0xABCD], "the GPU read")
