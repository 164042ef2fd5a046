# SPDX-License-Identifier: MIT
"""The watchdog of a test."""

from __future__ import annotations

import threading

from amdgpu_hw.proof.watchdog import TestWatchdog


def stick(given_up: threading.Event) -> None:
    """A test that waits for what the watchdog does in the end."""
    assert given_up.wait(10)


def test_a_test_in_time_hears_nothing() -> None:
    """No report."""
    with TestWatchdog(60, lambda report: None) as watchdog:
        pass
    assert watchdog.report is None


def test_a_test_that_sticks_is_reported_and_in_the_end_given_up() -> None:
    """With where it was."""
    given_up = threading.Event()
    with TestWatchdog(0.5, lambda report: given_up.set()) as watchdog:
        stick(given_up)
    assert watchdog.report is not None
    assert "did not end within 0.5 s; no gate was shut" in watchdog.report
    assert "in stick\n    assert given_up.wait(10)" in watchdog.report
    assert 'File "tests/mock/proof/test_watchdog.py"' in watchdog.report  # not where the checkout lies
