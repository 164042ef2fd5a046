# SPDX-License-Identifier: MIT
"""GpuMemory: one sparse file behind everything."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

import pytest

from amdgpu_hw.mock.gpu.memory import GpuMemory

GIB = 1 << 30


@pytest.fixture
def memory() -> Iterator[GpuMemory]:
    """An MI300X's worth of memory."""
    memory = GpuMemory(192 * GIB, 64 * GIB)
    yield memory
    memory.close()


def test_big_memory_is_sparse(memory: GpuMemory) -> None:
    """256 GiB exist and read as 0 without using host memory."""
    memory.write_u32(200 * GIB, 0xDEADBEEF)
    assert memory.read_u32(200 * GIB) == 0xDEADBEEF
    assert memory.read(100 * GIB, 8) == bytes(8)
    assert os.fstat(memory.fd).st_blocks * 512 < 1 << 20


def test_client_mapping_shows_what_the_gpu_writes(memory: GpuMemory) -> None:
    """Mapping the descriptor gives the same bytes, both ways."""
    with mmap.mmap(memory.fd, 4096, offset=8192) as client:
        memory.write(8192, b"gpu")
        assert client[:3] == b"gpu"
        client[0:3] = b"cpu"
        assert memory.read(8192, 3) == b"cpu"


def test_copy_handles_overlap(memory: GpuMemory) -> None:
    """A copy onto itself one byte further is as if the source had been read first."""
    memory.write(0, b"abcdef")
    memory.copy(1, 0, 6)
    assert memory.read(0, 7) == b"aabcdef"


@pytest.mark.parametrize("size", [0, 1, 3, 4, 4095, (1 << 20) + 6, (2 << 20) + 3])
def test_fill_repeats_the_pattern_and_stops_at_the_end(memory: GpuMemory, size: int) -> None:
    """The pattern goes on across internal chunks and nothing behind the range changes."""
    memory.fill(100, b"\x01\x02\x03", size)
    expected = (b"\x01\x02\x03" * (size // 3 + 1))[:size]
    assert memory.read(100, size) == expected
    assert memory.read(100 + size, 8) == bytes(8)


def test_discard_zeroes_and_frees(memory: GpuMemory) -> None:
    """Discarded pages read as 0 and are given back to the host."""
    memory.fill(0, b"x", 1 << 20)
    before = os.fstat(memory.fd).st_blocks
    memory.discard(4096, (1 << 20) - 8192)
    assert memory.read(4095, 3) == b"x\0\0"
    assert memory.read((1 << 20) - 4096, 1) == b"x"
    assert os.fstat(memory.fd).st_blocks < before
    with pytest.raises(ValueError, match="not whole pages"):
        memory.discard(1, 4096)


@pytest.mark.parametrize(("address", "size"), [(-1, 4), (256 * GIB - 2, 4), (256 * GIB, 1)])
def test_access_outside_is_an_error(memory: GpuMemory, address: int, size: int) -> None:
    """The mock kernel may not reach beyond the memory."""
    with pytest.raises(ValueError, match="outside the GPU's memory"):
        memory.read(address, size)
    with pytest.raises(ValueError, match="outside the GPU's memory"):
        memory.write(address, bytes(size))
