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
_LONGEST_NS = 12_000_000_000
"""Together less than what a test may take, so that it says what it waits for."""
_VA_MASK = (1 << 48) - 1


class Absence:
    """Asks the GPU whether nothing is mapped at an address; not testable where that cannot be told.

    Before GFX9 unmapped pages are no faults while anybody has PRT; before driver version 3.55 the kernel does not tell.
    A driver that forgets faults that come too often is asked again, see `GpuView.provoke_fault`.
    """

    def __init__(self, gpu: Gpu, gpu_view: GpuView) -> None:
        if gpu.identity.gc_version < (9, 0, 0):
            raise NotTestable(
                "before GFX9 all unmapped pages are PRT while anybody has a PRT mapping", missing="page_faults"
            )
        if gpu.identity.driver_version < (3, 55):
            raise FeatureMissing("the kernel does not tell about VM faults (driver version 3.55)", "fault_reports")
        self._gpu = gpu
        self._view = gpu_view
        self._nowhere = gpu.reserve(2 * PAGE_SIZE)
        self._other = 0
        self._waited_ns = 0

    def is_absent(self, va: int) -> bool:
        """Whether a read there faults. Raises `NotTestable` where the kernel tells of too few faults."""
        if self._faults(va):
            return True
        # Twice: the fault that was told first may be the last one that the driver takes note of for now.
        for _ in range(2):
            self._wait_for_reports()
            if self._faults(va):
                return True
        return False

    def _wait_for_reports(self) -> None:
        """Wait until the kernel tells of faults."""
        begin = time.monotonic_ns()
        self._view.provoke_fault()
        self._waited_ns += time.monotonic_ns() - begin
        if self._waited_ns > _LONGEST_NS:
            raise NotTestable(
                "the kernel tells of too few VM faults (printk_ratelimit); the sysctl kernel.printk_ratelimit=0 lets "
                "it tell of all",
                missing="fault_reports",
            )

    def _faults(self, va: int) -> bool:
        """Whether the kernel tells of a fault when the GPU reads there."""
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
