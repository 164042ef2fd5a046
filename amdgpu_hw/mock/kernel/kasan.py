# SPDX-License-Identifier: MIT
"""Accesses of the GPU to memory that is not there any more: what KASAN would say if it saw them (mm/kasan/report.c).

No kernel has this. On hardware such an access reaches whatever is at that place now; the mock knows better, because
no address is ever used again (`GpuMemory`). The access itself reads 0 or is dropped, and the job goes on.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.page_table import VmFault
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("BufferLabel", "Kasan", "KasanReport", "RetiredMemory", "kasan_report")

_ADDRESSES_KEPT = 4096
_REPORTS_KEPT = 256
_RULE = "=" * 66


@dataclass(slots=True)
class BufferLabel:
    """What to call a buffer after its death."""

    number: int
    size: int
    pid: int
    comm: str

    def __str__(self) -> str:
        """Its number on the device, its size and who made it."""
        return f"BO {self.number} of {self.size:#x} bytes, created by {self.comm or '?'}[{self.pid}]"


@dataclass(slots=True)
class _Retired:
    label: BufferLabel | None
    freed: bool
    time: int
    hits: int = 0


class RetiredMemory:
    """The last few thousand addresses that were given up, by whom, and whether the buffer died or only moved."""

    __slots__ = ("_by_address",)

    def __init__(self) -> None:
        self._by_address: OrderedDict[int, _Retired] = OrderedDict()

    def add(self, address: int, label: BufferLabel | None, freed: bool, now: int) -> _Retired:
        """Remember an address (`GpuMemory.base_of`)."""
        retired = self._by_address[address] = _Retired(label, freed, now)
        if len(self._by_address) > _ADDRESSES_KEPT:
            self._by_address.popitem(last=False)
        return retired

    def find(self, address: int) -> _Retired | None:
        """Return what is known of an address."""
        return self._by_address.get(address)


@dataclass(frozen=True, slots=True)
class KasanReport:
    """One kind of bad access: the first that reached the memory of one buffer."""

    kind: str
    """``use-after-free``, ``use-after-move`` (the buffer is elsewhere), ``use-before-move`` (it is not there yet)."""
    label: BufferLabel | None
    """The buffer, None when it has been forgotten."""
    offset: int
    """In the buffer, in bytes."""
    ring: str
    va: int
    write: bool
    pid: int
    """Process of the job's address space."""
    time: int
    """CLOCK_MONOTONIC in ns."""


class Kasan:
    """All reports of a machine: `reports` has the last of them, `count` every single access."""

    def __init__(self) -> None:
        self.count = 0
        self.reports: list[KasanReport] = []


def kasan_report(adev: AmdgpuDevice, fault: VmFault, address: int) -> None:
    """Report an access by way of an entry that points to ``address``, where there is no memory (now)."""
    kernel, mman = adev.kernel, adev.mman
    kernel.kasan.count += 1
    base = mman.memory.base_of(address)
    pending = mman.memory.is_reserved(address)
    retired = mman.retired.find(base)
    if retired is None:
        retired = mman.retired.add(base, None, True, kernel.now())
    retired.hits += 1
    if retired.hits > 1:
        return
    kind = "use-before-move" if pending else "use-after-free" if retired.freed else "use-after-move"
    vm = adev.vm_of(fault.page_table)
    report = KasanReport(
        kind=kind,
        label=retired.label,
        offset=address - base,
        ring=fault.ring.name,
        va=fault.va,
        write=fault.write,
        pid=0 if vm is None else vm.pid,
        time=kernel.now(),
    )
    kernel.kasan.reports.append(report)
    del kernel.kasan.reports[:-_REPORTS_KEPT]
    _log(kernel, report, fault, vm.process_name if vm is not None else "?", retired)


def _log(kernel: Kernel, report: KasanReport, fault: VmFault, comm: str, retired: _Retired) -> None:
    log = kernel.log
    log.err(_RULE)
    log.err(f"BUG: KASAN: {report.kind} on ring {report.ring} at GPU address {report.va:#x}")
    access = "Write" if report.write else "Read"
    log.err(f"{access} by {fault.client}, vmid {fault.vmid}, in the address space of {comm}[{report.pid}]")
    where = f"The page table entry points to offset {report.offset:#x} of"
    if report.kind == "use-before-move":
        log.err(f"{where} memory that a buffer is still being moved to")
    elif report.label is None:
        log.err(f"{where} memory that was freed long ago")
    else:
        ago = (report.time - retired.time) / 1e6
        log.err(f"{where} {report.label}, {'freed' if retired.freed else 'moved away'} {ago:.3f} ms ago")
    log.err(_RULE)
