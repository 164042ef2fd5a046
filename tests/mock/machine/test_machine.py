# SPDX-License-Identifier: MIT
"""The life of a mock machine: it starts, runs programs, and ends without a trace, whatever happens to whom."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from amdgpu_hw.mock.machine import Machine, MachineError

PATIENCE_S = 20.0


def _wait_until_gone(what: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while what.exists():
        assert time.monotonic() < deadline, f"{what} is still there"
        time.sleep(0.02)


def _directory(machine: Machine) -> Path:
    return Path(machine.environ()["AMDGPU_HW_MOCK"])


def test_run_returns_the_programs_exit_status(machine: Machine) -> None:
    """An exit status is passed on; a signal that ended the program is its negative number."""
    assert machine.run(["true"]) == 0
    assert machine.run(["sh", "-c", "exit 7"]) == 7
    assert machine.run(["sh", "-c", "kill -SEGV $$"]) == -signal.SIGSEGV


def test_nothing_is_left_of_a_machine() -> None:
    """close() ends the process of the mock kernel and removes its directory; the log can still be read."""
    with Machine(["navi31"]) as machine:
        directory, pid = _directory(machine), machine.pid
        assert directory.stat().st_mode & 0o777 == 0o700, "the machine's directory is open to others"
    assert not directory.exists()
    assert not Path(f"/proc/{pid}").exists()
    assert "mock kernel 'series-fixed-7.3'" in machine.log()
    machine.close()


LOOK = """
import os
os.close(os.open("/dev/dri/renderD128", os.O_RDWR))
print(os.path.dirname(os.environ["AMDGPU_HW_MOCK"]), os.environ["LD_PRELOAD"], sep="\\n")
"""


@pytest.mark.parametrize("name", ["a checkout", "a:checkout"])
def test_a_checkout_may_have_any_path(name: str, tmp_path: Path) -> None:
    """A library whose path LD_PRELOAD cannot name is loaded nevertheless, also where TMPDIR cannot be named either."""
    checkout = tmp_path / name
    checkout.mkdir()
    (checkout / "amdgpu_hw").symlink_to(Path(__file__).parents[3] / "amdgpu_hw")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="a b") as temporary:
        for directory in ("/tmp", temporary):
            result = subprocess.run(
                [sys.executable, "-m", "amdgpu_hw", "mock", "--", sys.executable, "-c", LOOK],
                cwd=checkout,
                env=os.environ | {"TMPDIR": directory},
                capture_output=True,
                text=True,
                check=False,
            )
            assert (result.returncode, result.stderr) == (0, ""), directory
            where, libraries = result.stdout.splitlines()
            assert where == "/tmp"
            assert libraries.split(":")[0].endswith("/_preload.so"), "the package of this checkout was not used"


def test_two_machines_are_apart() -> None:
    """Each machine has its own kernel and GPUs; a machine can be started by a program that runs on another."""
    script = """
import subprocess, sys
from amdgpu_hw.mock.machine import Machine
with Machine(["mi300x", "navi31"], "base") as inner:
    sys.exit(inner.run(["sh", "-c", "ls /dev/dri; cat /sys/class/drm/renderD128/device/device"]))
"""
    with Machine(["navi31"]) as outer:
        result = subprocess.run(
            [sys.executable, "-c", script], env=outer.environ(), capture_output=True, text=True, timeout=60, check=False
        )
        assert outer.run(["test", "-e", "/dev/dri/renderD130"]) == 1
    assert result.stderr == ""
    nodes = ["card0", "card1", "card2", "renderD128", "renderD129", "renderD130"]
    assert result.stdout.split() == ["by-path", *nodes, "0x74a1"]


@pytest.mark.parametrize(
    ("gpus", "kernel", "message"),
    [
        (["navi99"], "base", r"no mock GPU called 'navi99'; there are: .*navi31"),
        (["navi31"], "9.99", r"no kernel called '9.99'; there are: .*base"),
        (["navi31"] * 17, "base", r"at most 16 GPUs, not 17"),
    ],
)
def test_an_unknown_name_is_one_sentence(
    gpus: list[str], kernel: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU or kernel that does not exist is refused in one line that lists those that do; nothing is left behind."""
    # Other machines may come and go meanwhile, and pytest's own directory is too long for sockets.
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        monkeypatch.setattr(tempfile, "tempdir", directory)
        with pytest.raises(MachineError, match=message) as caught:
            Machine(gpus, kernel).start()
        assert "\n" not in str(caught.value)
        assert not list(Path(directory).iterdir()), "a directory was left behind"


