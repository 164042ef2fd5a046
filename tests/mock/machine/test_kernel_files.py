# SPDX-License-Identifier: MIT
"""Files of the kernel that programs on a mock machine read: /proc/slabinfo, module parameters, /dev/kmsg, /proc."""

from __future__ import annotations

import subprocess
import sys

from amdgpu_hw.mock.machine import Machine

READ = """
from amdgpu_hw.evidence.module_parameters import module_parameter
from amdgpu_hw.evidence.slabinfo import SLABINFO, SlabCache
from amdgpu_hw.errors import FeatureMissing
cache = SlabCache.find("amdgpu_sync_entry")
print(module_parameter("vm_update_mode"), module_parameter("debug_mask"), cache.active(), cache.grain)
counted = int(SLABINFO.read_text().splitlines()[2].split()[1])
print(counted == cache.objects_per_slab * cache.cpus)
for question in (lambda: module_parameter("never_was"), lambda: SlabCache.find("never_was")):
    try:
        question()
    except FeatureMissing as missing:
        print(missing)
"""


def test_parameters_and_slabs_can_be_read(machine: Machine) -> None:
    """Each time as they are now; what is not there is said in a sentence. What CPUs keep counts until it is shrunk."""
    with machine.console() as console:
        console.parameter("debug_mask", 0x44)
        try:
            shown = subprocess.run([sys.executable, "-c", READ], env=machine.environ(), capture_output=True, text=True)
        finally:
            console.parameter("debug_mask", 0)
    assert shown.stdout.splitlines() == [
        "-1 68 0 0",
        "True",
        "the module parameter amdgpu.never_was cannot be read: No such file or directory",
        "/proc/slabinfo has no never_was: it is merged with others, boot with slab_nomerge",
    ], shown.stderr


def ask(machine: Machine, program: str) -> list[str]:
    """What a program on the machine prints."""
    shown = subprocess.run(
        [sys.executable, "-c", program], env=machine.environ(), capture_output=True, text=True, timeout=60, check=False
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.splitlines()


LOG = """
import os, time
reader = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)

def records():
    while True:
        try:
            yield os.read(reader, 8192).decode()
        except BlockingIOError:
            return

before = list(records())
print(before[0].partition(";")[2], end="")
print([int(record.split(",")[1]) for record in before] == list(range(len(before))))
writer = os.open("/dev/kmsg", os.O_WRONLY)
for number in range(2000):
    os.write(writer, f"<3>line {number}".encode())
after = []
end = time.monotonic() + 20
while len(after) < 2000 and time.monotonic() < end:
    after += records()
print(after[0].partition(",")[0], after[0].partition(";")[2], after[-1].partition(";")[2], len(after), sep="|")
"""


def test_the_log_is_read_and_written_through_dev_kmsg(machine: Machine) -> None:
    """From its first line on, each with its number and level, and no line is lost when there are many at once."""
    with machine.console() as console:
        first = console.log().splitlines()[0].partition("] ")[2]
    assert ask(machine, LOG) == [
        first,
        "True",
        "3|line 0",
        "|line 1999",
        "|2000",
    ]
    with machine.console() as console:
        assert console.log(1).endswith("] line 1999\n")
        assert not console.audit()["open files"]


PROC = """
import gzip
from pathlib import Path
for name in ("version", "sys/kernel/osrelease", "cmdline", "sys/kernel/tainted"):
    print(Path("/proc", name).read_text().strip())
try:
    gzip.open("/proc/config.gz").read()
except FileNotFoundError:
    print("no configuration")
"""


def test_proc_tells_of_the_mock_kernel(machine: Machine) -> None:
    """Not of the host's, which would be another kernel's release, options and taint."""
    version, release, command_line, taint, config = ask(machine, PROC)
    assert version.startswith(f"Linux version {release} ")
    assert release == f"mock-{machine.kernel}"
    assert command_line.startswith(f"amdgpu_hw.mock={machine.kernel}")
    assert (taint, config) == ("0", "no configuration")


def test_debugfs_is_mounted_and_names_its_devices(machine: Machine) -> None:
    """IGT compares with the device of the directory above, and would mount it, on the host as well, if it is root."""
    script = """
import os
debugfs = "/sys/kernel/debug"
inside, above = [{os.stat(debugfs + path).st_dev for path in paths} for paths in (("/.", "/dri", "/dri/0"), ("/..",))]
print(len(inside), inside == above)
for minor in (0, 129):
    print(open(f"{debugfs}/dri/{minor}/name").read(), end="")
"""
    shown = subprocess.run([sys.executable, "-c", script], env=machine.environ(), capture_output=True, text=True)
    assert shown.stdout.splitlines() == [
        "1 False",
        "amdgpu dev=0000:03:00.0 unique=0000:03:00.0",
        "amdgpu dev=0000:07:00.0 unique=0000:07:00.0",
    ], shown.stderr
