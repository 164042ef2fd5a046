# SPDX-License-Identifier: MIT
"""What GEM_VA must leave behind, page by page: a dict, and KERNEL.md 3.4 read as a user reads it.

It shares nothing with the model of the mock kernel: no intervals, no lists, no jobs. All that it knows is what is
mapped at a page, and where the mapping that this belongs to begins, because UNMAP goes by that.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

__all__ = ("PRT", "Extent", "MappedPage", "Oracle")

PRT = "PRT"
"""The owner of pages without memory."""


@dataclass(frozen=True, slots=True)
class MappedPage:
    """What is mapped at one page: page ``index`` of ``owner``, by a mapping whose first page is ``first``."""

    owner: str
    index: int
    first: int


@dataclass(frozen=True, slots=True, order=True)
class Extent:
    """One mapping, in pages: where it begins, how long it is, at which page of its buffer."""

    first: int
    count: int
    index: int


class Oracle:
    """The pages of one window; operations return the errno that the kernel must give (0: done).

    ``sizes`` are the pages that each buffer has, by its name; PRT has as many as one likes.
    """

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes
        self.pages: dict[int, MappedPage] = {}
        self.went: dict[int, None] = {}
        """Pages that something was mapped at and nothing is now, those that went last behind the others."""
        self.unwritten: set[int] = set()
        """Pages of what is left of cut mappings, which the next submission writes anew."""
        self.unsure: set[int] = set()
        """Pages that may keep entries although nothing is mapped there, by all kernels (KERNEL.md E6)."""

    def map(self, first: int, count: int, owner: str, index: int) -> int:
        """MAP: refused over anything, or beyond the buffer's end."""
        if not self._is_inside(count, owner, index) or any(page in self.pages for page in range(first, first + count)):
            return errno.EINVAL
        for page in range(count):
            self.pages[first + page] = MappedPage(owner, index + page, first)
            self.went.pop(first + page, None)
        return 0

    def unmap(self, first: int, owner: str) -> int:
        """UNMAP: the whole mapping of that owner that begins there, or ENOENT."""
        cell = self.pages.get(first)
        if cell is None or cell.owner != owner or cell.first != first:
            return errno.ENOENT
        self._drop({page for page, one in self.pages.items() if one.first == first})
        return 0

    def clear(self, first: int, count: int) -> int:
        """CLEAR: nothing is left in there; what reaches beyond its end begins behind it now."""
        if not count:
            return errno.EINVAL
        end = first + count
        gone = {page for page in self.pages if first <= page < end}
        cut = {self.pages[page].first for page in gone}
        self.unwritten -= gone
        self.unwritten |= {page for page, cell in self.pages.items() if cell.first in cut and page not in gone}
        self.went |= dict.fromkeys(sorted(gone))
        self.pages = {
            page: replace(cell, first=end) if page >= end > cell.first else cell
            for page, cell in self.pages.items()
            if not first <= page < end
        }
        return 0

    def replace(self, first: int, count: int, owner: str, index: int) -> int:
        """REPLACE: CLEAR and MAP, or nothing at all."""
        if not self._is_inside(count, owner, index):
            return errno.EINVAL
        return self.clear(first, count) or self.map(first, count, owner, index)

    def close(self, owner: str) -> None:
        """GEM_CLOSE: all mappings of the buffer go."""
        self._drop({page for page, cell in self.pages.items() if cell.owner == owner})

    def submitted(self) -> None:
        """A submission has written whatever is mapped."""
        self.unwritten.clear()
        self.unsure -= self.pages.keys()

    def absent(self) -> list[int]:
        """Pages at which nothing can be, once everything is done; those that went last come first."""
        return [page for page in reversed(self.went) if page not in self.unsure]

    def _drop(self, gone: set[int]) -> None:
        """Whole mappings go; what no submission has written is dropped without page-table work."""
        self.unsure |= gone & self.unwritten
        self.unwritten -= gone
        self.went |= dict.fromkeys(sorted(gone))
        self.pages = {page: cell for page, cell in self.pages.items() if page not in gone}

    def span(self, pick: int) -> tuple[int, int]:
        """First page of one of the mappings and how many it has; any number picks one."""
        firsts = sorted({cell.first for cell in self.pages.values()})
        first = firsts[pick % len(firsts)]
        return first, sum(cell.first == first for cell in self.pages.values())

    def extents(self, owner: str) -> list[Extent]:
        """The mappings of one owner."""
        by_first: dict[int, int] = {}
        for cell in self.pages.values():
            if cell.owner == owner:
                by_first[cell.first] = by_first.get(cell.first, 0) + 1
        return sorted(Extent(first, count, self.pages[first].index) for first, count in by_first.items())

    def _is_inside(self, count: int, owner: str, index: int) -> bool:
        return count > 0 and (owner == PRT or index + count <= self.sizes[owner])
