# SPDX-License-Identifier: MIT
"""The two machines of a comparison: each runs the same clients and leaves what they wrote in a directory."""

from __future__ import annotations

import json
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from validation import run_validate

from agreement.bounded import Answer
from agreement.program import Program, to_json
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.guest.session import GuestMachine
from amdgpu_hw.mock.machine import Machine
from amdgpu_hw.options.suite import ALLOW_FAULTS
from amdgpu_hw.verdict.results import Results, read_results

__all__ = ("PYTHONPATH", "GuestSide", "MockSide", "Side")

TOP = Path(__file__).resolve().parents[2]
PYTHONPATH = os.pathsep.join((str(TOP / "scripts"), str(TOP)))
_INTERRUPTED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
_JUDGED = (ExitStatus.PROVEN, ExitStatus.BROKEN, ExitStatus.INCOMPLETE, ExitStatus.SILENT)


class Side(ABC):
    """One machine, and the directory that it writes to."""

    name: str

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._runs = 0

    def rows(self, *options: str) -> Results:
        """What `amdgpu-hw validate` finds there."""
        results = self.directory / f"{self.name}-rows.json"
        results.unlink(missing_ok=True)
        status = self._validate(results, *options)
        if status in _INTERRUPTED:
            raise KeyboardInterrupt
        if status not in _JUDGED or not results.is_file():
            raise HarnessError(f"there is no verdict: validate ended with {status}, see {results.with_suffix('.txt')}")
        return read_results(results)

    def calls(self, numbers: Sequence[int]) -> list[Answer]:
        """What the calls of `agreement.calls` end with; of those that were reached, if the machine ends."""
        asked = self.directory / "calls.json"
        asked.write_text(json.dumps(list(numbers)), encoding="utf-8")
        out = self.directory / f"{self.name}-calls.jsonl"
        self._client("agreement.errno_client", out, asked, out)
        return _lines(out)

    def programs(self, programs: Sequence[Program], patience_ms: int) -> list[Answer]:
        """What comes of programs; of those that were reached, if the machine ends."""
        self._runs += 1
        asked = self.directory / f"{self.name}-programs-{self._runs}.json"
        asked.write_text(json.dumps([to_json(program) for program in programs]), encoding="utf-8")
        out = asked.with_suffix(".answers.jsonl")
        self._client("agreement.program_client", out, asked, out, patience_ms)
        return _lines(out)

    def _client(self, module: str, out: Path, *arguments: object) -> None:
        out.write_bytes(b"")
        log = out.with_suffix(".log")
        status = self._run(_logged(log, [sys.executable, "-m", module, *map(str, arguments)]))
        if status in _INTERRUPTED:
            raise KeyboardInterrupt  # a guest passes Ctrl-C on to what runs there
        if status:
            raise HarnessError(f"{module} ended with {status} on the {self.name}: {_last_line(log)}")

    @abstractmethod
    def _run(self, command: Sequence[str]) -> int:
        """Run a program there, with the project's modules in its path; its exit status."""

    @abstractmethod
    def _validate(self, results: Path, *options: str) -> int:
        """Run `amdgpu-hw validate`; its exit status."""


class GuestSide(Side):
    """A guest machine that runs."""

    name = "guest"

    def __init__(self, machine: GuestMachine, directory: Path) -> None:
        super().__init__(directory)
        self.machine = machine

    def _run(self, command: Sequence[str]) -> int:
        return self.machine.run(command, {"PYTHONPATH": PYTHONPATH})

    def _validate(self, results: Path, *options: str) -> int:
        words = [sys.executable, "-m", "amdgpu_hw", "validate", f"--results={results}", *options]
        return self.machine.run(_logged(results.with_suffix(".txt"), words), {ALLOW_FAULTS: "1"})


class MockSide(Side):
    """A mock machine, booted anew for each run."""

    name = "mock"

    def __init__(self, gpu: str, kernel: str, directory: Path) -> None:
        super().__init__(directory)
        self.gpu, self.kernel = gpu, kernel

    def _run(self, command: Sequence[str]) -> int:
        # Debian's kernels have no sw_sync.
        with Machine([self.gpu], self.kernel, without=("sw_sync",)) as machine:
            return machine.run(command, {**os.environ, "PYTHONPATH": PYTHONPATH})

    def _validate(self, results: Path, *options: str) -> int:
        machine = [f"--mock={self.gpu}", f"--kernel={self.kernel}", "--without=sw_sync"]
        return run_validate(results, *machine, *options)


def _logged(log: Path, command: Sequence[str]) -> list[str]:
    """The command in a shell that has its output go to a file, so that it is not in the way of what we print."""
    return ["sh", "-c", 'log=$1; shift; exec "$@" >"$log" 2>&1', "sh", str(log), *command]


def _lines(path: Path) -> list[Answer]:
    """Whole lines of JSON: a machine may have ended in one."""
    answers: list[Any] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            answers.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return answers


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines() if path.is_file() else []
    return lines[-1] if lines else "it said nothing"
