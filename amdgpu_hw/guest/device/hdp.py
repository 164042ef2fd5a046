# SPDX-License-Identifier: MIT
"""The host data path (hdp_v*.c): there is no cache between the CPU and VRAM, so that flushes find nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .registers import RegisterFile

__all__ = ("Hdp",)


class Hdp:
    """HDP of one GPU: all its registers are storage; those of its flushes read as 0."""

    def __init__(self, registers: RegisterFile) -> None:
        for name in ("HDP_READ_CACHE_INVALIDATE", "HDP_MEM_COHERENCY_FLUSH_CNTL", "HDP_REG_COHERENCY_FLUSH_CNTL"):
            if registers.table.has("HDP", name):
                registers.on_read(registers.table.offset("HDP", name), lambda: 0)
