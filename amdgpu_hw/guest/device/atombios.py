# SPDX-License-Identifier: MIT
"""The expansion ROM: an ATOM BIOS with those tables that amdgpu reads of a GPU that is set up already.

Every byte is ours. The driver's functions that read a field are named beside it; layouts are those of atombios.h and
atomfirmware.h. There is one command table, ASIC_Init, which has nothing to do: the model is ready after a reset.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..identity import vbios_part_number
from .smu_tables import build_powerplay_table

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpus import ModelIdentity

__all__ = ("ROM_SIZE", "AtomBios", "build_rom")

ROM_SIZE = 0x10000
"""64 KiB: Linux refuses smaller windows for ROMs than a page, and 2 KiB was too small for a driver (GUEST.md)."""

# Offsets in the ROM, all but the first three of our choice.
PCIR = 0x18
ATI_MAGIC = 0x30
"""check_atom_bios, amdgpu_atom_parse."""
ROM_HEADER = 0x48
NUMBER_OF_STRINGS = 0x2F
DATE = 0x50
PART_NUMBER = 0x80
"""atom_get_vbios_pn; with NUMBER_OF_STRINGS 0 it looks here. Without it Linux up to 7.3 adds to a NULL pointer."""
PCI_DATA_AT = 0x1A0
HEADER_AT = 0x200
COMMANDS_AT = 0x300
DATA_AT = 0x400
TABLES_AT = 0x500

# Places in the master tables (atom_master_list_of_data_tables_v2_1, ..._command_functions_v2_1).
SMC_DPM_INFO, FIRMWAREINFO, SMU_INFO, GFX_INFO, POWERPLAYINFO, INDIRECT_IO, UMC_INFO, VRAM_INFO = (
    2, 4, 8, 14, 15, 23, 24, 28,
)  # fmt: skip
DATA_TABLES = 35
ASIC_INIT = 0
COMMAND_TABLES = 81
EOT = 0x5B
"""End of table: the only instruction (atom.c, opcode 91)."""

ATOM_VRAM_TYPES = {5: 0x50, 6: 0x60, 9: 0x70}
"""AMDGPU_VRAM_TYPE_* (GDDR5, HBM, GDDR6) -> atom_dgpu_vram_type (convert_atom_mem_type_to_vram_type)."""
VENDORS = {"samsung": 1, "infineon": 2, "elpida": 3, "etron": 4, "nanya": 5, "hynix": 6, "mosel": 7, "micron": 0xF}
"""amdgpu_device_parse_... vram_vendor: names of `mem_info_vram_vendor`."""
CORE_CLOCK_10KHZ = 2700


@dataclass(frozen=True, slots=True)
class AtomBios:
    """What differs between generations."""

    vram_info: int
    """Minor revision of vram_info 2.x (amdgpu_atomfirmware_get_vram_info)."""
    smu_info: tuple[int, int] = (3, 1)
    gfx_info: tuple[int, int] | None = None
    """Revision of gfx_info, where the driver takes topology and clocks from it."""
    powerplay: tuple[int, int] | None = None
    """Revision of powerplayinfo, where the driver has a block SMU and hands its firmware that table."""
    board: tuple[tuple[int, int], int] | None = None
    """Revision and size of smc_dpm_info, which the driver puts into the firmware's table."""


