# SPDX-License-Identifier: MIT
"""How much memory submissions may move: `adev->mm_stats` and the functions of amdgpu_cs.c around it.

Buffers that were evicted come back when a submission lists them, but only at a rate of 8 MB/s on average, unless
there is room to fill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import VramManager

__all__ = ("MoveAllowance",)

_LOG2_MAX_MBPS = 3
"""Module parameter moverate: 8 MB/s."""
_UPPER_BOUND_US = 200_000
_ROOM = 128 << 20


class MoveAllowance:
    """Allowances for moves, in the us that a move of so many bytes would take at the rate; debts are negative.

    The kernel lets them grow in every submission. Here one that moves nothing only notes its time (`last_cs`, in ns).
    """

    __slots__ = ("_accum_us", "_accum_us_vis", "_apu", "_last_update_us", "_vram", "last_cs")

    def __init__(self, vram: VramManager, apu: bool) -> None:
        self._vram = vram
        self._apu = apu
        self.last_cs = 0
        self._last_update_us = 0
        self._accum_us = 0
        self._accum_us_vis = 0

    def _grow(self) -> None:
        """Add what has come in up to the last submission."""
        now_us = self.last_cs // 1000
        increment = now_us - self._last_update_us
        self._last_update_us = now_us
        self._accum_us = min(self._accum_us + increment, _UPPER_BOUND_US)
        if self._vram.visible_usage < self._vram.visible_size:
            self._accum_us_vis = min(self._accum_us_vis + increment, _UPPER_BOUND_US)

    def threshold(self) -> tuple[int, int]:
        """Bytes a submission may move, and of them into visible VRAM (amdgpu_cs_get_threshold_for_moves)."""
        self._grow()
        vram = self._vram
        total = vram.size - vram.pinned
        free = max(0, total - vram.used)
        if free >= _ROOM or free >= total // 8:
            # A part of the room is filled right away; on a processor only the debt is forgotten.
            self._accum_us = max(0 if self._apu else _bytes_to_us(free // 4), self._accum_us)
        visible = 0
        if vram.visible_size < vram.size:
            free_visible = vram.visible_size - vram.visible_usage
            if free_visible >= vram.visible_size // 2:
                self._accum_us_vis = max(_bytes_to_us(free_visible // 2), self._accum_us_vis)
            visible = _us_to_bytes(self._accum_us_vis)
        return _us_to_bytes(self._accum_us), visible

    def report_moved(self, moved: int, moved_visible: int) -> None:
        """Charge what was moved, in bytes (amdgpu_cs_report_moved_bytes); a new buffer counts as moved."""
        self._grow()
        self._accum_us -= _bytes_to_us(moved)
        self._accum_us_vis -= _bytes_to_us(moved_visible)


def _bytes_to_us(size: int) -> int:
    return size >> _LOG2_MAX_MBPS


def _us_to_bytes(us: int) -> int:
    return us << _LOG2_MAX_MBPS if us > 0 else 0
