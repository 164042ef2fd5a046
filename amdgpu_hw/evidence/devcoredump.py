# SPDX-License-Identifier: MIT
"""The dump that the kernel makes when a GPU hangs: /sys/class/devcoredump (drivers/base/devcoredump.c), for root."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from amdgpu_hw.errors import FeatureMissing

__all__ = ("Devcoredump", "find_devcoredump")

_CLASS = Path("/sys/class/devcoredump")
_PROCESS = re.compile(rb"^process_name: (.*) PID: (\d+)$", re.MULTILINE)
_HEAD = 4096
_READ_S = 20.0
"""Linux 6.12 prints all of the dump for each page that is read (amdgpu_devcoredump_read): minutes for a long one."""


class Devcoredump(NamedTuple):
    """A dump of one device; there is at most one, until somebody writes to its file or five minutes are over."""

    name: str
    """``devcd1``; the number never comes twice."""
    data: Path

    def read(self, limit: int) -> tuple[bytes, str]:
        """Up to ``limit`` bytes of it, and why there are no more if that is for time. Raises `OSError`: for root."""
        end = time.monotonic() + _READ_S
        parts, left = [], limit
        with self.data.open("rb", buffering=0) as file:
            while left and (part := file.read(left)):
                parts.append(part)
                left -= len(part)
                if time.monotonic() > end:
                    return b"".join(parts), f"what could be read in {_READ_S:g} s"
        return b"".join(parts), ""

    def is_empty(self) -> bool:
        """Whether there is nothing in it yet. One that may not be read is not."""
        try:
            return not self.read(1)[0]
        except OSError:
            return False

    def process(self) -> int | None:
        """The process whose job hung, if it says so (amdgpu_devcoredump_read). Raises `FeatureMissing`."""
        try:
            found = _PROCESS.search(self.read(_HEAD)[0])
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
