# SPDX-License-Identifier: MIT
"""Descriptors of buffers (V#): four dwords that say where a buffer is, how long, and what an element is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amdgpu_hw.packets import Version

from .decoder import refuse

__all__ = ("Descriptor",)

_IDENTITY = 4 | 5 << 3 | 6 << 6 | 7 << 9
"""Each component is where it is."""

_FOUR_DWORDS: tuple[tuple[Version, frozenset[int]], ...] = (
    # Data format 14 with the number formats UINT, SINT and FLOAT.
    ((8,), frozenset(14 << 3 | number for number in (4, 5, 7))),
    ((10,), frozenset((75, 76, 77))),
    ((11,), frozenset((61, 62, 63))),
)
"""Formats of four components of 32 bits each, which are moved as they are, from a generation on."""

_INDEX_ONLY, _NO_RECORDS, _RAW = 1, 2, 3
"""What of an access counts against the length, from GFX10 on (OOB_SELECT); else index and offset."""


class Descriptor:
    """A descriptor as one GC version reads it."""

    __slots__ = ("_version", "_words", "base", "records", "stride")

    def __init__(self, words: Sequence[int], version: Version) -> None:
        self._words = words
        self._version = version
        self.base = words[0] | (words[1] & 0xFFFF) << 32
        self.stride = words[1] >> 16 & 0x3FFF
        self.records = words[2]

    @property
    def bytes(self) -> int:
        """Length in bytes."""
        return self.records * self.stride if self.stride and self._version >= (9,) else self.records

    def check(self, name: str, formatted: bool) -> None:
        """Refuse what is not modelled: addresses that are mixed up, and formats but four dwords."""
        second, last = self._words[1], self._words[3]
        swizzled = second >> 31 if self._version < (11,) else second >> 30
        adds_lane = last >> 23 & 1
        if swizzled or adds_lane:
            raise refuse(f"{name} with a swizzled buffer ({second:#x}, {last:#x})")
        if not formatted:
            return
        number = last >> 12 & 0x7F if self._version < (11,) else last >> 12 & 0x3F
        known = next(formats for since, formats in reversed(_FOUR_DWORDS) if since <= self._version)
        if number not in known or last & 0xFFF != _IDENTITY:
            raise refuse(f"{name} of format {number}, components {last & 0xFFF:#o}")

    def addresses(
        self, indices: Sequence[int], offsets: Sequence[int], scalar_offset: int, size: int, indexed: bool
    ) -> list[int | None]:
        """Return where each lane reads or writes ``size`` bytes; None beyond the end of the buffer."""
        base, stride = self.base + scalar_offset, self.stride
        inside = self._range_check(scalar_offset, size, indexed)
        if inside(max(indices), max(offsets)):
            # What is true of the largest is true of all.
            return [base + index * stride + offset for index, offset in zip(indices, offsets, strict=True)]
        return [
            base + index * stride + offset if inside(index, offset) else None
            for index, offset in zip(indices, offsets, strict=True)
        ]

    def _range_check(self, scalar_offset: int, size: int, indexed: bool) -> Callable[[int, int], bool]:
        """Return what tells whether an index and an offset are inside."""
        records, stride = self.records, self.stride
        select = self._select(indexed)
        if select == _RAW:
            return lambda index, offset: index * stride + offset + scalar_offset + size <= records
        if select == _NO_RECORDS:
            return lambda _index, _offset: records > 0
        if select == _INDEX_ONLY:
            return lambda index, _offset: index < records
        return lambda index, offset: index < records and (not stride or offset + size <= stride)

    def _select(self, indexed: bool) -> int:
        if self._version >= (10,):
            return self._words[3] >> 28 & 3
        # GFX8 counts bytes always, GFX9 elements where there are such (Mesa's ac_build_raw_buffer_descriptor).
        if self._version < (9,) or not (indexed and self.stride):
            return _RAW
        return _INDEX_ONLY
