# SPDX-License-Identifier: MIT
"""PM4, the command processor's packets, GFX6 to GFX12, as data: those that touch memory.

Source: PACKETS.md sections 1 and 2 (derived from the kernel's sid.h, cikd.h, vid.h, soc15d.h and nvd.h and AMD's
PAL). Versions are GC versions; GFX9 means every GFX9 and later. Fields that only steer caches are declared for
the disassembler; the mock GPU has no caches.
"""

from __future__ import annotations

from .layout import PacketLayout, Version, address, bits, flag, word, word64
from .pm4_common import BOTH, FUNCTIONS, GFX6, GFX7, GFX8, GFX9, GFX10, GFX11, GFX12, ME, MEC
from .pm4_dispatch_tables import DISPATCH_PACKETS
from .pm4_state_tables import STATE_PACKETS
from .pm4_sync_tables import SYNC_PACKETS

__all__ = ("CP_DMA_CAREFUL_BYTES", "NOP_OPCODE", "NOP_SINGLE", "PM4_PACKETS", "TYPE2_FILLER")

TYPE2_FILLER = 0x8000_0000
"""One-dword filler of GFX6, which has no one-dword type-3 packet."""
NOP_SINGLE = 0xFFFF_1000
"""GFX7+: a NOP whose count field is all ones is one dword long."""
NOP_OPCODE = 0x10

CP_DMA_CAREFUL_BYTES: tuple[tuple[Version, Version, int], ...] = (
    (GFX6, GFX9, (1 << 21) - 32),
    (GFX9, GFX11, (1 << 26) - 32),
    (GFX11, (99,), 32736),
)
"""The most Mesa lets one CP DMA packet move, rounded down to 32 bytes, by [since, before)."""

ENGINES = ("me", "pfp", "ce")
TEMPORAL = ("rt", "nt", "ht", "lu")
WRITE_DATA_DST = {"register": 0, "memory_sync": 1, "tc_l2": 2, "gds": 3, "memory": 5}
COPY_SRC = {
    "register": 0,
    "memory": 1,
    "tc_l2": 2,
    "gds": 3,
    "perf": 4,
    "immediate": 5,
    "atomic_return": 6,
    "gpu_clock": 9,
    "system_clock": 10,
}
COPY_DST = {"register": 0, "memory_sync": 1, "tc_l2": 2, "gds": 3, "perf": 4, "memory": 5}
DMA_DST = ("memory", "gds", "nowhere", "l2")
DMA_SRC = ("memory", "gds", "data", "l2")

_WAIT_CONTROL = (
    bits("function", 1, 2, 0, FUNCTIONS),
    bits("space", 1, 5, 4, ("register", "memory", "tc_l2")),
    bits("operation", 1, 7, 6, ("wait", "write_wait_write", "conditional", "preemptable")),
    bits("engine", 1, 9, 8, ENGINES, engine=ME),
    # GFX8's MEC polls through its cache without this bit; ME and PFP always poll memory (PACKETS.md 2.2).
    flag("uncached", 1, 10, since=GFX8, before=GFX9, engine=MEC),
    bits("mes_intr_pipe", 1, 23, 22, since=GFX10),
    flag("mes_action", 1, 24, since=GFX10),
    bits("cache_policy", 1, 26, 25, since=GFX10, before=GFX12),
    bits("temporal", 1, 26, 25, TEMPORAL, since=GFX12),
)

_DMA_FLAGS = (
    flag("src_register", 6, 26),
    flag("dst_register", 6, 27),
    flag("src_fixed", 6, 28),
    flag("dst_fixed", 6, 29),
    flag("raw_wait", 6, 30),
)

