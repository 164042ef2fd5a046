# SPDX-License-Identifier: MIT
"""The IP-discovery data: which blocks a GPU has, where their registers are, and how many of what (discovery.h).

The driver reads it from the last 64 KiB of VRAM (amdgpu_discovery_get_tmr_info). Ours has three tables: the blocks with
the bases of our register tables, the numbers of graphics from the GPU's TOML file, and an empty list of what is off.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from amdgpu_hw.gpu_model.gpus import ModelIdentity

__all__ = ("DISCOVERY_OFFSET", "Discovery", "IpBlockEntry", "build_discovery")

DISCOVERY_OFFSET = 64 << 10
"""Before the end of VRAM (DISCOVERY_TMR_OFFSET)."""
BINARY_SIGNATURE = 0x28211407
TABLE_SIGNATURE = 0x53445049
GC_TABLE_ID = 0x4347
HARVEST_SIGNATURE = 0x56524148
IP_DISCOVERY, GC, HARVEST_INFO = 0, 1, 2
TABLES = 6
HEADER = struct.Struct("<IHHHH")
TABLE_INFO = struct.Struct("<HHHH")
CHECKSUM_BEHIND = 10
"""Everything behind the header's own checksum is summed up, byte by byte."""
DIES = 16
HARVEST_ENTRIES = 32

HW_IDS = {
    "MP1": 1, "THM": 3, "SMUIO": 4, "GC": 11, "VCN": 12, "MMHUB": 34, "ATHUB": 35, "OSSSYS": 40, "HDP": 41, "SDMA": 42,
    "SDMA1": 43, "DF": 46, "SDMA2": 68, "SDMA3": 69, "NBIO": 108, "UMC": 150, "MP0": 255, "DMU": 271,
}  # fmt: skip
"""Block -> *_HWID of soc15_hw_ip.h."""


@dataclass(frozen=True, slots=True)
class IpBlockEntry:
    """One block."""

    name: str
    """In `HW_IDS`."""
    version: tuple[int, int, int]
    bases: str
    """Block of the register table whose bases it has; empty for none."""
    instance: int = 0


@dataclass(frozen=True, slots=True)
class Discovery:
    """What differs between generations."""

    blocks: tuple[IpBlockEntry, ...]
    gc_table: tuple[int, int]
    """Revision of the graphics table: 1.2 (GFX10) or 2.1 (GFX9.4.3)."""


def build_discovery(identity: ModelIdentity, discovery: Discovery, bases: Mapping[str, Sequence[int]]) -> bytes:
    """Return the binary."""
    at = HEADER.size + TABLES * TABLE_INFO.size
    tables = {
        IP_DISCOVERY: _blocks(discovery, bases, at),
        GC: _graphics(identity, discovery.gc_table),
        HARVEST_INFO: struct.pack("<II", HARVEST_SIGNATURE, 0) + bytes(4 * HARVEST_ENTRIES),
    }
    infos, content = b"", b""
    for number in range(TABLES):
        table = tables.get(number, b"")
        infos += TABLE_INFO.pack(at if table else 0, sum(table) & 0xFFFF, len(table), 0)
        content += table
        at += len(table)
    summed = struct.pack("<H", at) + infos + content
    return HEADER.pack(BINARY_SIGNATURE, 1, 0, sum(summed) & 0xFFFF, at) + infos + content


def _blocks(discovery: Discovery, bases: Mapping[str, Sequence[int]], begin: int) -> bytes:
    """ip_discovery_header of version 3, one die, and an ip_v3 for each block; offsets are those in the binary."""
    entries = b""
    for block in discovery.blocks:
        numbers = bases[block.bases] if block.bases else ()
        entries += struct.pack("<HBBBBBB", HW_IDS[block.name], block.instance, len(numbers), *block.version, 0)
        entries += struct.pack(f"<{len(numbers)}I", *numbers)
    header_size = 4 + 2 + 2 + 4 + 2 + 4 * DIES + 2
    die = struct.pack("<HH", 0, len(discovery.blocks)) + entries
    dies = struct.pack("<HH", 0, begin + header_size) + bytes(4 * (DIES - 1))
    return struct.pack("<IHHIH", TABLE_SIGNATURE, 3, header_size + len(die), 0, 1) + dies + bytes(2) + die


def _graphics(identity: ModelIdentity, revision: tuple[int, int]) -> bytes:
    """gc_info_v1_2 or gc_info_v2_1 (amdgpu_discovery_get_gfx_info)."""
    topology, caches = identity.topology, identity.caches
    arrays = topology.arrays_per_engine
    backends = topology.num_rb // topology.shader_engines
    common = (
        topology.vgprs, topology.gs_waves, topology.gs_table_depth, topology.gs_prim_depth, 1024,
        topology.double_offchip_lds, topology.wave_size, 16 if topology.wave_size == 32 else 8, 32, 64,
    )  # fmt: skip
    if revision[0] == 2:
        numbers: tuple[int, ...] = (
            topology.shader_engines, topology.cus_per_array, arrays, backends, topology.num_tcc, *common, 1, 1,
            topology.cus_per_array, caches.tcp, 16, 2, caches.sqc_inst, caches.sqc_data, caches.gl2c,
        )  # fmt: skip
    else:
        # Work-group processors are two CUs each; the driver adds both halves and doubles.
        wgps = topology.cus_per_array // 2
        numbers = (
            topology.shader_engines, wgps, 0, backends, topology.num_tcc, *common, arrays, arrays, 4, 4,
            topology.cus_per_array, 16, topology.cus_per_array * arrays, 2, caches.tcp, caches.sqc_per_wgp,
            caches.sqc_inst, caches.sqc_data, arrays, caches.gl1c, caches.gl2c,
        )  # fmt: skip
    size = 12 + 4 * len(numbers)
    return struct.pack("<IHHI", GC_TABLE_ID, *revision, size) + struct.pack(f"<{len(numbers)}I", *numbers)
