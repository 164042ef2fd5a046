# SPDX-License-Identifier: MIT
"""Runs the tests of client programs, each in a process of its own, each program on a machine of its own."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.mock.machine import Machine
from clients import cunit, igt
from clients.expectations import ClientExpectations
from clients.results import Ended, Result, Setup, TestCase, TestResult, run_process

__all__ = ("ProgramRun", "Runner", "find_programs")

CUNIT_PROGRAM = "amdgpu_test"
LIST_TIMEOUT_S = 60.0
AUDIT_TIMEOUT_S = 10.0
AUDIT_INTERVAL_S = 0.05
_TROUBLE = ("kernel BUG", "Oops", "use-after-free", "WARNING:")
"""Words of the mock kernel's log that no user space may cause."""


@dataclass(frozen=True)
class ProgramRun:
    """A program's tests on one machine, and what was wrong with the machine behind them (one line each)."""

    program: str
    results: Sequence[TestResult]
    complaints: Sequence[str]
    log: str


@dataclass(frozen=True)
class _Job:
    test: TestCase
    command: Callable[[int], Sequence[str | Path]] | None
    """For an attempt, counted from 0; None: the program refuses to run this test."""
    understand: Callable[[Ended], TestResult]


def find_programs(directories: Sequence[Path], names: Collection[str]) -> dict[str, Path]:
    """Executable files with these names anywhere below the directories, by name; the first found of each."""
    found: dict[str, Path] = {}
    for top in directories:
        for directory, subdirectories, files in os.walk(top):
            subdirectories.sort()
            for name in set(names).intersection(files):
                path = Path(directory, name)
                if name not in found and os.access(path, os.X_OK):
                    found[name] = path.absolute()
    return found


class Runner:
    """Runs programs on machines of one kind; a test that takes ``timeout_s`` is killed. ``scratch`` is written to."""

    def __init__(self, setup: Setup, expectations: ClientExpectations, timeout_s: float, scratch: Path) -> None:
        self.setup = setup
        self.expectations = expectations
        self.timeout_s = timeout_s
        self.scratch = scratch

    def run(
        self, binary: Path, patterns: Sequence[str], progress: Callable[[TestCase], None] = lambda _test: None
    ) -> ProgramRun:
        """Run those of a program's tests that a pattern names.

        What is wrong with the machine, from its start to its end, is a complaint: the results that there are stay.
        """
        results: list[TestResult] = []
        complaints: list[str] = []
        log = ""
        try:
            with Machine(self.setup.gpus, self.setup.kernel, parameters=self.setup.parameters) as machine:
                try:
                    environment = machine.environ(self._environment())
                    for job in self._jobs(binary, patterns, environment):
                        progress(job.test)
                        results.append(self._run_job(job, environment))
                        machine.check()
                    complaints += _complaints(machine)
                finally:
                    log = machine.log()
        except HarnessError as error:
            complaints.append(str(error).splitlines()[0])
        return ProgramRun(binary.name, results, complaints, log)

    def _run_job(self, job: _Job, environment: Mapping[str, str]) -> TestResult:
        """Run a test, again if it may be tried several times and did not end as expected."""
        if job.command is None:
            return TestResult(job.test, Result.SKIP, cunit.DISABLED)
        expected = self.expectations.of(job.test, self.setup)
        timeout_s = min(self.timeout_s, expected.timeout)
        for attempt in range(expected.attempts):
            igt.clean_up(job.test)
            start = time.monotonic()
            ended = run_process(job.command(attempt), environment, timeout_s, self.scratch)
            result = job.understand(ended).taking(time.monotonic() - start)
            if expected.allows(result.result):
                break
        return result

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
        path = f"{_make_sudo(self.scratch)}:{own.get('PATH', os.defpath)}"
        scratch = str(self.scratch)
        # IGT leaves its tests of user queues out without the last.
        return own | {"XDG_CACHE_HOME": scratch, "HOME": scratch, "PATH": path, "AMDGPU_ENABLE_USERQTEST": "1"}

    def _jobs(self, binary: Path, patterns: Sequence[str], environment: Mapping[str, str]) -> Iterator[_Job]:
        if binary.name == CUNIT_PROGRAM:
            ended = run_process(cunit.list_command(binary), environment, LIST_TIMEOUT_S, self.scratch)
            for listed in cunit.listed(binary, ended):
                if _named(listed.test, patterns):
                    command = functools.partial(cunit.command, binary, listed) if listed.enabled else None
                    yield _Job(listed.test, command, functools.partial(cunit.understand, listed))
            return
        ended = run_process(igt.list_command(binary), environment, LIST_TIMEOUT_S, self.scratch)
        for test in igt.listed(binary, ended):
            if _named(test, patterns):
                yield _Job(test, functools.partial(igt.command, binary, test), functools.partial(igt.understand, test))


def _make_sudo(scratch: Path) -> Path:
    """Make a directory with a ``sudo`` that changes nothing; returns the directory.

    IGT reads sysfs through ``sudo cat``. The files of a mock machine belong to the user, and the real sudo takes the
    preload library out of the environment: its child would read the sysfs of the host.
    """
    directory = scratch / "bin"
    directory.mkdir(exist_ok=True)
    script = directory / "sudo"
    script.write_text('#!/bin/sh\nexec "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return directory


def _named(test: TestCase, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(test.name, pattern) for pattern in patterns)


def _complaints(machine: Machine) -> list[str]:
    """What is wrong with a machine whose clients are gone: what the kernel still keeps for them, trouble in its log."""
    with machine.console() as console:
        deadline = time.monotonic() + AUDIT_TIMEOUT_S
        while left := {what: count for what, count in console.audit().items() if count}:
            if time.monotonic() > deadline:
                break
            time.sleep(AUDIT_INTERVAL_S)
    kept = [f"left behind: {count} {what}" for what, count in left.items()]
    return kept + [line for line in machine.log().splitlines() if any(word in line for word in _TROUBLE)]
