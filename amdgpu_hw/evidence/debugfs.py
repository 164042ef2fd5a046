# SPDX-License-Identifier: MIT
"""What amdgpu shows of rings and fences in debugfs, for root, and where its files are.

`ring_state` reads only files whose reading changes nothing and takes no lock that a hung job may hold:
amdgpu_gpu_recover resets the GPU, amdgpu_test_ib and amdgpu_evict_* submit work, and amdgpu_vm_info and amdgpu_gem_info
reserve buffers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ("DebugfsFile", "debugfs_directory", "ring_state")

_ROOT = Path("/sys/kernel/debug/dri")
_SAFE = ("amdgpu_fence_info", "amdgpu_sa_info", "amdgpu_firmware_info", "amdgpu_ring_*")
_READ_S = 2.0


class DebugfsFile(NamedTuple):
    """One file: its name, and its content, or why there is none."""

    name: str
    content: bytes
    why_not: str


def debugfs_directory(pci_address: str, primary_node: str | None) -> Path | None:
    """Where a GPU's files are, None if there is no such place. Raises `OSError`: one may not look."""
    # Named after the minor; from Linux 6.13 on after the device, with links.
    names = [pci_address, *([primary_node.rpartition("card")[2]] if primary_node else [])]
    return next((_ROOT / name for name in names if (_ROOT / name).is_dir()), None)


def ring_state(pci_address: str, primary_node: str | None, limit: int) -> Iterator[DebugfsFile]:
    """Up to ``limit`` bytes of each file that can be read, or one that says why there is none."""
    try:
        directory = debugfs_directory(pci_address, primary_node)
        files = sorted(path for name in _SAFE for path in directory.glob(name)) if directory is not None else []
    except OSError as error:
        yield DebugfsFile("debugfs", b"", f"{_ROOT} cannot be read: {error.strerror} (it is for root)")
        return
    if not files:
        yield DebugfsFile("debugfs", b"", f"{_ROOT} shows nothing of this GPU (it is for root, and has to be mounted)")
    for path in files:
        yield _read(path, limit)


def _read(path: Path, limit: int) -> DebugfsFile:
    """Read in a thread that may be left behind: nothing that a hung driver does may hang the report."""
    found: list[DebugfsFile] = []

    def read() -> None:
        try:
            with path.open("rb", buffering=0) as file:
                found.append(DebugfsFile(path.name, file.read(limit) or b"", ""))
        except OSError as error:
            found.append(DebugfsFile(path.name, b"", str(error.strerror)))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(_READ_S)
    return found[0] if found else DebugfsFile(path.name, b"", f"could not be read within {_READ_S:g} s")
