# SPDX-License-Identifier: MIT
"""What scripts/fleet_here shows: three boxes, two kernels, one matrix, and a box whose plug is pulled in the middle."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.events import Note, Phase, State
from amdgpu_hw.fleet.index import Index, read_index
from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.program import end_with, run_program
from loopback.lab import Lab, LoopbackBox, missing_programs
from loopback.labgrid_daemons import LabgridDaemons, places_of

__all__ = ("demonstrate",)

POSTED, MENDED, REAL = "posted", "mended", "debian"
BY_LABGRID = {"box1": "navi31", "box2": "mi300x"}
"""The GPUs of the mock machines on the boxes that are reached by labgrid."""

BY_SSH, SSH_GPU, GUEST_GPU = "box3", "navi21", "vega10"
UNPLUGGED = Order("navi31", POSTED, 1)
"""What runs on the box whose plug is pulled."""

_TESTS_BEFORE = 3
_GUEST_S = 3600


def demonstrate(arguments: Sequence[str]) -> int:
    """Run it; 0 if everything came to the end that it must come to."""
    parser = argparse.ArgumentParser(prog="scripts/fleet_here", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--guest",
        metavar="KERNEL",
        nargs="?",
        const="6.12",
        help="the third box runs a guest with this kernel",
    )
    parser.add_argument("-k", metavar="ROWS", dest="rows", default="B0 or B1 or B37", help="(default: %(default)s)")
    parser.add_argument("--results", metavar="DIR", type=Path, help="where to keep the results (default: a new one)")
    options = parser.parse_args(arguments)
    if missing := missing_programs():
        raise HarnessError(f"{', '.join(missing)} not found: scripts/setup fleet installs what is needed")
    results = (options.results or Path("results") / f"fleet-here-{datetime.now(UTC):%Y%m%dT%H%M%SZ}").resolve()
    with Lab() as lab:
        tags = {name: {"gpu": gpu} for name, gpu in BY_LABGRID.items()}
        for name in (*BY_LABGRID, BY_SSH):
            _share_environments(lab, lab.add_box(name))
        with LabgridDaemons(lab.directory / "labgrid", places_of(lab, tags)) as daemons:
            plan = lab.directory / "plan.toml"
            plan.write_text(plan_text(lab, daemons.coordinator, options.rows, options.guest))
            _run(plan, results, lab.boxes[0])
    return _judge(read_index(results))


def _share_environments(lab: Lab, box: LoopbackBox) -> None:
    """One environment serves all boxes: they are one machine."""
    shared = lab.directory / "environments"
    shared.mkdir(exist_ok=True)
    (box.home / "environments").symlink_to(shared)


def plan_text(lab: Lab, coordinator: str, rows: str, guest: str | None) -> str:
    """The plan, as a person would write it."""
    top: dict[str, Any] = {"rows": rows, "coordinator": coordinator}
    places = []
    for box in lab.boxes:
        by_ssh = box.name == BY_SSH
        gpu = (GUEST_GPU if guest else SSH_GPU) if by_ssh else BY_LABGRID[box.name]
        way = {"ssh": box.ssh, "options": list(lab.ssh_options())} if by_ssh else {"tags": {"gpu": gpu}}
        kernels = [REAL] if by_ssh and guest else [POSTED, MENDED]
        places.append(
            {
                "name": box.name,
                "gpu": gpu,
                "kernels": kernels,
                "key": str(lab.keys.client),
                **way,
                "directory": str(box.home),
                "python": sys.executable,
                "power_off": box.command("off"),
                "power_on": box.command("on"),
            }
        )
    kernels_of = [{"name": POSTED, "mock": "series-v1"}, {"name": MENDED, "mock": "series-fixed-7.3"}]
    kernels_of += [{"name": REAL, "guest": guest}] if guest else []
    limits = {"poll": 1, "away": 5, "validate": _GUEST_S}
    tables = [("[[place]]", each) for each in places] + [("[[kernel]]", each) for each in kernels_of]
    parts = [_toml(top), *(f"{head}\n{_toml(table)}" for head, table in tables), f"[limits]\n{_toml(limits)}"]
    return "\n".join(parts)


def _toml(table: dict[str, Any]) -> str:
    """The keys of a table; of what is in it JSON is TOML, but for tables."""
    lines = []
    for key, value in table.items():
        inner = (
            ", ".join(f"{name} = {json.dumps(each)}" for name, each in value.items()) if isinstance(value, dict) else ""
        )
        lines.append(f"{key} = {{ {inner} }}\n" if inner else f"{key} = {json.dumps(value)}\n")
    return "".join(lines)


def _run(plan: Path, results: Path, box: LoopbackBox) -> None:
    """Carry out the plan with the command that everybody uses, and pull the plug meanwhile."""
    process = subprocess.Popen([sys.executable, "-m", "amdgpu_hw", "fleet", "run", plan, "--results", results])
    done = threading.Event()
    hand = threading.Thread(target=_pull_the_plug, args=(results, box, done))
    hand.start()
    try:
        process.wait()
    finally:
        done.set()
        hand.join()


def _pull_the_plug(results: Path, box: LoopbackBox, done: threading.Event) -> None:
    """Switch the box off once its validation has said something, and see to it that it says no more."""
    while not done.wait(0.1):
        try:
            state = read_index(results).of_order(UNPLUGGED)
        except HarnessError:
            continue
        if state.state is State.RUNNING and state.tests >= _TESTS_BEFORE:
            print(f"--- the plug of {box.name} is pulled after {state.tests} tests of {UNPLUGGED.name}", flush=True)
            box.switch("off")
            return


def _judge(index: Index) -> int:
    """Whether everything went as it must; says so."""
    wrong = [
        f"{each.order.name} is {each.state.value}: {each.why}" for each in index.orders if each.state is not State.DONE
    ]
    phases = [note.phase for note in index.of_order(UNPLUGGED).notes if isinstance(note, Note)]
    wrong += [f"no {phase.value} in {UNPLUGGED.name}" for phase in (Phase.POWER, Phase.RESUME) if phase not in phases]
    for sentence in wrong:
        print(f"fleet_here: {sentence}", file=sys.stderr)
    if not wrong:
        print(f"All {len(index.orders)} orders came to a verdict; the one that was cut off was gone on with.")
    return 1 if wrong else 0


if __name__ == "__main__":
    end_with(lambda: run_program("scripts/fleet_here", lambda: demonstrate(sys.argv[1:])))
