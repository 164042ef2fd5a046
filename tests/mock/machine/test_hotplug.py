# SPDX-License-Identifier: MIT
"""GPUs that leave and come back by way of /sys, as a program finds it."""

from __future__ import annotations

import subprocess
import sys

from amdgpu_hw.mock.machine import Machine

PRELUDE = """
import os, pyudev, sys, time
from amdgpu_hw import open_gpu
from amdgpu_hw.errors import DrmError
NODE, DEVICE = "/dev/dri/renderD128", "/sys/bus/pci/devices/0000:03:00.0"
monitor = pyudev.Monitor.from_netlink(pyudev.Context())
monitor.filter_by("drm")
monitor.start()
def write(path, text):
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, text)
    os.close(fd)
def events():
    found = [monitor.poll(10) for _ in range(2)]
    return sorted(f"{event.action} {event.sys_name}" for event in found)
def errno_name(function):
    try:
        function().close()
    except DrmError as error:
        return error.errno_name
    return "0"
"""


def run(gpus: list[str], script: str) -> list[str]:
    """Lines that a script prints on a new machine, and the kernel must not have stumbled."""
    with Machine(gpus) as machine:
        command = [sys.executable, "-c", PRELUDE + script]
        result = subprocess.run(command, env=machine.environ(), capture_output=True, text=True, timeout=60, check=False)
        machine.check()
        assert result.returncode == 0, f"{result.stdout}{result.stderr}\n{machine.log()}"
        assert "Oops" not in machine.log()
    return result.stdout.splitlines()


def test_a_removed_gpu_is_found_again_by_a_rescan() -> None:
    """Files from before stay dead; the new device works; udev hears of both; the other GPU notices nothing."""
    output = run(
        ["navi31", "mi300x"],
        """
old, other = open_gpu(NODE), open_gpu("/dev/dri/renderD129")
write(f"{DEVICE}/remove", b"1")
print(events())
print(os.path.exists(NODE), os.path.exists(DEVICE), errno_name(lambda: old.alloc(4096)))
write("/sys/bus/pci/rescan", b"1")
print(events())
print(os.path.exists(NODE), os.path.exists(f"{DEVICE}/mem_info_vram_total"), errno_name(lambda: old.alloc(4096)))
old.close()
with open_gpu(NODE) as new:
    print(errno_name(lambda: new.alloc(4096)), new.gfx.submit(new.gfx.packets.nop()).wait(10_000_000_000))
print(errno_name(lambda: other.alloc(4096)))
""",
    )
    assert output == [
        "['remove card0', 'remove renderD128']",
        "False False ENODEV",
        "['add card0', 'add renderD128']",
        "True True ENODEV",
        "0 True",
        "0",
    ]


def test_a_gpu_can_come_and_go_again_and_again() -> None:
    """Each device listens to its own remove file; 0 does nothing, and a rescan with all GPUs there does nothing."""
    output = run(
        ["navi31"],
        """
for _ in range(3):
    write(f"{DEVICE}/remove", b"0")
    write("/sys/bus/pci/rescan", b"1")
    write(f"{DEVICE}/remove", b"1")
    print(events())
    write("/sys/bus/pci/rescan", b"1")
    print(events())
with open_gpu(NODE) as gpu:
    print(errno_name(lambda: gpu.alloc(4096)))
""",
    )
    assert output == ["['remove card0', 'remove renderD128']", "['add card0', 'add renderD128']"] * 3 + ["0"]


def test_a_write_takes_effect_before_the_writer_goes_on() -> None:
    """As on a real kernel: the next command of a shell, or of a program, finds the node gone, and there again."""
    shell = """
remove=/sys/class/drm/card0/device/remove
test -e /dev/dri/card0 || exit 3
echo 1 > $remove
test -e /dev/dri/card0 && exit 4
echo 1 > /sys/bus/pci/rescan
test -e /dev/dri/card0 || exit 5
"""
    program = """
for _ in range(5):
    write(f"{DEVICE}/remove", b"1")
    gone = os.path.exists(NODE)
    write("/sys/bus/pci/rescan", b"1")
    print(gone, os.path.exists(NODE))
"""
    with Machine(["navi31"]) as machine:
        assert machine.run(["sh", "-c", shell]) == 0
    assert run(["navi31"], program) == ["False True"] * 5
