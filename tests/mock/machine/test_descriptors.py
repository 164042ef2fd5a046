# SPDX-License-Identifier: MIT
"""What a program learns about its descriptors, and other programs' descriptors, from /proc and the like."""

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from amdgpu_hw.mock.machine import Machine

OutputOf = Callable[[str | list[str]], list[str]]

NODE = "/dev/dri/renderD128"

PRINT_FDINFO = {
    "open": "print(open(f'/proc/self/fdinfo/{fd}').read())",
    "openat": "at = os.open('/proc/self/fdinfo', 0); print(os.read(os.open(str(fd), 0, dir_fd=at), 9999).decode())",
    "another process": (
        "import subprocess; print(subprocess.run(['cat', f'/proc/{os.getpid()}/fdinfo/{fd}'], "
        "capture_output=True, text=True, check=True).stdout)"
    ),
    "fopen": """
import ctypes
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(f'/proc/self/fdinfo/{fd}'.encode(), b'r'))
text = ctypes.create_string_buffer(9999)
libc.fread(text, 1, 9998, file)
print(text.value.decode())
""",
}


@pytest.mark.parametrize("way", PRINT_FDINFO)
def test_fdinfo_tells_the_driver_the_client_and_its_memory(output_of: OutputOf, way: str) -> None:
    """The lines every file has come first, with the node's inode; then DRM's and amdgpu's."""
    output = output_of(f"import os; fd = os.open({NODE!r}, os.O_RDWR)\nprint(os.fstat(fd).st_ino)\n{PRINT_FDINFO[way]}")
    values = dict(re.findall(r"^([\w-]+):\s+(.*)$", "\n".join(output), re.MULTILINE))
    assert values["pos"] == "0"
    assert values["ino"] == output[0]
    assert values["drm-driver"] == "amdgpu"
    assert values["drm-pdev"] == "0000:03:00.0"
    assert values["drm-client-id"].isdigit()
    assert values["drm-memory-vram"].endswith(" KiB")


def test_fdinfo_of_other_files_is_the_hosts(output_of: OutputOf) -> None:
    """A file of the host, a missing descriptor and the directory are what they would be anywhere."""
    output = output_of("""
import os
pipe, _ = os.pipe()
print(open(f"/proc/self/fdinfo/{pipe}").read().split()[:2])
print(os.path.exists("/proc/self/fdinfo/999"))
try:
    open("/proc/self/fdinfo/999")
except FileNotFoundError:
    print("ENOENT")
""")
    assert output == ["['pos:', '0']", "False", "ENOENT"]


def test_an_open_node_can_be_opened_again_through_proc(output_of: OutputOf) -> None:
    """/proc/self/fd/N opens the node behind the descriptor: a new file, not a duplicate."""
    output = output_of(f"""
import os
fd = os.open({NODE!r}, os.O_RDWR)
again = os.open(f"/proc/self/fd/{{fd}}", os.O_RDWR)
def client_id(fd):
    return [line for line in open(f"/proc/self/fdinfo/{{fd}}") if "client-id" in line]
print(os.readlink(f"/proc/self/fd/{{again}}"))
print(client_id(fd) == client_id(os.dup(fd)), client_id(fd) == client_id(again))
""")
    assert output == [NODE, "True False"]


def test_stat_of_a_descriptor_in_proc_is_that_of_the_node(output_of: OutputOf) -> None:
    """A tool that looks for DRM clients finds character devices of major 226 among a process's descriptors."""
    output = output_of(f"""
import os, stat, subprocess
fd = os.open({NODE!r}, os.O_RDWR)
links = os.open("/proc/self/fd", os.O_RDONLY)
for found in (os.stat(f"/proc/self/fd/{{fd}}"), os.stat(str(fd), dir_fd=links)):
    print(stat.S_ISCHR(found.st_mode), os.major(found.st_rdev), os.minor(found.st_rdev), found == os.fstat(fd))
command = ["stat", "-L", "-c", "%F %t", f"/proc/{{os.getpid()}}/fd/{{fd}}"]
print(subprocess.run(command, capture_output=True, text=True).stdout)
""")
    assert output[:2] == ["True 226 128 True"] * 2
    assert output[2] == "character special file e2"


def test_a_forked_child_that_runs_a_program_first_is_still_a_client(output_of: OutputOf) -> None:
    """The program is started with vfork: for a moment it shares the child's memory and may be the first to call."""
    output = output_of(f"""
import os, subprocess
child = os.fork()
if not child:
    subprocess.run(["true"], check=True)
    os.close(os.open({NODE!r}, os.O_RDWR))
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""")
    assert output == ["0"]


def test_close_returns_when_the_file_is_released(output_of: OutputOf) -> None:
    """As with a real close(), what release() does has happened: a closed timeline's fence is signalled at once."""
    output = output_of("""
import fcntl, os, select, struct
CREATE_FENCE = 0xC0285700
signalled = []
for _ in range(20):
    timeline = os.open("/sys/kernel/debug/sync/sw_sync", os.O_RDWR)
    data = bytearray(struct.pack("<I32si", 1, b"", 0))
    fcntl.ioctl(timeline, CREATE_FENCE, data)
    fence = struct.unpack("<I32si", data)[2]
    poll = select.poll()
    poll.register(fence, select.POLLIN)
    signalled.append(bool(poll.poll(0)))
    os.close(timeline)
    signalled.append(poll.poll(0) == [(fence, select.POLLIN)])
print(signalled == [False, True] * 20)
""")
    assert output == ["True"]


@pytest.mark.parametrize("environment", [{}, {"PATH": "/usr/bin"}], ids=["empty", "other"])
def test_a_program_with_an_empty_environment_stays_on_the_machine(environment: dict[str, str]) -> None:
    """Only a client that chooses an environment can take a program off the machine."""
    script = f"""
import os, sys
command = [sys.executable, "-c", "import os, sys; sys.exit(0 if os.path.exists({NODE!r}) else 3)"]
results = [os.waitpid(os.posix_spawn(command[0], command, {environment!r}), 0)[1]]
child = os.fork()
if not child:
    os.execve(command[0], command, {environment!r})
results.append(os.waitpid(child, 0)[1])
print(sorted(set(map(os.waitstatus_to_exitcode, results))))
"""
    with Machine(["navi31"]) as machine:
        result = subprocess.run(
            [sys.executable, "-c", script], env=machine.environ(), capture_output=True, text=True, check=True
        )
    assert result.stdout == ("[0]\n" if not environment else "[3]\n"), result.stderr
