# SPDX-License-Identifier: MIT
"""Files that clients get: memory to map, and text to read."""

from __future__ import annotations

import fcntl
import os

__all__ = ("memfd_create", "read_only_file")

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def memfd_create(name: str, size: int) -> int:
    """Return the descriptor of a new file of ``size`` zeros, whose size nobody can change; raises OSError.

    A client gets the descriptor: if it could cut the file short, the mock kernel and everybody else who has it mapped
    would get SIGBUS.
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(fd)
        raise
    return fd


def read_only_file(name: str, content: bytes) -> int:
    """Return the descriptor of a new file that has this content and can only be read; raises OSError."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        os.write(fd, content)
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(fd)
