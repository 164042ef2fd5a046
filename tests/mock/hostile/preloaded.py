# SPDX-License-Identifier: MIT
"""What scripts that run on a machine find (`AuditedMachine.run`): system calls through libc, and a client of the GPU.

Nothing here opens a device when it is imported: scripts fork first.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from amdgpu_hw.uapi import sw_sync as sw
from amdgpu_hw.uapi.layout import Ioctl

from .gpu_client import COMPUTE, GFX, PAGE, RENDER, SDMA, VGEM, GpuClient

__all__ = (
    "COMPUTE",
    "GFX",
    "PAGE",
    "RENDER",
    "SDMA",
    "VGEM",
    "GpuClient",
    "Libc",
    "core",
    "ctypes",
    "drm",
    "os",
    "random",
    "say",
    "signal",
    "spawn",
    "struct",
    "sw",
    "sys",
    "time",
    "wait_for",
)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64]
_MAP_FAILED = ctypes.c_void_p(-1).value
_PROT_READ_WRITE, _MAP_SHARED = 3, 1


class Libc:
    """System calls as programs make them; see `gpu_client.SystemCalls`."""

    def open(self, path: str, flags: int = os.O_RDWR) -> int:
        """Open a node."""
        return os.open(path, flags)

    def raw_ioctl(self, fd: int, request: int, argument: int) -> int:
        """Make an ioctl by number and address: result or -errno."""
        result: int = _libc.ioctl(fd, request, argument)
        return -ctypes.get_errno() if result < 0 else result

    def ioctl(self, fd: int, ioctl: Ioctl, /, **fields: int | bytes) -> dict[str, int]:
        """Make an ioctl by fields: the struct afterwards; raises OSError."""
        assert ioctl.struct is not None
        argument = ctypes.create_string_buffer(ioctl.struct.pack(**fields), ioctl.struct.size)
        result = self.raw_ioctl(fd, ioctl.request, ctypes.addressof(argument))
        if result < 0:
            raise OSError(-result, f"{ioctl.name}: {os.strerror(-result)}")
        return ioctl.struct.as_dict(argument.raw)

    def map(self, fd: int, offset: int, length: int) -> Any:
        """Map a part of a file, for good; raises OSError. Not `mmap.mmap`, which would duplicate the descriptor."""
        address = _libc.mmap(None, length, _PROT_READ_WRITE, _MAP_SHARED, fd, offset)
        if address == _MAP_FAILED:
            raise OSError(ctypes.get_errno(), "mmap")
        return memoryview((ctypes.c_char * length).from_address(address)).cast("B")


def say(*words: object) -> None:
    """Print at once."""
    print(*words, flush=True)


def spawn(function: Callable[..., None], *arguments: object) -> int:
    """Call a function in a child process, whose exit status is 0 if it returns; the child's id."""
    pid = os.fork()
    if not pid:
        status = 1
        with contextlib.suppress(KeyboardInterrupt):
            try:
                function(*arguments)
                status = 0
            except Exception as error:
                say(f"{function.__name__}: {error!r}")
        os._exit(status)
    return pid


def wait_for(*children: int) -> set[int]:
    """Wait for children; the set of their exit codes, minus the signal for those that were killed."""
    return {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
