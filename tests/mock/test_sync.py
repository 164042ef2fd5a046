# SPDX-License-Identifier: MIT
"""Waiting, as far as it needs no GPU: always bounded, in slices, and in the background."""

from __future__ import annotations

import os
import threading
import time

import pytest

from amdgpu_hw.errors import DrmError, PendingWork
from amdgpu_hw.sync import BackgroundCall, SyncFile, wait_in_slices

MS = 1_000_000


def test_a_wait_ends_when_time_is_up() -> None:
    """It says False, and the last deadline given to the kernel is the caller's."""
    deadlines: list[int] = []
    start = time.monotonic_ns()

    def never(deadline: int) -> bool:
        deadlines.append(deadline)
        time.sleep(max(deadline - time.monotonic_ns(), 0) / 1e9)
        return False

    assert not wait_in_slices(never, 250 * MS)
    assert len(deadlines) == 3, "one slice per tenth of a second"
    assert start + 250 * MS <= deadlines[-1] < start + 260 * MS


def test_a_wait_ends_when_the_fence_signals() -> None:
    """It says True, without asking again."""
    asked: list[int] = []

    def signals(deadline: int) -> bool:
        asked.append(deadline)
        return True

    assert wait_in_slices(signals, 10**12)
    assert len(asked) == 1


def test_a_timeout_of_zero_asks_once() -> None:
    """A poll is one call with a deadline that has passed."""
    asked: list[int] = []

    def never(deadline: int) -> bool:
        asked.append(deadline)
        return False

    assert not wait_in_slices(never, 0)
    assert len(asked) == 1
    assert asked[0] <= time.monotonic_ns()


def test_a_background_call_returns_its_result() -> None:
    """What the call returned, once it has."""
    go = threading.Event()
    with BackgroundCall(lambda: (go.wait(), 42)[1]) as call:
        assert not call.done()
        assert not call.wait(0)
        go.set()
        assert call.result() == 42
        assert call.done()


def test_a_background_call_raises_its_error() -> None:
    """What the call raised comes out of result()."""

    def fail() -> None:
        raise DrmError(22, "GEM_VA")

    with BackgroundCall(fail) as call, pytest.raises(DrmError):
        call.result()


def test_a_blocked_background_call_does_not_go_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving the block while the call is stuck is an error, not a hang."""
    monkeypatch.setattr(BackgroundCall.wait, "__defaults__", (10 * MS,))
    stuck = threading.Event()
    with pytest.raises(PendingWork), BackgroundCall(stuck.wait):
        pass
    stuck.set()


def test_a_background_call_times_out() -> None:
    """result() is bounded, too."""
    stuck = threading.Event()
    call = BackgroundCall(stuck.wait)
    with pytest.raises(TimeoutError, match="still blocked"):
        call.result(10 * MS)
    stuck.set()


def test_a_sync_file_owns_its_descriptor() -> None:
    """Closing it closes the descriptor, once; using it afterwards is a caller's mistake."""
    fd = os.dup(0)
    with SyncFile(fd) as file:
        assert file.fileno() == fd
    with pytest.raises(ValueError, match="closed"):
        file.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    file.close()
