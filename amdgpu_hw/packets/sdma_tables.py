# SPDX-License-Identifier: MIT
"""SDMA, the copy engine's packets, CIK (2.0) to 7.1, as data.

Source: PACKETS.md section 3 (derived from the kernel's *_sdma_pkt_open.h and AMD's PAL). Versions are SDMA
versions; CIK counts as 2.0. Byte and dword counts hold N before 4.0 and N-1 from 4.0 on, which is `bias` here.
The DMA engine of GFX6 has another header and other packets; it is not in this table.
"""

from __future__ import annotations

from .engine import Engine
from .layout import PacketLayout, Version, address, bits, flag, word, word64
from .pm4_common import FUNCTIONS

__all__ = ("CAREFUL_BYTES", "RETRY_FOREVER", "SDMA_PACKETS")

CIK: Version = (2, 0)
V2_4: Version = (2, 4)
V3: Version = (3,)
V4: Version = (4,)
V4_4: Version = (4, 4)
V5: Version = (5,)
V5_2: Version = (5, 2)
V6: Version = (6,)
V7: Version = (7,)
V7_1: Version = (7, 1)

SDMA = (Engine.SDMA,)

RETRY_FOREVER = 0xFFF
"""`retry_count` of POLL_REGMEM that never gives up."""

CAREFUL_BYTES: tuple[tuple[Version, Version, int], ...] = (
    (CIK, V3, 0x1F_FF00),
    (V3, V4, 0x3F_FF00),
    (V4, (99,), 0x40_0000),
)
"""The most the kernel lets one COPY or CONST_FILL move, rounded down to 256 bytes, by [since, before)."""

DCC = 1 << 19
BROADCAST = 1 << 27


def _op(opcode: int, sub_opcode: int = 0) -> int:
    """Return bits [15:0] of the header."""
    return opcode | sub_opcode << 8


_COPY_COUNT = (
    bits("byte_count", 1, 21, 0, before=V4),
    bits("byte_count", 1, 21, 0, since=V4, before=V4_4, bias=1),
    bits("byte_count", 1, 29, 0, since=V4_4, before=V5, bias=1),
    bits("byte_count", 1, 21, 0, since=V5, before=V5_2, bias=1),
    bits("byte_count", 1, 29, 0, since=V5_2, bias=1),
)

_COPY_PARAMETER = (
    bits("dst_swap", 2, 17, 16, before=V7),
    bits("dst_cache_policy", 2, 20, 18, since=V5_2, before=V7),
    bits("src_swap", 2, 25, 24, before=V7),
    bits("src_cache_policy", 2, 28, 26, since=V5_2, before=V7),
    bits("dst_mall", 2, 21, 20, since=V7, before=V7_1),
    bits("src_mall", 2, 29, 28, since=V7, before=V7_1),
    bits("dst_cache_policy", 2, 20, 18, since=V7_1),
    bits("src_cache_policy", 2, 28, 26, since=V7_1),
)

_COPY_HEADER = (
    flag("encrypt", 0, 16, since=V4, before=V7),
    flag("tmz", 0, 18, since=V4),
    flag("cpv", 0, 19, since=V5_2, before=V7),
    flag("backwards", 0, 25, since=V5),
    flag("npd", 0, 28, since=V7_1),
)

_COPY = (*_COPY_HEADER, *_COPY_COUNT, *_COPY_PARAMETER, address("src", 3, 0), address("dst", 5, 0))

_POLICY_20 = (
    bits("cache_policy", 0, 22, 20, since=V5_2, before=V7),
    flag("cpv", 0, 24, since=V5_2, before=V7),
)

