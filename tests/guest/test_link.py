# SPDX-License-Identifier: MIT
"""Messages to and from a guest's first process, of which this side is told by a socket that QEMU would have."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError, RunCutShort
from amdgpu_hw.guest import link as link_module
from amdgpu_hw.guest.channel import Frame, pack
from amdgpu_hw.guest.ending import ConsoleLog, GuestError, MachineProcesses
from amdgpu_hw.guest.link import Link, content_of
from amdgpu_hw.guest.processes import Child
from amdgpu_hw.guest.terminal import CaughtSignals


@dataclass
class Line:
    """Both ends."""

    link: Link
    guest: socket.socket
    qemu: Child


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """A link, and what QEMU is replaced by: a program that sleeps."""
    console = ConsoleLog(tmp_path / "console.log")
    console.begin()
    signals = CaughtSignals()
    ours, theirs = socket.socketpair()
    qemu = Child("QEMU", ["sleep", "100"], tmp_path / "qemu.log")
    signals.install()
    try:
        with ours, theirs:
            yield Line(Link(ours, MachineProcesses(qemu, [], console), console, signals), theirs, qemu)
    finally:
        signals.restore()
        qemu.end()


def test_messages_are_put_together_from_whatever_comes(line: Line) -> None:
    """Those that are not waited for are passed over."""
    message = pack(Frame.ALIVE) + pack(Frame.READY, b"{}")
    line.guest.sendall(message[:7])
    assert line.link.receive(1.0) == [(Frame.ALIVE, b"")]
    line.guest.sendall(message[7:])
    assert line.link.expect(Frame.READY, 10, "load") == b"{}"


def test_half_a_message_of_before_is_none_after_a_restart(line: Line) -> None:
    """Whether it was read already or is still to be."""
    line.guest.sendall(pack(Frame.OUT, b"before")[:8])
    assert line.link.receive(1.0) == []
    line.guest.sendall(b"for")
    line.link.begin_anew()
    line.guest.sendall(pack(Frame.ALIVE))
    assert line.link.receive(1.0) == [(Frame.ALIVE, b"")]


def test_a_guest_that_says_nothing_any_more_hangs(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one that has ever said anything: before that it boots, for which `expect` has its own time."""
    monkeypatch.setattr(link_module, "_SILENCE_S", 0.0)
    assert line.link.receive(0.05) == []
    with pytest.raises(GuestError, match=r"did not boot within 0\.05 s; its console is in"):
        line.link.expect(Frame.ALIVE, 0.05, "boot")
    line.guest.sendall(pack(Frame.ALIVE))
    with pytest.raises(GuestError, match=r"hangs: .*no sign of life for 0 s.*console\.log"):
        line.link.receive(1.0)


@pytest.mark.parametrize("closed", [True, False])
def test_the_end_of_qemu_is_told_on_either_side(line: Line, closed: bool) -> None:
    """Whichever is seen first: the closed port, or the process that is gone."""
    os.kill(line.qemu.pid, signal.SIGTERM)
    assert line.qemu.wait(10)
    if closed:
        line.guest.close()
    with pytest.raises(GuestError, match="QEMU was killed by SIGTERM"):
        line.link.receive(10)
    line.guest.close()
    with pytest.raises(GuestError, match="QEMU was killed by SIGTERM"):
        line.link.send(Frame.OFF)


def test_a_signal_ends_the_wait_for_a_guest_that_comes_up(line: Line) -> None:
    """A new size of the terminal does not."""
    os.kill(os.getpid(), signal.SIGWINCH)
    line.guest.sendall(pack(Frame.ALIVE))
    assert line.link.expect(Frame.ALIVE, 10, "boot") == b""
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(RunCutShort, match="interrupted before the guest machine was up"):
        line.link.expect(Frame.ALIVE, 10, "boot")


@pytest.mark.parametrize("message", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_message_is_refused(message: bytes) -> None:
    """The guest's end is not trusted."""
    with pytest.raises(HarnessError, match="sent what is no message"):
        content_of(message)
