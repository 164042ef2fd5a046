# SPDX-License-Identifier: MIT
"""/dev/kmsg (kernel/printk/printk.c), which lets everybody read and write: programs read the log, and add to it.

Leaves out: llseek(), facilities, continuation lines with the device's name (dev_printk's dictionary), and EPIPE: a
reader that is slow gets every record, late.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.file import RecordFile

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.kernel import Kernel
    from amdgpu_hw.mock.kernel.log import LogLine

__all__ = ("KMSG", "probe")

KMSG = "/dev/kmsg"

_MAJOR, _MINOR = 1, 11
_LEVELS = {"err": 3, "warn": 4, "info": 6}
_PREFIX = re.compile(r"<(\d+)>")
_LOG_LINE_MAX = 1024
_MASK = 7


class DevKmsg(RecordFile):
    """One open file of it (`struct devkmsg_user`)."""

    name = KMSG

    def __init__(self, kernel: Kernel, flags: int) -> None:
        super().__init__()
        self._log = kernel.log
        self._seq = 0
        self._reads = flags & os.O_ACCMODE != os.O_WRONLY

    def attached(self) -> None:
        """Send what is there, and from now on every new line."""
        if self._reads:
            for line in tuple(self._log.lines):
                self._send(line)
            self._log.listeners.append(self._send)

    def write(self, record: bytes) -> None:
        """Add a line, with the level that stands in front of it (`devkmsg_write`)."""
        text = record[:_LOG_LINE_MAX].decode(errors="replace").rstrip("\n")
        prefix = _PREFIX.match(text)
        level = int(prefix[1]) & _MASK if prefix else _LEVELS["warn"]
        add = (
            self._log.err if level <= _LEVELS["err"] else self._log.warn if level == _LEVELS["warn"] else self._log.info
        )
        add(text[prefix.end() :] if prefix else text)

    def release(self) -> None:
        """Listen no more."""
        if self._send in self._log.listeners:
            self._log.listeners.remove(self._send)

    def _send(self, line: LogLine) -> None:
        self.send(f"{_LEVELS[line.level]},{self._seq},{line.time_ns // 1000},-;{line.text}\n".encode())
        self._seq += 1


def probe(kernel: Kernel) -> None:
    """Make the node appear."""
    kernel.register_node(KMSG, _MAJOR, _MINOR, lambda _caller, flags: DevKmsg(kernel, flags))
