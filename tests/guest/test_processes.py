# SPDX-License-Identifier: MIT
"""Programs that serve a machine end with it, and say how they ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.processes import Child, last_line, wait_for_socket


def test_a_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    """Even by SIGKILL, which lets the parent do nothing."""
    code = (
        "import sys, time; from pathlib import Path; from amdgpu_hw.guest.processes import Child\n"
        f"child = Child('sleep', ['sleep', '100'], Path({str(tmp_path / 'log')!r}))\n"
        "print(child.pid, flush=True); time.sleep(100)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    pidfd = os.pidfd_open(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _runs(pid):
        time.sleep(0.01)
    os.close(pidfd)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """With all that it started."""
    log = tmp_path / "log"
    child = Child("sh", ["sh", "-c", "trap '' TERM; echo up; sleep 100 & wait; sleep 100"], log)
    while not last_line(log):
        time.sleep(0.01)
    group = child.pid
    child.end()
    assert child.ended()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _group_runs(group):
        time.sleep(0.01)
    assert not _group_runs(group)


def _group_runs(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_says_how_it_ended(tmp_path: Path) -> None:
    """With its last words."""
    child = Child("the program", ["sh", "-c", "echo first; echo last >&2; exit 3"], tmp_path / "a")
    assert child.wait(5)
    assert child.how() == "the program ended with exit status 3 (last)"
    child.end()
    child = Child("the program", ["sh", "-c", f"kill -{signal.SIGKILL} $$"], tmp_path / "b")
    assert child.wait(5)
    assert child.how() == "the program was killed by SIGKILL"
    child.end()


def test_a_program_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(HarnessError, match=r"QEMU cannot be started \(/nowhere/qemu\): No such file"):
        Child("QEMU", ["/nowhere/qemu"], tmp_path / "log")


def test_waiting_for_a_socket_ends_when_there_will_be_none(tmp_path: Path) -> None:
    """The program ended, takes too long, or the user interrupts."""
    ended = Child("it", ["sh", "-c", "echo no such option; exit 1"], tmp_path / "log")
    with pytest.raises(HarnessError, match=r"exit status 1 \(no such option\)"):
        wait_for_socket(tmp_path / "s", ended, 10, lambda: None)
    ended.end()
    sleeps = Child("it", ["sleep", "100"], tmp_path / "log")
    with pytest.raises(HarnessError, match=r"did not listen within 0\.1 s"):
        wait_for_socket(tmp_path / "s", sleeps, 0.1, lambda: None)

    def interrupted() -> None:
        raise HarnessError("interrupted")

    with pytest.raises(HarnessError, match="interrupted"):
        wait_for_socket(tmp_path / "s", sleeps, 10, interrupted)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        wait_for_socket(tmp_path / "s", sleeps, 10, lambda: None)
    sleeps.end()
