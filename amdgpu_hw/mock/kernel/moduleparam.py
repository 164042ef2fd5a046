# SPDX-License-Identifier: MIT
"""/sys/module/MODULE/parameters (kernel/params.c): what the drivers were told, to be read by everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.file import TextFile

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("module_param",)


def module_param(kernel: Kernel, module: str, name: str, get: Callable[[], int]) -> None:
    """Show a parameter, whose value ``get`` knows."""
    path = f"/sys/module/{module}/parameters/{name}"
    kernel.register_node(path, 0, 0, lambda _caller, _flags: TextFile(path, f"{get()}\n".encode()))
