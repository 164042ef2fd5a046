# SPDX-License-Identifier: MIT
"""Memory that others can map."""

from __future__ import annotations

import errno
import fcntl
import os
import resource

__all__ = ("RESERVED_DESCRIPTORS", "is_reserved", "memfd_create")

RESERVED_DESCRIPTORS = 64
"""The last of a process's descriptors, which are kept for its own needs: no client gets one."""

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def is_reserved(fd: int) -> bool:
    """Whether a new descriptor is one of the last that the process may have; the host gives the lowest free number."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return fd >= max(limit - RESERVED_DESCRIPTORS, limit // 2)


def memfd_create(name: str, size: int) -> int:
    """Return the descriptor of a new file of ``size`` zeros, whose size nobody can change; raises OSError (EMFILE).

    A client gets the descriptor: if it could cut the file short, the machine and everybody else who has it mapped
    would get SIGBUS.
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        if is_reserved(fd):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(fd)
        raise
    return fd
