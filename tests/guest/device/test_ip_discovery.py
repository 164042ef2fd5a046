# SPDX-License-Identifier: MIT
"""Our discovery data, read by a parser that follows amdgpu_discovery.c and not our tables."""

from __future__ import annotations

import struct

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.guest.device.gpu import GENERATIONS
from amdgpu_hw.guest.device.ip_discovery import DISCOVERY_OFFSET, build_discovery
from amdgpu_hw.guest.device.registers import load_table

from .rig import VRAM, Rig

GPUS = sorted(name for name, generation in GENERATIONS.items() if generation.discovery is not None)
GC_HWID, SDMA0_HWID, SDMA1_HWID, SDMA2_HWID, SDMA3_HWID, HARVEST = 11, 42, 43, 68, 69, 2


def binary(gpu: str) -> bytes:
    """Return the data of a GPU."""
    discovery = GENERATIONS[gpu].discovery
    assert discovery is not None
    return build_discovery(load_identity(gpu), discovery, load_table(gpu).bases)


def table(data: bytes, number: int) -> tuple[int, int, int]:
    """amdgpu_discovery_get_table_info: offset, checksum and size of a table."""
    offset, checksum, size, _ = struct.unpack_from("<HHHH", data, 12 + 8 * number)
    return offset, checksum, size


def blocks(data: bytes) -> list[tuple[int, int, tuple[int, ...], tuple[int, ...]]]:
    """amdgpu_discovery_reg_base_init: hardware ID, instance, version, bases of each block."""
    begin, _, _ = table(data, 0)
    signature, version, _size, _id, dies = struct.unpack_from("<IHHIH", data, begin)
    assert (signature, version, dies) == (0x53445049, 3, 1)
    die, at = struct.unpack_from("<HH", data, begin + 14)
    assert die == 0
    die, count = struct.unpack_from("<HH", data, at)
    assert die == 0
    at += 4
    found: list[tuple[int, int, tuple[int, ...], tuple[int, ...]]] = []
    for _ in range(count):
        hw_id, instance, bases, major, minor, revision, _variant = struct.unpack_from("<HBBBBBB", data, at)
        found.append((hw_id, instance, (major, minor, revision), struct.unpack_from(f"<{bases}I", data, at + 8)))
        at += 8 + 4 * bases
    offset, _, size = table(data, 0)
    assert at == offset + size, "the table ends behind the last block"
    return found


@pytest.mark.parametrize("gpu", GPUS)
def test_signature_and_checksums_hold(gpu: str) -> None:
    """amdgpu_discovery_init: the binary's sum from byte 10 on, then the sum of each of its tables."""
    data = binary(gpu)
    signature, major, _minor, checksum, size = struct.unpack_from("<IHHHH", data)
    assert (signature, major, size) == (0x28211407, 1, len(data))
    assert sum(data[10:size]) & 0xFFFF == checksum
    for number in range(3):
        offset, checksum, length = table(data, number)
        assert offset
        assert sum(data[offset : offset + length]) & 0xFFFF == checksum
    assert [table(data, number)[0] for number in range(3, 6)] == [0, 0, 0]


@pytest.mark.parametrize("gpu", GPUS)
def test_versions_are_the_identitys(gpu: str) -> None:
    """GC and SDMA have the versions of the GPU's TOML file, as many engines as are modelled."""
    identity, found = load_identity(gpu), blocks(binary(gpu))
    assert [version for hw_id, _, version, _ in found if hw_id == GC_HWID] == [identity.gc_version]
    engines = [version for hw_id, _, version, _ in found if hw_id in (SDMA0_HWID, SDMA1_HWID, SDMA2_HWID, SDMA3_HWID)]
    assert engines == [identity.sdma_version] * GENERATIONS[gpu].engines


@pytest.mark.parametrize("gpu", GPUS)
def test_registers_are_where_the_data_say(gpu: str) -> None:
    """Base and offset of the kernel's header give the number in our table: GRBM_STATUS is 4 behind GC's first base."""
    bases = {(hw_id, instance): numbers for hw_id, instance, _, numbers in blocks(binary(gpu))}
    registers = load_table(gpu)
    offset = {"mi300x": 0x0004, "navi21": 0x0DA4, "navi31": 0x0DA4}[gpu]
    assert registers.offset("GC", "GRBM_STATUS") == bases[GC_HWID, 0][0] + offset


def test_nothing_but_graphics_looks_like_graphics() -> None:
    """gfx_v9_4_3_normalize_xcc_reg_offset cuts a number to 16 bits where those are graphics'."""
    registers = load_table("mi300x")
    for block in ("MMHUB", "SDMA0", "SDMA1", "SDMA2", "SDMA3", "HDP", "OSSSYS"):
        for name, number in registers.find(block, "").items():
            low = number & 0xFFFF
            assert low not in range(0x2000, 0x3400), (block, name)
            assert low not in range(0xA000, 0x10000), (block, name)


@pytest.mark.parametrize("gpu", GPUS)
def test_graphics_numbers_are_the_identitys(gpu: str) -> None:
    """amdgpu_discovery_get_gfx_info."""
    data, topology = binary(gpu), load_identity(gpu).topology
    at, _, length = table(data, 1)
    signature, major, _minor, size = struct.unpack_from("<IHHI", data, at)
    assert (signature, size) == (0x4347, length)
    numbers = struct.unpack_from(f"<{(length - 12) // 4}I", data, at + 12)
    assert numbers[0] == topology.shader_engines
    if major == 1:
        assert 2 * (numbers[1] + numbers[2]) == topology.cus_per_array
        assert numbers[16] == topology.arrays_per_engine
        assert numbers[15] % numbers[16] == 0, "num_sc_per_sh is a whole number"
    else:
        assert (numbers[1], numbers[2]) == (topology.cus_per_array, topology.arrays_per_engine)
    assert numbers[11] == topology.wave_size


@pytest.mark.parametrize("gpu", GPUS)
def test_nothing_is_harvested(gpu: str) -> None:
    """amdgpu_discovery_read_from_harvest_table stops at the first empty entry."""
    data = binary(gpu)
    at, _, length = table(data, HARVEST)
    assert struct.unpack_from("<I", data, at)[0] == 0x56524148
    assert length == 8 + 32 * 4
    assert data[at + 8 : at + length] == bytes(32 * 4)


@pytest.mark.parametrize("gpu", GPUS)
def test_they_are_at_the_end_of_vram_also_after_a_reset(gpu: str) -> None:
    """amdgpu_discovery_get_tmr_info: 64 KiB before the end; a reset that loses VRAM brings them back."""
    rig = Rig(gpu)
    at = VRAM - DISCOVERY_OFFSET
    data = binary(gpu)
    assert rig.vram(at, len(data)) == data
    rig.gpu.memory.write(at, bytes(4))
    rig.gpu.reset()
    assert rig.vram(at, len(data)) == data
    rig.close()


def test_a_gpu_that_the_driver_knows_has_none(rig: Rig) -> None:
    """Vega10's blocks are in the driver (vega10_reg_base_init)."""
    assert rig.vram(VRAM - DISCOVERY_OFFSET, 4) == bytes(4)
