# SPDX-License-Identifier: MIT
"""VRAM that the CPU reaches, on GPUs whose aperture is smaller: who gets it, and what moves there to be mapped."""

from __future__ import annotations

import errno
import mmap
import os

import pytest

from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import SDMA, Client, boot_gpu

VRAM, GTT = drm.AMDGPU_GEM_DOMAIN_VRAM, drm.AMDGPU_GEM_DOMAIN_GTT
CPU_ACCESS = drm.AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED
MIB = 1 << 20
RW = mmap.PROT_READ | mmap.PROT_WRITE

SMALL = ["polaris10", "vega10", "navi10", "navi21"]
"""GPUs of which the CPU reaches 256 MiB."""


def counter(client: Client, query: int) -> int:
    """An INFO counter."""
    return int.from_bytes(client.info(query, 8), "little")


def map_cpu(client: Client, handle: int) -> tuple[int, int]:
    """GEM_MMAP and mmap(): the descriptor and the offset that the client maps."""
    reply = client.ioctl(drm.IOCTL_AMDGPU_GEM_MMAP, handle=handle)
    offset = reply["handle"] | reply["_pad"] << 32
    result: tuple[int, int] = client.caller.file(client.fd).mmap(
        client.caller, offset, client.object(handle).size, RW, mmap.MAP_SHARED
    )
    client.settle()
    return result


@pytest.mark.parametrize("gpu", SMALL)
def test_buffers_are_where_they_were_asked_to_be(gpu: str) -> None:
    """With CPU access in the visible part; without, out of its way. The counters of INFO follow."""
    client = Client(boot_gpu(gpu))
    before = counter(client, info.AMDGPU_INFO_VIS_VRAM_USAGE)
    visible, hidden = client.bo(64 * MIB, VRAM, CPU_ACCESS), client.bo(64 * MIB, VRAM)
    assert (client.object(visible).cpu_visible, client.object(hidden).cpu_visible) == (True, False)
    assert counter(client, info.AMDGPU_INFO_VIS_VRAM_USAGE) == before + 64 * MIB


@pytest.mark.parametrize("gpu", SMALL)
def test_mapping_brings_a_buffer_into_sight(gpu: str) -> None:
    """The CPU's first access moves it to visible VRAM; its content and its mapping survive, and it is counted."""
    client = Client(boot_gpu(gpu))
    bo = client.bo(64 * MIB, VRAM)
    client.map(bo, 1 << 32, 64 * MIB)
    client.submit(SDMA, client.packets(SDMA).fill(1 << 32, 0xCAFE, 4))
    fd, offset = map_cpu(client, bo)
    assert os.pread(fd, 4, offset) == 0xCAFE.to_bytes(4, "little")
    assert client.object(bo).cpu_visible
    assert client.object(bo).domain == VRAM
    assert counter(client, info.AMDGPU_INFO_NUM_VRAM_CPU_PAGE_FAULTS) == 1
    map_cpu(client, bo)
    assert counter(client, info.AMDGPU_INFO_NUM_VRAM_CPU_PAGE_FAULTS) == 1
    client.submit(
        SDMA,
        client.packets(SDMA).fill(1 << 32, 0xF00D, 4),
        (drm.AMDGPU_CHUNK_ID_BO_HANDLES, client.bo_handles_chunk(bo)),
    )
    assert os.pread(fd, 4, offset) == 0xF00D.to_bytes(4, "little"), "the page tables did not follow"
    assert client.adev.kernel.kasan.count == 0


