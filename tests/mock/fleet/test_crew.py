# SPDX-License-Identifier: MIT
"""The processes of the places: real ones, whose boxes are directories."""

from __future__ import annotations

import fcntl
import json
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from amdgpu_hw.fleet.conduct import Installable
from amdgpu_hw.fleet.crew import Crew
from amdgpu_hw.fleet.events import State
from amdgpu_hw.fleet.index import Index, read_index
from amdgpu_hw.fleet.plan import FleetPlan, PlannedKernel, PlannedPlace
from amdgpu_hw.fleet.run import reopen, run_fleet
from tests.mock.fleet.pretend import QUICK, ROWS, install_stand_in, tell_stand_in

PROCESS = (sys.executable, "-m", "tests.mock.fleet.local_place")


def fleet(directory: Path, *names: str, **told: object) -> Index:
    """The index of a plan with places that are directories, nothing done yet."""
    places = []
    for name in names:
        home = directory / name
        install_stand_in(home)
        tell_stand_in(home, **{"tests": ROWS, **told})
        places.append(PlannedPlace(name, name, ssh="x", directory=str(home), python=sys.executable))
    return Index.of(FleetPlan(tuple(places), (PlannedKernel("k", mock="base"),), limits=QUICK))


def carry_out(index: Index, directory: Path) -> Index:
    """Carry out an index; what its file says."""
    results = directory / "results"
    made = Installable(Path("w"), "digest")
    run_fleet(index, results, made, lambda line: None, Crew(results / "places", PROCESS))
    return read_index(results)


def test_every_place_has_a_process_and_every_order_its_verdict(tmp_path: Path) -> None:
    """A fault in one process is that place's alone, and its log is named."""
    index = carry_out(fleet(tmp_path, "one", "nowhere", "two"), tmp_path)
    states = {each.place: each.state for each in index.orders}
    assert states == {"one": State.DONE, "two": State.DONE, "nowhere": State.LOST}
    log = tmp_path / "results" / "places" / "nowhere.log"
    assert index.broken == {"nowhere": f"its process here ended with 1: see {log}"}
    assert "RuntimeError: a fault" in log.read_text()
    assert [each.tests for each in index.orders if each.state is State.DONE] == [len(ROWS)] * 2


def test_a_fleet_that_is_interrupted_ends_its_runs_and_can_be_gone_on_with(tmp_path: Path) -> None:
    """Nothing runs on the box afterwards; what had ended is not run again."""
    index = fleet(tmp_path, "one", hang_at=2)
    reached = tmp_path / "one" / "runs" / index.orders[0].order.name / "was-at-2"
    hand = threading.Thread(target=interrupt_when, args=(reached,))
    hand.start()
    with pytest.raises(KeyboardInterrupt):
        carry_out(index, tmp_path)
    hand.join()
    left = read_index(tmp_path / "results")
    assert [each.state for each in left.orders] == [State.INTERRUPTED]
    assert json.loads((reached.parent / "ended.json").read_text()) == {"status": 3, "timed_out": False, "stopped": True}
    with (reached.parent / "alive").open() as alive:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    reopen(left)
    again = carry_out(left, tmp_path)
    assert [(each.state, each.tests) for each in again.orders] == [(State.DONE, len(ROWS))]


def interrupt_when(path: Path) -> None:
    """Send this process an interrupt once a file is there; none where the test has failed, and others run by then."""
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    if path.exists():
        signal.raise_signal(signal.SIGINT)
