# SPDX-License-Identifier: MIT
"""Buffers: what can be allocated, and the CPU's view of them."""

from __future__ import annotations

import errno
import os

import pytest

from amdgpu_hw import DrmError, FeatureMissing, Gpu, KiB, MiB
from amdgpu_hw.uapi import amdgpu_drm as uapi


@pytest.mark.parametrize("domain", ["gtt", "vram", "vram|gtt"])
def test_the_cpu_reads_what_it_wrote(gpu: Gpu, domain: str) -> None:
    """In every domain, by bytes, dwords and as a whole."""
    with gpu.alloc(64 * KiB, domain) as buffer:
        assert buffer.size == 64 * KiB
        buffer.fill(0xDEADBEEF)
        buffer.write(8, b"abcd")
        buffer.write_u32(7, 12)
        assert buffer.read(0, 16) == b"\xef\xbe\xad\xde" * 2 + b"abcd" + b"\7\0\0\0"
        assert buffer.read_u32(64 * KiB - 4) == 0xDEADBEEF


def test_vram_is_zero_when_it_is_new(gpu: Gpu) -> None:
    """The kernel clears it (VRAM_CLEARED)."""
    with gpu.alloc(1 * MiB, "vram") as buffer:
        assert buffer.wait_idle(10**9)
        assert not any(buffer.map())


def test_an_unknown_domain_is_a_callers_mistake(gpu: Gpu) -> None:
    """It never reaches the kernel."""
    with pytest.raises(ValueError, match="choose one of gtt, vram"):
        gpu.alloc(4096, "gds")


def test_what_the_kernel_refuses_names_the_arguments(gpu: Gpu) -> None:
    """A flag that user space may not set is EINVAL, an impossible size ENOMEM."""
    with pytest.raises(DrmError, match=r"GEM_CREATE.*flags=0x20.*EINVAL"):
        gpu.alloc(4096, flags=uapi.AMDGPU_GEM_CREATE_VRAM_CONTIGUOUS)
    with pytest.raises(DrmError) as caught:
        gpu.alloc(1 << 50, "vram")
    assert caught.value.errno == errno.ENOMEM


def test_a_buffer_without_cpu_access_cannot_be_mapped(gpu: Gpu) -> None:
    """The message says how to allocate one that can."""
    with gpu.alloc(4096, "vram", cpu_access=False) as buffer, pytest.raises(FeatureMissing, match="cpu_access=True"):
        buffer.map()


def test_a_view_dies_with_its_buffer(gpu: Gpu) -> None:
    """Using it afterwards is an error, not a crash."""
    with gpu.alloc(4096) as buffer:
        view = buffer.map()
        assert buffer.map() is view
    with pytest.raises(ValueError, match="released"):
        view[0]
    with pytest.raises(ValueError, match="closed"):
        buffer.map()
    buffer.close()


def test_a_slice_outlives_its_buffer(gpu: Gpu) -> None:
    """The pages stay mapped as long as Python has a view of them: a forgotten slice is no crash."""
    with gpu.alloc(4096) as buffer:
        words = buffer.map()[4:12].cast("I")
    words[0] = 5
    assert words[0] == 5


def test_a_dma_buf_is_the_same_memory(gpu: Gpu) -> None:
    """Exported and imported again, it is one buffer with two users."""
    with gpu.alloc(4096) as buffer:
        buffer.write_u32(42)
        fd = buffer.export()
        try:
            assert os.lseek(fd, 0, os.SEEK_END) == 4096
            assert not os.get_inheritable(fd), "the descriptor would leak into children"
            imported = gpu.import_buffer(fd)
        finally:
            os.close(fd)
        assert imported.handle == buffer.handle
        assert imported.read_u32() == 42
    assert imported.read_u32() == 42, "closing one user took the memory from the other"
    imported.close()


def test_what_is_no_dma_buf_cannot_be_imported(gpu: Gpu) -> None:
    """EINVAL for another file, EBADF for none."""
    with open("/dev/null") as file, pytest.raises(DrmError) as caught:
        gpu.import_buffer(file.fileno())
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(DrmError) as caught:
        gpu.import_buffer(9999)
    assert caught.value.errno == errno.EBADF


def test_an_always_valid_buffer_stays_in_its_address_space(gpu: Gpu) -> None:
    """It cannot be exported."""
    with gpu.alloc(4096, always_valid=True) as buffer:
        assert buffer.always_valid
        with pytest.raises(DrmError) as caught:
            buffer.export()
    assert caught.value.errno == errno.EPERM


def test_buffers_are_closed_with_the_gpu(gpu: Gpu) -> None:
    """One that was not closed is closed when the GPU is, and closing it again does nothing."""
    buffer = gpu.alloc(4096)
    gpu.close()
    with pytest.raises(ValueError, match="closed"):
        buffer.map()
    buffer.close()
