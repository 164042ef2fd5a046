# SPDX-License-Identifier: MIT
"""PM4 as data: end-of-pipe events, fences, timestamps and cache maintenance (PACKETS.md 2.6 to 2.9, 2.11)."""

from __future__ import annotations

from .layout import PacketLayout, Version, address, bits, flag, word, word64
from .pm4_common import BOTH, GFX6, GFX7, GFX8, GFX9, GFX10, GFX11, GFX12, ME, MEC

__all__ = ("ACQUIRE_FULL_SYNC", "FENCE_FLUSH", "SYNC_PACKETS")

EVENTS = {
    "CACHE_FLUSH_TS": 0x04,
    "CS_PARTIAL_FLUSH": 0x07,
    "VS_PARTIAL_FLUSH": 0x0F,
    "PS_PARTIAL_FLUSH": 0x10,
    "CACHE_FLUSH_AND_INV_TS": 0x14,
    "ZPASS_DONE": 0x15,
    "BOTTOM_OF_PIPE_TS": 0x28,
}
DATA_SEL = ("discard", "value32", "value64", "gpu_clock", "system_clock", "gds")
INT_SEL = ("none", "only", "after_write", "confirm_without_irq")

_COHER_ALL = {"coher_cntl": 0x28C0_0000, "coher_size": 0xFFFF_FFFF, "poll_interval": 10}
ACQUIRE_FULL_SYNC: tuple[tuple[Version, Version, dict[str, int]], ...] = (
    (GFX6, GFX9, {**_COHER_ALL, "coher_size_hi": 0xFF}),
    (GFX9, GFX10, {**_COHER_ALL, "coher_cntl": 0x28C4_0000, "coher_size_hi": 0xFF_FFFF}),
    (
        GFX10,
        (99,),
        {"gcr_cntl": 0xC3B1, "coher_size": 0xFFFF_FFFF, "coher_size_hi": 0xFF_FFFF, "poll_interval": 10},
    ),
)
"""What the kernel emits for AMDGPU_IB_FLAG_EMIT_MEM_SYNC, by [since, before)."""

_FLUSH = {"event_type": 0x14, "event_index": 5}
FENCE_FLUSH: tuple[tuple[Version, Version, dict[str, int]], ...] = (
    (GFX6, GFX7, _FLUSH),
    (GFX7, GFX8, {**_FLUSH, "tcl1": 1, "tc": 1}),
    (GFX8, GFX9, {**_FLUSH, "tcl1": 1, "tc": 1, "tc_wb": 1}),
    (GFX9, GFX10, {**_FLUSH, "tcl1": 1, "tc": 1, "tc_wb": 1, "tc_md": 1}),
    (GFX10, GFX12, {**_FLUSH, "glm_wb": 1, "glm_inv": 1, "gl2_wb": 1, "seq": 1, "cache_policy": 3}),
    (GFX12, (99,), {**_FLUSH, "gl2_wb": 1, "seq": 1, "cache_policy": 3}),
)
"""Event and cache actions of the kernel's own fences, by [since, before)."""

_EOP_CONTROL = (
    bits("event_type", 1, 5, 0, EVENTS),
    bits("event_index", 1, 11, 8),
)

