# SPDX-License-Identifier: MIT
"""Processes that speak to the mock kernel's socket themselves, and talk nonsense: others are served all the same."""

import contextlib
import errno
import os
import select
import socket
import stat
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from amdgpu_hw.mock.transport._transport import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st

from amdgpu_hw.uapi import drm as core

from .audited_machine import AuditedMachine, audited_machine
from .conftest import examples
from .gpu_client import RENDER
from .wire_client import ARGUMENT_MAX, FD, INTERRUPT, PASSED, REQUEST, RING, WAKE, closing_fds

U64_MAX = (1 << 64) - 1


@pytest.fixture(scope="module")
def machine() -> Iterator[AuditedMachine]:
    """One machine for all of this."""
    with audited_machine() as machine:
        yield machine


@pytest.fixture(autouse=True)
def _nothing_is_left(machine: AuditedMachine) -> Iterator[None]:
    yield
    machine.expect_rest()


def expect_service(machine: AuditedMachine) -> None:
    """An honest client is served."""
    with machine.client() as honest, closing_fds(honest.open(RENDER)) as (fd,):
        assert honest.ioctl(fd, core.IOCTL_GET_CAP, capability=core.DRM_CAP_PRIME)["value"] == 3


# -- slots and messages -----------------------------------------------------------------------------------------------

_words = st.one_of(
    st.integers(0, 12), st.sampled_from((U64_MAX, 1 << 63, 1 << 32, 0xFFFFFFFF)), st.integers(0, U64_MAX)
)
_calls = st.tuples(
    st.just("call"),
    st.integers(0, 12),
    st.integers(-2, 9),
    _words,
    st.tuples(_words, _words, _words, _words),
    st.binary(max_size=80),
)
_slots = st.tuples(st.just("slot"), st.integers(0, 5), st.binary(max_size=1400))
_messages = st.tuples(
    st.just("message"),
    st.sampled_from((0, RING, INTERRUPT, PASSED, WAKE, FD, 77)),
    st.integers(0, 3),
    st.sampled_from((0, 1, 7, 8, 8, 8, 9, 4000)),
)


@settings(max_examples=examples(60))
@given(st.lists(st.one_of(_calls, _slots, _messages), max_size=12))
def test_any_slots_and_messages(machine: AuditedMachine, what: list[tuple]) -> None:  # type: ignore[type-arg]
    """Random calls, states of the slot and messages in any order."""
    with machine.client() as rude, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        rude.socket.setblocking(False)
        for kind, *details in what:
            with contextlib.suppress(BlockingIOError):
                if kind == "call":
                    op, fd, ino, args, text = details
                    rude.post(op, fd, ino, args, text)
                elif kind == "slot":
                    rude.fill_slot(struct.pack("<I", details[0]) + details[1])
                    rude.tell(RING)
                else:
                    number, seq, size = details
                    rude.socket.send((struct.pack("<II", number, seq) + bytes(4000))[:size])
    machine.expect_sound()


@pytest.mark.parametrize("size", [1, 15, 16, ARGUMENT_MAX, ARGUMENT_MAX + 1, 0xFFFFFFFF])
def test_an_argument_of_any_size(machine: AuditedMachine, size: int) -> None:
    """What is too small to be the argument is read from memory, where there is none; what is too large is cut."""
    with machine.client() as rude, closing_fds(rude.open(RENDER)) as (fd,):
        capability = struct.pack("<QQ", core.DRM_CAP_PRIME, 0)
        rude.lie_about_argument(capability, size, size)
        result = rude.raw_ioctl(fd, core.IOCTL_GET_CAP.request, 0)
        assert result == (0 if size >= len(capability) else -errno.EFAULT)


def test_unknown_operations_are_enosys(machine: AuditedMachine) -> None:
    """An operation that there is not is an errno, for every number."""
    with machine.client() as rude:
        for op in (0, 64, 99, 1 << 31, (1 << 32) - 1):
            assert rude.call(op).result == -errno.ENOSYS


@pytest.mark.parametrize("path", [b"", b"\0", b"/", b"/dev/dri", b"x" * 1024, b"\xff\xfe", b"/dev/dri/renderD128x"])
def test_paths_that_are_no_nodes_are_enoent(machine: AuditedMachine, path: bytes) -> None:
    """Also those without an end, and those that are no text."""
    with machine.client() as rude:
        assert rude.call(lib.WIRE_OPEN, args=(os.O_RDWR,), text=path).result == -errno.ENOENT