SDMA_PACKETS: tuple[PacketLayout, ...] = (
    PacketLayout("NOP", _op(0), 1, (bits("count", 0, 29, 16),), payload="body", payload_count="count", engines=SDMA),
    PacketLayout("COPY_LINEAR", _op(1), 7, _COPY, variant=(BROADCAST, 0), since=CIK, before=V7, engines=SDMA),
    PacketLayout(
        "COPY_BROADCAST",
        _op(1),
        9,
        (*_COPY, address("dst2", 7, 0)),
        variant=(BROADCAST, BROADCAST),
        since=CIK,
        before=V7,
        engines=SDMA,
    ),
    PacketLayout("COPY_LINEAR", _op(1), 7, _COPY, variant=(DCC, 0), since=V7, before=V7_1, engines=SDMA),
    PacketLayout(
        "COPY_LINEAR_DCC",
        _op(1),
        8,
        (
            *_COPY,
            bits("data_format", 7, 5, 0),
            bits("number_type", 7, 11, 9),
            bits("read_cm", 7, 17, 16),
            bits("write_cm", 7, 19, 18),
            bits("max_compressed", 7, 25, 24),
            flag("max_uncompressed", 7, 26),
        ),
        variant=(DCC, DCC),
        since=V7,
        before=V7_1,
        engines=SDMA,
    ),
    PacketLayout("COPY_LINEAR", _op(1), 7, _COPY, since=V7_1, engines=SDMA),
    PacketLayout(
        "WRITE_LINEAR",
        _op(2),
        4,
        (
            flag("encrypt", 0, 16, since=V4, before=V7),
            flag("nopte_comp", 0, 16, since=V7, before=V7_1),
            flag("tmz", 0, 18, since=V4),
            flag("cpv", 0, 28, since=V5_2, before=V7),
            flag("cpv", 0, 28, since=V7_1),
            address("dst", 1, 2),
            bits("count", 3, 21, 0, before=V4),
            bits("count", 3, 19, 0, since=V4, bias=1),
            flag("sys", 3, 20, since=V7, before=V7_1),
            flag("snp", 3, 22, since=V7, before=V7_1),
            flag("gpa", 3, 23, since=V7, before=V7_1),
            bits("swap", 3, 25, 24, before=V7),
            bits("cache_policy", 3, 28, 26, since=V5_2, before=V7),
            bits("cache_policy", 3, 28, 26, since=V7_1),
            bits("mall", 3, 29, 28, since=V7, before=V7_1),
        ),
        payload="data",
        payload_count="count",
        engines=SDMA,
    ),
    PacketLayout(
        "INDIRECT",
        _op(4),
        4,
        (bits("vmid", 0, 19, 16), address("addr", 1, 5), bits("size", 3, 19, 0)),
        before=V2_4,
        engines=SDMA,
    ),
    PacketLayout(
        "INDIRECT",
        _op(4),
        6,
        (
            bits("vmid", 0, 19, 16),
            flag("priv", 0, 31, since=V5),
            address("addr", 1, 5),
            bits("size", 3, 19, 0),
            address("csa", 4, 0),
        ),
        since=V2_4,
        engines=SDMA,
    ),
    PacketLayout(
        "FENCE",
        _op(5),
        4,
        (
            bits("mtype", 0, 18, 16, since=V5),
            flag("gcc", 0, 19, since=V5, before=V7),
            flag("sys", 0, 20, since=V5),
            flag("snp", 0, 22, since=V5),
            flag("gpa", 0, 23, since=V5),
            bits("l2_policy", 0, 25, 24, since=V5, before=V7),
            flag("llc_policy", 0, 26, since=V5_2, before=V7),
            flag("cpv", 0, 28, since=V5_2, before=V7),
            bits("mall", 0, 27, 26, since=V7),
            address("addr", 1, 2),
            word("data", 3),
        ),
        engines=SDMA,
    ),
    PacketLayout("TRAP", _op(6), 1, before=V2_4, engines=SDMA),
    PacketLayout("TRAP", _op(6), 2, (bits("int_context", 1, 27, 0),), since=V2_4, engines=SDMA),
    PacketLayout("SEM", _op(7), 3, (address("addr", 1, 3),), engines=SDMA),
    PacketLayout(
        "POLL_REGMEM",
        _op(8),
        6,
        (
            *_POLICY_20,
            flag("hdp_flush", 0, 26, before=V7),
            bits("mode", 0, 27, 26, since=V7),
            bits("function", 0, 30, 28, FUNCTIONS),
            bits("mem_poll", 0, 31, 31, ("register", "memory")),
            address("addr", 1, 2),
            word("reference", 3),
            word("mask", 4),
            bits("interval", 5, 15, 0),
            bits("retry_count", 5, 27, 16),
        ),
        engines=SDMA,
    ),
    PacketLayout(
        "COND_EXE", _op(9), 4, (address("addr", 1, 2), bits("exec_count", 3, 13, 0)), before=V2_4, engines=SDMA
    ),
    PacketLayout(
        "COND_EXE",
        _op(9),
        5,
        (
            bits("cache_policy", 0, 26, 24, since=V5_2, before=V7),
            flag("cpv", 0, 28, since=V5_2, before=V7),
            address("addr", 1, 2),
            word("reference", 3),
            bits("exec_count", 4, 13, 0),
        ),
        since=V2_4,
        engines=SDMA,
    ),
    PacketLayout(
        "ATOMIC",
        _op(10),
        8,
        (
            flag("loop", 0, 16),
            flag("tmz", 0, 18, since=V4),
            *_POLICY_20,
            bits("atomic", 0, 31, 25),
            address("addr", 1, 2),
            word64("source", 3),
            word64("compare", 5),
            bits("loop_interval", 7, 12, 0),
        ),
        since=V3,
        engines=SDMA,
    ),
    PacketLayout(
        "CONST_FILL",
        _op(11),
        5,
        (
            bits("swap", 0, 17, 16, before=V7),
            flag("nopte_comp", 0, 16, since=V7, before=V7_1),
            flag("sys", 0, 20, since=V7, before=V7_1),
            flag("snp", 0, 22, since=V7, before=V7_1),
            flag("gpa", 0, 23, since=V7, before=V7_1),
            bits("mall", 0, 27, 26, since=V7, before=V7_1),
            bits("cache_policy", 0, 26, 24, since=V5_2, before=V7),
            flag("cpv", 0, 28, since=V5_2, before=V7),
            bits("cache_policy", 0, 26, 24, since=V7_1),
            flag("cpv", 0, 28, since=V7_1),
            bits("fill_size", 0, 31, 30, ("byte", "word", "dword")),
            address("dst", 1, 0),
            word("data", 3),
            bits("byte_count", 4, 21, 0, before=V4),
            bits("byte_count", 4, 21, 0, since=V4, before=V4_4, bias=1),
            bits("byte_count", 4, 29, 0, since=V4_4, before=V5, bias=1),
            bits("byte_count", 4, 21, 0, since=V5, before=V5_2, bias=1),
            bits("byte_count", 4, 29, 0, since=V5_2, bias=1),
        ),
        engines=SDMA,
    ),
    PacketLayout("TIMESTAMP_SET", _op(13, 0), 3, (word64("value", 1),), engines=SDMA),
    PacketLayout("TIMESTAMP_LOCAL", _op(13, 1), 3, (address("addr", 1, 3),), engines=SDMA),
    PacketLayout("TIMESTAMP_GLOBAL", _op(13, 2), 3, (address("addr", 1, 3),), engines=SDMA),
    PacketLayout("SRBM_WRITE", _op(14), 3, (word("reg", 1), word("value", 2)), engines=SDMA),
    PacketLayout("DUMMY_TRAP", _op(16), 2, (bits("int_context", 1, 27, 0),), since=V2_4, before=V5, engines=SDMA),
    PacketLayout("GPUVM_INV", _op(16), 4, since=V5, engines=SDMA),
    PacketLayout("GCR_REQ", _op(17), 5, since=V5, before=V7_1, engines=SDMA),
    PacketLayout("GCR_REQ", _op(17), 6, since=V7_1, engines=SDMA),
    PacketLayout("DUMMY_TRAP", _op(32), 2, (bits("int_context", 1, 27, 0),), since=V5, engines=SDMA),
)
"""Every SDMA packet of every version."""
