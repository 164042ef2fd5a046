# SPDX-License-Identifier: MIT
"""HostMemory: bytes that clients map, and what becomes of a mapping that outlives its buffer."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

import pytest

from amdgpu_hw.gpu_model.host_memory import HostMemory

GIB = 1 << 30
MIB = 1 << 20
PAGE = 4096


@pytest.fixture
def host() -> Iterator[HostMemory]:
    """A terabyte of address space."""
    host = HostMemory(1024 * GIB)
    yield host
    host.close()


def allocate(host: HostMemory, size: int) -> int:
    """The start of a new range."""
    start = host.alloc(size)
    assert start is not None
    return start


def put(host: HostMemory, start: int, data: bytes) -> None:
    """Write, as the GPU does."""
    host.map[start : start + len(data)] = data


def test_memory_that_was_never_written_costs_nothing(host: HostMemory) -> None:
    """200 GiB of ranges read as 0 and use one page."""
    start = allocate(host, 200 * GIB)
    put(host, start + 100 * GIB, b"x")
    assert host.map[start + 150 * GIB] == 0
    assert os.fstat(host._fd).st_blocks * 512 < MIB
    assert host.used == 200 * GIB


def test_a_freed_range_reads_zero_and_gives_its_memory_back(host: HostMemory) -> None:
    """Whoever gets it next finds nothing of the last owner."""
    start = allocate(host, MIB)
    put(host, start, b"x" * MIB)
    host.free(start, MIB)
    assert os.fstat(host._fd).st_blocks == 0
    assert allocate(host, MIB) == start
    assert host.map[start : start + 4] == bytes(4)


def test_discard_zeroes_whole_pages(host: HostMemory) -> None:
    """What is around them stays."""
    start = allocate(host, MIB)
    put(host, start, b"x" * MIB)
    host.discard(start + PAGE, MIB - 2 * PAGE)
    assert host.map[start + PAGE - 1 : start + PAGE + 2] == b"x\0\0"
    assert host.map[start + MIB - PAGE] == ord("x")
    with pytest.raises(ValueError, match="not whole pages"):
        host.discard(1, PAGE)


def test_a_client_sees_what_was_there_and_what_comes(host: HostMemory) -> None:
    """The file that a client maps has the bytes written before; from then on both sides see each other's."""
    start = allocate(host, 4 * PAGE)
    put(host, start + 2 * PAGE, b"before")
    fd = host.file_of(start, 4 * PAGE)
    assert host.file_of(start, 4 * PAGE) == fd
    assert host.has_own_file(start)
    with mmap.mmap(fd, 4 * PAGE) as client:
        assert client[2 * PAGE : 2 * PAGE + 6] == b"before"
        assert client[:4] == bytes(4)
        client[5:8] = b"cpu"
        put(host, start, b"gpu")
        assert client[:8] == b"gpu\0\0cpu"
        assert host.map[start : start + 8] == b"gpu\0\0cpu"


def test_the_file_is_the_buffer_and_nothing_else(host: HostMemory) -> None:
    """A client cannot look beyond its end, nor make it shorter or longer."""
    start, neighbour = allocate(host, PAGE), allocate(host, PAGE)
    put(host, neighbour, b"secret")
    fd = host.file_of(start, PAGE)
    assert os.fstat(fd).st_size == PAGE
    for size in (0, 2 * PAGE):
        with pytest.raises(PermissionError):
            os.ftruncate(fd, size)


def test_a_mapping_outlives_the_buffer(host: HostMemory) -> None:
    """After free() the client keeps its bytes, and the range goes to somebody who does not see them."""
    start = allocate(host, PAGE)
    with mmap.mmap(host.file_of(start, PAGE), PAGE) as client:
        client[:4] = b"mine"
        host.free(start, PAGE)
        assert allocate(host, PAGE) == start
        assert host.map[start : start + 4] == bytes(4)
        put(host, start, b"new!")
        assert client[:4] == b"mine"
        client[:4] = b"poke"
        assert host.map[start : start + 4] == b"new!"


def test_memory_of_another_file_can_be_adopted(host: HostMemory) -> None:
    """An imported buffer: the same bytes, and they stay when it goes."""
    start, fd = allocate(host, PAGE), os.memfd_create("theirs")
    os.ftruncate(fd, 2 * PAGE)
    os.pwrite(fd, b"theirs", PAGE)
    host.adopt(start, PAGE, fd, PAGE)
    assert host.map[start : start + 6] == b"theirs"
    put(host, start, b"ours")
    assert os.pread(fd, 6, PAGE) == b"oursrs"
    host.free(start, PAGE)
    assert os.pread(fd, 6, PAGE) == b"oursrs"
    assert host.map[start : start + 6] == bytes(6)
    os.close(fd)


def test_no_descriptor_is_left_behind() -> None:
    """Neither by a range that is freed nor by close()."""
    before = set(os.listdir("/proc/self/fd"))
    host = HostMemory(GIB)
    ranges = [allocate(host, PAGE) for _ in range(10)]
    for start in ranges:
        host.file_of(start, PAGE)
    for start in ranges[:5]:
        host.free(start, PAGE)
    host.close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_running_out_of_descriptors_is_an_error_and_no_loss(host: HostMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The range stays what it was."""
    start = allocate(host, PAGE)
    put(host, start, b"data")

    def fail(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("amdgpu_hw.gpu_model.host_memory.memfd_create", fail)
    with pytest.raises(OSError, match="Too many"):
        host.file_of(start, PAGE)
    assert host.map[start : start + 4] == b"data"
    assert not host.has_own_file(start)
