# SPDX-License-Identifier: MIT
"""Small integer ids for objects (lib/idr.c): the handles that user space sees."""

from __future__ import annotations

import errno
import heapq
from collections.abc import Iterator
from typing import Generic, TypeVar

from amdgpu_hw.mock.kernel.errno_ import KernelError

__all__ = ("Idr", "Xarray")

T = TypeVar("T")

_INT_MAX = 0x7FFF_FFFF


class Idr(Generic[T]):
    """Ids from 1 upwards, the lowest free one first (`idr_alloc(idr, ptr, 1, 0)`)."""

    __slots__ = ("_free", "_next", "_objects")

    def __init__(self) -> None:
        self._objects: dict[int, T | None] = {}
        self._free: list[int] = []
        self._next = 1

    def __len__(self) -> int:
        return len(self._objects)

    def alloc(self, obj: T | None) -> int:
        """Give the object an id; None reserves the id until `replace`."""
        objects = self._objects
        free = self._free
        while free:
            handle = heapq.heappop(free)
            if handle not in objects:
                objects[handle] = obj
                return handle
        handle = self._next
        while handle in objects:
            handle += 1
        self._next = handle + 1
        objects[handle] = obj
        return handle

    def alloc_at(self, handle: int, obj: T) -> None:
        """Give the object exactly this id: ENOSPC when it is taken, EINVAL when it can be no id."""
        if not 1 <= handle <= _INT_MAX:
            raise KernelError(errno.EINVAL, f"id {handle}")
        if handle in self._objects:
            raise KernelError(errno.ENOSPC, f"id {handle} is taken")
        self._objects[handle] = obj

    def find(self, handle: int) -> T | None:
        """The object with an id, None when there is none."""
        return self._objects.get(handle)

    def replace(self, handle: int, obj: T | None) -> T | None:
        """Change what an id stands for and return what it stood for; raises ENOENT when the id is not in use."""
        if handle not in self._objects:
            raise KernelError(errno.ENOENT, f"id {handle}")
        old = self._objects[handle]
        self._objects[handle] = obj
        return old

    def remove(self, handle: int) -> T | None:
        """Free an id and return what it stood for."""
        if handle not in self._objects:
            return None
        if handle < self._next:
            heapq.heappush(self._free, handle)
        return self._objects.pop(handle)

    def items(self) -> Iterator[tuple[int, T]]:
        """Id and object, lowest id first; a snapshot, so that the loop may remove them."""
        for handle in sorted(self._objects):
            obj = self._objects.get(handle)
            if obj is not None:
                yield handle, obj


class Xarray(Idr[T]):
    """Ids of an xarray that is to give out 1 and up (XA_FLAGS_ALLOC1), with its fault.

    Once it holds anything, a reserved entry keeps 0 from being given out. Erasing 0 answers that there was nothing, but
    takes that entry away, too (xas_store, XA_ZERO_ENTRY): from then on 0 is an id like others.
    """

    __slots__ = ()

    def remove(self, handle: int) -> T | None:
        """Free an id and return what it stood for."""
        if handle == 0 and self._objects and handle not in self._objects and handle not in self._free:
            heapq.heappush(self._free, handle)
        return super().remove(handle)
