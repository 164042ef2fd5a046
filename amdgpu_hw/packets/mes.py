# SPDX-License-Identifier: MIT
"""Frames of the scheduler's ring (MES) of GFX11: what the driver asks of it (mes_v11_api_def.h).

A frame has 64 dwords, whatever it says; its header names the kind. In each there is an address and a value that is
written there when it is done (MES_API_STATUS), at a place of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from .codec import Codec, pad_with
from .engine import Engine
from .layout import Field, FieldValue, Packet, PacketError, PacketLayout, bits, flag, word, word64

__all__ = ("FRAME_DWORDS", "Mes", "MesQueueType")

FRAME_DWORDS = 64
"""API_FRAME_SIZE_IN_DWORDS."""
SCHEDULER = 1
"""MES_API_TYPE_SCHEDULER."""


class MesQueueType(IntEnum):
    """MES_QUEUE_TYPE_*."""

    GFX = 0
    COMPUTE = 1
    SDMA = 2


def _frame(name: str, opcode: int, status: int, *fields: Field) -> PacketLayout:
    done = (word64("fence", status), word64("value", status + 2))
    return PacketLayout(name, opcode, FRAME_DWORDS, (*done, *fields))


FRAMES = (
    _frame("SET_HW_RSRC", 0, 50, word("vmid_mask_mmhub", 1), word("vmid_mask_gfxhub", 2)),
    _frame(
        "ADD_QUEUE",
        2,
        37,
        word("doorbell", 18),
        word64("mqd", 19),
        word64("wptr", 21),
        word("queue_type", 27),
        flag("map_legacy_kq", 36, 13),
        word("pipe", 48),
        word("queue", 49),
    ),
    _frame(
        "REMOVE_QUEUE",
        3,
        5,
        word("doorbell", 1),
        flag("preempt_legacy_gfx_queue", 4, 2),
        flag("unmap_legacy_queue", 4, 3),
        flag("remove_queue_after_reset", 4, 4),
        word("pipe", 9),
        word("queue", 10),
        word64("trailing_fence", 11),
        word("trailing_value", 13),
        word("queue_type", 14),
    ),
    _frame("SUSPEND", 6, 7, flag("all_gangs", 1, 0), word64("suspend_fence", 4), word("suspend_value", 6)),
    _frame("RESUME", 7, 4, flag("all_gangs", 1, 0)),
    _frame(
        "RESET",
        8,
        24,
        flag("queue_only", 1, 0),
        flag("detect_then_reset", 1, 1),
        flag("detect_only", 1, 2),
        flag("legacy_gfx", 1, 3),
        word("doorbell", 4),
        word64("doorbells_at", 5),
        word("queue_type", 7),
        word("pipe", 8),
        word("queue", 9),
        word("vmid", 10),
        word64("mqd", 11),
        word("gfx_doorbell", 13),
        word64("wptr", 14),
    ),
    _frame("QUERY_SCHEDULER_STATUS", 11, 2, word("subopcode", 1)),
    _frame(
        "MISC",
        14,
        2,
        bits("what", 1, 31, 0, ("WRITE_REG", "INV_GART", "QUERY_STATUS", "READ_REG", "WAIT_REG_MEM")),
        word("word0", 6),
        word("word1", 7),
        word("word2", 8),
        word("word3", 9),
        word("word4", 10),
    ),
    _frame("SET_HW_RSRC_1", 19, 1),
)
"""MES_SCH_API_*: opcode, dword of MES_API_STATUS, and what the model reads."""


class Mes(Codec):
    """The frames of one GPU's scheduler."""

    filler = 0
    """`nop` of mes_v11_0_ring_funcs."""

    def __init__(self, gc_version: tuple[int, ...]) -> None:
        super().__init__(FRAMES, gc_version, Engine.COMPUTE)
        self._by_opcode = {layout.opcode: layout for layout in self._layouts}

    def packet(self, name: str, payload: Sequence[int] = (), /, **fields: FieldValue) -> list[int]:
        """Return the dwords of a frame."""
        layout = self.layout(name)
        return layout.encode(SCHEDULER | layout.opcode << 4 | FRAME_DWORDS << 12, fields, payload)

    def decode_at(self, words: Sequence[int], at: int = 0) -> Packet:
        """Return the frame that starts at ``words[at]``."""
        header = words[at]
        kind, opcode, size = header & 15, header >> 4 & 0xFF, header >> 12 & 0xFF
        layout = self._by_opcode.get(opcode)
        if kind != SCHEDULER or size != FRAME_DWORDS or layout is None:
            raise PacketError(f"{header:#010x} begins no frame that the scheduler is modelled for (opcode {opcode})")
        frame = self._cut(words, at, size, layout.name)
        return Packet(layout.name, layout.decode(frame), (), frame)

    def pad(self, dwords: Sequence[int], multiple: int = 8) -> list[int]:
        """Return the frames filled up with no-operations."""
        return pad_with(self.filler, dwords, multiple)
