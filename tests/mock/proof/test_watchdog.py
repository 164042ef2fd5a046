# SPDX-License-Identifier: MIT
"""The watchdog of a test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from amdgpu_hw.proof.watchdog import TestWatchdog
from amdgpu_hw.sync import wait_in_slices


def stick(given_up: threading.Event) -> None:
    """A test that waits for what the watchdog does in the end."""
    assert given_up.wait(10)


def wait_for_the_kernel(given_up: threading.Event) -> None:
    """A test in one long wait, which consists of short ones."""
    assert wait_in_slices(lambda _: given_up.wait(0.05), 10_000_000_000)


def ask_the_kernel_again_and_again(given_up: threading.Event) -> None:
    """A test that is slow although each of its waits is short."""
    while not given_up.is_set():
        wait_in_slices(lambda _: given_up.wait(0.05), 0)


def test_a_test_in_time_hears_nothing() -> None:
    """No report."""
    with TestWatchdog(60, lambda *_: None) as watchdog:
        pass
    assert watchdog.report is None


def test_a_test_that_sticks_is_reported_and_in_the_end_given_up() -> None:
    """With where it was."""
    given_up = threading.Event()
    with TestWatchdog(0.5, lambda *_: given_up.set()) as watchdog:
        stick(given_up)
    assert watchdog.report is not None
    assert "did not end within 0.5 s; no gate was shut" in watchdog.report
    assert "in stick\n    assert given_up.wait(10)" in watchdog.report
    assert 'File "tests/mock/proof/test_watchdog.py"' in watchdog.report  # not where the checkout lies


@pytest.mark.parametrize(
    ("test", "waits"), [(stick, False), (wait_for_the_kernel, True), (ask_the_kernel_again_and_again, False)]
)
def test_only_who_waits_for_the_kernel_is_stuck(test: Callable[[threading.Event], None], waits: bool) -> None:
    """When time is up, and when it is given up; another test is slow, or the machine is."""
    given_up, seen = threading.Event(), list[bool]()

    def give_up(_report: str, stuck: bool) -> None:
        seen.append(stuck)
        given_up.set()

    with TestWatchdog(0.2, give_up) as watchdog:
        test(given_up)
    assert (seen, watchdog.stuck) == ([waits], waits)
    assert ("nothing waited 1 s for the kernel" in str(watchdog.report)) is not waits


def test_a_test_that_ends_while_the_watchdog_looks_hears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shut afterwards is the next test's."""
    opened: list[str] = []
    monkeypatch.setattr("amdgpu_hw.proof.watchdog.open_what_can_be", opened.append)
    with TestWatchdog(0.2, lambda *_: None) as watchdog:
        time.sleep(0.4)
    time.sleep(1.2)
    assert (watchdog.report, opened) == (None, [])
