# SPDX-License-Identifier: MIT
"""A box that is a directory of this machine: the agent runs there as on any, the way to it can be cut."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from amdgpu_hw.fleet.box import BoxFailed, Unreachable
from amdgpu_hw.fleet.conduct import Conduct, Installable
from amdgpu_hw.fleet.events import Ending, Event, Note, Phase
from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.fleet.plan import FleetPlan, PlannedKernel, PlannedPlace, TimeLimits
from amdgpu_hw.verdict.model import Case
from tests.mock.report import runs

QUICK = TimeLimits(validate=30, silence=20, boot=2, prepare=30, connect=1, answer=5, away=0.4, lock=1, poll=0.05)

ROWS = {"B05": "holds", "B06": "holds", "B09": "broken", "B10": "not testable"}


class PretendBox:
    """Implements `amdgpu_hw.fleet.box.Box`. ``cuts`` are numbers of calls, counted from 1, that the way is cut for."""

    def __init__(self, home: Path, *, has_power: bool = True) -> None:
        self.home = home
        self.calls = 0
        self.cuts: set[int] = set()
        self.is_off = False
        self.comes_back = True
        self.power_cycles = 0
        self.kernels = ["6.1.0-stock"]
        """What runs, and what each further boot brings up; the last one stays."""
        self.boots = 0
        self._has_power = has_power

    @property
    def has_power(self) -> bool:
        return self._has_power

    def run(self, command: str, timeout_s: float) -> tuple[int, str, str]:
        self._reach()
        if command.endswith("reboot-now"):
            self.reboot()
            raise Unreachable("the connection was lost: reboot")
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=timeout_s, check=False)
        out = done.stdout
        if " hello " in command:
            answer = json.loads(out)
            if "error" not in answer:
                kernel = self.kernels[min(self.boots, len(self.kernels) - 1)]
                out = json.dumps({**answer, "release": kernel, "boot_id": f"boot {self.boots}"})
        return done.returncode, out, done.stderr

    def put(self, local: Path, remote: str, timeout_s: float) -> None:
        self._reach()
        shutil.copyfile(local, remote)

    def get(self, remote: str, local: Path, timeout_s: float) -> None:
        self._reach()
        shutil.copyfile(remote, local)

    def reconnect(self) -> None:
        self._reach()

    def power_cycle(self) -> None:
        self.power_cycles += 1
        if not self._has_power:
            raise BoxFailed("there is no switch")
        self.is_off = not self.comes_back
        self.reboot()

    def reboot(self) -> None:
        """Kill what runs, and come up with the next kernel."""
        self.boots += 1
        for alive in self.home.glob("runs/*/alive"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(alive.read_text()), signal.SIGKILL)

    def close(self) -> None:
        pass

    def _reach(self) -> None:
        self.calls += 1
        if self.is_off or self.calls in self.cuts:
            raise Unreachable("the connection was lost: cut")


class Site:
    """A box with the stand-in installed, a plan for it, and what was said while orders were carried out."""

    def __init__(self, directory: Path, *, limits: TimeLimits = QUICK, kernel: PlannedKernel | None = None) -> None:
        self.results = directory / "results"
        self.home = directory / "home"
        self.box = PretendBox(self.home)
        self.events: list[Event] = []
        place = PlannedPlace("box", "navi31", ssh="nowhere", directory=str(self.home), python=sys.executable)
        self.plan = FleetPlan((place,), (kernel or PlannedKernel("posted", mock="series-v1"),), limits=limits)
        self.order = Order("navi31", self.plan.kernel[0].name, 1)
        self.stop_when: Callable[[], bool] = lambda: False
        """Asked at each wait whether the order is to be stopped."""
        install_stand_in(self.home)
        self.behave(tests=ROWS)

    def behave(self, **told: Any) -> None:
        """Tell the stand-in how."""
        tell_stand_in(self.home, **told)

    def carry_out(self) -> Ending:
        """Carry out the order as a new process of the place would."""
        wheel = self.home.parent / "amdgpu_hw-0.1-py3-none-any.whl"
        wheel.touch()
        made = Installable(wheel, "digest")
        conduct = Conduct(
            self.plan,
            self.plan.place[0],
            self.box,
            made,
            self.results,
            "the tests",
            self.events.append,
            self._stop_asked,
        )
        return conduct.carry_out(self.order)

    def _stop_asked(self, seconds: float) -> bool:
        if self.stop_when():
            return True
        time.sleep(min(seconds, 0.1))
        return False

    def notes(self, phase: Phase) -> list[str]:
        """What was noted about a phase."""
        return [event.text for event in self.events if isinstance(event, Note) and event.phase is phase]

    @property
    def run_here(self) -> Path:
        """What is kept here of the order."""
        return self.results / "runs" / self.order.name

    def outcomes(self) -> Mapping[str, str]:
        """What the kept result file says of each row."""
        cases = json.loads((self.run_here / "result.json").read_text())["cases"]
        return {case["row"]: case["outcome"] for case in cases}


def tell_stand_in(home: Path, **told: Any) -> None:
    """Tell the stand-in on a box how to behave; `stand_in` says what it can be told."""
    results = runs.run(cases=[])
    case = Case("", "", "it is so").to_json()
    told = {"hang_at": None, "die_at": None, "case_s": 0.05, "head": results.head_json(), "case": case, **told}
    (home / "behave.json").write_text(json.dumps(told))


def install_stand_in(home: Path, digest: str = "digest") -> None:
    """Make a box look as if the wheel were installed there, with the stand-in as its program."""
    program = home / "environments" / digest / "bin" / "amdgpu-hw"
    program.parent.mkdir(parents=True)
    stand_in = Path(__file__).with_name("stand_in.py")
    words = shlex.join([sys.executable, "-S", "-E", str(stand_in)])
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)
    (home / "environments" / digest / "ready").touch()
