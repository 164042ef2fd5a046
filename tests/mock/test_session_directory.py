# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.session_directory import SessionDirectory, sweep

OWNER = """
import sys
from amdgpu_hw.session_directory import SessionDirectory
directory = SessionDirectory(sys.argv[1])
(directory.path / "log").write_text("said")
print(directory.path, flush=True)
sys.stdin.read()
"""
MACHINE = """
import sys
from amdgpu_hw.mock.machine import Machine
with Machine() as machine:
    print(machine.pid, flush=True)
    sys.stdin.read()
"""


def start(program: str, *arguments: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
    """Start a Python program; it, and the line that it says when it is ready."""
    started = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert started.stdout is not None
    return started, started.stdout.readline().strip()


def end(program: subprocess.Popen[str], number: signal.Signals = signal.SIGKILL) -> None:
    """End it by a signal."""
    program.send_signal(number)
    program.communicate(timeout=30)


def test_what_a_killed_owner_left_goes_with_the_next_start(tmp_path: Path) -> None:
    """And what a living one has stays."""
    dead, left = start(OWNER, str(tmp_path))
    living, kept = start(OWNER, str(tmp_path))
    end(dead)
    assert Path(left, "log").is_file()
    with SessionDirectory(str(tmp_path)) as mine:
        assert {path.name for path in tmp_path.iterdir()} == {Path(kept).name, mine.name}
        assert Path(kept, "log").read_text() == "said"
    end(living)
    assert sweep(tmp_path) == [Path(kept)]
    assert list(tmp_path.iterdir()) == []


def test_a_closed_directory_is_gone_at_once(tmp_path: Path) -> None:
    """Only the user can enter it while it is there."""
    directory = SessionDirectory(str(tmp_path))
    assert directory.path.stat().st_mode & 0o777 == 0o700
    directory.close()
    directory.close()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_was_never_locked_is_removed_if_it_is_empty(tmp_path: Path) -> None:
    """Its owner was killed between two system calls; one with something in it was not made here."""
    (tmp_path / "amdgpu-hw-01234567").mkdir()
    (tmp_path / "amdgpu-hw-abcdefgh").mkdir()
    (tmp_path / "amdgpu-hw-abcdefgh" / "precious").touch()
    assert [path.name for path in sweep(tmp_path)] == ["amdgpu-hw-01234567"]
    assert (tmp_path / "amdgpu-hw-abcdefgh" / "precious").exists()


@pytest.mark.parametrize("name", ["amdgpu-hw-clients-0123abcd", "amdgpu-hw", "amdgpu-hw-0123456", "tmp01234567"])
def test_other_names_are_not_touched(tmp_path: Path, name: str) -> None:
    """Only what mkdtemp makes of our prefix."""
    (tmp_path / name).mkdir()
    assert sweep(tmp_path) == []
    assert (tmp_path / name).is_dir()


def test_another_kernels_directories_are_not_touched(tmp_path: Path) -> None:
    """A guest machine that shares a directory for writing does not see who has a lock outside."""
    owner, left = start(OWNER, str(tmp_path))
    Path(left, "owner").write_text("00000000-0000-0000-0000-000000000000\n")
    end(owner)
    assert sweep(tmp_path) == []
    assert Path(left, "log").is_file()


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link with a fitting name, and a link in place of the lock."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "owner").write_bytes(Path("/proc/sys/kernel/random/boot_id").read_bytes())
    (tmp_path / "amdgpu-hw-01234567").symlink_to(elsewhere)
    (tmp_path / "amdgpu-hw-abcdefgh").mkdir()
    (tmp_path / "amdgpu-hw-abcdefgh" / "owner").symlink_to(elsewhere / "owner")
    assert sweep(tmp_path) == []
    assert (elsewhere / "owner").is_file()
    assert (tmp_path / "amdgpu-hw-abcdefgh").is_dir()


def test_a_parent_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Callers say what it was for."""
    with pytest.raises(FileNotFoundError):
        SessionDirectory(str(tmp_path / "nowhere"))


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose path leaves room for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@pytest.mark.parametrize("kernel_too", [False, True])
def test_a_killed_mock_machine_leaves_nothing_behind_the_next_one(short_path: Path, kernel_too: bool) -> None:
    """Its kernel ends by itself and removes the directory; where that was killed as well, the next start does."""
    killed, pid = start(MACHINE, TMPDIR=str(short_path))
    assert len(list(short_path.iterdir())) == 1
    kernel = os.pidfd_open(int(pid))
    if kernel_too:
        signal.pidfd_send_signal(kernel, signal.SIGKILL)
    end(killed)
    with os.fdopen(kernel):
        assert _ends(kernel)
    assert len(list(short_path.iterdir())) == kernel_too
    again, _ = start(MACHINE, TMPDIR=str(short_path))
    assert len(list(short_path.iterdir())) == 1
    assert again.communicate(timeout=30)[0] == ""
    assert list(short_path.iterdir()) == []


def _ends(pidfd: int) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(20_000))
