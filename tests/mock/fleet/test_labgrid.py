# SPDX-License-Identifier: MIT
"""Places of labgrid's: a real coordinator and exporter, boxes reached and switched by labgrid's drivers."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback.lab import Lab, LoopbackBox
from loopback.labgrid_daemons import LabgridDaemons, places_of

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.fleet.box import BoxFailed, Unreachable
from amdgpu_hw.fleet.labgrid_box import LabgridBox
from amdgpu_hw.fleet.labgrid_extra import require_labgrid
from amdgpu_hw.fleet.plan import FleetPlan, PlannedPlace, TimeLimits
from amdgpu_hw.fleet.reservation import Reservation

TAGS = {"gpu": "navi31"}


@pytest.fixture(scope="module")
def labgrids_box(lab: Lab) -> LoopbackBox:
    """A box."""
    return lab.add_box("rack1")


@pytest.fixture(scope="module")
def daemons(lab: Lab, labgrids_box: LoopbackBox) -> Iterator[LabgridDaemons]:
    """A coordinator that knows it."""
    with LabgridDaemons(lab.directory / "labgrid", places_of(lab, {labgrids_box.name: TAGS})) as made:
        yield made


@pytest.fixture(scope="module")
def plan(lab: Lab, labgrids_box: LoopbackBox, daemons: LabgridDaemons) -> FleetPlan:
    """A plan with it."""
    place = PlannedPlace(
        "rack",
        "navi31",
        tags=TAGS,
        key=str(lab.keys.client),
        directory=str(labgrids_box.home),
        python=sys.executable,
        power_off=labgrids_box.command("off"),
        power_on=labgrids_box.command("on"),
    )
    return FleetPlan((place,), limits=TimeLimits(connect=5, lock=20), coordinator=daemons.coordinator)


@pytest.fixture
def box(plan: FleetPlan, labgrids_box: LoopbackBox) -> Iterator[LabgridBox]:
    """It, ours."""
    made = LabgridBox(plan, plan.place[0])
    yield made
    made.close()


def test_a_place_is_ours_until_it_is_let_go(plan: FleetPlan, daemons: LabgridDaemons) -> None:
    """As everybody sees; then nothing of us is left there."""
    box = LabgridBox(plan, plan.place[0])
    assert "rack1" in daemons.client("who")
    box.close()
    assert "rack1" not in daemons.client("who")
    assert daemons.client("reservations").strip() == ""


def test_commands_and_files_go_both_ways(box: LabgridBox, tmp_path: Path) -> None:
    """Every space and byte; what fails is one sentence."""
    assert box.run("echo 'two  spaces'; echo complaint >&2; exit 7", 10) == (7, "two  spaces\n", "complaint\n")
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(bytes(range(256)))
    box.put(sent, f"{tmp_path}/there", 10)
    box.get(f"{tmp_path}/there", received, 10)
    assert received.read_bytes() == sent.read_bytes()
    with pytest.raises(BoxFailed, match="/none could not be fetched"):
        box.get("/none", received, 10)
    with pytest.raises(BoxFailed, match="sent could not be copied"):
        box.put(sent, "/none/x", 10)


def test_a_box_that_is_switched_off_is_unreachable_and_comes_back(box: LabgridBox, labgrids_box: LoopbackBox) -> None:
    """By labgrid's power driver; the dead connection is no obstacle, and attempts leave nothing in /tmp."""
    before = set(Path(tempfile.gettempdir()).glob("lg-ssh-*"))
    assert box.run("true", 10)[0] == 0
    labgrids_box.switch("off")
    with pytest.raises(Unreachable):
        box.run("true", 10)
    with pytest.raises(Unreachable):
        box.reconnect()
    assert box.has_power
    box.power_cycle()
    box.reconnect()
    assert box.run("echo back", 10)[1] == "back\n"
    assert set(Path(tempfile.gettempdir()).glob("lg-ssh-*")) <= before
    assert box._strategy.release() == Path("/proc/sys/kernel/osrelease").read_text().strip()


def test_a_place_that_somebody_else_holds_is_not_taken(plan: FleetPlan, daemons: LabgridDaemons) -> None:
    """The sentence names who has it; nothing of our attempt is left."""
    daemons.client("-p", "rack1", "acquire", user="somebody")
    try:
        with pytest.raises(HarnessError, match=r"a place with gpu=navi31 did not become free within .*somebody"):
            Reservation(plan.coordinator, TAGS, 2)
    finally:
        daemons.client("-p", "rack1", "release", user="somebody")
    assert daemons.client("reservations").strip() == ""


def test_tags_that_no_place_has_are_one_sentence(plan: FleetPlan) -> None:
    """Within the limit."""
    with pytest.raises(HarnessError, match="gpu=voodoo"):
        Reservation(plan.coordinator, {"gpu": "voodoo"}, 2)


def test_a_coordinator_that_is_not_there_is_one_sentence() -> None:
    """With its address."""
    with pytest.raises(HarnessError, match=r"coordinator 127.0.0.1:1 could not reserve a place with gpu=navi31"):
        Reservation("127.0.0.1:1", TAGS, 2)


def test_without_labgrid_a_plan_that_needs_it_says_how_to_get_it(
    plan: FleetPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a plan that does not need it says nothing."""
    monkeypatch.setattr("amdgpu_hw.fleet.labgrid_extra.find_spec", lambda name: None)
    with pytest.raises(HarnessError, match=r"pip install 'amdgpu-hw\[fleet\]', or scripts/setup fleet"):
        require_labgrid(plan)
    require_labgrid(FleetPlan((PlannedPlace("a", "navi31", ssh="a"),)))


def test_labgrids_plugin_does_not_come_into_our_runs_of_pytest(pytestconfig: pytest.Config) -> None:
    """It has fixtures called env and target, and takes a second to import."""
    assert importlib.util.find_spec("labgrid") is not None
    assert not pytestconfig.pluginmanager.has_plugin("labgrid")
