# SPDX-License-Identifier: MIT
"""IGT's test programs: their subtests, and what their exit status and output mean (IGT's lib/igt_core.h)."""

from __future__ import annotations

import re
from pathlib import Path

from clients.results import Ended, Result, TestCase, TestResult

__all__ = ("clean_up", "command", "list_command", "listed", "understand")

EXIT_SUCCESS, EXIT_SKIP, EXIT_TIMEOUT, EXIT_INVALID, EXIT_FAILURE = 0, 77, 78, 79, 98

_LONGER = 4
_LEFT_BEHIND = {"amd_queue_reset": "queue_reset_shm_*"}
"""Patterns of a program's files in /dev/shm."""

_MEANING = {
    EXIT_SUCCESS: Result.PASS,
    EXIT_SKIP: Result.SKIP,
    EXIT_TIMEOUT: Result.TIMEOUT,
    EXIT_FAILURE: Result.FAIL,
}
_REASON = {
    Result.SKIP: re.compile(r"^Test requirement: (.*)|^(SKIP due to .*)", re.MULTILINE),
    Result.FAIL: re.compile(r"^.*Failed assertion: (.*)", re.MULTILINE),
}


def list_command(binary: Path) -> list[str | Path]:
    """Command that prints the names of a program's subtests."""
    return [binary, "--list-subtests"]


def listed(binary: Path, ended: Ended) -> list[TestCase]:
    """Subtests in what `list_command` printed; a program without any is one test."""
    names = re.findall(r"^[\w.-]+$", ended.output, re.MULTILINE) if ended.status == EXIT_SUCCESS else []
    return [TestCase(binary.name, name) for name in names] or [TestCase(binary.name)]


def command(binary: Path, test: TestCase, attempt: int) -> list[str | Path]:
    """Command that runs one subtest; each further attempt has a longer path.

    amd_queue_reset copies its command line from /proc into an array on the stack and looks for more arguments behind
    its end. With some lengths it finds what was there before, and its second process fails to start.
    """
    path = f"{binary.parent}{'/' * (1 + _LONGER * attempt)}{binary.name}"
    return [path, "--run-subtest", test.name] if test.name else [path]


def clean_up(test: TestCase) -> None:
    """Remove what a killed instance of a program has left outside of its machine, and the next one would take up."""
    if test.program in _LEFT_BEHIND:
        for path in Path("/dev/shm").glob(_LEFT_BEHIND[test.program]):
            path.unlink(missing_ok=True)


def understand(test: TestCase, ended: Ended) -> TestResult:
    """What came of a test, from the end of its process."""
    if ended.timed_out:
        return TestResult(test, Result.TIMEOUT, "did not end in time and was killed", output=ended.output)
    said = f"Subtest {test.name}:" in ended.output or not test.name
    if ended.status == EXIT_INVALID or (ended.status == EXIT_SUCCESS and not said):
        # Some programs declare subtests by what the GPU is, and list more without one.
        return TestResult(test, Result.SKIP, "the program does not have this subtest on this GPU", output=ended.output)
    result = _MEANING.get(ended.status, Result.CRASH)
    if result is Result.CRASH and (
        _REASON[Result.FAIL].search(ended.output) or f"Subtest {test.name}: FAIL" in ended.output
    ):
        # It had failed before. To print where it asks libunwind, which cannot read a program that patchelf has changed.
        result = Result.FAIL
    if result is Result.CRASH:
        how = f"signal {-ended.status}" if ended.status < 0 else f"exit status {ended.status}"
        return TestResult(test, result, f"ended with {how}", output=ended.output)
    found = _REASON[result].search(ended.output) if result in _REASON else None
    why = next((group for group in found.groups() if group), "") if found else ""
    return TestResult(test, result, why, output=ended.output)
