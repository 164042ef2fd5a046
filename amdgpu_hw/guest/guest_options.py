# SPDX-License-Identifier: MIT
"""What a person can say about a guest machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU

__all__ = ("GuestOptions",)


@dataclass(frozen=True, slots=True)
class GuestOptions:
    """What a person can say about a guest machine."""

    gpus: Sequence[str] = (DEFAULT_GPU,)
    linux: str | None = None
    """A kernel, as `amdgpu_hw.guest.kernels.find_kernel` takes it."""
    modules: Path | None = None
    """Where the kernel's modules are, if not where they are looked for."""
    amdgpu: Path | None = None
    """An amdgpu.ko in place of the kernel's own."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Module parameters of amdgpu."""
    accelerator: str | None = None
    memory_mib: int = 2048
    processors: int = 2
    writable: Sequence[Path] = ()
    """Directories that are shared for writing, beside the working directory."""
    kernel_arguments: Sequence[str] = ()
    qemu_arguments: Sequence[str] = ()
    load_driver: bool = True
    whole_modules: bool = False
    """Modules keep what makes them slow to load (`amdgpu_hw.guest.modules.prepare`)."""
    console: Path | None = None
    """Where the log of the guest's console is kept."""
    user: str | None = None
    """Who runs commands in the guest; root by default."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for commands in the guest, beside the few that are passed on."""
