# SPDX-License-Identifier: MIT
"""PM4 as data: packets that start compute shaders.

Source: the kernel's nvd.h and soc15d.h for the opcodes, Mesa's sid.h and its emitters of dispatches for the dwords.
"""

from __future__ import annotations

from .layout import PacketLayout, address, word
from .pm4_common import BOTH, FOR_COMPUTE, GFX7, ME, MEC

__all__ = ("DISPATCH_PACKETS",)


_SIZE = (word("x", 1), word("y", 2), word("z", 3))

DISPATCH_PACKETS: tuple[PacketLayout, ...] = (
    PacketLayout("DISPATCH_DIRECT", 0x15, 5, (FOR_COMPUTE, *_SIZE, word("initiator", 4)), engines=BOTH),
    # The graphics ring counts from the address that SET_BASE has set.
    PacketLayout("DISPATCH_INDIRECT", 0x16, 3, (FOR_COMPUTE, word("offset", 1), word("initiator", 2)), engines=(ME,)),
    PacketLayout(
        "DISPATCH_INDIRECT",
        0x16,
        4,
        (FOR_COMPUTE, address("addr", 1, 2), word("initiator", 3)),
        since=GFX7,
        engines=(MEC,),
    ),
)
"""Packets of this file, all generations."""
