# SPDX-License-Identifier: MIT
"""GpuMemory: addresses that are never used twice, and what is behind them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amdgpu_hw.gpu_model.memory import MAX_ALLOCATION, GpuMemory, StaleAddress

GIB = 1 << 30
MIB = 1 << 20
PAGE = 4096


@pytest.fixture
def memory() -> Iterator[GpuMemory]:
    """An MI300X's worth of memory."""
    memory = GpuMemory(192 * GIB, 64 * GIB)
    yield memory
    memory.close()


def allocate(memory: GpuMemory, size: int) -> int:
    """The address of new memory."""
    start, address = memory.host.alloc(size), memory.reserve(size)
    assert start is not None
    memory.enable(address, start, size)
    return address


def test_every_width_reads_what_was_written(memory: GpuMemory) -> None:
    """Bytes, dwords and qwords, little endian; new memory reads 0."""
    where = allocate(memory, PAGE)
    assert memory.read(where, 16) == bytes(16)
    memory.write(where + 8, b"\x01\x02\x03\x04\x05\x06\x07\x08")
    assert memory.read_u32(where + 8) == 0x04030201
    assert memory.read_u64(where + 8) == 0x0807060504030201
    memory.write_u32(where, 0xDEADBEEF)
    memory.write_u64(where + 16, 1 << 63)
    assert (memory.read_u32(where), memory.read_u64(where + 16)) == (0xDEADBEEF, 1 << 63)


def test_copy_handles_overlap(memory: GpuMemory) -> None:
    """A copy onto itself one byte further is as if the source had been read first."""
    where = allocate(memory, PAGE)
    memory.write(where, b"abcdef")
    memory.copy(where + 1, where, 6)
    assert memory.read(where, 7) == b"aabcdef"


@pytest.mark.parametrize("size", [0, 1, 3, 4, 4095, MIB + 6, 2 * MIB + 3])
def test_fill_repeats_the_pattern_and_stops_at_the_end(memory: GpuMemory, size: int) -> None:
    """The pattern goes on across internal chunks and nothing behind the range changes."""
    where = allocate(memory, 3 * MIB)
    memory.fill(where + 100, b"\x01\x02\x03", size)
    expected = (b"\x01\x02\x03" * (size // 3 + 1))[:size]
    assert memory.read(where + 100, size) == expected
    assert memory.read(where + 100 + size, 8) == bytes(8)


def test_an_address_without_memory_is_recognised(memory: GpuMemory) -> None:
    """Before `enable`, after `disable`, and where nobody ever was; the next allocation is elsewhere."""
    reserved = memory.reserve(PAGE)
    assert memory.is_reserved(reserved)
    gone = allocate(memory, PAGE)
    assert memory.is_live(gone + 5)
    memory.disable(gone)
    for address in (reserved, gone, 0, 12345):
        assert not memory.is_live(address)
        with pytest.raises(StaleAddress) as caught:
            memory.read_u32(address)
        assert caught.value.address == address
        with pytest.raises(StaleAddress):
            memory.write(address, b"x")
    assert allocate(memory, PAGE) not in (reserved, gone)


def test_moved_memory_keeps_its_bytes(memory: GpuMemory) -> None:
    """The same range of the host at another address."""
    start = memory.host.alloc(PAGE)
    assert start is not None
    old, new = memory.reserve(PAGE), memory.reserve(PAGE)
    memory.enable(old, start, PAGE)
    memory.write(old, b"data")
    memory.enable(new, start, PAGE)
    memory.disable(old)
    assert memory.read(new, 4) == b"data"
    assert memory.base_of(new + 100) == new


def test_no_access_runs_into_the_next_allocation(memory: GpuMemory) -> None:
    """Beyond the end is a bug of the mock kernel: page tables cannot lead there."""
    where = allocate(memory, PAGE)
    allocate(memory, PAGE)
    with pytest.raises(ValueError, match="outside an allocation"):
        memory.read(where + PAGE - 2, 4)
    with pytest.raises(ValueError, match="an allocation of"):
        memory.reserve(MAX_ALLOCATION + 1)
    with pytest.raises(ValueError, match="whole pages"):
        GpuMemory(1000, PAGE)


class OtherMemory:
    """Memory that is not the GPU's."""

    def __init__(self, size: int) -> None:
        self.content = bytearray(size)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.content[offset : offset + size])

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self.content[offset : offset + len(data)] = data


def test_a_window_is_other_memory(memory: GpuMemory) -> None:
    """Every kind of access reaches it, and a copy goes either way."""
    other, start, own = OtherMemory(8192), memory.reserve(8192), allocate(memory, PAGE)
    memory.enable_window(start, other)
    assert memory.is_live(start)
    memory.write(start + 4090, b"across the pages")
    assert memory.read(start + 4090, 16) == b"across the pages" == other.content[4090:4106]
    memory.write_u32(start, 1)
    memory.write_u64(start + 8, 2)
    assert (memory.read_u32(start), memory.read_u64(start + 8)) == (1, 2)
    memory.fill(start + 16, b"ab", 5)
    memory.copy(own, start + 16, 6)
    assert memory.read(own, 6) == b"ababa\0"
    memory.copy(start + 8000, own, 3)
    assert other.content[8000:8003] == b"aba"
    memory.disable(start)
    with pytest.raises(StaleAddress):
        memory.read(start, 1)


def test_sixteen_million_numbers_are_enough_for_ever(memory: GpuMemory) -> None:
    """When all numbers have been used the count begins anew, and leaves out those in use."""
    first = allocate(memory, PAGE)
    memory._last = (1 << 24) - 2
    last = memory.reserve(PAGE)
    assert last == ((1 << 24) - 1) << 40
    assert memory.reserve(PAGE) == first + MAX_ALLOCATION, "a number that is in use was given out again"
