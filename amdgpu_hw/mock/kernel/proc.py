# SPDX-License-Identifier: MIT
"""What /proc says about the kernel as a whole: its release, its build, its command line, its taint.

There is no /proc/config.gz, as on a kernel without CONFIG_IKCONFIG_PROC: nothing here was configured, and the host's
would be that of another kernel. What uname() says is the host's all the same.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.file import Caller, TextFile

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("probe",)


def probe(kernel: Kernel, parameters: Mapping[str, int]) -> None:
    """Make the files readable; ``parameters`` of amdgpu were given when it was booted."""
    release = f"mock-{kernel.variant.name}"
    given = "".join(f" amdgpu.{name}={value:#x}" for name, value in parameters.items())
    texts = {
        "/proc/version": f"Linux version {release} (amdgpu_hw) {kernel.variant.summary}\n",
        "/proc/sys/kernel/osrelease": f"{release}\n",
        "/proc/cmdline": f"amdgpu_hw.mock={kernel.variant.name}{given}\n",
        "/proc/sys/kernel/tainted": "0\n",
    }
    for path, text in texts.items():
        _show(kernel, path, text)
    kernel.register_node("/proc/config.gz", 0, 0, _no_such_file)


def _no_such_file(_caller: Caller, _flags: int) -> NoReturn:
    raise KernelError(errno.ENOENT)


def _show(kernel: Kernel, path: str, text: str) -> None:
    kernel.register_node(path, 0, 0, lambda _caller, _flags: TextFile(path, text.encode()))
