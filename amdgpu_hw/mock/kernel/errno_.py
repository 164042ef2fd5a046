# SPDX-License-Identifier: MIT
"""Errors of the mock kernel: what a kernel function returns as a negative errno is raised here."""

from __future__ import annotations

import errno
import os

__all__ = ("ENOTSUPP", "ERESTARTSYS", "KernelError", "errno_name")

ERESTARTSYS = 512
"""Internal to the kernel (include/linux/errno.h): a signal interrupted the call; a process sees EINTR or a restart."""

ENOTSUPP = 524
"""Not a POSIX errno, yet user space sees it: user queues that are switched off answer with it."""

_KERNEL_ONLY = {ERESTARTSYS: "ERESTARTSYS", ENOTSUPP: "ENOTSUPP"}


def errno_name(number: int) -> str:
    """Symbolic name of a positive errno, e.g. ``EINVAL``; the number itself where there is none."""
    return errno.errorcode.get(number) or _KERNEL_ONLY.get(number) or str(number)


class KernelError(Exception):
    """A kernel function failed; the system call returns ``-errno``.

    ``why`` is for the machine's log and for people who debug a test: it is never visible to a client.
    """

    def __init__(self, number: int, why: str = "") -> None:
        super().__init__(number, why)
        self.errno = number
        self.why = why

    def __str__(self) -> str:
        text = f"-{errno_name(self.errno)}"
        if self.errno not in _KERNEL_ONLY:
            text += f" ({os.strerror(self.errno)})"
        return f"{text}: {self.why}" if self.why else text
