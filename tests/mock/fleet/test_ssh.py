# SPDX-License-Identifier: MIT
"""Boxes by ssh: a real sshd, connections that are cut, boxes that say nothing any more."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from loopback.lab import Lab, LoopbackBox

from amdgpu_hw.fleet.box import BoxFailed, Unreachable
from amdgpu_hw.fleet.conduct import Conduct, Installable
from amdgpu_hw.fleet.events import Event, Note, Phase, State
from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.fleet.plan import FleetPlan, PlannedKernel, PlannedPlace, TimeLimits
from amdgpu_hw.fleet.ssh import SshBox
from tests.mock.fleet.pretend import ROWS, install_stand_in, tell_stand_in

LIMITS = TimeLimits(validate=60, silence=60, boot=30, prepare=30, connect=5, answer=15, away=2, lock=1, poll=0.2)


def place_of(lab: Lab, box: LoopbackBox) -> PlannedPlace:
    """The place that a box is."""
    return PlannedPlace(
        box.name,
        "navi31",
        ssh=box.ssh,
        key=str(lab.keys.client),
        options=lab.ssh_options(),
        directory=str(box.home),
        python=sys.executable,
        power_off=box.command("off"),
        power_on=box.command("on"),
    )


@pytest.fixture(scope="module")
def loopback_box(lab: Lab) -> LoopbackBox:
    """One box."""
    box = lab.add_box("box")
    install_stand_in(box.home)
    return box


@pytest.fixture
def ssh(lab: Lab, loopback_box: LoopbackBox) -> Iterator[SshBox]:
    """The way to it."""
    loopback_box.switch("on")
    way = SshBox(place_of(lab, loopback_box), LIMITS)
    yield way
    way.close()


def conduct(lab: Lab, box: LoopbackBox, way: SshBox, results: Path, events: list[Event]) -> Conduct:
    """The place's process, without the process."""
    plan = FleetPlan((place_of(lab, box),), (PlannedKernel("k", mock="base"),), limits=LIMITS)

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return False

    return Conduct(plan, plan.place[0], way, Installable(Path("w"), "digest"), results, "tests", events.append, wait)


def test_commands_and_files_go_both_ways(ssh: SshBox, tmp_path: Path) -> None:
    """Exit status, both streams, every byte."""
    assert ssh.run("echo out; echo complaint >&2; exit 7", 10) == (7, "out\n", "complaint\n")
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(bytes(range(256)) * 1000)
    ssh.put(sent, f"{tmp_path}/there with 'quotes'", 10)
    ssh.get(f"{tmp_path}/there with 'quotes'", received, 10)
    assert received.read_bytes() == sent.read_bytes()


def test_what_cannot_be_copied_is_one_sentence_and_no_half_file(ssh: SshBox, tmp_path: Path) -> None:
    """Neither there nor here."""
    with pytest.raises(BoxFailed, match=r"could not be fetched: .*No such file"):
        ssh.get("/none", tmp_path / "x", 10)
    with pytest.raises(BoxFailed, match="could not be copied"):
        ssh.put(Path(__file__), "/none/x", 10)
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_is_not_there_is_unreachable(lab: Lab, loopback_box: LoopbackBox) -> None:
    """Within the limit, with what ssh says."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = replace(place_of(lab, loopback_box), ssh=f"127.0.0.1:{taken.getsockname()[1]}")
        way = SshBox(place, LIMITS)
        with pytest.raises(Unreachable, match=r"cannot be reached by ssh: .*Connection refused"):
            way.run("true", 5)
        way.close()


def test_a_box_with_another_host_key_is_not_talked_to(lab: Lab, loopback_box: LoopbackBox, tmp_path: Path) -> None:
    """Whoever answers on the port."""
    (tmp_path / "known").touch()
    place = replace(
        place_of(lab, loopback_box), options=(f"UserKnownHostsFile={tmp_path}/known", "StrictHostKeyChecking=yes")
    )
    way = SshBox(place, LIMITS)
    with pytest.raises(Unreachable, match="Host key verification failed"):
        way.run("true", 5)
    way.close()


def test_no_password_is_asked_for(lab: Lab, loopback_box: LoopbackBox) -> None:
    """Without the key nobody comes in, and ssh does not wait for a person."""
    way = SshBox(replace(place_of(lab, loopback_box), key="/dev/null"), LIMITS)
    with pytest.raises(Unreachable, match="Permission denied"):
        way.run("true", 5)
    way.close()


def test_the_lab_listens_on_the_loopback_interface_alone(loopback_box: LoopbackBox) -> None:
    """Its sshd has one socket, on 127.0.0.1."""
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    ]
    ours = [where for where in listening if int(where.partition(":")[2], 16) == loopback_box.port]
    assert ours == [f"0100007F:{loopback_box.port:04X}"]
    in_six = Path("/proc/net/tcp6")
    assert not in_six.exists() or f":{loopback_box.port:04X} " not in in_six.read_text()


def test_a_box_that_says_nothing_is_unreachable_within_the_limit(ssh: SshBox, loopback_box: LoopbackBox) -> None:
    """Its processes are stopped, the connection stands."""
    ssh.run("true", 10)
    stopped = [int(pid) for pid in ssh.run("echo $PPID", 10)[1].split()]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="no answer within 1 s"):
            ssh.run("true", 1)
        assert time.monotonic() - begun < 5
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_a_connection_that_is_cut_is_made_again(ssh: SshBox) -> None:
    """The command that was running is lost, the next one runs."""
    with pytest.raises(Unreachable):
        ssh.run("kill -KILL $PPID; sleep 5", 10)
    ssh.reconnect()
    assert ssh.run("echo back", 10)[1] == "back\n"


def test_a_box_that_is_switched_off_in_the_middle_is_switched_on_and_gone_on_with(
    lab: Lab, loopback_box: LoopbackBox, ssh: SshBox, tmp_path: Path
) -> None:
    """All that ran there is dead; what had ended is kept, what ran is the suspect, the rest is run."""
    tell_stand_in(loopback_box.home, tests=ROWS, hang_at=2)
    events: list[Event] = []
    order = Order("navi31", "k", 1)

    class PullsThePlug(list[Event]):
        """Switches off once the third case runs."""

        def append(self, event: Event) -> None:
            super().append(event)
            if (loopback_box.home / "runs" / order.name / "was-at-2").exists() and not self.pulled:
                self.pulled = True
                loopback_box.switch("off")

        pulled = False

    events = PullsThePlug()
    ending = conduct(lab, loopback_box, ssh, tmp_path, events).carry_out(order)
    assert ending.state is State.DONE, ending
    phases = [event.phase for event in events if isinstance(event, Note)]
    assert {Phase.AWAY, Phase.POWER, Phase.RESUME} <= set(phases)
    result = (tmp_path / "runs" / order.name / "result.json").read_text()
    assert result.count("suspect: the run ended") == 1
    for row, outcome in ROWS.items():
        assert row in result
        assert outcome in result or row == "B09"