def test_pointers_at_the_end_of_the_address_space_are_efault(machine: AuditedMachine) -> None:
    """Arrays that wrap around are EFAULT, wherever the kernel adds something to a pointer."""
    with machine.client() as rude, closing_fds(rude.open(RENDER)) as (fd,):
        syncobj = rude.ioctl(fd, core.IOCTL_SYNCOBJ_CREATE, flags=1)["handle"]
        handles = (ffi.new("uint32_t[]", [syncobj, syncobj]),)
        for pointer in (U64_MAX, U64_MAX - 7, U64_MAX - 8):
            with pytest.raises(OSError, match="QUERY") as caught:
                rude.ioctl(
                    fd,
                    core.IOCTL_SYNCOBJ_QUERY,
                    handles=int(ffi.cast("uintptr_t", handles[0])),
                    points=pointer,
                    count_handles=2,
                )
            assert caught.value.errno == errno.EFAULT
            assert rude.raw_ioctl(fd, core.IOCTL_VERSION.request, pointer) == -errno.EFAULT


# -- files that are not one's own -------------------------------------------------------------------------------------


def test_inodes_of_others_are_ebadf(machine: AuditedMachine) -> None:
    """A file is only for those who have a descriptor of it, whatever they say."""
    with machine.client() as owner, closing_fds(owner.open(RENDER), os.open("/dev/null", os.O_RDWR)) as (fd, null):
        ino = os.fstat(fd).st_ino
        pid = os.fork()
        if not pid:
            os.close(fd)
            with machine.client() as thief:
                found = {
                    thief.call(op, number, ino, (core.IOCTL_GET_CAP.request, 0)).result
                    for op in (lib.WIRE_IOCTL, lib.WIRE_MMAP, lib.WIRE_FLUSH, lib.WIRE_LSEEK)
                    for number in (-1, null, fd, 1 << 20, -(1 << 31))
                }
            os._exit(found != {-errno.EBADF})
        assert os.waitpid(pid, 0)[1] == 0, "another process could use the file"