def test_a_full_aperture_sends_it_to_gtt() -> None:
    """Nobody is evicted from visible VRAM for an access of the CPU."""
    client = Client(boot_gpu("polaris10"))
    vram = client.adev.mman.vram
    first = client.bo((vram.visible_size - vram.visible_usage) // MIB * MIB, VRAM, CPU_ACCESS)
    bo = client.bo(8 * MIB, VRAM)
    fd, offset = map_cpu(client, bo)
    assert client.object(bo).domain == GTT
    assert client.object(first).domain == VRAM
    client.write(bo, b"both")
    assert os.pread(fd, 4, offset) == b"both"


def test_a_new_buffer_evicts_others_from_the_aperture() -> None:
    """They go to the hidden part if there is room, not to GTT; and only those that are in the way."""
    client = Client(boot_gpu("polaris10"))
    vram = client.adev.mman.vram
    size = (vram.visible_size - vram.visible_usage) // MIB * MIB
    first, aside = client.bo(size, VRAM, CPU_ACCESS), client.bo(MIB, VRAM)
    second = client.bo(size, VRAM, CPU_ACCESS)
    assert [client.object(handle).domain for handle in (first, second, aside)] == [VRAM, VRAM, VRAM]
    assert [client.object(handle).cpu_visible for handle in (first, second)] == [False, True]
    assert counter(client, info.AMDGPU_INFO_NUM_EVICTIONS) == 1


def test_more_than_the_aperture_is_made_without_cpu_access() -> None:
    """2.3 step 7: the second try gives up CPU access."""
    client = Client(boot_gpu("polaris10"))
    bo = client.object(client.bo(512 * MIB, VRAM, CPU_ACCESS))
    assert (bo.domain, bo.cpu_visible) == (VRAM, False)


def test_where_all_vram_is_visible_nothing_moves() -> None:
    """Resizable BAR."""
    client = Client(boot_gpu("navi31"))
    bo = client.bo(1 << 30, VRAM)
    address = client.object(bo).address
    map_cpu(client, bo)
    assert client.object(bo).address == address
    assert counter(client, info.AMDGPU_INFO_NUM_VRAM_CPU_PAGE_FAULTS) == 0


def test_only_shared_mappings() -> None:
    """A private copy of GPU memory is EINVAL (ttm_bo_mmap_obj)."""
    client = Client()
    bo = client.bo()
    reply = client.ioctl(drm.IOCTL_AMDGPU_GEM_MMAP, handle=bo)
    offset = reply["handle"] | reply["_pad"] << 32
    with pytest.raises(KernelError) as caught:
        client.caller.file(client.fd).mmap(client.caller, offset, 4096, RW, mmap.MAP_PRIVATE)
    assert caught.value.errno == errno.EINVAL


def test_a_mapping_survives_evictions() -> None:
    """Wherever the buffer is, the client's mapping shows its bytes."""
    client = Client(boot_gpu("navi31"))
    bo = client.bo(1 << 30, VRAM)
    fd, offset = map_cpu(client, bo)
    with mmap.mmap(fd, 4096, offset=offset) as mapping:
        mapping[:4] = b"mine"
        vram = client.adev.mman.vram
        client.bo(vram.size - vram.reserved - vram.usage, VRAM)
        client.bo(512 * MIB, VRAM)
        assert client.object(bo).domain == GTT
        client.map(bo, 1 << 32, 1 << 30)
        listed = (drm.AMDGPU_CHUNK_ID_BO_HANDLES, client.bo_handles_chunk(bo))
        client.submit(SDMA, client.packets(SDMA).fill((1 << 32) + 4, 0x31323334, 4), listed)
        assert mapping[:8] == b"mine4321"
        mapping[8:12] = b"more"
        assert client.read(bo, 12) == b"mine4321more"


def test_a_mapping_survives_the_buffer() -> None:
    """After GEM_CLOSE the bytes are the client's alone: the next owner of the memory neither sees nor changes them."""
    client = Client()
    bo = client.bo(domain=VRAM)
    where = client.object(bo).host
    fd, offset = map_cpu(client, bo)
    with mmap.mmap(fd, 4096, offset=offset) as mapping:
        mapping[:4] = b"mine"
        client.ioctl(core.IOCTL_GEM_CLOSE, handle=bo)
        client.settle()
        fresh = client.bo(domain=VRAM)
        assert client.object(fresh).host == where, "the test wants the same range again"
        assert client.read(fresh, 4) == bytes(4)
        client.write(fresh, b"new!")
        assert mapping[:4] == b"mine"


def test_a_late_clear_spares_what_the_cpu_has_written() -> None:
    """On hardware the CPU's access waits for the clear of a new buffer; here it must not come second."""
    client = Client(boot_gpu("navi31", "series-fixed"))
    chunk, gate = client.gate()
    client.submit(SDMA, None, chunk)
    bo = client.bo(domain=VRAM, flags=drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID)
    fd, offset = map_cpu(client, bo)
    os.pwrite(fd, b"early", offset)
    client.open_gate(gate)
    assert client.read(bo, 5) == b"early"
