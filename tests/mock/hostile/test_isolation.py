# SPDX-License-Identifier: MIT
"""Clients cannot reach each other's buffers without a descriptor, and other users cannot reach the machine at all."""

import contextlib
import ctypes
import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core

from .audited_machine import AuditedMachine, audited_machine
from .gpu_client import PAGE, SDMA, GpuClient
from .wire_client import Reply, WireClient, closing_fds

GTT, VRAM = drm.AMDGPU_GEM_DOMAIN_GTT, drm.AMDGPU_GEM_DOMAIN_VRAM
SECRET = b"not for everybody"
NOBODY = 65534


@pytest.fixture(scope="module")
def machine() -> Iterator[AuditedMachine]:
    """One machine for all of this."""
    with audited_machine() as machine:
        yield machine


@pytest.fixture
def two(machine: AuditedMachine) -> Iterator[tuple[GpuClient, GpuClient]]:
    """Two clients."""
    with machine.client() as ours, machine.client() as theirs:
        clients = GpuClient(ours), GpuClient(theirs)
        yield clients
        for client in clients:
            client.close()
    machine.expect_rest()


def ask_for_mapping(gpu: GpuClient, offset: int, length: int) -> Reply:
    """What the mock kernel answers to an mmap() of the render node, before anything is mapped."""
    assert isinstance(gpu.client, WireClient)
    return gpu.client.mmap(gpu.fd, offset, length)


# -- buffers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", [GTT, VRAM])
def test_a_mapping_reaches_one_buffer(two: tuple[GpuClient, GpuClient], domain: int) -> None:
    """The descriptor behind a mapping holds that buffer and no more; its size cannot be changed."""
    ours, theirs = two
    theirs.cpu_map(theirs.bo(PAGE, domain))[: len(SECRET)] = SECRET
    bo = ours.bo(PAGE, domain)
    reply = ask_for_mapping(ours, ours.mmap_offset(bo), PAGE)
    with closing_fds(*reply.fds) as (fd,):
        assert os.fstat(fd).st_size == PAGE
        for change in (
            lambda: os.ftruncate(fd, 0),
            lambda: os.ftruncate(fd, 1 << 30),
            lambda: os.pwrite(fd, b"x", PAGE),
        ):
            with pytest.raises(OSError, match=r"Operation not permitted|File too large") as caught:
                change()
            assert caught.value.errno in (errno.EPERM, errno.EFBIG)
        assert SECRET not in os.pread(fd, 1 << 20, 0)


def test_a_mapping_cannot_be_stretched(machine: AuditedMachine) -> None:
    """mremap() gives no more than there is: SIGBUS behind the buffer, not somebody else's."""
    output = machine.run("""
calls = Libc()
gpu, other = GpuClient(calls), GpuClient(calls)
bos = [gpu.bo(PAGE), other.bo(PAGE), other.bo(PAGE)]
other.cpu_map(bos[1])[:6] = other.cpu_map(bos[2])[:6] = b"secret"
libc = ctypes.CDLL(None)
libc.mremap.restype = ctypes.c_void_p
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
view = gpu.cpu_map(bos[0])
address = libc.mremap(ctypes.addressof(ctypes.c_char.from_buffer(view)), PAGE, 64 * PAGE, 1)

def look():
    ctypes.string_at(address + PAGE, 1)

say(wait_for(spawn(look)) == {-signal.SIGBUS})
""")
    assert output == ["True"]


@pytest.mark.parametrize("domain", [GTT, VRAM])
def test_a_mapping_outlives_its_buffer(two: tuple[GpuClient, GpuClient], domain: int) -> None:
    """Memory of a freed buffer that is still mapped is not given to others, and keeps what is in it."""
    ours, theirs = two
    for _ in range(4):
        bo = ours.bo(PAGE, domain)
        view = ours.cpu_map(bo)
        view[:5] = b"mine!"
        ours.client.ioctl(ours.fd, core.IOCTL_GEM_CLOSE, handle=bo)
        others = [theirs.cpu_map(theirs.bo(PAGE, domain)) for _ in range(8)]
        for other in others:
            assert other[:5] == bytes(5), "a new buffer shows what was in another client's"
            other[: len(SECRET)] = SECRET
        assert view[: len(SECRET)] == b"mine!" + bytes(len(SECRET) - 5), "the mapping shows another client's buffer"


@pytest.mark.parametrize("domain", [GTT, VRAM])
def test_new_buffers_are_zero(two: tuple[GpuClient, GpuClient], domain: int) -> None:
    """Nothing of a buffer is left in the next one at the same place, whether the CPU or the GPU wrote it."""
    ours, theirs = two
    bo = theirs.bo(PAGE, domain)
    theirs.map(bo, 0x200_0000)
    theirs.submit(
        SDMA, theirs.packets().packet("CONST_FILL", dst=0x200_0000, data=0x12345678, byte_count=PAGE, fill_size=2)
    )
    theirs.client.ioctl(theirs.fd, drm.IOCTL_AMDGPU_GEM_WAIT_IDLE, handle=bo, timeout=(1 << 64) - 1)
    theirs.client.ioctl(theirs.fd, core.IOCTL_GEM_CLOSE, handle=bo)
    for _ in range(8):
        assert ours.cpu_map(ours.bo(PAGE, domain))[:] == bytes(PAGE)