def build_rom(identity: ModelIdentity, bios: AtomBios, scratch: int) -> bytes:
    """Return the ROM of a GPU; ``scratch`` is the number of BIOS_SCRATCH_0 (amdgpu_atomfirmware_scratch_regs_init)."""
    rom = bytearray(ROM_SIZE)
    rom[0:4] = 0x55, 0xAA, ROM_SIZE // 512, 0xCB  # amdgpu_read_bios; a far return, were the image ever run
    struct.pack_into("<H", rom, PCIR, PCI_DATA_AT)
    rom[ATI_MAGIC : ATI_MAGIC + 10] = b" 761295520"
    rom[NUMBER_OF_STRINGS] = 0
    struct.pack_into("<H", rom, ROM_HEADER, HEADER_AT)
    _text(rom, DATE, "01/01/26 00:00")  # atom_get_vbios_date
    _text(rom, PART_NUMBER, vbios_part_number(identity.name))
    pci, class_code = identity.pci, identity.pci.class_code
    # pci_get_rom_size: signature, length of the image in units of 512 bytes, "last image".
    data = struct.pack(
        "<4sHHHHBBBBHHBBH", b"PCIR", pci.vendor, pci.device, 0, 0x18, 0, class_code & 0xFF, class_code >> 8 & 0xFF,
        class_code >> 16, ROM_SIZE // 512, 0, 0, 0x80, 0,
    )  # fmt: skip
    rom[PCI_DATA_AT : PCI_DATA_AT + len(data)] = data
    # amdgpu_atom_parse: magic at 4, command tables at 0x1e, data tables at 0x20.
    struct.pack_into("<HBB4s", rom, HEADER_AT, 0x28, 2, 2, b"ATOM")
    struct.pack_into("<HH", rom, HEADER_AT + 0x1E, COMMANDS_AT, DATA_AT)
    struct.pack_into("<HBB", rom, COMMANDS_AT, 4 + 2 * COMMAND_TABLES, 2, 1)
    struct.pack_into("<HBB", rom, DATA_AT, 4 + 2 * DATA_TABLES, 2, 1)
    at = TABLES_AT
    for index, revision, body in _tables(identity, bios, scratch):
        struct.pack_into("<H", rom, DATA_AT + 4 + 2 * index, at)
        struct.pack_into("<HBB", rom, at, 4 + len(body), *revision)
        rom[at + 4 : at + 4 + len(body)] = body
        at += -(-(4 + len(body)) // 0x20) * 0x20
    # amdgpu_atom_execute_table_locked: size, revisions, sizes of workspace and parameters, then code.
    struct.pack_into("<H", rom, COMMANDS_AT + 4 + 2 * ASIC_INIT, at)
    rom[at : at + 7] = struct.pack("<HBBBBB", 7, 2, 1, 0, 8, EOT)
    return bytes(rom)


def _tables(identity: ModelIdentity, bios: AtomBios, scratch: int) -> list[tuple[int, tuple[int, int], bytes]]:
    """Return the data tables: place in the master table, revision, content behind the header."""
    memory, clocks = identity.memory, identity.clocks
    # firmwareinfo 3.1: revision, boot clocks in 10 kHz (amdgpu_atomfirmware_get_clock_info), capabilities, entry point,
    # scratch registers, boot voltages in mV, module and cooling IDs.
    firmware = struct.pack(
        "<IIIIII4H4BII6I", 0x1600_0000, max(clocks.engine[0], 85_2000) // 10, max(clocks.memory[0], 94_5000) // 10,
        1, 0, scratch, 900, 900, 1350, 900, 0, 0, 0, 0, 0xF4, 0, *[0] * 6,
    )  # fmt: skip
    width = 7 if memory.bit_width >= 1024 else 4
    # vram_info: one vram_module 9, 10 or 11, which have these fields at the same places: size of the module at 20,
    # type, number and width of the channels at 23, vendor at 26 (amdgpu_atomfirmware_get_vram_info).
    module = bytearray(54)
    struct.pack_into("<H", module, 20, len(module))
    module[23:26] = ATOM_VRAM_TYPES[memory.type], memory.bit_width >> width, width
    module[28] = VENDORS.get(memory.vendor, 0)
    tables = [
        (FIRMWAREINFO, (3, 1), firmware),
        (INDIRECT_IO, (1, 1), bytes(12)),  # atom_index_iio: no method begins here
        (SMU_INFO, bios.smu_info, bytes(12) + struct.pack("<I", CORE_CLOCK_10KHZ) + bytes(8)),
        (UMC_INFO, (3, 1), bytes(20) + bytes((0, 0, ATOM_VRAM_TYPES[memory.type], 0)) + struct.pack("<I", 2700)),
        (VRAM_INFO, (2, bios.vram_info), bytes(16) + bytes((1, 0, 0, 0)) + bytes(module)),
    ]
    if bios.gfx_info is not None:
        tables.append((GFX_INFO, bios.gfx_info, _gfx_info(clocks.counter)))
    if bios.powerplay is not None:
        tables.append((POWERPLAYINFO, bios.powerplay, build_powerplay_table(identity)))
    if bios.board is not None:
        tables.append((SMC_DPM_INFO, bios.board[0], bytes(bios.board[1])))
    return tables


def _gfx_info(counter_khz: int) -> bytes:
    """Return gfx_info 2.4: of it the driver reads `rlc_gpu_timer_refclk` (amdgpu_atomfirmware_get_clock_info)."""
    body = bytearray(0x60)
    struct.pack_into("<I", body, 36, counter_khz // 10)
    return bytes(body)


def _text(rom: bytearray, at: int, text: str) -> None:
    data = text.encode("ascii") + b"\0"
    rom[at : at + len(data)] = data
