# SPDX-License-Identifier: MIT
"""A stand-in for ``amdgpu-hw validate`` on a box: writes result files case by case, and misbehaves as it is told to.

What it is told is in ``behave.json`` beside the runs' directory: ``tests`` (outcome by row), ``hang_at`` and ``die_at``
(the number of a case, the first time only), ``say`` (with a ``status``, and nothing else), ``case_s``, ``head`` and
``case`` (what the files have beside). As the real one it writes the file before
and after each case, and does not run what is in the file that it resumes, the suspect included.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> int:
    """Be validate."""
    path = next(Path(word.partition("=")[2]) for word in arguments if word.startswith(("--results=", "--resume=")))
    told = json.loads((path.parents[2] / "behave.json").read_text())
    with (path.parent / "arguments").open("a") as file:
        file.write(json.dumps(arguments) + "\n")
    if "say" in told:
        print(told["say"], flush=True)
        return int(told["status"])
    cases = _known(path) if any(word.startswith("--resume=") for word in arguments) else []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    done = {case["row"] for case in cases}
    for number, (row, outcome) in enumerate(told["tests"].items()):
        if row in done:
            continue
        case = {**told["case"], "test": f"tests/hw/test_x.py::test_{row.lower()}", "row": row}
        cases.append(case)
        _write(path, told["head"], cases)
        _misbehave(path.parent / f"was-at-{number}", hangs=number == told["hang_at"], dies=number == told["die_at"])
        time.sleep(told["case_s"])
        case.update(outcome=outcome, reason="" if outcome in ("holds", "not testable") else f"{row} was otherwise")
        _write(path, told["head"], cases)
    _misbehave(path.parent / "was-at-end", hangs=False, dies=told["die_at"] == len(told["tests"]))
    (path.parent / "result.evidence").mkdir(exist_ok=True)
    (path.parent / "result.evidence" / "kernel.log").write_text("nothing\n")
    return 1 if any(case["outcome"] == "broken" for case in cases) else 0


def _known(path: Path) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(path.read_text())["cases"]
    for case in cases:
        if case["outcome"] == "did not finish" and not case["reason"]:
            case.update(suspect=True, reason="suspect: the run ended while this was running")
    return cases


def _misbehave(once: Path, *, hangs: bool, dies: bool) -> None:
    if (hangs or dies) and not once.exists():
        once.touch()
        if dies:
            os.killpg(0, signal.SIGKILL)
        time.sleep(600)


def _write(path: Path, head: dict[str, Any], cases: list[dict[str, Any]]) -> None:
    beside = path.with_name(".result.new")
    beside.write_text(json.dumps({**head, "cases": cases}))
    beside.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
