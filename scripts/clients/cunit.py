# SPDX-License-Identifier: MIT
"""libdrm's `amdgpu_test`: CUnit suites, which the program itself switches off by what the GPU is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from clients.results import Ended, Result, TestCase, TestResult

__all__ = ("Listed", "command", "list_command", "listed", "understand")

DISABLED = "the program disables it on this GPU"


@dataclass(frozen=True)
class Listed:
    """A test in the list: its numbers, and whether the program would run it."""

    test: TestCase
    suite: int
    number: int
    enabled: bool


def list_command(binary: Path) -> list[str | Path]:
    """Command that prints all suites and the tests of those that are enabled."""
    return [binary, "-l"]


def listed(binary: Path, ended: Ended) -> list[Listed]:
    """Tests in what `list_command` printed, named "SUITE/TEST"; a disabled suite stands for its tests."""
    tests: list[Listed] = []
    suite, suite_name = 0, ""
    for kind, number, state, name in re.findall(
        r"^ *(Suite|Test): +(\d+): +(ENABLED|DISABLED): (.*?) *$", ended.output, re.MULTILINE
    ):
        enabled = state == "ENABLED"
        if kind == "Test":
            test = TestCase(binary.name, f"{suite_name}/{name}")
            tests.append(Listed(test, suite, int(number), enabled))
        else:
            suite, suite_name = int(number), name
            if not enabled:
                tests.append(Listed(TestCase(binary.name, suite_name), suite, 0, enabled=False))
    return tests


def command(binary: Path, test: Listed, _attempt: int) -> list[str | Path]:
    """Command that runs one test."""
    return [binary, "-s", str(test.suite), "-t", str(test.number)]


def understand(test: Listed, ended: Ended) -> TestResult:
    """What came of a test, from the end of its process; CUnit's exit status says nothing."""
    if ended.timed_out:
        return TestResult(test.test, Result.TIMEOUT, "did not end in time and was killed", output=ended.output)
    if ended.status < 0:
        return TestResult(test.test, Result.CRASH, f"ended with signal {-ended.status}", output=ended.output)
    if re.search(r"^ *Test: .*\.\.\.(.*\n)*?.*FAILED$", ended.output, re.MULTILINE):
        reason = re.search(r"^ *1\. +(.*)$", ended.output, re.MULTILINE)
        return TestResult(test.test, Result.FAIL, reason[1] if reason else "", output=ended.output)
    asserts = re.search(r"^ *asserts +\d+ +(\d+) +(\d+) +(\d+)", ended.output, re.MULTILINE)
    if asserts is None:
        return TestResult(test.test, Result.CRASH, f"exit status {ended.status}, no summary", output=ended.output)
    if asserts[1] == "0":
        return TestResult(test.test, Result.SKIP, "it made no assertion", output=ended.output)
    return TestResult(test.test, Result.PASS, output=ended.output)
