# SPDX-License-Identifier: MIT
"""Proof that nothing is mapped at an address: the GPU reads there, and faults. For tests that may make it fault."""

from __future__ import annotations

import time

from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.record import NotTestable

__all__ = ("Absence", "page_of")

# The interrupt may come after the fence of the job that faulted; on emulated processors well after it.
_FAULT_NS = 200_000_000
_VA_MASK = (1 << 48) - 1


class Absence:
    """Asks the GPU whether nothing is mapped at an address; not testable where that cannot be told.

    Before GFX9 unmapped pages are no faults while anybody has PRT; before driver version 3.55 the kernel does not tell.
    """

    def __init__(self, gpu: Gpu, gpu_view: GpuView) -> None:
        if gpu.identity.gc_version < (9, 0, 0):
            raise NotTestable(
                "before GFX9 all unmapped pages are PRT while anybody has a PRT mapping", missing="page_faults"
            )
        if gpu.identity.driver_version < (3, 55):
            raise FeatureMissing("the kernel does not tell about VM faults (driver version 3.55)")
        self._gpu = gpu
        self._view = gpu_view
        self._nowhere = gpu.reserve(2 * PAGE_SIZE)
        self._other = 0

    def is_absent(self, va: int) -> bool:
        """Whether a read there faults."""
        if self._last_fault() == page_of(va):
            # So that a fault tells: the kernel keeps the last one only.
            self._view.sample([self._nowhere.va + self._other * PAGE_SIZE])
            self._other ^= 1
        self._view.sample([va])
        end = time.monotonic_ns() + _FAULT_NS
        while self._last_fault() != page_of(va):
            if time.monotonic_ns() > end:
                return False
            time.sleep(0.001)
        return True

    def _last_fault(self) -> int | None:
        fault = self._gpu.last_vm_fault()
        return page_of(fault["addr"]) if fault is not None else None


def page_of(va: int) -> int:
    """The number of a page in the address space, without the sign bits of its address."""
    return (va & _VA_MASK) // PAGE_SIZE
