# SPDX-License-Identifier: MIT
"""A memory hub: apertures, the sixteen VMIDs, invalidation engines, and how faults are told (gfxhub, mmhub; gmc).

VMID 0 is the driver's own: addresses in the system aperture are VRAM (FB) or the guest's RAM (AGP), the rest goes
through the GART. VMIDs 1 to 15 always go through page tables. The registers are the same in all generations but for
their prefix (VM, GCVM, MMVM) and where the bits of an invalidation request begin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.translation import AMDGPU_PTE_READABLE, AMDGPU_PTE_WRITEABLE, EntryKind, Translation, VmFault

from .address_space import VmContext, VmidSpace
from .memory import SYSTEM

if TYPE_CHECKING:
    from .log import MachineLog
    from .memory import PhysicalMemory
    from .registers import RegisterFile

__all__ = ("ENGINES", "VMIDS", "FaultReport", "Hub", "HubNames")

VMIDS = 16
ENGINES = 18
M32 = 0xFFFF_FFFF
_RW = AMDGPU_PTE_READABLE | AMDGPU_PTE_WRITEABLE
_NOWHERE = 4096

ENABLE_CONTEXT = 1
DEPTH_SHIFT, DEPTH_MASK = 1, 3
BLOCK_SHIFT, BLOCK_MASK = 3, 15
VALID_FAULT_INTERRUPT = 1 << 15
READ_FAULT_INTERRUPT = 1 << 17
WRITE_FAULT_INTERRUPT = 1 << 19

MORE_FAULTS = 1
WALKER_ERROR_SHIFT = 1
PERMISSION_SHIFT = 4
MAPPING_ERROR = 1 << 8
CID_SHIFT = 9
RW_SHIFT = 18
VMID_SHIFT = 20

PERMISSION_VALID, PERMISSION_READ, PERMISSION_WRITE = 1, 2, 4
"""PERMISSION_FAULTS: bits of what an entry lacks."""


@dataclass(frozen=True, slots=True)
class HubNames:
    """How one generation calls a hub's registers."""

    block: str
    prefix: str
    """Of VM_CONTEXT0_CNTL and the others: "", "GC", "MM"."""
    location: str
    """Of MC_VM_FB_LOCATION_BASE and its neighbours: "", "GC", "MM"."""
    request_shift: int
    """First bit of INVALIDATE_L2_PTES in VM_INVALIDATE_ENG0_REQ."""
    semaphores: bool = True


@dataclass(frozen=True, slots=True)
class FaultReport:
    """What the driver is told of a fault."""

    hub: Hub
    vmid: int
    pasid_vmid: int
    page: int
    write: bool


