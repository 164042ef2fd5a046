# SPDX-License-Identifier: MIT
"""Descriptors by the hundred and thousand: shared, duplicated, inherited, passed on, refused."""

import contextlib
import os
import resource
import socket
from collections import deque
from collections.abc import Iterator

import pytest

from amdgpu_hw.gpu_model.memfd import RESERVED_DESCRIPTORS
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core

from .audited_machine import AuditedMachine, audited_machine
from .conftest import examples
from .gpu_client import PAGE, RENDER, GpuClient
from .wire_client import WireClient, closing_fds


@pytest.fixture(scope="module")
def machine() -> Iterator[AuditedMachine]:
    """One machine for all of this."""
    with audited_machine() as machine:
        yield machine


@pytest.fixture(autouse=True)
def _nothing_is_left(machine: AuditedMachine) -> Iterator[None]:
    yield
    machine.expect_rest()


@pytest.fixture
def few_descriptors(machine: AuditedMachine) -> Iterator[int]:
    """The mock kernel may have this many descriptors, not the million of before."""
    before = resource.prlimit(machine.machine.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(machine.machine.pid, resource.RLIMIT_NOFILE, (256, before[1]))
    yield 256
    resource.prlimit(machine.machine.pid, resource.RLIMIT_NOFILE, before)


EXHAUSTING = {
    "mapped buffers": """
def exhaust(gpu):
    bo = gpu.bo(PAGE, 4)
    offset = calls.ioctl(gpu.fd, drm.IOCTL_AMDGPU_GEM_MMAP, handle=bo)
    offset = offset["handle"] | offset["_pad"] << 32
    mmap.mmap(gpu.fd, PAGE, offset=offset)
""",
    "open files": """
def exhaust(gpu):
    os.open("/dev/dri/renderD128", os.O_RDWR)
""",
    "exported buffers": """
def exhaust(gpu):
    calls.ioctl(gpu.fd, core.IOCTL_PRIME_HANDLE_TO_FD, handle=gpu.bo(PAGE, 4))
""",
    "instances of tracefs": """
def exhaust(gpu):
    os.mkdir(f"/sys/kernel/tracing/instances/{time.monotonic_ns()}")
""",
    "threads": """
def exhaust(gpu):
    done = threading.Event()
    def call():
        try:
            os.close(os.open("/dev/dri/renderD128", os.O_RDWR))
        except OSError as error:
            failed.append(error)
        done.set()
        hold.wait()
    threading.Thread(target=call, daemon=True).start()
    done.wait()
    if failed:
        raise failed[0]
""",
}


@pytest.mark.parametrize("exhaust", EXHAUSTING.values(), ids=EXHAUSTING)
def test_a_client_cannot_use_up_the_kernels_descriptors(
    machine: AuditedMachine, few_descriptors: int, exhaust: str
) -> None:
    """It is refused, and a hang with its dump, its uevents and a look from the console still work."""
    output = machine.run(f"""
import errno, mmap, threading
calls = Libc()
gpu = GpuClient(calls)
hold, failed = threading.Event(), []
{exhaust}
count = 0
try:
    while count < {4 * few_descriptors}:
        exhaust(gpu)
        count += 1
except OSError as error:
    say(errno.errorcode[error.errno])
say(0 < count < {few_descriptors})
say(gpu.submit(SDMA, [0xFFFFFFFF] * 8) is not None)
time.sleep(1)
for name in os.listdir("/sys/kernel/tracing/instances"):
    os.rmdir(f"/sys/kernel/tracing/instances/{{name}}")
hold.set()
os._exit(0)
""")
    assert output[0] in ("ENOMEM", "ENFILE", "EMFILE", "ENODEV")
    assert output[1:] == ["True", "True"]
    assert "Oops" not in machine.machine.log()


def test_64_forked_children_share_a_descriptor(machine: AuditedMachine) -> None:
    """They allocate, submit and free with one file at once; half of them are killed, half end well."""
    output = machine.run("""
calls = Libc()
gpu = GpuClient(calls)
nop = gpu.packets(SDMA).pad(gpu.packets(SDMA).nop())

def work(number):
    for turn in range(6):
        bo = gpu.bo(PAGE, 4)
        assert gpu.submit(SDMA, nop) == 0
        calls.ioctl(gpu.fd, core.IOCTL_SYNCOBJ_CREATE)
        if turn % 2:
            calls.ioctl(gpu.fd, core.IOCTL_GEM_CLOSE, handle=bo)
    if number % 2:
        os.kill(os.getpid(), signal.SIGKILL)

children = [spawn(work, number) for number in range(64)]
say(wait_for(*children) == {0, -9})
gpu.bo(PAGE)
""")
    assert output == ["True"]


def test_two_programs_share_a_descriptor(machine: AuditedMachine) -> None:
    """What one of them makes is the other's as well, and stays when its maker is killed in the middle of a wait."""
    output = machine.run("""
import socket, subprocess
calls = Libc()
gpu = GpuClient(calls)
program = '''
import socket, sys
sys.path[:0] = {path!r}
from tests.mock.hostile.preloaded import *
calls = Libc()
_, (fd,), _, _ = socket.recv_fds(socket.socket(fileno=int(sys.argv[1])), 1, 1)
bo = calls.ioctl(fd, drm.IOCTL_AMDGPU_GEM_CREATE, bo_size=PAGE, domains=2)["bo_size"] & 0xFFFFFFFF
syncobj = calls.ioctl(fd, core.IOCTL_SYNCOBJ_CREATE)["handle"]
say(bo, syncobj)
handles = ctypes.c_uint32(syncobj)
calls.ioctl(
    fd,
    core.IOCTL_SYNCOBJ_WAIT,
    handles=ctypes.addressof(handles),
    count_handles=1,
    timeout_nsec=(1 << 63) - 1,
    flags=core.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
)
'''.format(path=sys.path)
here, there = socket.socketpair()
other = subprocess.Popen(
    [sys.executable, "-c", program, str(there.fileno())],
    pass_fds=[there.fileno()],
    stdout=subprocess.PIPE,
    text=True,
)
socket.send_fds(here, [b"x"], [gpu.fd])
bo, syncobj = map(int, other.stdout.readline().split())
calls.ioctl(gpu.fd, core.IOCTL_GEM_CLOSE, handle=bo)
other.kill()
other.wait()
calls.ioctl(gpu.fd, core.IOCTL_SYNCOBJ_DESTROY, handle=syncobj)
say(gpu.submit(SDMA, gpu.packets(SDMA).pad(gpu.packets(SDMA).nop())))
""")
    assert output == ["0"]


def test_thousands_of_duplicates(machine: AuditedMachine) -> None:
    """dup() and fork() cost the mock kernel nothing, and the last close is the one that counts."""
    output = machine.run(f"""
import resource
calls = Libc()
gpu = GpuClient(calls)
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
copies = [os.dup(gpu.fd) for _ in range(min({examples(4000)}, most - 100))]

def use(number):
    calls.ioctl(copies[number], core.IOCTL_GET_CAP, capability=core.DRM_CAP_PRIME)

assert wait_for(*(spawn(use, number) for number in range(20))) == {{0}}
os.close(gpu.fd)
for copy in copies[1::2]:
    os.close(copy)
say(calls.ioctl(copies[0], core.IOCTL_GET_CAP, capability=core.DRM_CAP_PRIME)["value"])
""")
    assert output == ["3"]


def test_exec_closes_what_is_not_inherited(machine: AuditedMachine) -> None:
    """After exec() only descriptors without O_CLOEXEC are left, and they work; a file closed by exec() is released."""
    output = machine.run("""
calls = Libc()
kept, closed = calls.open(RENDER, os.O_RDWR), calls.open(RENDER, os.O_RDWR | os.O_CLOEXEC)
for fd in (kept, closed):
    calls.ioctl(fd, drm.IOCTL_AMDGPU_GEM_CREATE, bo_size=PAGE, domains=2)
os.set_inheritable(kept, True)
program = '''
import sys
sys.path[:0] = {path!r}
from tests.mock.hostile.preloaded import *
calls = Libc()
fd, gone = map(int, sys.argv[1:])
try:
    os.fstat(gone)
except OSError:
    say(calls.ioctl(fd, core.IOCTL_GET_CAP, capability=core.DRM_CAP_PRIME)["value"])
'''.format(path=sys.path)
os.execv(sys.executable, [sys.executable, "-c", program, str(kept), str(closed)])
""")
    assert output == ["3"]


def test_another_program_in_the_same_process_cannot_use_files_it_did_not_inherit(machine: AuditedMachine) -> None:
    """What a process has shown to have is forgotten at exec(): the next program must have the descriptor itself."""
    with machine.client() as owner, closing_fds(owner.open(RENDER)) as (fd,):
        ino = os.fstat(fd).st_ino
        pid = os.fork()
        if not pid:
            with machine.client() as user:
                user.raw_ioctl(fd, core.IOCTL_GET_CAP.request, 0)
            os.close(fd)  # As exec() does it: the mock kernel is not asked.
            with machine.client() as other_program:
                refused = other_program.call(2, fd, ino, (core.IOCTL_GET_CAP.request, 0)).result
            os._exit(refused != -9)
        assert os.waitpid(pid, 0)[1] == 0, "the file could still be used"


def test_descriptors_in_flight(machine: AuditedMachine) -> None:
    """Files that are nowhere but in messages that nobody has received live, and die with the socket."""
    with machine.client() as client:
        left, right = socket.socketpair()
        with left, right:
            for number in range(64):
                with closing_fds(client.open(RENDER)) as (fd,):
                    client.ioctl(fd, drm.IOCTL_AMDGPU_GEM_CREATE, bo_size=PAGE, domains=4)
                    socket.send_fds(left, [bytes([number])], [fd])
            assert machine.console.audit()["files"] == 64
            _, (fd,), _, _ = socket.recv_fds(right, 1, 1)
            with closing_fds(fd):
                assert client.ioctl(fd, core.IOCTL_GEM_CLOSE, handle=1)


def _fill(machine: AuditedMachine, client: WireClient) -> list[int]:
    """Open files until the mock kernel has no descriptor left."""
    fds: list[int] = []
    while len(fds) < 1000:
        try:
            fds.append(client.open(RENDER))
        except OSError:
            return fds
    raise AssertionError("the mock kernel has no limit")


def test_a_kernel_without_descriptors_refuses_and_recovers(machine: AuditedMachine) -> None:
    """At the limit: ENFILE for new files, new clients are turned away, what is open works; then all is well again."""
    with machine.client() as client:
        gpu, too_many, fds = GpuClient(client), contextlib.ExitStack(), []
        before = machine.descriptors()
        machine.limit_descriptors(before + 30 + RESERVED_DESCRIPTORS)
        try:
            fds = _fill(machine, client)
            assert 10 < len(fds) < 40
            for _ in range(50):
                with pytest.raises(OSError, match="renderD128") as caught:
                    client.open(RENDER)
                assert caught.value.errno == 23, "not ENFILE"
            bo = gpu.bo()
            for call in (
                lambda: client.ioctl(gpu.fd, core.IOCTL_PRIME_HANDLE_TO_FD, handle=bo),
                lambda: client.ioctl(gpu.fd, core.IOCTL_SYNCOBJ_HANDLE_TO_FD, handle=1),
                lambda: [gpu.cpu_map(gpu.bo()) for _ in range(3)],  # There may be one left, too few for a file.
            ):
                with pytest.raises(OSError, match=r"."):
                    call()
            with pytest.raises(OSError, match=r"."):
                deque(too_many.enter_context(machine.client()) for _ in range(10))
            assert client.ioctl(fds[-1], core.IOCTL_GET_CAP, capability=core.DRM_CAP_PRIME)["value"] == 3
        finally:
            too_many.close()
            machine.limit_descriptors(4096)
            for fd in fds:
                os.close(fd)
        with machine.client() as later, closing_fds(later.open(RENDER)):
            pass
        gpu.close()


def test_a_client_without_descriptors(machine: AuditedMachine) -> None:
    """A process whose table is full gets EMFILE, over and over, and nothing of what it was to get stays anywhere."""
    output = machine.run("""
import resource
calls = Libc()
gpu = GpuClient(calls)
bo = gpu.bo()
syncobj = calls.ioctl(gpu.fd, core.IOCTL_SYNCOBJ_CREATE, flags=1)["handle"]
gpu.submit(SDMA, gpu.packets(SDMA).nop())
resource.setrlimit(resource.RLIMIT_NOFILE, (gpu.fd + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
while True:
    try:
        os.dup(0)
    except OSError:
        break
found = set()
for _ in range(30):
    for ioctl, fields in (
        (core.IOCTL_PRIME_HANDLE_TO_FD, {"handle": bo}),
        (core.IOCTL_SYNCOBJ_HANDLE_TO_FD, {"handle": syncobj}),
        (core.IOCTL_SYNCOBJ_HANDLE_TO_FD, {"handle": syncobj, "flags": 1}),
        (drm.IOCTL_AMDGPU_FENCE_TO_HANDLE, {"ctx_id": gpu.ctx, "ip_type": SDMA, "seq_no": 1, "what": 1}),
        (drm.IOCTL_AMDGPU_FENCE_TO_HANDLE, {"ctx_id": gpu.ctx, "ip_type": SDMA, "seq_no": 1, "what": 2}),
    ):
        try:
            calls.ioctl(gpu.fd, ioctl, **fields)
            found.add(0)
        except OSError as error:
            found.add(error.errno)
calls.ioctl(gpu.fd, core.IOCTL_GEM_CLOSE, handle=bo)
calls.ioctl(gpu.fd, core.IOCTL_SYNCOBJ_DESTROY, handle=syncobj)
say(found)
""")
    assert output == ["{24}"]