def test_a_socket_file_with_the_right_numbers_is_no_mock_file(machine: AuditedMachine) -> None:
    """Inodes are compared together with their file system: one's own files may have any number and mode."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "forged"
        os.mknod(path, stat.S_IFSOCK | 0o600)
        path.chmod(0o7531)
        with closing_fds(os.open(path, os.O_PATH), os.pidfd_open(os.getpid())) as (forged, pidfd):
            assert os.fstat(forged).st_mode == 0o147531, "the forgery is not good enough to show anything"
            ino, is_mock = ffi.new("uint64_t *"), ffi.new("int *")
            assert lib.transport_identify_fd(pidfd, forged, ino, is_mock) == 0
            assert not is_mock[0], "a file of the client's own is taken for a mock file"


def test_a_file_cannot_keep_itself_alive(machine: AuditedMachine) -> None:
    """A mock file is a socket: descriptors that are sent into it, its own for example, are thrown away."""
    with machine.client() as rude:
        for _ in range(20):
            fd = rude.open(RENDER)
            with socket.socket(fileno=os.dup(fd)) as itself:
                socket.send_fds(itself, [b"x"], [fd])
            os.close(fd)
    machine.expect_rest()


def test_data_in_a_file_is_thrown_away(machine: AuditedMachine) -> None:
    """Megabytes that are written to a mock file neither fill it up nor stay anywhere."""
    with machine.client() as rude, closing_fds(rude.open(RENDER)) as (fd,):
        sent = 0
        give_up = time.monotonic() + 20
        writable = select.poll()
        writable.register(fd, select.POLLOUT)
        while sent < 8 << 20:
            writable.poll(1000)
            sent += os.write(fd, bytes(65536))
            assert time.monotonic() < give_up, f"the file took {sent} bytes only"
        assert rude.ioctl(fd, core.IOCTL_GET_CAP, capability=core.DRM_CAP_PRIME)["value"] == 3


def test_a_file_shut_down_for_writing_costs_nothing(machine: AuditedMachine) -> None:
    """An end of file that is there for ever does not keep the mock kernel busy."""
    with machine.client() as rude, closing_fds(rude.open(RENDER)) as (fd,):
        with socket.socket(fileno=os.dup(fd)) as end:
            end.shutdown(socket.SHUT_WR)
        expect_service(machine)
        before = _cpu_seconds(machine)
        time.sleep(0.3)
        assert _cpu_seconds(machine) - before < 0.1, "the mock kernel is busy with nothing"


def _cpu_seconds(machine: AuditedMachine) -> float:
    fields = Path(f"/proc/{machine.machine.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- connections ------------------------------------------------------------------------------------------------------


def test_connections_that_say_nothing(machine: AuditedMachine) -> None:
    """Hundreds of them, some of which end at once."""
    with contextlib.ExitStack() as stack:
        for number in range(300):
            silent = machine.client()
            if number % 2:
                silent.close()
            else:
                stack.enter_context(silent)
        expect_service(machine)


def test_descriptors_sent_on_a_channel_are_not_kept(machine: AuditedMachine) -> None:
    """What comes along with a message is dropped."""
    with machine.client() as rude:
        before = machine.descriptors()
        for _ in range(200):
            socket.send_fds(rude.socket, [struct.pack("<II", 0, 0)], [0, 1, 2])
        expect_service(machine)
        # The channels of earlier tests may still be on their way out.
        deadline = time.monotonic() + 5
        while machine.descriptors() != before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert machine.descriptors() <= before


def test_a_descriptor_that_is_never_taken(machine: AuditedMachine) -> None:
    """A client that is asked to take a descriptor in the middle of a call and does not answer harms only itself."""
    with machine.client() as stubborn, closing_fds(stubborn.open(RENDER)) as (fd,):
        syncobj = stubborn.ioctl(fd, core.IOCTL_SYNCOBJ_CREATE)["handle"]
        argument = ffi.new("char[]", core.SYNCOBJ_HANDLE.pack(handle=syncobj))
        stubborn.post_ioctl(fd, core.IOCTL_SYNCOBJ_HANDLE_TO_FD.request, int(ffi.cast("uintptr_t", argument)))
        expect_service(machine)
        stubborn.close()
    machine.expect_rest()


@pytest.mark.parametrize("number", [-errno.EMFILE, -1, 0, 2, 12345, (1 << 31) - 1])
def test_a_wrong_answer_to_a_descriptor(machine: AuditedMachine, number: int) -> None:
    """Whatever number a client says its new descriptor has, what was given away is released once and for all."""
    with machine.client() as liar, closing_fds(liar.open(RENDER)) as (fd,):
        syncobj = liar.ioctl(fd, core.IOCTL_SYNCOBJ_CREATE)["handle"]
        argument = ffi.new("char[]", core.SYNCOBJ_HANDLE.pack(handle=syncobj))
        for _ in range(3):
            liar.post_ioctl(fd, core.IOCTL_SYNCOBJ_HANDLE_TO_FD.request, int(ffi.cast("uintptr_t", argument)))
            result = liar.lie_about_descriptor(number)
            assert result == (number if number < 0 else 0)
        liar.ioctl(fd, core.IOCTL_SYNCOBJ_DESTROY, handle=syncobj)
        machine.expect_sound()


# -- floods -----------------------------------------------------------------------------------------------------------


def test_floods_do_not_keep_others_waiting(machine: AuditedMachine) -> None:
    """Clients that ring, post, interrupt and connect as fast as they can: an honest one makes progress."""
    stop = threading.Event()

    def ring_and_post() -> None:
        with machine.client() as rude, contextlib.suppress(OSError):
            rude.socket.setblocking(False)
            while not stop.is_set():
                with contextlib.suppress(BlockingIOError):
                    rude.fill_slot(struct.pack("<I", REQUEST))
                    rude.tell(RING)

    def interrupt() -> None:
        with machine.client() as rude, contextlib.suppress(OSError):
            rude.socket.setblocking(False)
            while not stop.is_set():
                with contextlib.suppress(BlockingIOError):
                    rude.tell(INTERRUPT)

    def connect() -> None:
        with contextlib.suppress(OSError):
            while not stop.is_set():
                machine.client().close()

    rude = [threading.Thread(target=target) for target in (ring_and_post, ring_and_post, interrupt, connect)]
    for thread in rude:
        thread.start()
    try:
        with machine.client() as honest, closing_fds(honest.open(RENDER)) as (fd,):
            for _ in range(200):
                honest.ioctl(fd, core.IOCTL_GET_CAP, capability=core.DRM_CAP_PRIME)
    finally:
        stop.set()
        for thread in rude:
            thread.join()


# -- the board --------------------------------------------------------------------------------------------------------


def test_a_board_that_is_cut_short_does_not_kill_the_kernel(machine: AuditedMachine) -> None:
    """The file that tells clients of the machine can be destroyed by them; the mock kernel never reads it."""
    board = machine.directory / "board"
    content = board.read_bytes()
    with machine.client() as honest, closing_fds(honest.open(RENDER)) as (fd,):
        os.truncate(board, 0)
        try:
            for _ in range(20):
                time.sleep(0.002)  # It sleeps, and says so on the board.
                honest.ioctl(fd, core.IOCTL_GET_CAP, capability=core.DRM_CAP_PRIME)
        finally:
            board.write_bytes(content)
    machine.expect_sound()
