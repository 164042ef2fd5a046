# SPDX-License-Identifier: MIT
"""Machines that are really booted: programs run there as here, nothing here is changed, all ends are clean."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from amdgpu_hw.guest import link
from amdgpu_hw.guest.session import GuestError, GuestMachine, GuestOptions
from amdgpu_hw.session_directory import sweep
from tests.guest.machine.requirements import why_not

BOOT_TIMEOUT_S = 400

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(BOOT_TIMEOUT_S),
]


@pytest.fixture(scope="module", autouse=True)
def working_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tests start in a directory of their own: it is what guests may change."""
    before = Path.cwd()
    directory = tmp_path_factory.mktemp("work")
    os.chdir(directory)
    yield directory
    os.chdir(before)


def bare(directory: Path, name: str, **more: object) -> GuestOptions:
    """A machine without a GPU and a driver, which is up quickly."""
    given = {"gpus": (), "load_driver": False, "console": directory / f"{name}.log", "accelerator": "tcg", **more}
    return GuestOptions(**given)  # type: ignore[arg-type]


def run(machine: GuestMachine, command: Sequence[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Status and output of a command in the guest."""
    capfd.readouterr()
    status = machine.run(command)
    output = capfd.readouterr()
    return status, output.out, output.err


def processes_of(directory: str) -> list[str]:
    """The command lines of processes that have to do with a session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(directory in word for word in words):
            found.append(" ".join(words))
    return found


@pytest.fixture(scope="module")
def machine(working_directory: Path) -> Iterator[GuestMachine]:
    """A machine that runs."""
    with GuestMachine(bare(working_directory, "console")) as machine:
        yield machine


def test_the_kernel_is_the_one_that_was_asked_for(machine: GuestMachine, capfd: pytest.CaptureFixture[str]) -> None:
    """Not this machine's."""
    assert run(machine, ["uname", "-r"], capfd) == (0, f"{machine.kernel.release}\n", "")


def test_streams_and_status_come_back(machine: GuestMachine, capfd: pytest.CaptureFixture[str]) -> None:
    """As if it had run here."""
    assert run(machine, ["sh", "-c", "echo out; echo err >&2; exit 42"], capfd) == (42, "out\n", "err\n")
    assert run(machine, ["sh", "-c", "kill -KILL $$"], capfd)[0] == 128 + signal.SIGKILL
    status, _, err = run(machine, ["/nowhere/program"], capfd)
    assert (status, err) == (127, "amdgpu-hw: the guest cannot run '/nowhere/program': /nowhere/program: "
                                  "No such file or directory\n")  # fmt: skip


def test_files_in_the_working_directory_are_this_machines(
    machine: GuestMachine, working_directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Both ways, at once."""
    (working_directory / "from_here").write_text("hello\n")
    command = ["sh", "-c", "cat from_here && echo there > from_there && pwd"]
    assert run(machine, command, capfd) == (0, f"hello\n{working_directory}\n", "")
    assert (working_directory / "from_there").read_text() == "there\n"


def test_nothing_else_can_be_changed(
    machine: GuestMachine, tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """The guest's root believes that it did; what is below its own layer refuses."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "mine").write_text("as it was\n")
    script = f"echo changed > {outside}/mine; rm -rf {outside}/mine; echo new > {outside}/new; cat {outside}/new"
    assert run(machine, ["sh", "-c", script], capfd) == (0, "new\n", "")
    assert [path.name for path in outside.iterdir()] == ["mine"]
    assert (outside / "mine").read_text() == "as it was\n"


def test_the_read_only_file_system_is_so_for_the_guests_kernel_as_well(
    machine: GuestMachine, tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """Mounted anew for writing, the daemon still refuses every change."""
    outside = tmp_path_factory.mktemp("lower")
    (outside / "mine").write_text("as it was\n")
    script = f"mkdir -p /tmp/again; mount -t virtiofs root /tmp/again; rm /tmp/again{outside}/mine; echo $?"
    status, out, err = run(machine, ["sh", "-c", script], capfd)
    assert (status, out) == (0, "1\n"), err
    assert (outside / "mine").read_text() == "as it was\n"


def test_this_package_runs_in_it(machine: GuestMachine, capfd: pytest.CaptureFixture[str]) -> None:
    """With the same interpreter and the same installation."""
    status, out, err = run(machine, [sys.executable, "-m", "amdgpu_hw", "--version"], capfd)
    assert (status, bool(out.strip())) == (0, True), err


def test_a_panic_is_one_sentence_with_the_log(working_directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """And nothing runs any more."""
    options = bare(working_directory, "panic")
    with GuestMachine(options) as machine, pytest.raises(GuestError, match=r"kernel panicked: .*sysrq.*panic\.log"):
        machine.run(["sh", "-c", "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 60"])
    assert "Kernel panic" in (working_directory / "panic.log").read_text()
    assert not processes_of("panic.log")


def test_a_killed_qemu_and_a_hang_are_one_sentence(working_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bounded in time."""
    with GuestMachine(bare(working_directory, "killed")) as machine:
        qemu = machine.qemu_pid
        threading.Timer(1, os.kill, (qemu, signal.SIGKILL)).start()
        with pytest.raises(GuestError, match=r"QEMU was killed by SIGKILL.*killed\.log"):
            machine.run(["sleep", "100"])
    monkeypatch.setattr(link, "_SILENCE_S", 4.0)
    with GuestMachine(bare(working_directory, "hang")) as machine:
        threading.Timer(1, os.kill, (machine.qemu_pid, signal.SIGSTOP)).start()
        before = time.monotonic()
        with pytest.raises(GuestError, match=r"hangs: .*no sign of life for 4 s.*hang\.log"):
            machine.run(["sleep", "100"])
        assert time.monotonic() - before < 30
        os.kill(machine.qemu_pid, signal.SIGCONT)
    assert not processes_of("hang.log")
    assert not processes_of("killed.log")


def test_ctrl_c_and_a_killed_parent_leave_nothing_behind(working_directory: Path) -> None:
    """Ctrl-C goes to the command, which decides; SIGKILL of us takes everything along but a directory.

    The next start removes that.
    """
    temporary = working_directory / "t"
    temporary.mkdir()
    for name, number, status in (("int", signal.SIGINT, 33), ("kill", signal.SIGKILL, -signal.SIGKILL)):
        code = (
            "from pathlib import Path; from amdgpu_hw.guest.session import *\n"
            f"options = GuestOptions(gpus=(), load_driver=False, accelerator='tcg', console=Path('{name}.log'))\n"
            "with GuestMachine(options) as machine:\n"
            "    status = machine.run(['sh', '-c', 'trap \"exit 33\" INT; echo up; while :; do sleep 0.1; done'])\n"
            "raise SystemExit(status)"
        )
        program = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        assert program.stdout is not None
        assert program.stdout.readline() == b"up\n"
        assert processes_of(f"{name}.log")
        program.send_signal(number)
        assert program.wait(60) == status
        program.stdout.close()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and processes_of(f"{name}.log"):
            time.sleep(0.1)
        assert not processes_of(f"{name}.log")
        assert len(sweep(temporary)) == (number == signal.SIGKILL)
        assert list(temporary.iterdir()) == []


def test_a_kernel_that_cannot_boot_is_one_sentence(working_directory: Path) -> None:
    """With its last words."""
    options = bare(working_directory, "noboot", kernel_arguments=("rdinit=/nowhere", "init=/nowhere"))
    with pytest.raises(GuestError, match="kernel panicked"), GuestMachine(options):
        raise AssertionError("it is up")
    assert not processes_of("noboot.log")