class Hub:
    """One hub."""

    def __init__(
        self,
        name: str,
        names: HubNames,
        registers: RegisterFile,
        memory: PhysicalMemory,
        log: MachineLog,
        fb_base: int,
    ) -> None:
        self.name = name
        self.names = names
        self._registers = registers
        self._memory = memory
        self._log = log
        self.on_invalidate: Callable[[int], None] = _ignore
        """Called with the VMIDs (bits) whose TLB entries are dropped."""
        at = self._at
        self._context_cntl = [at(f"VM_CONTEXT{n}_CNTL") for n in range(VMIDS)]
        self._bounds = [
            tuple(
                (at(f"VM_CONTEXT{n}_PAGE_TABLE_{what}_ADDR_LO32"), at(f"VM_CONTEXT{n}_PAGE_TABLE_{what}_ADDR_HI32"))
                for what in ("BASE", "START", "END")
            )
            for n in range(VMIDS)
        ]
        self.status = at("VM_L2_PROTECTION_FAULT_STATUS")
        self._fault_cntl = at("VM_L2_PROTECTION_FAULT_CNTL")
        self._fault_address = at("VM_L2_PROTECTION_FAULT_ADDR_LO32"), at("VM_L2_PROTECTION_FAULT_ADDR_HI32")
        self._requests = [at(f"VM_INVALIDATE_ENG{n}_REQ") for n in range(ENGINES)]
        self._taken = [False] * ENGINES
        mc = partial(registers.table.offset, names.block)
        location = names.location
        self._fb_base = mc(f"{location}MC_VM_FB_LOCATION_BASE")
        self._fb_top = mc(f"{location}MC_VM_FB_LOCATION_TOP")
        self._fb_offset = mc(f"{location}MC_VM_FB_OFFSET")
        self._agp_base = mc(f"{location}MC_VM_AGP_BASE")
        self._agp_bot = mc(f"{location}MC_VM_AGP_BOT")
        self._agp_top = mc(f"{location}MC_VM_AGP_TOP")
        self._aperture_low = mc(f"{location}MC_VM_SYSTEM_APERTURE_LOW_ADDR")
        self._aperture_high = mc(f"{location}MC_VM_SYSTEM_APERTURE_HIGH_ADDR")
        registers.default(self._fb_base, fb_base >> 24)
        registers.default(self._fb_top, (fb_base + memory.vram_size - 1) >> 24)
        self.spaces = [
            VmidSpace(f"{name} vmid {n}", memory, partial(self._context, n), self._vram_offset, log)
            for n in range(VMIDS)
        ]
        self._system = _SystemSpace(self, self.spaces[0])
        registers.on_write(self._fault_cntl, self._write_fault_cntl)
        for n in range(ENGINES):
            registers.on_write(self._requests[n], partial(self._invalidate, n))
            registers.on_read(at(f"VM_INVALIDATE_ENG{n}_ACK"), partial(self._acknowledged, n))
            if names.semaphores:
                semaphore = at(f"VM_INVALIDATE_ENG{n}_SEM")
                registers.on_read(semaphore, partial(self._take, n))
                registers.on_write(semaphore, partial(self._release, n))

    def translator(self, vmid: int) -> VmidSpace | _SystemSpace:
        """Return what a VMID sees."""
        return self.spaces[vmid] if vmid else self._system

    def reset(self) -> None:
        """Forget all translations and semaphores."""
        for space in self.spaces:
            space.invalidate()
        self._taken = [False] * ENGINES

    # -- VMID 0 -------------------------------------------------------------------------------------------------------

    def untranslated(self, va: int) -> Translation | None:
        """Return what an address of the system aperture is; None for one outside of it."""
        get = self._registers.get
        if not get(self._aperture_low) << 18 <= va < get(self._aperture_high) + 1 << 18:
            return None
        base, top = get(self._fb_base) << 24, (get(self._fb_top) + 1 << 24)
        if base <= va < top:
            return Translation(EntryKind.VALID, va - base, top - va, _RW)
        bottom, top = get(self._agp_bot) << 24, (get(self._agp_top) + 1 << 24)
        if bottom <= va < top:
            bus = (get(self._agp_base) << 24) + va - bottom
            return Translation(EntryKind.VALID, SYSTEM | bus, top - va, _RW)
        return Translation(EntryKind.NONE, 0, _NOWHERE - va % _NOWHERE, 0)

    # -- page tables --------------------------------------------------------------------------------------------------

    def _at(self, name: str) -> int:
        return self._registers.table.offset(self.names.block, self.names.prefix + name)

    def _context(self, vmid: int) -> VmContext:
        get = self._registers.get
        cntl = get(self._context_cntl[vmid])
        base, start, end = (get(low) | get(high) << 32 for low, high in self._bounds[vmid])
        return VmContext(
            enabled=bool(cntl & ENABLE_CONTEXT),
            depth=cntl >> DEPTH_SHIFT & DEPTH_MASK,
            block_bits=9 + (cntl >> BLOCK_SHIFT & BLOCK_MASK),
            base=base,
            start=start << 12,
            end=end << 12 | 0xFFF,
        )

    def _vram_offset(self) -> int:
        return self._registers.get(self._fb_offset) << 24

    # -- invalidation -------------------------------------------------------------------------------------------------

    def _invalidate(self, _engine: int, request: int) -> None:
        bits = request >> self.names.request_shift
        ptes = bool(bits & 1 or bits & 1 << 4)
        pdes = bool(bits & 0b1110)
        vmids = request & 0xFFFF
        for vmid in range(VMIDS):
            if vmids >> vmid & 1:
                self.spaces[vmid].invalidate(ptes, pdes)
        if bits >> 5 & 1:
            self._registers.set(self.status, 0)
        self.on_invalidate(vmids)

    def request(self, engine: int, request: int) -> None:
        """Write an engine's request register; numbers without an engine mean none."""
        if engine < ENGINES:
            self._registers.write(self._requests[engine], request)

    def invalidate_vmid(self, vmid: int) -> None:
        """Drop all that is known of a VMID."""
        self.spaces[vmid].invalidate()
        self.on_invalidate(1 << vmid)

    def _acknowledged(self, engine: int) -> int:
        return self._registers.get(self._requests[engine]) & 0xFFFF

    def _take(self, engine: int) -> int:
        if self._taken[engine]:
            return 0
        self._taken[engine] = True
        return 1

    def _release(self, engine: int, value: int) -> None:
        self._taken[engine] = bool(value & 1)

    # -- faults -------------------------------------------------------------------------------------------------------

    def _write_fault_cntl(self, value: int) -> None:
        if value & 1:
            self._registers.set(self.status, 0)
            for address in self._fault_address:
                self._registers.set(address, 0)

    def fault(self, fault: VmFault, cid: int) -> bool:
        """Note a fault in the registers; returns whether the driver wants an interrupt."""
        registers = self._registers
        page = fault.va >> 12 & (1 << 36) - 1
        found = self.translator(fault.vmid).walk(fault.va)
        cntl = registers.get(self._context_cntl[fault.vmid])
        if found.kind is EntryKind.VALID:
            permission = PERMISSION_WRITE if fault.write else PERMISSION_READ
            wanted = cntl & (WRITE_FAULT_INTERRUPT if fault.write else READ_FAULT_INTERRUPT)
        else:
            permission = PERMISSION_VALID | (PERMISSION_WRITE if fault.write else PERMISSION_READ)
            wanted = cntl & VALID_FAULT_INTERRUPT
        status = registers.get(self.status)
        if status:
            # The first one is kept until the driver clears it.
            registers.set(self.status, status | MORE_FAULTS)
        else:
            registers.set(
                self.status,
                permission << PERMISSION_SHIFT | cid << CID_SHIFT | fault.write << RW_SHIFT | fault.vmid << VMID_SHIFT,
            )
            low, high = self._fault_address
            registers.set(low, page & M32)
            registers.set(high, page >> 32)
        return bool(wanted)


class _SystemSpace:
    """VMID 0: the system aperture, then the GART."""

    def __init__(self, hub: Hub, gart: VmidSpace) -> None:
        self._hub = hub
        self._gart = gart

    def walk(self, va: int) -> Translation:
        """Translate an address of the driver's."""
        va &= (1 << 48) - 1
        found = self._hub.untranslated(va)
        return self._gart.walk(va) if found is None else found


def _ignore(_vmids: int) -> None:
    pass