def test_offsets_and_handles_of_others_are_worth_nothing(two: tuple[GpuClient, GpuClient]) -> None:
    """The fake offset of another client's buffer is EACCES, its handle is another buffer or none."""
    ours, theirs = two
    secret = theirs.bo(3 * PAGE)
    reply = ask_for_mapping(ours, theirs.mmap_offset(secret), 3 * PAGE)
    assert reply.result == -errno.EACCES
    for number in range(2, 50):
        with contextlib.suppress(OSError):
            ours.client.ioctl(ours.fd, drm.IOCTL_AMDGPU_GEM_OP, handle=number, value=_room())
            pytest.fail(f"handle {number} is another client's")


def _room() -> int:
    _room.buffer = ctypes.create_string_buffer(4096)  # type: ignore[attr-defined]
    return ctypes.addressof(_room.buffer)  # type: ignore[attr-defined]


def test_the_gpu_does_not_reach_what_is_not_mapped(two: tuple[GpuClient, GpuClient]) -> None:
    """A job that reads the whole address space finds nothing of another client's, at the same addresses either."""
    ours, theirs = two
    bo = theirs.bo(PAGE, VRAM)
    theirs.map(bo, 0x200_0000)
    theirs.cpu_map(bo)[: len(SECRET)] = SECRET
    target = ours.bo(16 * PAGE)
    ours.map(target, 0x300_0000, 16 * PAGE)
    words: list[int] = []
    for number in range(16):
        words += ours.packets().packet(
            "COPY_LINEAR", src=0x1F8_0000 + 0x8_0000 * number, dst=0x300_0000 + number * PAGE, byte_count=PAGE
        )
    ours.submit(SDMA, words)
    ours.client.ioctl(ours.fd, drm.IOCTL_AMDGPU_GEM_WAIT_IDLE, handle=target, timeout=(1 << 64) - 1)
    assert ours.cpu_map(target, 16 * PAGE)[:] == bytes(16 * PAGE)


def test_with_a_descriptor_a_buffer_is_shared(two: tuple[GpuClient, GpuClient]) -> None:
    """The control: a dma-buf's descriptor is all it takes."""
    ours, theirs = two
    bo = theirs.bo(PAGE, VRAM)
    theirs.cpu_map(bo)[: len(SECRET)] = SECRET
    fd = theirs.client.ioctl(theirs.fd, core.IOCTL_PRIME_HANDLE_TO_FD, handle=bo, flags=core.DRM_RDWR)["fd"]
    with closing_fds(fd):
        handle = ours.client.ioctl(ours.fd, core.IOCTL_PRIME_FD_TO_HANDLE, fd=fd)["handle"]
    assert ours.cpu_map(handle)[: len(SECRET)] == SECRET


# -- users ------------------------------------------------------------------------------------------------------------


def test_everything_on_disk_is_private(machine: AuditedMachine) -> None:
    """Directory 0700; sockets, board, log and errors 0600: nothing of a machine is open to others."""
    directory = machine.directory
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    files = [path for path in directory.iterdir() if not path.is_dir() and not path.is_symlink()]  # links have no mode
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
    assert {"socket", "board", "console", "log", "stderr"} <= set(found)
    assert not {name: oct(mode) for name, mode in found.items() if mode & 0o077}


@pytest.fixture
def open_door(machine: AuditedMachine) -> Iterator[Path]:
    """The machine's directory with the permissions that it must not have."""
    sockets = [machine.directory / name for name in ("socket", "console")]
    machine.directory.chmod(0o711)
    for path in sockets:
        path.chmod(0o666)
    yield machine.directory
    machine.directory.chmod(0o700)
    for path in sockets:
        path.chmod(0o600)


def _as_nobody(function: Callable[[], bool]) -> bool:
    """Call a function in a child that is another user, and return what it returned."""
    pid = os.fork()
    if not pid:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os._exit(not function())
    return os.waitpid(pid, 0)[1] == 0


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")
@pytest.mark.parametrize("name", ["socket", "console"])
def test_another_user_is_refused_even_with_an_open_door(open_door: Path, name: str) -> None:
    """The mock kernel asks the host who is there (SO_PEERCRED), and hangs up."""

    def is_refused() -> bool:
        kind = socket.SOCK_SEQPACKET if name == "socket" else socket.SOCK_STREAM
        with socket.socket(socket.AF_UNIX, kind) as other:
            other.settimeout(10)
            other.connect(str(open_door / name))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                other.send(b'{"command": "status"}\n')
                return other.recv(8) == b""
            return True

    assert _as_nobody(is_refused)


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")
def test_another_user_cannot_enter(machine: AuditedMachine) -> None:
    """Without the open door there is not even a connection."""

    def is_shut_out() -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other, contextlib.suppress(PermissionError):
            other.connect(str(machine.directory / "socket"))
            return False
        return True

    assert _as_nobody(is_shut_out)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_users_umask_does_not_matter(umask: int) -> None:
    """Files are private, and device nodes look the same, whatever the umask of who starts the machine is."""
    script = f"""
import os, stat, subprocess, sys
from pathlib import Path
os.umask({umask})
from amdgpu_hw.mock.machine import Machine
with Machine(["navi31"]) as machine:
    directory = Path(machine.environ()["AMDGPU_HW_MOCK"])
    paths = [directory, *(path for path in directory.iterdir() if not path.is_dir() and not path.is_symlink())]
    print([path.name for path in paths if stat.S_IMODE(path.lstat().st_mode) & 0o077])
    command = ["stat", "-c", "%a", "/dev/dri/renderD128"]
    print(subprocess.run(command, env=machine.environ(), capture_output=True).stdout)
"""
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert output.stdout.splitlines() == ["[]", "b'660\\n'"]