PM4_PACKETS: tuple[PacketLayout, ...] = (
    PacketLayout("NOP", NOP_OPCODE, 1, payload="body", engines=BOTH),
    PacketLayout(
        "WRITE_DATA",
        0x37,
        4,
        (
            bits("dst_sel", 1, 11, 8, WRITE_DATA_DST),
            flag("one_address", 1, 16),
            flag("resume_vf", 1, 19, since=(9, 4, 3), before=GFX10),
            flag("wr_confirm", 1, 20),
            flag("mode", 1, 21, since=GFX12),
            flag("atc", 1, 24, since=GFX7, before=GFX9),
            bits("aid", 1, 24, 23, since=GFX12),
            bits("cache_policy", 1, 26, 25, since=GFX7, before=GFX12),
            bits("temporal", 1, 26, 25, TEMPORAL, since=GFX12),
            flag("volatile", 1, 27, since=GFX7, before=GFX9),
            bits("engine", 1, 31, 30, ENGINES, engine=ME),
            word64("addr", 2),
        ),
        payload="data",
        least=5,
        engines=BOTH,
    ),
    PacketLayout(
        "WAIT_REG_MEM",
        0x3C,
        7,
        (
            *_WAIT_CONTROL,
            address("addr", 2, 2),
            word("reference", 4),
            word("mask", 5),
            bits("poll_interval", 6, 15, 0),
            flag("ace_offload", 6, 31, since=GFX9, engine=MEC),
        ),
        engines=BOTH,
    ),
    PacketLayout(
        "WAIT_REG_MEM64",
        0x93,
        9,
        (
            *_WAIT_CONTROL,
            address("addr", 2, 3),
            word64("reference", 4),
            word64("mask", 6),
            bits("poll_interval", 8, 15, 0),
            flag("ace_offload", 8, 31, engine=MEC),
        ),
        since=GFX9,
        engines=BOTH,
    ),
    PacketLayout(
        "COPY_DATA",
        0x40,
        6,
        (
            bits("src_sel", 1, 3, 0, COPY_SRC),
            bits("dst_sel", 1, 11, 8, COPY_DST),
            flag("src_atc", 1, 12, since=GFX7, before=GFX9),
            bits("src_cache_policy", 1, 14, 13, before=GFX12),
            bits("src_temporal", 1, 14, 13, TEMPORAL, since=GFX12),
            flag("src_volatile", 1, 15, since=GFX7, before=GFX9),
            bits("count_sel", 1, 16, 16, ("32", "64")),
            flag("wr_confirm", 1, 20),
            flag("mode", 1, 21, since=GFX12),
            bits("aid", 1, 24, 23, since=GFX12),
            bits("dst_cache_policy", 1, 26, 25, before=GFX12),
            bits("dst_temporal", 1, 26, 25, TEMPORAL, since=GFX12),
            flag("pq_exe_status", 1, 29, since=GFX9, engine=MEC),
            bits("engine", 1, 31, 30, ENGINES, engine=ME),
            word64("src", 2),
            word64("dst", 4),
        ),
        engines=BOTH,
    ),
    PacketLayout(
        "DMA_DATA",
        0x50,
        7,
        (
            bits("engine", 1, 0, 0, ("me", "pfp"), engine=ME),
            flag("src_indirect", 1, 1, since=GFX10),
            flag("dst_indirect", 1, 2, since=GFX10),
            flag("src_atc", 1, 12, before=GFX9),
            bits("src_cache_policy", 1, 14, 13, before=GFX12),
            bits("src_temporal", 1, 14, 13, TEMPORAL, since=GFX12),
            flag("src_volatile", 1, 15, before=GFX9),
            bits("dst_sel", 1, 21, 20, DMA_DST),
            flag("dst_atc", 1, 24, before=GFX9),
            bits("dst_cache_policy", 1, 26, 25, before=GFX12),
            bits("dst_temporal", 1, 26, 25, TEMPORAL, since=GFX12),
            flag("dst_volatile", 1, 27, before=GFX9),
            bits("src_sel", 1, 30, 29, DMA_SRC),
            flag("cp_sync", 1, 31),
            word64("src", 2),
            word64("dst", 4),
            bits("byte_count", 6, 20, 0, before=GFX9),
            flag("dis_wc", 6, 21, before=GFX9),
            bits("src_swap", 6, 23, 22, before=GFX9),
            bits("dst_swap", 6, 25, 24, before=GFX9),
            bits("byte_count", 6, 25, 0, since=GFX9),
            *_DMA_FLAGS,
            flag("dis_wc", 6, 31, since=GFX9),
        ),
        since=GFX7,
        engines=BOTH,
    ),
    PacketLayout(
        "CP_DMA",
        0x41,
        6,
        (
            # The upper halves of the addresses share their dwords with control bits.
            word("src_lo", 1),
            bits("src_hi", 2, 15, 0),
            bits("dst_sel", 2, 21, 20, ("memory", "gds")),
            bits("engine", 2, 27, 27, ("me", "pfp")),
            bits("src_sel", 2, 30, 29, ("memory", "gds", "data")),
            flag("cp_sync", 2, 31),
            address("dst", 3, 0, 47),
            bits("byte_count", 5, 20, 0),
            flag("dis_wc", 5, 21),
            flag("src_register", 5, 26),
            flag("dst_register", 5, 27),
            flag("src_fixed", 5, 28),
            flag("dst_fixed", 5, 29),
            flag("raw_wait", 5, 30),
        ),
        before=GFX7,
        engines=BOTH,
    ),
    PacketLayout(
        "ATOMIC_MEM",
        0x1E,
        9,
        (
            bits("atomic", 1, 6, 0),
            bits("command", 1, 11, 8, ("single", "loop", "wait_write", "send_continue")),
            flag("atc", 1, 24, before=GFX9),
            bits("cache_policy", 1, 26, 25),
            flag("volatile", 1, 27, before=GFX9),
            bits("engine", 1, 31, 30, ENGINES, engine=ME),
            address("addr", 2, 2),
            word64("source", 4),
            word64("compare", 6),
            bits("loop_interval", 8, 12, 0),
        ),
        since=GFX7,
        engines=BOTH,
    ),
    PacketLayout(
        "COND_EXEC", 0x22, 4, (address("addr", 1, 2), bits("exec_count", 3, 13, 0)), before=GFX7, engines=BOTH
    ),
    PacketLayout("COND_EXEC", 0x22, 5, (address("addr", 1, 2), bits("exec_count", 4, 13, 0)), since=GFX7, engines=BOTH),
    PacketLayout(
        "INDIRECT_BUFFER",
        0x3F,
        4,
        (
            address("addr", 1, 2, 47, before=GFX9),
            address("addr", 1, 2, since=GFX9),
            bits("size", 3, 19, 0),
            flag("chain", 3, 20, since=GFX7),
            flag("pre_ena", 3, 21, since=GFX8, engine=ME),
            flag("offload_polling", 3, 21, since=GFX8, engine=MEC),
            flag("valid", 3, 23, since=GFX7),
            bits("vmid", 3, 31, 24, before=GFX7),
            bits("vmid", 3, 27, 24, since=GFX7),
            bits("cache_policy", 3, 29, 28, since=GFX7),
            flag("pre_resume", 3, 30, since=GFX9, engine=ME),
            flag("priv", 3, 31, since=GFX9),
        ),
        engines=BOTH,
    ),
    *SYNC_PACKETS,
    *DISPATCH_PACKETS,
    *STATE_PACKETS,
)
"""Every PM4 packet of every generation."""
