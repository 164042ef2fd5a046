# SPDX-License-Identifier: MIT
"""What can go wrong, by who said no: the kernel (`DrmError`) or this harness (`HarnessError` and its children).

Every message is one sentence that says what to do. Caller mistakes are `ValueError` and `TypeError`, as usual.
"""

from __future__ import annotations

import errno as errno_module
import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from amdgpu_hw.exit_status import ExitStatus

__all__ = (
    "AmdgpuHwError",
    "DrmError",
    "FeatureMissing",
    "GateError",
    "HarnessError",
    "NoGpu",
    "NodePermission",
    "NotAmdgpu",
    "PendingWork",
    "QueueFull",
    "RunCutShort",
    "errno_name",
)

# Kernel-internal numbers that reach user space although errno.h does not have them (include/linux/errno.h).
_KERNEL_ONLY = {512: "ERESTARTSYS", 524: "ENOTSUPP"}

# Arguments that people read in hex: bit masks, addresses, sizes.
_HEX_ARGUMENT = re.compile(r"flags|addr|va\b|_va|offset|size|domain|request|alignment")


def errno_name(number: int) -> str:
    """The symbolic name of an errno, e.g. ``EINVAL``; the number itself where it has none."""
    return errno_module.errorcode.get(number) or _KERNEL_ONLY.get(number) or str(number)


class AmdgpuHwError(Exception):
    """Root of all errors of this package; never raised itself."""

    exit_status: ClassVar[ExitStatus] = ExitStatus.UNUSABLE
    """What a command ends with that does not handle the error."""


class DrmError(AmdgpuHwError, OSError):
    """The kernel (or libdrm in its place) refused a call.

    `errno` is the positive error number, `ioctl` the name of what was called and `arguments` what it was
    given. It is an `OSError`, so ``except OSError`` and comparing ``error.errno`` work as usual.
    """

    def __init__(self, errno: int, ioctl: str, arguments: Mapping[str, Any] | None = None) -> None:
        super().__init__(errno, os.strerror(errno))
        self.ioctl = ioctl
        self.arguments: dict[str, Any] = dict(arguments or {})

    @property
    def errno_name(self) -> str:
        """The symbolic errno, e.g. ``EINVAL``."""
        return errno_name(self.errno or 0)

    def __str__(self) -> str:
        spelled = ", ".join(f"{name}={_spell(name, value)}" for name, value in self.arguments.items())
        return f"{self.ioctl}({spelled}): {self.errno_name} ({self.strerror})"

    def __reduce__(self) -> tuple[type[DrmError], tuple[int | None, str, dict[str, Any]]]:
        return type(self), (self.errno, self.ioctl, self.arguments)


def _spell(name: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value) if value > 9 and _HEX_ARGUMENT.search(name) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return str(value)


class HarnessError(AmdgpuHwError):
    """What was asked cannot be done here; the message says why and what to do."""


class NoGpu(HarnessError):
    """No amdgpu GPU is there, or none that the selector names."""


class NodePermission(HarnessError):
    """The device node may not be opened by this user."""


class NotAmdgpu(HarnessError):
    """The device node belongs to another driver."""


class FeatureMissing(HarnessError):
    """The GPU, the kernel or the installed libdrm does not have what was asked for; ``missing`` may name it."""

    def __init__(self, message: str, missing: str = "") -> None:
        super().__init__(message)
        self.missing = missing


class RunCutShort(HarnessError):
    """The run was interrupted, or the machine that was made for it died while it was in use."""

    exit_status = ExitStatus.INCOMPLETE


class GateError(HarnessError):
    """A gate could not be made, shut or opened."""


class PendingWork(HarnessError):
    """Closing now would block, because work of ours is still in flight (KERNEL.md 4.8)."""


class QueueFull(HarnessError):
    """One more submission would block inside the ioctl with the page directory locked (`amdgpu_cs_sync_rings`)."""
