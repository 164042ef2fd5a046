# SPDX-License-Identifier: MIT
"""Two GPUs in one guest: used at once, reset with work in flight, given back and taken again, and a guest reboot.

One machine for all of it, which is booted twice; the order of the tests is that of its life.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.guest.session import GuestError, GuestMachine, GuestOptions
from amdgpu_hw.guest.tools import find_tools
from tests.guest.machine.requirements import why_not
from tests.guest.machine.test_boot import run

TIMEOUT_S = 600
TEST_TIMEOUT_S = 100
"""As in test_boot_gpu."""
FIRST, SECOND = "0000:00:10.0", "0000:00:11.0"
BOTH_USED = f"used: {FIRST} {SECOND}\n"
PROGRAM = str(Path(__file__).with_name("lifecycle.py"))
CLIENT_RESETS = "the client resets the function"
UNLOAD = """
for dump in /sys/class/devcoredump/devcd*/data; do test ! -e $dump || echo 1 >$dump; done
for second in 1 2 3 4 5 6 7 8 9; do $0 rmmod amdgpu && exit; sleep 1; done; exit 1
"""
"""The coredump of a reset keeps the driver's module in use, for five minutes or until somebody writes to it."""

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.timeout(TIMEOUT_S),
    pytest.mark.long,
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestMachine]:
    """The newest stock kernel with two GPUs of a kind; no job ends by its timeout."""
    before = Path.cwd()
    directory = tmp_path_factory.mktemp("lifecycle")
    os.chdir(directory)
    try:
        options = GuestOptions(
            gpus=("vega10", "vega10"),
            parameters={"lockup_timeout": f"{TIMEOUT_S}000"},
            console=directory / "console.log",
        )
        with GuestMachine(options) as machine:
            assert not machine.trouble
            yield machine
    finally:
        os.chdir(before)


def does(machine: GuestMachine, capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """Have the guest's program do something; what it says."""
    status, out, err = run(machine, [sys.executable, PROGRAM, *words], capfd)
    assert status == 0, out + err + machine.console.read_text(errors="replace")[-2000:]
    return out


def gpu_log(machine: GuestMachine, number: int) -> str:
    """What a GPU has to say."""
    return machine.console.with_suffix(f".gpu{number}.log").read_text()


def test_both_gpus_work_at_the_same_time(machine: GuestMachine, capfd: pytest.CaptureFixture[str]) -> None:
    """Each has its own memory, rings and interrupts; huge pages that begin behind a multiple of 2 MiB are right."""
    assert does(machine, capfd, "use", FIRST, SECOND) == BOTH_USED


def test_the_second_one_can_be_judged(machine: GuestMachine, capfd: pytest.CaptureFixture[str]) -> None:
    """--gpu names it, and the verdict is about it; a stock kernel has no flag to say anything of."""
    words = [sys.executable, "-m", "amdgpu_hw", "validate", "--gpu", SECOND, f"--timeout={TEST_TIMEOUT_S}"]
    status, out, err = run(machine, [*words, "--", "-k", "T01"], capfd)
    assert status == ExitStatus.SILENT, out + err
    (file,) = Path("results").glob("validate-*.json")
    told = json.loads(file.read_text())
    assert told["gpu"]["pci_address"] == SECOND
    assert [case["outcome"] for case in told["cases"]] == ["holds"]


def test_a_full_reset_in_the_middle(machine: GuestMachine, capfd: pytest.CaptureFixture[str]) -> None:
    """amdgpu_device_gpu_recover while two processes compute and copy: both hear of it, others go on."""
    lost_twice_then_used = rf"lost: E\w+\nlost: E\w+\n{BOTH_USED}"
    assert re.fullmatch(lost_twice_then_used, does(machine, capfd, "reset", FIRST, SECOND))
    said = run(machine, ["dmesg"], capfd)[1]
    assert re.search(rf"{FIRST}: GPU reset\(\d+\) succeeded", said), said
    assert not re.search(r"BUG|WARNING", said), said


def test_a_gpu_can_be_given_back_and_taken_again(machine: GuestMachine, capfd: pytest.CaptureFixture[str]) -> None:
    """Unbound, function level reset, bound: the driver finds it as after power-up."""
    assert does(machine, capfd, "rebind", FIRST, SECOND) == BOTH_USED
    assert "function level reset" in gpu_log(machine, 0)
    assert "function level reset" not in gpu_log(machine, 1)


def test_the_driver_can_be_unloaded_and_loaded_again(machine: GuestMachine, capfd: pytest.CaptureFixture[str]) -> None:
    """rmmod, then what starting the machine does; nobody has reset the GPUs in between."""
    status, out, err = run(machine, ["sh", "-c", UNLOAD, str(find_tools().busybox)], capfd)
    assert status == 0, out + err
    assert run(machine, ["test", "-e", "/sys/module/amdgpu"], capfd)[0] == 1
    machine.load_driver()
    assert not machine.trouble
    assert does(machine, capfd, "use", FIRST, SECOND) == BOTH_USED


def test_a_restarted_guest_finds_its_gpus_as_after_power_up(
    machine: GuestMachine, capfd: pytest.CaptureFixture[str]
) -> None:
    """The reset button, with jobs in flight on one GPU: the kernel is a new one, and its driver takes both."""
    before = run(machine, ["cat", "/proc/sys/kernel/random/boot_id"], capfd)
    resets = [gpu_log(machine, number).count(CLIENT_RESETS) for number in range(2)]
    assert does(machine, capfd, "leave", FIRST) == f"in flight: {FIRST}\n"
    machine.restart()
    assert not machine.trouble
    assert run(machine, ["cat", "/proc/sys/kernel/random/boot_id"], capfd) != before
    for number in range(2):
        assert gpu_log(machine, number).count(CLIENT_RESETS) > resets[number]
    assert does(machine, capfd, "use", FIRST, SECOND) == BOTH_USED


def test_a_guest_that_reboots_itself_ends(machine: GuestMachine) -> None:
    """In one sentence, that says so."""
    reboot = "import ctypes; ctypes.CDLL(None).reboot(0x1234567)"  # LINUX_REBOOT_CMD_RESTART
    with pytest.raises(GuestError, match=r"the guest rebooted, which ends .*console\.log"):
        machine.run([sys.executable, "-c", reboot])