def test_an_unknown_bug_is_one_sentence() -> None:
    """The server says it, in whatever way the machine was started."""
    with pytest.raises(
        MachineError, match=r"^there is no planted bug called 'm05_flag': did you mean m05_flag_ignored"
    ):
        Machine(["navi31"], bugs=["m05_flag"]).start()


def test_a_program_that_does_not_exist_is_one_sentence(machine: Machine) -> None:
    """The message names the program."""
    with pytest.raises(MachineError, match=r"^cannot run 'no-such-program': No such file or directory$"):
        machine.run(["no-such-program"])


@pytest.mark.parametrize("program_goes_on", [True, False])
def test_a_killed_kernel_is_reported_and_ends_the_program(program_goes_on: bool) -> None:
    """When the mock kernel is killed, run() says so with the end of its log, and the program does not go on alone."""
    with Machine(["navi31"]) as machine:
        script = f"import os, time; os.kill({machine.pid}, 9); time.sleep({60 if program_goes_on else 0.2})"
        started = time.monotonic()
        with pytest.raises(MachineError) as caught:
            machine.run([sys.executable, "-c", script])
        assert time.monotonic() - started < PATIENCE_S, "the program was not ended"
        directory = _directory(machine)
    first, *rest = str(caught.value).splitlines()
    assert first == "the mock kernel was killed by SIGKILL"
    assert any("Initialized amdgpu" in line for line in rest)
    assert not directory.exists()


def test_a_machine_that_is_not_running_says_so() -> None:
    """Use before start() and a second start() are errors, not accidents."""
    machine = Machine(["navi31"])
    with pytest.raises(MachineError, match="does not run"):
        machine.run(["true"])
    with machine, pytest.raises(MachineError, match="runs already"):
        machine.start()


def test_the_log_goes_to_a_file_as_well(tmp_path: Path) -> None:
    """log_file is a copy of the log that outlives the machine."""
    path = tmp_path / "dmesg.txt"
    with Machine(["navi31"], log_file=path) as machine:
        text = machine.log()
    assert "Initialized amdgpu" in text
    assert path.read_text(encoding="utf-8") == text


def test_a_full_disk_under_the_log_file_does_not_stop_the_machine() -> None:
    """The copy of the log ends; the machine goes on and says so in its own log."""
    with Machine(["navi31"], log_file=Path("/dev/full")) as machine:
        assert machine.run(["true"]) == 0
        assert "the log file /dev/full ends here: No space left on device" in machine.log()


RUNNER = """
import sys
from amdgpu_hw.mock.machine import Machine
with Machine(["navi31"]) as machine:
    program = 'import os, signal, sys, time\\n' \\
        'signal.signal(signal.SIGINT, lambda *_: sys.exit(42))\\n' \\
        'signal.signal(signal.SIGTERM, lambda *_: sys.exit(43))\\n' \\
        'os.open("/dev/dri/renderD128", os.O_RDWR)\\n' \\
        'print(os.environ["AMDGPU_HW_MOCK"], flush=True)\\n' \\
        'time.sleep(60)\\n'
    sys.exit(machine.run([sys.executable, "-c", program]))
"""


def _start_runner() -> tuple[subprocess.Popen[str], Path]:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert runner.stdout is not None
    return runner, Path(runner.stdout.readline().strip())


def test_ctrl_c_ends_the_program_and_then_the_machine() -> None:
    """SIGINT of the terminal goes to the program; its exit status is kept, and the machine is taken down in order."""
    runner, directory = _start_runner()
    os.killpg(runner.pid, signal.SIGINT)
    _, errors = runner.communicate(timeout=PATIENCE_S)
    assert (runner.returncode, errors) == (42, "")
    assert not directory.exists()


def test_sigterm_is_passed_on_to_the_program() -> None:
    """A machine that is asked to end asks its program to end."""
    runner, directory = _start_runner()
    runner.terminate()
    _, errors = runner.communicate(timeout=PATIENCE_S)
    assert (runner.returncode, errors) == (43, "")
    assert not directory.exists()


def test_a_machine_that_is_killed_takes_its_kernel_along() -> None:
    """Not even SIGKILL leaves a mock kernel or its files behind."""
    runner, directory = _start_runner()
    runner.kill()
    _wait_until_gone(directory)
    os.killpg(runner.pid, signal.SIGKILL)
    runner.communicate()
