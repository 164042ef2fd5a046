# SPDX-License-Identifier: MIT
"""Files of debugfs whose reading makes the driver do something, for root: empty VRAM, reset the GPU."""

from __future__ import annotations

import os

from amdgpu_hw.discovery import GpuNode
from amdgpu_hw.evidence.debugfs import debugfs_directory
from amdgpu_hw.proof.record import Inconclusive, NotTestable
from amdgpu_hw.proof.units import duration
from amdgpu_hw.sync import BackgroundCall

__all__ = ("EVICT_VRAM", "GPU_RECOVER", "DebugfsAction")

EVICT_VRAM = "amdgpu_evict_vram"
"""Empties VRAM; page tables go as well, if nothing is in flight in their address space (amdgpu_vm_evictable)."""
GPU_RECOVER = "amdgpu_gpu_recover"
"""Resets the GPU, as after a hang that is nobody's, and comes back when that is over (gpu_recover_get)."""

_LONGEST_NS = 10_000_000_000
"""All VRAM that anybody uses is copied to system memory, and idle before; a reset takes seconds on hardware."""


class DebugfsAction:
    """What reading the file ``name`` does; not testable where that may not be asked for."""

    def __init__(self, node: GpuNode, name: str) -> None:
        try:
            directory = debugfs_directory(node.pci_address, node.primary_node)
            if directory is None:
                raise NotTestable("debugfs shows nothing of this GPU: it has to be mounted", missing="debugfs")
            self._path = directory / name
            os.close(os.open(self._path, os.O_RDONLY))
        except OSError as error:
            why = f"{name} of debugfs cannot be opened: {error.strerror} (it is for root)"
            raise NotTestable(why, missing="debugfs") from None

    def __call__(self) -> None:
        """Do it. Raises `Inconclusive`: it takes too long, or the kernel cannot."""
        call = BackgroundCall(self._read)
        if not call.wait(_LONGEST_NS):
            raise Inconclusive(f"reading {self._path} did not come back within {duration(_LONGEST_NS)}")
        result = call.result()
        if result:
            raise Inconclusive(f"{self._path} says {os.strerror(-result)}")

    def _read(self) -> int:
        # Unbuffered: a second read() would ask again on kernels before simple_attr_read() kept the answer.
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            return int(os.read(descriptor, 32))
        finally:
            os.close(descriptor)
