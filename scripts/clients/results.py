# SPDX-License-Identifier: MIT
"""What came of one test of a client program, and how its process is run."""

from __future__ import annotations

import enum
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

__all__ = ("Ended", "Result", "Setup", "TestCase", "TestResult", "run_process")

KILL_WAIT_S = 10.0


class Result(enum.Enum):
    """How a test ended."""

    PASS = "pass"
    SKIP = "skip"
    FAIL = "fail"
    TIMEOUT = "timeout"
    CRASH = "crash"
    """The program died by a signal or left with a status that it has no meaning for."""


@dataclass(frozen=True)
class Setup:
    """A kind of mock machine: its GPUs, its kernel, and module parameters that are not as by default."""

    gpus: Sequence[str]
    kernel: str
    parameters: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        changed = [f"{name}={value:#x}" for name, value in self.parameters.items()]
        return ", ".join([" + ".join(self.gpus), f"kernel {self.kernel}", *changed])


@dataclass(frozen=True, order=True)
class TestCase:
    """One test: the file name of its program, and its name there ("" when the program is one test)."""

    __test__ = False  # not for pytest to collect

    program: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.program}@{self.name}" if self.name else self.program


@dataclass(frozen=True)
class Ended:
    """A process that ended: exit status (minus the signal's number), and all that it printed."""

    status: int
    output: str
    timed_out: bool = False


@dataclass(frozen=True)
class TestResult:
    """What came of a test, why (the program's own words), how long it took, and what it printed."""

    __test__ = False

    test: TestCase
    result: Result
    why: str = ""
    seconds: float = 0.0
    output: str = ""

    def taking(self, seconds: float) -> TestResult:
        """The same with its duration."""
        return replace(self, seconds=seconds)


def run_process(
    command: Sequence[str | Path], environment: Mapping[str, str], timeout_s: float, directory: Path
) -> Ended:
    """Run a program in a process group of its own; on a timeout the whole group is killed."""
    with subprocess.Popen(
        command,
        env=environment,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            try:
                output, _ = process.communicate(timeout=KILL_WAIT_S)
            except subprocess.TimeoutExpired as late:
                # A child that left the group keeps the pipe open: what was read so far has to do.
                output = late.output or b""
            return Ended(-signal.SIGKILL, output.decode(errors="replace"), timed_out=True)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return Ended(process.returncode, output.decode(errors="replace"))
