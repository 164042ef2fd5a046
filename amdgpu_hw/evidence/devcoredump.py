# SPDX-License-Identifier: MIT
"""The dump that the kernel makes when a GPU hangs: /sys/class/devcoredump (drivers/base/devcoredump.c), for root."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from amdgpu_hw.errors import FeatureMissing

__all__ = ("Devcoredump", "find_devcoredump")

_CLASS = Path("/sys/class/devcoredump")
_PROCESS = re.compile(rb"^process_name: (.*) PID: (\d+)$", re.MULTILINE)
_HEAD = 4096


class Devcoredump(NamedTuple):
    """A dump of one device; there is at most one, until somebody writes to its file or five minutes are over."""

    name: str
    """``devcd1``; the number never comes twice."""
    data: Path

    def read(self, limit: int) -> bytes:
        """Up to ``limit`` bytes of it. Raises `OSError`: it is for root."""
        with self.data.open("rb", buffering=0) as file:
            parts, left = [], limit
            while left and (part := file.read(left)):
                parts.append(part)
                left -= len(part)
        return b"".join(parts)

    def is_empty(self) -> bool:
        """Whether there is nothing in it yet. One that may not be read is not."""
        try:
            return not self.read(1)
        except OSError:
            return False

    def process(self) -> int | None:
        """The process whose job hung, if it says so (amdgpu_devcoredump_read). Raises `FeatureMissing`."""
        try:
            found = _PROCESS.search(self.read(_HEAD))
        except OSError as error:
            raise FeatureMissing(f"{self.data} cannot be read: {error.strerror} (it is for root)") from None
        return int(found[2]) if found else None

    def discard(self) -> None:
        """Make room for the next one; whatever refuses that keeps it for its five minutes."""
        with contextlib.suppress(OSError):
            self.data.write_bytes(b"0")


def find_devcoredump(pci_address: str) -> Devcoredump | None:
    """The dump of the GPU at a PCI address; None if there is none now."""
    with contextlib.suppress(OSError):
        for entry in sorted(_CLASS.iterdir()):
            if os.path.basename(os.path.realpath(entry / "failing_device")) == pci_address:
                return Devcoredump(entry.name, entry / "data")
    return None
