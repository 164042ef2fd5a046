# SPDX-License-Identifier: MIT
"""What the GPU sees at an address: reads and writes by the copy engine, from outside any gate.

The copy engine, because from SDMA 4.0 on it is the one engine that reads PRT as zeros on every generation
(PACKETS.md 5.5); before that, it may only touch real memory.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.packets import Sdma
from amdgpu_hw.proof.record import Broken, Inconclusive, NotTestable
from amdgpu_hw.proof.units import duration, ms
from amdgpu_hw.submit import Ib, Queue

__all__ = ("GpuView",)

_COMPLETE_NS = ms(5000)
_REPORTS_NS = ms(8000)
"""Longer than the five seconds of DEFAULT_RATELIMIT_INTERVAL."""
_FAULT_POLLS, _FAULT_POLL_S = 10, 0.02
"""How often, and how many seconds apart, to look for a fault: its interrupt comes after the job's fence."""
_DWORD = 4
_GMC_HOLE_MASK = (1 << 48) - 1
"""What of an address faults are told by."""


class GpuView:
    """Reads and writes GPU virtual addresses of one address space with copies of up to ``size`` bytes.

    Made before any gate is shut, because it maps the memory that copies land in. ``buffers`` are the ordinary
    buffers that a copy touches: only always-valid ones need not be listed.
    """

    def __init__(self, gpu: Gpu, size: int = 16 * PAGE_SIZE) -> None:
        self._gpu = gpu
        self._size = size
        self._landing: Buffer = gpu.alloc(size, always_valid=True)
        self._range = gpu.reserve(size)
        self._range.map(self._landing)

    @property
    def queue(self) -> Queue:
        """The queue that copies run on."""
        return self._gpu.sdma

    @property
    def somewhere(self) -> int:
        """An address where memory is mapped that no test looks at: the landing buffer's."""
        return self._range.va

    def require_prt_access(self) -> None:
        """Raise `NotTestable` where the copy engine must not touch PRT ranges."""
        version = self._gpu.identity.sdma_version
        if version < (4, 0, 0):
            spelled = ".".join(map(str, version))
            raise NotTestable(
                f"SDMA {spelled} faults on PRT ranges: only SDMA 4.0 and later may touch them", missing="prt_copies"
            )

    def provoke_fault(self) -> str:
        """Read an unmapped page until the kernel tells about a VM fault, for tests in which none may follow; its words.

        The driver forgets faults that come too often: it asks printk_ratelimit() before it notes one
        (gmc_v9_0_process_interrupt), which by default allows ten in five seconds. A test that concludes something from
        "no fault" begins with this. Raises `Inconclusive` where nothing is told.
        """
        nothing = self._gpu.reserve(PAGE_SIZE)
        until = time.monotonic_ns() + _REPORTS_NS
        while time.monotonic_ns() < until:
            self.read(nothing.va, _DWORD)
            for _ in range(_FAULT_POLLS):
                fault = self._gpu.last_vm_fault()
                if fault is not None and fault["addr"] == nothing.va & _GMC_HOLE_MASK:
                    return vm_fault(self._gpu) or ""
                time.sleep(_FAULT_POLL_S)
        raise Inconclusive(f"the kernel tells about no VM fault: {nothing} is not mapped, and was read again and again")

    def copy_ib(self, va: int, size: int, at: int = 0) -> list[int]:
        """The IB that copies ``size`` bytes at ``va`` to where `landed` finds them, ``at`` bytes from its beginning.

        For a job of the caller's.
        """
        return self._sdma.copy(va, self._range.va + at, size)

    def landed(self, size: int) -> bytes:
        """What the last copy brought."""
        return self._landing.read(0, size)

    def forget(self) -> None:
        """Fill the landing buffer with a pattern that no test writes, so that a copy that never ran shows."""
        self._landing.fill(0xBADC0DED)

    def read(self, va: int, size: int, buffers: Sequence[Buffer] = ()) -> bytes:
        """What the GPU reads there."""
        self.forget()
        self._run(self.copy_ib(va, size), buffers)
        return self.landed(size)

    def sample(self, addresses: Sequence[int], buffers: Sequence[Buffer] = ()) -> list[int]:
        """The dword that the GPU reads at each address, all in one submission."""
        self.forget()
        copies = [self._sdma.copy(va, self._range.va + 4 * at, 4) for at, va in enumerate(addresses)]
        self._run([dword for packet in copies for dword in packet], buffers)
        return list(memoryview(self.landed(4 * len(addresses))).cast("I"))

    def write(self, va: int, dwords: Sequence[int], buffers: Sequence[Buffer] = ()) -> None:
        """Have the GPU write there."""
        self._run(self._sdma.write(va, dwords), buffers)

    def write_each(self, dwords: Mapping[int, int]) -> None:
        """Have the GPU write a dword at each address, all in one submission; to what need not be listed."""
        self._run([word for va, value in dwords.items() for word in self._sdma.write(va, [value])], ())

    def flush(self) -> None:
        """Submit a job that does nothing: page-table work of delayed updates is queued with it, not done by it.

        Nothing makes that job wait for the clearing it queued (`amdgpu_cs_vm_handling`, KERNEL.md E3), so look
        only after the page-table jobs have drained.
        """
        self._run(self._sdma.nop(), ())

    @property
    def _sdma(self) -> Sdma:
        packets = self.queue.packets
        if not isinstance(packets, Sdma):
            raise TypeError(f"{self.queue} is no copy engine")
        return packets

    def _run(self, ib: Sequence[int] | Sequence[Ib], buffers: Sequence[Buffer]) -> None:
        submission = self.queue.submit(ib, buffers=buffers)
        if not submission.wait(_COMPLETE_NS):
            raise Broken(f"{submission}, a copy, has not completed after {duration(_COMPLETE_NS)}")
