# SPDX-License-Identifier: MIT
"""Ranges of an address space that are handed out and taken back, whatever their number."""

from __future__ import annotations

from sortedcontainers import SortedList

__all__ = ("Extents",)


class Extents:
    """Best-fit allocator of [0, ``size``); all operations are logarithmic in the number of free ranges."""

    __slots__ = ("_by_size", "_end_of", "_start_of", "size", "used")

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self._by_size: SortedList[tuple[int, int]] = SortedList()
        """(size, start) of every free range."""
        self._end_of: dict[int, int] = {}
        self._start_of: dict[int, int] = {}
        if size:
            self._add(0, size)

    def alloc(self, size: int) -> int | None:
        """Take the start of the smallest free range that is large enough, None when there is none."""
        index = self._by_size.bisect_left((size, 0))
        if index == len(self._by_size):
            return None
        start, end = self._remove(self._by_size[index][1])
        if start + size < end:
            self._add(start + size, end)
        self.used += size
        return start

    def free(self, start: int, size: int) -> None:
        """Give a range back; free neighbours are joined."""
        end = start + size
        self.used -= size
        if end in self._end_of:
            end = self._remove(end)[1]
        if start in self._start_of:
            start = self._remove(self._start_of[start])[0]
        self._add(start, end)

    def _add(self, start: int, end: int) -> None:
        self._by_size.add((end - start, start))
        self._end_of[start] = end
        self._start_of[end] = start

    def _remove(self, start: int) -> tuple[int, int]:
        end = self._end_of.pop(start)
        del self._start_of[end]
        self._by_size.remove((end - start, start))
        return start, end
