# SPDX-License-Identifier: MIT
"""Packets that only the kernel's own rings carry, PM4 and SDMA, as data.

Sources: the kernel's soc15d.h and nvd.h (PM4), vega10_sdma_pkt_open.h and navi10_sdma_pkt_open.h (SDMA); what they are
for: gfx_v9_0_kiq_map_queues and its neighbours, sdma_v4_0_vm_set_pte_pde. In a client's IB they are unknown opcodes.
"""

from __future__ import annotations

from .engine import Engine
from .layout import PacketLayout, Version, address, bits, flag, word, word64
from .pm4_common import GFX9, GFX11, ME, MEC

__all__ = ("KERNEL_PM4_PACKETS", "KERNEL_SDMA_PACKETS")

SDMA = (Engine.SDMA,)
V4: Version = (4,)
V5: Version = (5,)

UNMAP_ACTION = ("preempt", "reset", "disable", "preempt_no_unmap")
QUEUE_SEL = ("by_slot", "by_pasid", "all", "all_non_static")

KERNEL_PM4_PACKETS: tuple[PacketLayout, ...] = (
    PacketLayout(
        "SET_RESOURCES",
        0xA0,
        8,
        (
            bits("vmid_mask", 1, 15, 0),
            bits("unmap_latency", 1, 23, 16),
            bits("queue_type", 1, 31, 29),
            word64("queue_mask", 2),
            word64("gws_mask", 4),
            bits("oac_mask", 6, 15, 0),
            bits("gds_heap", 7, 15, 0),
        ),
        since=GFX9,
        engines=(MEC,),
    ),
    PacketLayout(
        "MAP_QUEUES",
        0xA2,
        7,
        (
            bits("queue_sel", 1, 5, 4),
            bits("vmid", 1, 11, 8),
            bits("queue", 1, 15, 13),
            bits("pipe", 1, 17, 16),
            bits("me", 1, 19, 18),
            bits("queue_type", 1, 23, 21),
            bits("alloc_format", 1, 25, 24),
            bits("engine_sel", 1, 28, 26),
            bits("num_queues", 1, 31, 29),
            flag("check_disable", 2, 1),
            bits("doorbell", 2, 27, 2),
            address("mqd", 3, 2),
            address("wptr", 5, 2),
        ),
        since=GFX9,
        engines=(MEC,),
    ),
    PacketLayout(
        "UNMAP_QUEUES",
        0xA3,
        6,
        (
            bits("action", 1, 1, 0, UNMAP_ACTION),
            bits("queue_sel", 1, 5, 4, QUEUE_SEL),
            bits("engine_sel", 1, 28, 26),
            bits("num_queues", 1, 31, 29),
            bits("doorbell", 2, 27, 2),
            # With preempt_no_unmap: where to signal that it is done, and with what.
            address("signal", 3, 2),
            word("sequence", 5),
        ),
        since=GFX9,
        engines=(MEC,),
    ),
    PacketLayout(
        "QUERY_STATUS",
        0xA4,
        7,
        (
            bits("context", 1, 27, 0),
            bits("interrupt_sel", 1, 29, 28),
            bits("command", 1, 31, 30),
            bits("doorbell", 2, 24, 2),
            bits("engine_sel", 2, 27, 25),
            address("addr", 3, 2),
            word64("data", 5),
        ),
        since=GFX9,
        engines=(MEC,),
    ),
    PacketLayout(
        "INVALIDATE_TLBS",
        0x98,
        2,
        (
            bits("dst_sel", 1, 1, 0),
            flag("all_hub", 1, 4),
            bits("pasid", 1, 20, 5),
            bits("flush_type", 1, 30, 29),
        ),
        since=GFX9,
        engines=(MEC,),
    ),
    PacketLayout(
        "INDIRECT_BUFFER_CONST",
        0x33,
        4,
        (address("addr", 1, 2), bits("size", 3, 19, 0), bits("vmid", 3, 27, 24)),
        before=GFX11,
        engines=(ME,),
    ),
    PacketLayout("SWITCH_BUFFER", 0x8B, 2, (word("unused", 1),), engines=(ME,)),
    PacketLayout("FRAME_CONTROL", 0x90, 2, (flag("tmz", 1, 0), bits("command", 1, 31, 28)), engines=(ME,)),
)
"""Every PM4 packet of this file."""

KERNEL_SDMA_PACKETS: tuple[PacketLayout, ...] = (
    PacketLayout(
        "PTEPDE_GEN",
        12,
        10,
        (
            word64("addr", 1),
            word64("mask", 3),
            word64("value", 5),
            word64("increment", 7),
            bits("count", 9, 18, 0, bias=1),
        ),
        since=V4,
        engines=SDMA,
    ),
    PacketLayout(
        "VM_INVALIDATION",
        8 | 4 << 8,
        4,
        (
            bits("gfx_engine", 0, 20, 16),
            bits("mm_engine", 0, 28, 24),
            word("request", 1),
            word("first_page", 2),
            bits("acknowledge", 3, 15, 0),
            bits("last_page", 3, 20, 16),
        ),
        since=V5,
        engines=SDMA,
    ),
    PacketLayout("PRE_EXE", 15, 2, (bits("device_select", 0, 23, 16), bits("exec_count", 1, 13, 0)), engines=SDMA),
)
"""Every SDMA packet of this file. PTEPDE_GEN writes ``value + n * increment | mask`` (the kernel's names, not ours)."""
