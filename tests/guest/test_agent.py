# SPDX-License-Identifier: MIT
"""The guest's first process, on this machine: commands run as the host asks, and everything they do comes back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from amdgpu_hw.guest import agent
from amdgpu_hw.guest.agent import load
from amdgpu_hw.guest.channel import Frame, FrameReader, pack

TIMEOUT_S = 30


class Host:
    """The other end of an agent's port."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(TIMEOUT_S)
        self._reader = FrameReader()
        self._frames: list[tuple[Frame, bytes]] = []
        code = f"from amdgpu_hw.guest.agent import Agent; Agent({theirs.fileno()}).serve()"
        with theirs:
            self.agent = subprocess.Popen([sys.executable, "-c", code], pass_fds=(theirs.fileno(),))

    def send(self, frame: Frame, content: object = None) -> None:
        """A frame: bytes as they are, anything else as JSON."""
        data = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        self.socket.sendall(pack(frame, data))

    def run(self, command: Sequence[str], **more: Any) -> None:
        """Ask for a command."""
        environment = {"PATH": os.environ["PATH"], **more.pop("environment", {})}
        self.send(Frame.RUN, {"command": command, "directory": "/", "environment": environment, "user": None, **more})

    def frames(self) -> Iterator[tuple[Frame, bytes]]:
        """What comes, without the signs of life."""
        while True:
            while self._frames:
                frame = self._frames.pop(0)
                if frame[0] is not Frame.ALIVE:
                    yield frame
            self._frames = self._reader.take(self.socket.recv(65536))

    def result(self) -> tuple[dict[str, Any], bytes, bytes]:
        """How the command ended, and what it wrote."""
        written = {Frame.OUT: b"", Frame.ERR: b""}
        for frame, content in self.frames():
            if frame is Frame.EXIT:
                return json.loads(content), written[Frame.OUT], written[Frame.ERR]
            written[frame] += content
        raise AssertionError("no end")


@pytest.fixture
def host() -> Iterator[Host]:
    """An agent that serves us."""
    host = Host()
    yield host
    host.socket.close()
    assert host.agent.wait(TIMEOUT_S) == 0


def test_output_and_exit_status_come_back(host: Host) -> None:
    """Both streams apart, and all of them."""
    host.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert host.result() == ({"status": 7}, b"out\n", b"err\n")
    host.run(["sh", "-c", "head -c 3000000 /dev/zero"])
    assert host.result() == ({"status": 0}, bytes(3000000), b"")


def test_commands_follow_each_other(host: Host) -> None:
    """One machine serves several."""
    for number in range(5):
        host.run(["sh", "-c", f"exit {number}"])
        assert host.result()[0] == {"status": number}


def test_a_killed_command_says_so(host: Host) -> None:
    """As subprocess does: minus the signal."""
    host.run(["sh", "-c", "kill -SEGV $$"])
    assert host.result()[0] == {"status": -signal.SIGSEGV}


def test_the_command_runs_where_and_as_it_was_asked(host: Host, tmp_path: Path) -> None:
    """Directory and environment, of which nothing of ours is left."""
    host.run(["/bin/sh", "-c", "pwd; env"], directory=str(tmp_path), environment={"A": "b c"})
    _, out, _ = host.result()
    lines = out.decode().splitlines()
    assert lines[0] == str(tmp_path)
    assert "A=b c" in lines
    assert not any(line.startswith(("PYTEST", "HOME=")) for line in lines)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_command_runs_as_a_user(host: Host) -> None:
    """By name or number; an unknown one is told."""
    host.run(["id", "-un"], user="nobody")
    assert host.result()[1] == b"nobody\n"
    host.run(["id", "-un"], user="65534")
    assert host.result()[1] == b"nobody\n"
    host.run(["id"], user="no-such-user")
    status, _, _ = host.result()
    assert status["status"] == 126
    assert "no-such-user" in status["why"]


@pytest.mark.parametrize(("command", "status"), [("/nowhere/program", 127), ("/etc/passwd", 126)])
def test_what_cannot_be_run_has_a_shells_status_and_a_reason(host: Host, command: str, status: int) -> None:
    """The machine stays."""
    host.run([command])
    ended, _, _ = host.result()
    assert (ended["status"], bool(ended["why"])) == (status, True)
    host.run(["true"])
    assert host.result()[0] == {"status": 0}


def test_input_arrives_and_ends(host: Host) -> None:
    """More of it than a pipe holds."""
    host.run(["wc", "-c"])
    for _ in range(100):
        host.send(Frame.IN, bytes(10000))
    host.send(Frame.IN, b"")
    assert host.result()[1].strip() == b"1000000"


def test_signals_reach_the_command_and_its_children(host: Host) -> None:
    """As Ctrl-C does."""
    host.run(["sh", "-c", "trap 'echo caught; exit 3' INT; echo up; sleep 100 & wait"])
    frames = host.frames()
    assert next(frames) == (Frame.OUT, b"up\n")
    host.send(Frame.SIGNAL, int(signal.SIGINT))
    assert host.result() == ({"status": 3}, b"caught\n", b"")


def test_a_terminal_is_one(host: Host) -> None:
    """With its size, Ctrl-C in it, and one stream."""
    host.run(["sh", "-c", "stty size; echo err >&2; tty; sleep 100"], terminal=[33, 99])
    out = b""
    for _, content in host.frames():
        out += content
        if b"/dev/pts/" in out:
            break
    assert out.startswith(b"33 99\r\nerr\r\n")
    time.sleep(0.1)
    host.send(Frame.IN, b"\x03")
    assert host.result()[0] == {"status": -signal.SIGINT}


def test_a_process_that_is_left_behind_holds_up_nobody(host: Host) -> None:
    """It still has the pipes; the command has ended all the same."""
    host.run(["sh", "-c", "sleep 5 & echo done"])
    before = time.monotonic()
    assert host.result()[:2] == ({"status": 0}, b"done\n")
    assert time.monotonic() - before < 4


def test_it_ends_when_the_host_says_so(host: Host) -> None:
    """In a guest, the machine is switched off then."""
    host.send(Frame.OFF)
    assert host.agent.wait(TIMEOUT_S) == 0


def test_signs_of_life_come_while_nothing_happens(host: Host) -> None:
    """By them the host knows that the kernel still schedules."""
    reader = FrameReader()
    alive: list[tuple[Frame, bytes]] = []
    while len(alive) < 2:
        alive += reader.take(host.socket.recv(100))
    assert alive == [(Frame.ALIVE, b"")] * 2


def test_a_module_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And ends the loading, and what an oops does is as before."""
    panic_on_oops = tmp_path / "panic_on_oops"
    panic_on_oops.write_text("0\n")
    monkeypatch.setattr(agent, "_PANIC_ON_OOPS", panic_on_oops)
    modules = [{"name": name, "path": str(tmp_path / name), "parameters": ""} for name in ("first", "second")]
    answer = load(modules)
    assert (answer["refused"], answer["why"]) == ("first", "No such file or directory")
    assert list(answer["took"]) == ["first"]
    assert panic_on_oops.read_text() == "0\n"
