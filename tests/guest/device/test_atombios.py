# SPDX-License-Identifier: MIT
"""Our BIOS and firmware, read by parsers that follow the driver's functions and not our tables."""

from __future__ import annotations

import struct
import zlib

import pytest

from amdgpu_hw.gpu_model.gpus import load_identity
from amdgpu_hw.guest.device.atombios import build_rom
from amdgpu_hw.guest.device.firmware import FIRMWARE, firmware_files
from amdgpu_hw.guest.device.gpu import GENERATIONS

GPUS = sorted(GENERATIONS)
SCRATCH = 0x4C


class Bios:
    """A BIOS as amdgpu_atom_parse and amdgpu_atom_parse_data_header read it."""

    def __init__(self, rom: bytes) -> None:
        self.rom = rom
        assert self.u16(0) == 0xAA55
        assert rom[0x30:].startswith(b" 761295520")
        header = self.u16(0x48)
        assert rom[header + 4 : header + 8] == b"ATOM"
        self.commands, self.data = self.u16(header + 0x1E), self.u16(header + 0x20)

    def u8(self, at: int) -> int:
        return self.rom[at]

    def u16(self, at: int) -> int:
        return int.from_bytes(self.rom[at : at + 2], "little")

    def u32(self, at: int) -> int:
        return int.from_bytes(self.rom[at : at + 4], "little")

    def table(self, index: int) -> int:
        at = self.u16(self.data + 4 + 2 * index)
        assert at, "the table is there"
        assert at + self.u16(at) <= len(self.rom)
        return at


def bios(gpu: str) -> Bios:
    """Return the BIOS of a GPU."""
    return Bios(build_rom(load_identity(gpu), GENERATIONS[gpu].bios, SCRATCH))


@pytest.mark.parametrize("gpu", GPUS)
def test_linux_finds_the_size_of_the_rom(gpu: str) -> None:
    """pci_get_rom_size: the signature at the pointer in 0x18, one last image as long as the ROM, of this device."""
    rom = bios(gpu).rom
    at = int.from_bytes(rom[0x18:0x1A], "little")
    assert rom[at : at + 4] == b"PCIR"
    assert struct.unpack_from("<HH", rom, at + 4) == (0x1002, load_identity(gpu).pci.device)
    assert struct.unpack_from("<H", rom, at + 16)[0] * 512 == len(rom) == rom[2] * 512
    assert rom[at + 21] & 0x80


@pytest.mark.parametrize("gpu", GPUS)
def test_the_texts_are_where_the_driver_looks(gpu: str) -> None:
    """atom_get_vbios_pn at 0x80 (no strings are counted at 0x2f), atom_get_vbios_date at 0x50."""
    found = bios(gpu)
    assert found.u8(0x2F) == 0
    assert found.rom[0x80:].startswith(b"MODELLED-GPU-" + gpu.upper().encode() + b"\0")
    assert found.rom[0x50:].startswith(b"01/01/26 00:00")


@pytest.mark.parametrize("gpu", GPUS)
def test_firmwareinfo_has_clocks_and_scratch_registers(gpu: str) -> None:
    """amdgpu_atomfirmware_get_clock_info, amdgpu_atomfirmware_scratch_regs_init: revision 3.1."""
    found = bios(gpu)
    at = found.table(4)
    assert (found.u8(at + 2), found.u8(at + 3)) == (3, 1)
    assert found.u32(at + 8) > 0
    assert found.u32(at + 12) > 0
    assert found.u32(at + 24) == SCRATCH


@pytest.mark.parametrize("gpu", GPUS)
def test_vram_info_has_type_and_width(gpu: str) -> None:
    """amdgpu_atomfirmware_get_vram_info: vram_module 0 behind 20 bytes of header: type, channels, width, vendor."""
    found, memory = bios(gpu), load_identity(gpu).memory
    at = found.table(28)
    assert found.u8(at + 2) == 2
    module = at + 4 + 20
    kind = {6: 0x60, 9: 0x70}[memory.type]
    assert found.u8(module + 23) == kind
    assert found.u8(module + 24) << found.u8(module + 25) == memory.bit_width
    assert found.u8(module + 28) & 0xF == {"samsung": 1, "hynix": 6}[memory.vendor]


@pytest.mark.parametrize("gpu", GPUS)
def test_asic_init_is_a_command_table_that_ends_at_once(gpu: str) -> None:
    """amdgpu_atom_execute_table_locked after a reset: header of 6 bytes, then EOT (opcode 91)."""
    found = bios(gpu)
    at = found.u16(found.commands + 4)
    assert found.u16(at) == 7
    assert (found.u8(at + 2), found.u8(at + 3)) == (2, 1), "amdgpu_atomfirmware_asic_init wants 2.1"
    assert found.u8(at + 6) == 91


@pytest.mark.parametrize("gpu", GPUS)
def test_indirect_io_has_no_method(gpu: str) -> None:
    """atom_index_iio stops at the first byte that is not 1."""
    found = bios(gpu)
    assert found.u8(found.table(23) + 4) == 0


@pytest.mark.parametrize("gpu", GPUS)
def test_firmware_files_pass_the_drivers_checks(gpu: str) -> None:
    """amdgpu_ucode_validate: the size in the header is the file's; payload and header lie in it."""
    files = firmware_files(gpu)
    assert set(files) == {f"amdgpu/{name}.bin" for name in FIRMWARE[gpu]}
    for name, content in files.items():
        size, header, major, _minor, _, _, version, payload, offset, _ = struct.unpack_from("<IIHHHHIIII", content)
        assert size == len(content), name
        assert header <= offset
        assert offset + payload <= size
        assert major in (1, 2)
        assert version > 0


def test_firmware_has_no_code() -> None:
    """The payload is zeros, but for gpu_info: numbers of the GPU's TOML file."""
    for name, content in firmware_files("vega10").items():
        payload, offset = struct.unpack_from("<II", content, 20)
        data = content[offset : offset + payload]
        if name.endswith("gpu_info.bin"):
            topology = load_identity("vega10").topology
            engines, cus, arrays, backends, tccs = struct.unpack_from("<5I", data)
            assert (engines, cus, arrays) == (topology.shader_engines, topology.cus_per_array, 1)
            assert backends * engines == topology.num_rb
            assert tccs == topology.num_tcc
        else:
            assert zlib.crc32(data) == zlib.crc32(bytes(len(data)))


def test_sdma_firmware_is_new_enough_for_page_queues() -> None:
    """sdma_v4_0_setup_ulv / has_page_queue: with 430 and later the driver makes page queues."""
    content = firmware_files("vega10")["amdgpu/vega10_sdma.bin"]
    assert struct.unpack_from("<I", content, 16)[0] >= 430
