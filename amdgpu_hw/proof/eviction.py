# SPDX-License-Identifier: MIT
"""Emptying VRAM, page tables included: a file of debugfs whose reading does it, for root."""

from __future__ import annotations

import os

from amdgpu_hw.evidence.debugfs import debugfs_directory
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.proof.record import Inconclusive, NotTestable
from amdgpu_hw.proof.units import duration
from amdgpu_hw.sync import BackgroundCall

__all__ = ("Eviction",)

_LONGEST_NS = 10_000_000_000
"""All VRAM that anybody uses is copied to system memory, and idle before."""


class Eviction:
    """Empties VRAM; not testable where that may not be asked for.

    Page tables go as well, if nothing is in flight in their address space (amdgpu_vm_evictable).
    """

    def __init__(self, gpu: Gpu) -> None:
        identity = gpu.identity
        try:
            directory = debugfs_directory(identity.pci_address, identity.primary_node)
            if directory is None:
                raise NotTestable("debugfs shows nothing of this GPU: it has to be mounted", missing="debugfs")
            self._path = directory / "amdgpu_evict_vram"
            os.close(os.open(self._path, os.O_RDONLY))
        except OSError as error:
            why = f"amdgpu_evict_vram of debugfs cannot be opened: {error.strerror} (it is for root)"
            raise NotTestable(why, missing="debugfs") from None

    def evict_vram(self) -> None:
        """Empty VRAM. Raises `Inconclusive`: it takes too long, or the kernel cannot."""
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
