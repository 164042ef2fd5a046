# SPDX-License-Identifier: MIT
"""A box that is answers alone: a place's process does all that it does, and nothing is at the other end.

As a program it is the process of such a place. Runs take drawn times; ``AMDGPU_HW_SIMULATED_RUN_S`` is their median.
"""

from __future__ import annotations

import base64
import io
import json
import os
import random
import shlex
import sys
import tarfile
import time
import zlib
from pathlib import Path
from typing import Any

from amdgpu_hw.fleet.box import Box
from amdgpu_hw.fleet.place_process import serve
from amdgpu_hw.fleet.plan import FleetPlan, PlannedPlace
from amdgpu_hw.verdict.machine import MachineDescription
from amdgpu_hw.verdict.model import Case, Evidence, Outcome
from amdgpu_hw.verdict.results import Results

__all__ = ("RUN_S", "SimulatedBox")

RUN_S = "AMDGPU_HW_SIMULATED_RUN_S"

_CASES = 313
"""As many as a run of all rows B has."""

_SIGMA = 0.3


class SimulatedBox:
    """Implements `amdgpu_hw.fleet.box.Box`."""

    has_power = False

    def __init__(self, seed: str) -> None:
        self._draw = random.Random(seed)
        self._begun: dict[str, tuple[float, float]] = {}
        machine = MachineDescription(True, ("navi31",), "series-v1", "6.1 #1", "x86_64")
        results = Results(machine, ["amdgpu-hw", "validate"], {"amdgpu_hw": "0.1"}, gate="vgem")
        results.probes = {f"probe {number}": {"supported": True, "errno": 0, "why": "x" * 60} for number in range(20)}
        self._head = json.dumps(results.head_json())[:-1]
        self._cases = [json.dumps(_case(number)) for number in range(_CASES)]

    def run(self, command: str, timeout_s: float) -> tuple[int, str, str]:  # noqa: ARG002 - it answers at once
        """Answer as the agent would."""
        words = shlex.split(command)
        if words[0] == "mkdir":
            return 0, "/home/fleet\n", ""
        return 0, json.dumps(self._answer(words[-2], json.loads(words[-1]))) + "\n", ""

    def put(self, local: Path, remote: str, timeout_s: float) -> None:
        """Take it, and keep nothing."""

    def get(self, remote: str, local: Path, timeout_s: float) -> None:  # noqa: ARG002
        """Give what a run has left."""
        content = self._result(_CASES).encode()
        member = tarfile.TarInfo("result.json")
        member.size = len(content)
        with tarfile.open(local, "w:gz") as archive:
            archive.addfile(member, io.BytesIO(content))

    def reconnect(self) -> None:
        """It never was away."""

    def power_cycle(self) -> None:
        """It never has to be."""

    def close(self) -> None:
        """Nothing is left."""

    def _answer(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        if name == "hello":
            machine = {"release": "7.3.4", "boot_id": "x", "python": [3, 13], "free": 1 << 40, "home": "/home/fleet"}
            return {**machine, "held_by": ""}
        if name == "program":
            return {"program": "amdgpu-hw"}
        if name == "start":
            self._begun[given["run"]] = (
                time.monotonic(),
                self._draw.lognormvariate(0, _SIGMA) * float(os.environ[RUN_S]),
            )
            return {"started": True}
        if name == "poll":
            return self._progress(given["run"], given["seen"])
        return {"file": "packed"}

    def _progress(self, run: str, seen: int) -> dict[str, Any]:
        if run not in self._begun:
            return {"state": "absent", "log": "", "free": 1 << 40, "seen": seen, "result": None}
        begun, takes = self._begun[run]
        done = min(_CASES, int((time.monotonic() - begun) / takes * _CASES))
        state = {"state": "ended", "status": 0} if done == _CASES else {"state": "running"}
        result = base64.b64encode(zlib.compress(self._result(done).encode())).decode() if done != seen else None
        return {**state, "log": "", "free": 1 << 40, "seen": done, "result": result}

    def _result(self, cases: int) -> str:
        known = ",\n".join(self._cases[:cases])
        return f'{self._head}, "cases": [\n{known}\n]}}'


def _case(number: int) -> dict[str, Any]:
    """A case as long as real ones are: 700 bytes."""
    case = Case(f"tests/hw/test_x.py::test_{number}", f"B{number}", "a behaviour that holds wherever it is tested")
    case.outcome, case.done = Outcome.HOLDS, ["explicit UNMAP of 64 KiB at 0x800140000000"]
    case.evidence = [Evidence("fence", "the fence signalled after 0.3 ms", {"waited_ns": 300_000 + number})]
    return case.to_json()


def _simulated(_plan: FleetPlan, place: PlannedPlace) -> Box:
    return SimulatedBox(place.name)


if __name__ == "__main__":
    sys.exit(serve(_simulated))
