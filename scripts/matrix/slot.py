# SPDX-License-Identifier: MIT
"""A mock machine that runs the suite again and again, each time after a reboot into another kernel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.mock.console.client import ConsoleError
from amdgpu_hw.mock.machine import Machine
from amdgpu_hw.on_mock import machine_environment
from matrix.plan import CaseResult, MatrixRun, RunResult, Selection

__all__ = ("Slot",)

SCRIPTS = Path(__file__).resolve().parents[1]
SUITE = SCRIPTS.parent / "tests" / "hw"

_REBOOT_S = 10.0
_REBOOT_POLL_S = 0.02


class Slot:
    """One machine and the warm process on it, made when first needed, made anew when a run has broken them."""

    def __init__(self) -> None:
        self._machine: Machine | None = None
        self._warm: subprocess.Popen[str] | None = None
        # In memory, where there is such a place: nothing in it is worth waiting for a disk after each test.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._directory = Path(tempfile.mkdtemp(prefix="bug-matrix-", dir=memory))

    def __enter__(self) -> Slot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def run(self, run: MatrixRun, rows: Selection) -> RunResult:
        """Run the suite, or some rows of it, on one kernel."""
        started = time.monotonic()
        try:
            machine = self._boot(run)
            status = self._suite(run, rows)
            with machine.console() as console:
                oopses = console.status().oopses
            cases = self._cases()
        except (HarnessError, OSError, ValueError) as error:
            self.close()
            return RunResult(run, (), 0, time.monotonic() - started, f"{type(error).__name__}: {error}")
        trouble = "" if status in (0, 1) and cases else f"{_ended(status, rows.seconds)}: {self._last_line()}"
        if oopses or trouble:
            self.close()
        return RunResult(run, cases, oopses, time.monotonic() - started, trouble)

    def close(self) -> None:
        """End the machine and the process."""
        if self._warm is not None:
            self._warm.terminate()
            self._warm.wait()
            for pipe in (self._warm.stdin, self._warm.stdout):
                if pipe is not None:
                    pipe.close()
            self._warm = None
        if self._machine is not None:
            self._machine.close()
            self._machine = None

    def _boot(self, run: MatrixRun) -> Machine:
        bugs = [run.bug] if run.bug else []
        if self._machine is not None and self._machine.gpus == (run.gpu,) and self._reboot(self._machine, run, bugs):
            return self._machine
        self.close()
        self._machine = machine = Machine([run.gpu], run.kernel, bugs=bugs, parameters=dict(run.parameters))
        machine.start()
        self._warm = subprocess.Popen(
            [sys.executable, "-m", "matrix.warm", str(SUITE)],
            cwd=SCRIPTS,
            env=machine.environ(_plain_environment()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()
        return machine

    @staticmethod
    def _reboot(machine: Machine, run: MatrixRun, bugs: list[str]) -> bool:
        """Boot the kernel; False if the files of the run before do not go away, as with some bugs they must not."""
        end = time.monotonic() + _REBOOT_S
        while True:
            try:
                machine.boot(run.kernel, bugs, dict(run.parameters))
                return True
            except ConsoleError:
                if time.monotonic() > end:
                    return False
                time.sleep(_REBOOT_POLL_S)

    def _suite(self, run: MatrixRun, rows: Selection) -> int | None:
        for name in ("results", "output"):
            (self._directory / name).unlink(missing_ok=True)
        request = {
            "environment": machine_environment(
                [run.gpu], run.kernel, [run.bug] if run.bug else [], parameters=dict(run.parameters)
            ),
            "results": str(self._directory / "results"),
            "output": str(self._directory / "output"),
            "only": rows.only,
            "first": rows.first,
            "order": (*rows.first, *rows.then),
            "without": rows.without,
            "until_broken": rows.until_broken,
            "enough": rows.enough,
            "one_case": rows.one_case,
            "watch_ms": rows.watch_ms,
            "seconds": rows.seconds,
            "by_expectations": rows.by_expectations,
        }
        if self._warm is None or self._warm.stdin is None:
            raise HarnessError("the warm process is gone")
        self._warm.stdin.write(f"{json.dumps(request)}\n")
        self._warm.stdin.flush()
        status: int | None = self._answer()["status"]
        return status

    def _answer(self) -> dict[str, Any]:
        if self._warm is None or self._warm.stdout is None:
            raise HarnessError("the warm process is gone")
        line = self._warm.stdout.readline()
        if not line:
            raise HarnessError("the warm process ended by itself")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _cases(self) -> tuple[CaseResult, ...]:
        results = self._directory / "results"
        if not results.exists():  # the suite could not begin
            return ()
        content = json.loads(results.read_text(encoding="utf-8"))
        return tuple(
            CaseResult(
                case["test"],
                case["row"],
                case["outcome"],
                case["reason"].partition("\n")[0],
                case["missing"],
                is_expected=bool(case["expected"]),
                unexpected=case["unexpected"],
            )
            for case in content["cases"]
        )

    def _last_line(self) -> str:
        lines = (self._directory / "output").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def _ended(status: int | None, seconds: float) -> str:
    if status is None:
        return f"the suite did not end within {seconds:g} s"
    return f"the suite was killed by signal {-status}" if status < 0 else f"the suite ended with {status}"


def _plain_environment() -> dict[str, str]:
    """Ours, without what a pytest around us has left in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
