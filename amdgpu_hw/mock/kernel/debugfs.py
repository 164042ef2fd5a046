# SPDX-License-Identifier: MIT
"""Files of debugfs whose reading does something: simple attributes (fs/libfs.c, simple_attr_read)."""

from __future__ import annotations

import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.file import File, FileStat
from amdgpu_hw.mock.kernel.wait import Blocking

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("DebugfsAttribute", "debugfs_create_attribute")


class DebugfsAttribute(File):
    """One open file: the first read() gets the number, by whatever that takes; later ones go on with its text."""

    def __init__(self, path: str, get: Callable[[], Blocking[int]]) -> None:
        super().__init__()
        self.name = path
        self._get = get
        self._text: bytes | None = None
        self._position = 0

    def read(self, size: int) -> Blocking[bytes]:
        """Raises what getting the number does; the next call tries again."""
        if self._text is None:
            number = yield from self._get()
            self._text = f"{number}\n".encode()
        part = self._text[self._position : self._position + size]
        self._position += len(part)
        return part

    def stat(self) -> FileStat:
        """A file of debugfs that can be read."""
        return FileStat(stat.S_IFREG | 0o444, path=self.name)


def debugfs_create_attribute(kernel: Kernel, path: str, get: Callable[[], Blocking[int]]) -> None:
    """Make the file appear. Whoever may be where it is may read it: a real debugfs is for root."""
    kernel.register_node(path, 0, 0, lambda _caller, _flags: DebugfsAttribute(path, get))