SYNC_PACKETS: tuple[PacketLayout, ...] = (
    # In a user queue's ring alone: writes the queue's read pointer to where its driver looks for it, and interrupts.
    # The second dword is empty (libdrm's userq_tests.c, IGT's amd_user_queue.c).
    PacketLayout("PROTECTED_FENCE_SIGNAL", 0xD0, 2, since=GFX11, engines=BOTH),
    # What a user queue waits for in the place of a scheduler: up to 32 fences, four dwords each, the address of a qword
    # and the number that it has to reach (Mesa's amdgpu_cs_add_userq_packets, IGT's amdgpu_fwm_test).
    PacketLayout(
        "FENCE_WAIT_MULTI",
        0xD1,
        2,
        # Who waits, how often it looks, whether it may be preempted: nothing of that matters to one processor.
        (word("control", 1),),
        payload="fences",
        least=6,
        since=GFX11,
        engines=BOTH,
    ),
    PacketLayout(
        "EVENT_WRITE_EOP",
        0x47,
        6,
        (
            *_EOP_CONTROL,
            flag("tcl1_vol", 1, 12, since=GFX7),
            flag("tc_vol", 1, 13, since=GFX7),
            flag("tc_wb", 1, 15, since=GFX7),
            flag("tcl1", 1, 16, since=GFX7),
            flag("tc", 1, 17, since=GFX7),
            flag("inv_l2", 1, 20),
            bits("cache_policy", 1, 26, 25, since=GFX7),
            flag("execute", 1, 28),
            address("addr", 2, 2, 47),
            bits("int_sel", 3, 25, 24, INT_SEL),
            bits("data_sel", 3, 31, 29, DATA_SEL),
            word64("data", 4),
        ),
        before=GFX9,
        # GFX6 compute rings run on the ME; MEC has RELEASE_MEM instead.
        engines=(ME,),
    ),
    PacketLayout(
        "RELEASE_MEM",
        0x49,
        7,
        (
            *_EOP_CONTROL,
            flag("tcl1_vol", 1, 12),
            flag("tc_vol", 1, 13),
            flag("tc_wb", 1, 15),
            flag("tcl1", 1, 16),
            flag("tc", 1, 17),
            bits("cache_policy", 1, 26, 25),
            bits("dst_sel", 2, 17, 16, ("memory", "tc_l2")),
            bits("int_sel", 2, 26, 24, INT_SEL),
            bits("data_sel", 2, 31, 29, DATA_SEL),
            address("addr", 3, 2),
            word64("data", 5),
        ),
        since=GFX7,
        before=GFX9,
        engines=(MEC,),
    ),
    PacketLayout(
        "RELEASE_MEM",
        0x49,
        8,
        (
            *_EOP_CONTROL,
            flag("wait_dma", 1, 7, since=GFX10, before=GFX11, engine=ME),
            flag("wait_sync", 1, 7, since=GFX11),
            flag("tcl1_vol", 1, 12, before=GFX10),
            flag("tc_vol", 1, 13, before=GFX10),
            flag("tc_wb", 1, 15, before=GFX10),
            flag("tcl1", 1, 16, before=GFX10),
            flag("tc", 1, 17, before=GFX10),
            flag("tc_nc", 1, 19, before=GFX10),
            flag("tc_wc", 1, 20, before=GFX10),
            flag("tc_md", 1, 21, before=GFX10),
            flag("glm_wb", 1, 12, since=GFX10, before=GFX12),
            flag("glm_inv", 1, 13, since=GFX10, before=GFX12),
            flag("glv_inv", 1, 14, since=GFX10),
            flag("gl1_inv", 1, 15, since=GFX10, before=GFX12),
            flag("gl2_us", 1, 16, since=GFX10),
            bits("gl2_range", 1, 18, 17, since=GFX10),
            flag("gl2_discard", 1, 19, since=GFX10),
            flag("gl2_inv", 1, 20, since=GFX10),
            flag("gl2_wb", 1, 21, since=GFX10),
            bits("seq", 1, 23, 22, since=GFX10),
            flag("glk_wb", 1, 24, since=GFX11),
            bits("cache_policy", 1, 26, 25),
            bits("execute", 1, 29, 28, engine=ME),
            flag("execute", 1, 28, engine=MEC),
            flag("glk_inv", 1, 30, since=GFX11),
            flag("pws_enable", 1, 31, since=GFX11, engine=ME),
            bits("dst_sel", 2, 17, 16, ("memory", "tc_l2")),
            bits("mes_intr_pipe", 2, 21, 20, since=GFX10),
            bits("mes_action", 2, 23, 22, since=GFX10),
            bits("int_sel", 2, 26, 24, INT_SEL),
            bits("data_sel", 2, 31, 29, DATA_SEL),
            address("addr", 3, 2),
            word64("data", 5),
            word("int_ctxid", 7),
        ),
        # The size comes from the header: 7 dwords are accepted too (PACKETS.md section 8).
        least=7,
        since=GFX9,
        engines=BOTH,
    ),
    PacketLayout(
        "ACQUIRE_MEM",
        0x58,
        7,
        (
            bits("coher_cntl", 1, 30, 0),
            flag("engine", 1, 31, engine=ME),
            word("coher_size", 2),
            bits("coher_size_hi", 3, 7, 0, before=GFX9),
            bits("coher_size_hi", 3, 23, 0, since=GFX9),
            address("coher_base", 4, 0, 55),
            bits("poll_interval", 6, 15, 0),
        ),
        since=GFX7,
        before=GFX9,
        engines=(MEC,),
    ),
    PacketLayout(
        "ACQUIRE_MEM",
        0x58,
        7,
        (
            bits("coher_cntl", 1, 30, 0),
            flag("engine", 1, 31, engine=ME),
            word("coher_size", 2),
            bits("coher_size_hi", 3, 23, 0),
            address("coher_base", 4, 0, 55),
            bits("poll_interval", 6, 15, 0),
        ),
        since=GFX9,
        before=GFX10,
        engines=BOTH,
    ),
    PacketLayout(
        "ACQUIRE_MEM",
        0x58,
        8,
        (
            bits("pws_stage", 1, 13, 11, since=GFX11, engine=ME),
            bits("pws_counter", 1, 15, 14, since=GFX11, engine=ME),
            flag("pws_ena2", 1, 17, since=GFX11, engine=ME),
            bits("pws_count", 1, 23, 18, since=GFX11, engine=ME),
            flag("engine", 1, 31, engine=ME),
            word("coher_size", 2),
            bits("coher_size_hi", 3, 24, 0),
            address("coher_base", 4, 0, 55),
            bits("poll_interval", 6, 15, 0),
            flag("pws_ena", 6, 31, since=GFX11, engine=ME),
            bits("gcr_cntl", 7, 18, 0),
        ),
        since=GFX10,
        engines=BOTH,
    ),
    PacketLayout(
        "SURFACE_SYNC",
        0x43,
        5,
        (
            bits("coher_cntl", 1, 30, 0),
            flag("engine", 1, 31),
            word("coher_size", 2),
            word("coher_base", 3),
            bits("poll_interval", 4, 15, 0),
        ),
        before=GFX9,
        engines=(ME,),
    ),
    PacketLayout(
        "EVENT_WRITE",
        0x46,
        2,
        (
            bits("event_type", 1, 5, 0, EVENTS),
            bits("event_index", 1, 11, 8),
            flag("offload", 1, 31, engine=MEC),
        ),
        engines=BOTH,
    ),
    PacketLayout(
        "EVENT_WRITE_ADDRESS",
        0x46,
        4,
        (
            bits("event_type", 1, 5, 0, EVENTS),
            bits("event_index", 1, 11, 8),
            address("addr", 2, 3),
        ),
        engines=BOTH,
    ),
    PacketLayout(
        "TIMESTAMP",
        0xB2,
        6,
        (
            flag("enable_bottom", 1, 0),
            flag("enable_top", 1, 1),
            flag("clock_sel", 1, 2),
            address("bottom", 2, 3),
            address("top", 4, 3),
        ),
        since=GFX11,
        engines=(ME,),
    ),
)
"""Packets of this file, all generations."""
