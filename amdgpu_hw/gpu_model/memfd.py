# SPDX-License-Identifier: MIT
"""Memory that others can map."""

from __future__ import annotations

import fcntl
import os

__all__ = ("memfd_create",)

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def memfd_create(name: str, size: int) -> int:
    """Return the descriptor of a new file of ``size`` zeros, whose size nobody can change; raises OSError.

    A client gets the descriptor: if it could cut the file short, the machine and everybody else who has it mapped
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
