# SPDX-License-Identifier: MIT
"""PM4 as data: packets that only set state for shaders and drawing.

Of these the mock GPU keeps what compute shaders need; the others are declared so that streams of real drivers (RADV's
preambles) can be walked and disassembled. Sources: nvd.h and soc15d.h; the register pairs of GFX11 and later from
Mesa's sid.h.
"""

from __future__ import annotations

from .layout import PacketLayout, Version, bits
from .pm4_common import BOTH, FOR_COMPUTE, GFX6, GFX7, GFX11, GFX12, ME

__all__ = ("STATE_PACKETS",)

_OPAQUE = (
    ("SET_BASE", 0x11, BOTH),
    ("CLEAR_STATE", 0x12, (ME,)),
    ("CONTEXT_CONTROL", 0x28, (ME,)),
    ("INDEX_TYPE", 0x2A, (ME,)),
    ("NUM_INSTANCES", 0x2F, (ME,)),
    ("PFP_SYNC_ME", 0x42, (ME,)),
    ("PREAMBLE_CNTL", 0x4A, (ME,)),
    ("PRIME_UTCL2", 0x5D, BOTH),
    ("LOAD_UCONFIG_REG", 0x5E, (ME,)),
    ("LOAD_SH_REG", 0x5F, BOTH),
    ("LOAD_CONFIG_REG", 0x60, (ME,)),
    ("LOAD_CONTEXT_REG", 0x61, (ME,)),
)

_CONSTANT_ENGINE = (
    # The constant engine (GFX6 to GFX10) counts against the drawing engine; see the mock's command processor.
    ("LOAD_CONST_RAM", 0x80),
    ("WRITE_CONST_RAM", 0x81),
    ("DUMP_CONST_RAM", 0x83),
    ("INCREMENT_CE_COUNTER", 0x84),
    ("INCREMENT_DE_COUNTER", 0x85),
    ("WAIT_ON_CE_COUNTER", 0x86),
    ("WAIT_ON_DE_COUNTER_DIFF", 0x88),
    ("SET_CE_DE_COUNTERS", 0x89),
)

_REGISTERS: tuple[tuple[str, int, Version, bool], ...] = (
    # name, opcode, first generation, MEC has it too
    ("SET_CONFIG_REG", 0x68, GFX6, False),
    ("SET_CONTEXT_REG", 0x69, GFX6, False),
    ("SET_CONTEXT_REG_INDEX", 0x6A, GFX6, False),
    ("SET_SH_REG", 0x76, GFX6, True),
    ("SET_SH_REG_OFFSET", 0x77, GFX6, True),
    ("SET_UCONFIG_REG", 0x79, GFX7, True),
    ("SET_UCONFIG_REG_INDEX", 0x7A, GFX7, True),
    ("SET_SH_REG_INDEX", 0x9B, GFX7, True),
)

_REGISTER_PAIRS = (
    ("SET_CONTEXT_REG_PAIRS", 0xB8, GFX11),
    ("SET_CONTEXT_REG_PAIRS_PACKED", 0xB9, GFX11),
    ("SET_SH_REG_PAIRS", 0xBA, GFX11),
    ("SET_SH_REG_PAIRS_PACKED", 0xBB, GFX11),
    ("SET_SH_REG_PAIRS_PACKED_N", 0xBD, GFX11),
    ("SET_UCONFIG_REG_PAIRS", 0xBE, GFX12),
)

STATE_PACKETS: tuple[PacketLayout, ...] = (
    *(PacketLayout(name, op, 1, payload="body", engines=engines) for name, op, engines in _OPAQUE),
    *(PacketLayout(name, op, 1, payload="body", before=GFX11, engines=(ME,)) for name, op in _CONSTANT_ENGINE),
    *(
        PacketLayout(
            name,
            op,
            2,
            (FOR_COMPUTE, bits("reg_offset", 1, 15, 0), bits("index", 1, 31, 28)),
            payload="values",
            since=since,
            engines=BOTH if both else (ME,),
        )
        for name, op, since, both in _REGISTERS
    ),
    *(PacketLayout(name, op, 1, payload="pairs", since=since, engines=BOTH) for name, op, since in _REGISTER_PAIRS),
)
"""Packets of this file, all generations."""
