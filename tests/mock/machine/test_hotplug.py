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
DRIVER = "/sys/bus/pci/drivers/amdgpu"
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


def test_a_driver_can_be_unbound_and_bound_again() -> None:
    """The PCI function stays without nodes and without what the driver added; files from before stay dead."""
    output = run(
        ["navi31"],
        """
def state():
    uevent = open(f"{DEVICE}/uevent").read()
    print(os.path.exists(NODE), os.path.exists(f"{DEVICE}/vendor"), os.path.exists(f"{DEVICE}/mem_info_vram_total"),
          "DRIVER=amdgpu" in uevent, os.path.islink(f"{DEVICE}/driver"), sorted(os.listdir(DRIVER)))
before = sorted(os.listdir(DEVICE))
old = open_gpu(NODE)
state()
write(f"{DRIVER}/unbind", b"0000:03:00.0")
print(events())
state()
print(errno_name(lambda: old.alloc(4096)))
write("/sys/bus/pci/rescan", b"1")
state()
write(f"{DRIVER}/bind", b"0000:03:00.0")
print(events())
state()
print(errno_name(lambda: old.alloc(4096)), sorted(os.listdir(DEVICE)) == before)
used = f"{DEVICE}/mem_info_vram_used"
empty = open(used).read()
old.close()
with open_gpu(NODE) as new:
    bo = new.alloc(1 << 24, domain="vram")
    print(int(open(used).read()) - int(empty) >= 1 << 24)
""",
    )
    bound, unbound = (
        "True True True True True ['0000:03:00.0', 'bind', 'unbind']",
        "False True False False False ['bind', 'unbind']",
    )
    assert output == [
        bound,
        "['remove card0', 'remove renderD128']",
        unbound,
        "ENODEV",
        unbound,
        "['add card0', 'add renderD128']",
        bound,
        "ENODEV True",
        "True",
    ]


def test_the_bus_stays_when_its_last_gpu_goes() -> None:
    """Who has its directory open (IGT) finds the GPU there again: the port that it is behind stays."""
    output = run(
        ["navi31"],
        """
bus = os.open("/sys/bus/pci/devices", os.O_DIRECTORY)
write(f"{DEVICE}/remove", b"1")
print(os.listdir(bus))
write("/sys/bus/pci/rescan", b"1")
print(sorted(os.listdir(bus)))
""",
    )
    assert output == ["['0000:00:01.1']", "['0000:00:01.1', '0000:03:00.0']"]


def test_a_gpu_without_a_driver_can_be_removed() -> None:
    """A rescan finds it, and binds the driver; addresses of nothing, or of what is bound already, change nothing."""
    output = run(
        ["navi31", "mi300x"],
        """
for name, address in (("unbind", b"0000:99:00.0"), ("bind", b"0000:03:00.0"), ("unbind", b"rubbish"), ("unbind", b"")):
    write(f"{DRIVER}/{name}", address)
print(sorted(os.listdir(DRIVER)), os.path.exists(NODE))
write(f"{DRIVER}/unbind", b"0000:03:00.0")
write(f"{DEVICE}/remove", b"1")
print(sorted(os.listdir(DRIVER)), os.path.exists(DEVICE), os.path.exists("/dev/dri/renderD129"))
write(f"{DRIVER}/bind", b"0000:03:00.0")
print(os.path.exists(NODE))
write("/sys/bus/pci/rescan", b"1")
print(sorted(os.listdir(DRIVER)), os.path.exists(DEVICE), os.path.exists(NODE))
""",
    )
    both, one = ["0000:03:00.0", "0000:07:00.0", "bind", "unbind"], ["0000:07:00.0", "bind", "unbind"]
    assert output == [f"{both} True", f"{one} False True", "False", f"{both} True True"]


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
