# SPDX-License-Identifier: MIT
"""One order on one box: whatever happens to the box, no row is lost and none is called broken for it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from amdgpu_hw.fleet.box import BoxFailed
from amdgpu_hw.fleet.events import Ending, Phase, Rows, State
from amdgpu_hw.fleet.plan import PlannedKernel
from tests.mock.fleet.pretend import QUICK, ROWS, Site


def test_an_order_comes_back_with_its_verdict_and_all_it_left(tmp_path: Path) -> None:
    """Result file, log and evidence are here, the box is clean, each row was told when it was known."""
    site = Site(tmp_path)
    site.behave(tests=ROWS, case_s=0.5)
    assert site.carry_out() == Ending(State.DONE, "", 1)
    assert site.outcomes() == ROWS
    assert (site.run_here / "result.evidence" / "kernel.log").read_text() == "nothing\n"
    assert (site.run_here / "log").exists()
    assert list((site.home / "runs").iterdir()) == []
    told = [event.outcomes for event in site.events if isinstance(event, Rows)]
    assert {test: outcome for each in told for test, outcome in each.items() if outcome != "did not finish"} == {
        f"tests/hw/test_x.py::test_{row.lower()}": outcome for row, outcome in ROWS.items()
    }
    assert len(told) > 1, "the rows came all at once"


def test_validate_is_asked_for_what_the_plan_says(tmp_path: Path) -> None:
    """Kernel, place and plan each add to the command."""
    site = Site(tmp_path)
    place = replace(site.plan.place[0], validate=("--rerun=1",))
    site.plan = replace(site.plan, place=(place,), rows="B0 or B31", validate=("--expectations",))
    site.carry_out()
    given = json.loads((site.run_here / "arguments").read_text())
    assert given[:-1] == ["--mock=navi31", "--kernel=series-v1", "--rerun=1", "--expectations", "-k", "B0 or B31"]
    assert given[-1].startswith("--results=")


def test_a_lost_connection_costs_nothing(tmp_path: Path) -> None:
    """The run goes on by itself, and is looked at again: one run, no row twice, nothing switched."""
    site = Site(tmp_path)
    site.behave(tests=ROWS, case_s=0.3)
    site.box.cuts = {8, 9, 12}
    assert site.carry_out().state is State.DONE
    assert site.outcomes() == ROWS
    assert site.notes(Phase.AWAY)
    assert (site.box.power_cycles, len((site.run_here / "arguments").read_text().splitlines())) == (0, 1)


@pytest.mark.parametrize("call", range(1, 15, 2))
def test_the_connection_may_be_lost_at_any_call(tmp_path: Path, call: int) -> None:
    """From the first to the last: the order ends all the same, and as it would have."""
    site = Site(tmp_path)
    site.behave(tests=ROWS, case_s=0)
    site.box.cuts = {call}
    assert site.carry_out() == Ending(State.DONE, "", 1)
    assert site.outcomes() == ROWS
    assert len((site.run_here / "arguments").read_text().splitlines()) == 1


def test_a_hang_costs_the_row_that_hung(tmp_path: Path) -> None:
    """The run is killed and gone on with; that row is the suspect, the rest is as ever."""
    site = Site(tmp_path, limits=replace(QUICK, silence=1.5))
    site.behave(tests=ROWS, hang_at=1)
    ending = site.carry_out()
    assert (ending.state, ending.status) == (State.DONE, 1)
    assert site.outcomes() == {**ROWS, "B06": "did not finish"}
    assert site.notes(Phase.HANG) == ["no news for 1.5 s although the box answers"]
    assert site.notes(Phase.RESUME)


def test_a_run_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    """As after an out-of-memory kill."""
    site = Site(tmp_path)
    site.behave(tests=ROWS, die_at=2)
    assert site.carry_out().state is State.DONE
    assert site.outcomes() == {**ROWS, "B09": "did not finish"}


def test_a_run_that_dies_after_its_last_row_has_its_verdict(tmp_path: Path) -> None:
    """There is nothing to go on with, and nothing is missing."""
    site = Site(tmp_path)
    site.behave(tests=ROWS, die_at=len(ROWS))
    assert site.carry_out() == Ending(State.DONE, "", 1)
    assert site.outcomes() == ROWS


def test_a_validation_that_is_killed_alone_is_gone_on_with(tmp_path: Path) -> None:
    """What supervises it is still there, and does not take that for an end."""
    site = Site(tmp_path)
    site.behave(tests=ROWS, hang_at=2)
    site.stop_when = lambda: kill_child(site.home / "runs" / site.order.name)
    assert site.carry_out().state is State.DONE
    assert site.outcomes() == {**ROWS, "B09": "did not finish"}


def kill_child(run: Path) -> bool:
    """Kill the validation, once, when its third case runs."""
    once = run / "killed"
    if (run / "was-at-2").exists() and not once.exists():
        once.touch()
        supervisor = (run / "alive").read_text()
        (child,) = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
    return False


def test_a_silent_box_is_switched_off_and_on_and_the_run_resumed(tmp_path: Path) -> None:
    """What ended before is kept, what was running is the suspect."""
    site = Site(tmp_path)
    site.behave(tests=ROWS, hang_at=2)
    run = site.box.run

    def goes_silent(command: str, timeout_s: float) -> tuple[int, str, str]:
        """Answer no more once the third case runs."""
        if (site.home / "runs" / site.order.name / "was-at-2").exists() and not site.box.power_cycles:
            site.box.is_off = True
        return run(command, timeout_s)

    site.box.run = goes_silent  # type: ignore[method-assign]
    ending = site.carry_out()
    assert (ending.state, site.box.power_cycles) == (State.DONE, 1)
    assert site.outcomes() == {**ROWS, "B09": "did not finish"}


def test_a_box_that_does_not_come_back_is_broken(tmp_path: Path) -> None:
    """The rows that were known are kept, none of them is blamed."""
    site = Site(tmp_path, limits=replace(QUICK, boot=0.5))
    site.behave(tests=ROWS, hang_at=2)
    site.box.comes_back = False
    poll = site.box.run

    def goes_silent(command: str, timeout_s: float) -> tuple[int, str, str]:
        site.box.is_off = (site.run_here / "result.json").exists() and len(site.outcomes()) == 3
        return poll(command, timeout_s)

    site.box.run = goes_silent  # type: ignore[method-assign]
    ending = site.carry_out()
    assert (ending.state, ending.place_is_broken) == (State.LOST, True)
    assert "does not come back after its power was switched off and on" in ending.why
    assert site.outcomes() == {"B05": "holds", "B06": "holds", "B09": "did not finish"}


def test_without_a_switch_a_silent_box_is_broken(tmp_path: Path) -> None:
    """The sentence says what is missing."""
    site = Site(tmp_path)
    site.box.is_off, site.box._has_power = True, False
    ending = site.carry_out()
    assert ending.place_is_broken
    assert "its power cannot be switched from here" in ending.why


def test_the_right_kernel_is_booted(tmp_path: Path) -> None:
    """The box is told to, goes away, comes back with it; the run starts then."""
    site = Site(tmp_path, kernel=PlannedKernel("new", release="7.3.4-new", boot="reboot-now"))
    site.box.kernels = ["6.1.0-stock", "7.3.4-new"]
    assert site.carry_out().state is State.DONE
    assert (site.box.boots, site.notes(Phase.BOOT)) == (1, ["Linux 7.3.4-new"])


def test_a_file_for_a_guest_is_copied_and_named(tmp_path: Path) -> None:
    """In place of the one before, so that they do not fill the disk."""
    for content in (b"first", b"second"):
        driver = tmp_path / content.decode() / "amdgpu.ko"
        driver.parent.mkdir()
        driver.write_bytes(content)
        kernel = PlannedKernel("driver", guest="7.3.4", files=str(driver), validate=("--module=$FILES",))
        site = Site(tmp_path / "site" / content.decode(), kernel=kernel)
        assert site.carry_out().state is State.DONE
        copied = site.home / "files" / "amdgpu.ko"
        assert json.loads((site.run_here / "arguments").read_text())[:-1] == [
            *("--guest=7.3.4", "--gpu=navi31"),
            f"--module={copied}",
        ]
        assert copied.read_bytes() == content
        assert list(copied.parent.iterdir()) == [copied]


@pytest.mark.parametrize(
    "kernel",
    [
        PlannedKernel("new", release="7.3.4-new", boot="reboot-now"),
        PlannedKernel("driver", guest="7.3.4", files=__file__, validate=("--module=$FILES",)),
    ],
    ids=["boot", "files"],
)
def test_a_box_that_somebody_else_holds_is_left_as_it_is(tmp_path: Path, kernel: PlannedKernel) -> None:
    """It is neither booted nor are files replaced that his run may be using."""
    site = Site(tmp_path, kernel=kernel)
    (site.home / "holder").write_text("him@there")
    with (site.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ending = site.carry_out()
    assert ending.why == "the box is held by him@there, for longer than 1 s"
    assert site.box.boots == 0
    assert not (site.home / "files").exists()


def test_a_kernel_that_runs_already_is_not_booted(tmp_path: Path) -> None:
    """A boot takes minutes."""
    site = Site(tmp_path, kernel=PlannedKernel("new", release="6.1.0-stock", boot="reboot-now"))
    assert site.carry_out().state is State.DONE
    assert site.box.boots == 0


def test_the_wrong_kernel_gets_no_verdict(tmp_path: Path) -> None:
    """It is tried twice; the place stays in use for other kernels."""
    site = Site(tmp_path, kernel=PlannedKernel("new", release="7.3.4-new", boot="reboot-now"))
    ending = site.carry_out()
    assert ending == Ending(State.LOST, "Linux 6.1.0-stock was booted instead of 7.3.4-new, 2 times")
    assert not (site.run_here / "result.json").exists()


def test_another_kernel_without_a_boot_command_gets_no_verdict(tmp_path: Path) -> None:
    """Nothing is run on a kernel that was not asked for."""
    site = Site(tmp_path, kernel=PlannedKernel("new", release="7.3.4-new"))
    ending = site.carry_out()
    assert (ending.state, ending.place_is_broken) == (State.LOST, False)
    assert "instead of 7.3.4-new, and the plan has no boot command for it" in ending.why


def test_a_box_that_somebody_else_holds_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    """His run is not disturbed, ours says who he is."""
    site = Site(tmp_path)
    (site.home / "holder").write_text("him@there, process 7")
    with (site.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ending = site.carry_out()
    assert ending.state is State.LOST
    assert ending.why == "the box is held by him@there, process 7, for longer than 1 s"
    assert site.notes(Phase.PLACE) == ["the box is held by him@there, process 7"]
    assert site.carry_out().state is State.DONE


def test_a_box_is_used_when_its_holder_is_done(tmp_path: Path) -> None:
    """Within the limit."""
    site = Site(tmp_path, limits=replace(QUICK, lock=60))
    with (site.home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def lets_go() -> bool:
            if site.notes(Phase.PLACE):
                fcntl.flock(lock, fcntl.LOCK_UN)
            return False

        site.stop_when = lets_go
        assert site.carry_out().state is State.DONE
    assert site.notes(Phase.PLACE)


def test_a_full_disk_is_the_places_fault(tmp_path: Path) -> None:
    """The box is broken, no row is; other places may take the order."""
    site = Site(tmp_path)

    run = site.box.run

    def no_space(command: str, timeout_s: float) -> tuple[int, str, str]:
        if " start " in command:
            return 0, '{"error": "No space left on device (log)", "full": true}\n', ""
        return run(command, timeout_s)

    site.box.run = no_space  # type: ignore[method-assign]
    ending = site.carry_out()
    assert (ending.state, ending.place_is_broken) == (State.LOST, True)
    assert ending.why == "its disk is full: No space left on device (log)"


def test_a_disk_that_takes_no_file_is_full(tmp_path: Path) -> None:
    """As when it has filled up while the run went on: the rows that were known stay."""
    site = Site(tmp_path)
    site.behave(tests=ROWS, die_at=2)
    put = site.box.put

    def no_space(local: Path, remote: str, timeout_s: float) -> None:
        if (site.run_here / "result.json").exists():
            raise BoxFailed(f"{local.name} could not be copied: cat: write error: No space left on device")
        put(local, remote, timeout_s)

    site.box.put = no_space  # type: ignore[method-assign]
    ending = site.carry_out()
    assert (ending.state, ending.place_is_broken) == (State.LOST, True)
    assert ending.why.startswith("its disk is full: agent.py could not be copied: ")
    assert list(site.outcomes()) == list(ROWS)[:3]


def test_an_environment_that_another_place_makes_is_waited_for(tmp_path: Path) -> None:
    """Two GPUs in one box: it takes longer than any answer may, and is no lost connection."""
    site = Site(tmp_path, limits=replace(QUICK, answer=1))
    environment = site.home / "environments" / "digest"
    (environment / "ready").unlink()
    with (environment.parent / "digest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def made() -> None:
            (environment / "ready").touch()
            fcntl.flock(lock, fcntl.LOCK_UN)

        timer = threading.Timer(2, made)
        timer.start()
        assert site.carry_out().state is State.DONE
        timer.join()
    assert site.notes(Phase.AWAY) == []


def test_what_cannot_be_validated_is_unusable_and_the_place_is_not(tmp_path: Path) -> None:
    """Exit status 2 with its sentence."""
    site = Site(tmp_path)
    site.behave(say="amdgpu-hw: there is no amdgpu GPU on this machine", status=2)
    assert site.carry_out() == Ending(State.UNUSABLE, "amdgpu-hw: there is no amdgpu GPU on this machine", 2)


def test_a_run_that_takes_too_long_is_ended_in_order(tmp_path: Path) -> None:
    """What it knew is its result, and it is incomplete."""
    site = Site(tmp_path, limits=replace(QUICK, validate=1.5))
    site.behave(tests=ROWS, hang_at=1)
    ending = site.carry_out()
    assert ending == Ending(State.DONE, "ended after 1.5 s, the limit", 3)
    assert site.outcomes()["B05"] == "holds"


def test_an_order_that_is_stopped_can_be_gone_on_with(tmp_path: Path) -> None:
    """By another process of the fleet: nothing runs on the box meanwhile, nothing that ended runs again."""
    site = Site(tmp_path)
    site.behave(tests=ROWS, hang_at=2)
    site.stop_when = lambda: (site.home / "runs" / site.order.name / "was-at-2").exists()
    assert site.carry_out().state is State.INTERRUPTED
    assert site.outcomes() == {"B05": "holds", "B06": "holds", "B09": "did not finish"}
    site.stop_when = lambda: False
    assert site.carry_out().state is State.DONE
    assert len((site.run_here / "arguments").read_text().splitlines()) == 2


def test_a_run_that_went_on_without_us_is_found_again(tmp_path: Path) -> None:
    """The process of the place was killed: the next one attaches to what runs, and starts nothing."""
    site = Site(tmp_path)
    site.behave(tests=ROWS, case_s=0.4)

    class Killed(Exception):
        pass

    def dies() -> bool:
        if (site.run_here / "result.json").exists():
            raise Killed
        return False

    site.stop_when = dies
    with pytest.raises(Killed):
        site.carry_out()
    site.stop_when = lambda: False
    assert site.carry_out().state is State.DONE
    assert site.outcomes() == ROWS
    assert len((site.run_here / "arguments").read_text().splitlines()) == 1
