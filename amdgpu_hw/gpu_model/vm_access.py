# SPDX-License-Identifier: MIT
"""Memory accesses of a job: every address goes through the page tables of the job's address space.

Valid pages are read and written. PRT holes and unmapped pages read as 0 and drop writes; an unmapped page is a
fault as well, and a PRT hole is what `prt_behaviour` says for the unit that makes the access. Faults do not stop
the job, as on hardware with the default vm_fault_stop=0. There the hub redirects unmapped accesses to a dummy page
shared by the whole machine, which may even return what was written to it; here it returns 0 (PACKETS.md 5.6).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, TypeAlias

from .faults import Client, PrtBehaviour, RingStop, StopCause
from .memory import StaleAddress
from .translation import (
    AMDGPU_PTE_READABLE,
    AMDGPU_PTE_WRITEABLE,
    VA_MASK,
    EntryKind,
    Translator,
    VmFault,
)

if TYPE_CHECKING:
    from .ring import Ring

__all__ = ("Pauses", "VmAccess")

Pauses: TypeAlias = Generator[bool, None, None]
"""Something that takes time: yields True while it waits for memory to change, False when its slice is used up."""

CHUNK = 1 << 20
"""Bytes that are moved before other rings get their turn."""
COST_SHIFT = 13
"""8 KiB of data cost as much as one packet."""


class VmAccess:
    """The address space of one job, as the ring that runs it reaches it."""

    __slots__ = ("_memory", "_page_table", "_ring", "_vmid")

    def __init__(self, ring: Ring, page_table: Translator, vmid: int) -> None:
        self._ring = ring
        self._memory = ring.gpu.memory
        self._page_table = page_table
        self._vmid = vmid

    def kind_at(self, va: int) -> EntryKind:
        """Tell what the page tables have at ``va``, without an access."""
        return self._page_table.walk(va).kind

    # -- small accesses -------------------------------------------------------------------------------------------

    def read_u32(self, va: int, client: Client) -> int:
        """Return the dword at ``va``."""
        found = self._page_table.walk(va)
        if found.kind is EntryKind.VALID and found.flags & AMDGPU_PTE_READABLE and found.length >= 4:
            try:
                return self._memory.read_u32(found.address)
            except StaleAddress:
                pass  # reported below
        return int.from_bytes(self.read(va, 4, client), "little")

    def read_u64(self, va: int, client: Client) -> int:
        """Return the qword at ``va``."""
        return int.from_bytes(self.read(va, 8, client), "little")

    def read(self, va: int, size: int, client: Client) -> bytes:
        """Return ``size`` bytes from ``va``."""
        pieces = []
        while size > 0:
            address, length = self._translate(va, False, client)
            count = min(size, length)
            pieces.append(bytes(count) if address is None else self._memory.read(address, count))
            va += count
            size -= count
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def write(self, va: int, data: bytes, client: Client) -> None:
        """Store ``data`` at ``va``."""
        at = 0
        while at < len(data):
            address, length = self._translate(va + at, True, client)
            count = min(len(data) - at, length)
            if address is not None:
                self._memory.write(address, data[at : at + count])
                self._ring.wrote = True
            at += count

    # -- bulk ---------------------------------------------------------------------------------------------------------

    def copy(self, src: int, dst: int, size: int, client: Client) -> Pauses:
        """Copy ``size`` bytes, pausing whenever the ring's slice is used up."""
        ring, memory, timing = self._ring, self._memory, self._ring.timing
        src_address, src_left = None, 0
        dst_address, dst_left = None, 0
        while size > 0:
            # Each piece of the address space is translated, and its fault reported, once.
            if not src_left:
                src_address, src_left = self._translate(src, False, client)
            if not dst_left:
                dst_address, dst_left = self._translate(dst, True, client)
            count = min(size, src_left, dst_left)
            if dst_address is not None:
                count = min(count, CHUNK)
                if src_address is None:
                    memory.fill(dst_address, b"\0", count)
                else:
                    memory.copy(dst_address, src_address, count)
                ring.wrote = True
                ring.budget -= count >> COST_SHIFT
                if timing is not None:
                    ring.front += int(count / timing.copy)
            src, src_left = src + count, src_left - count
            dst, dst_left = dst + count, dst_left - count
            src_address = None if src_address is None else src_address + count
            dst_address = None if dst_address is None else dst_address + count
            size -= count
            if size and ring.budget <= 0:
                yield False
                # The page tables may have changed meanwhile.
                src_left = dst_left = 0

    def fill(self, dst: int, pattern: bytes, size: int, client: Client) -> Pauses:
        """Repeat ``pattern`` over ``size`` bytes, pausing whenever the ring's slice is used up."""
        ring, timing = self._ring, self._ring.timing
        done = 0
        address, left = None, 0
        while done < size:
            if not left:
                address, left = self._translate(dst + done, True, client)
            count = min(size - done, left)
            if address is not None:
                count = min(count, CHUNK)
                phase = done % len(pattern)
                self._memory.fill(address, pattern[phase:] + pattern[:phase], count)
                ring.wrote = True
                ring.budget -= count >> COST_SHIFT
                if timing is not None:
                    ring.front += int(count / timing.fill)
                address += count
            done += count
            left -= count
            if done < size and ring.budget <= 0:
                yield False
                left = 0

    # -- translation --------------------------------------------------------------------------------------------------

    def _translate(self, va: int, write: bool, client: Client) -> tuple[int | None, int]:
        """Return (address of the memory, or None for 0 and drop; bytes for which that holds)."""
        found = self._page_table.walk(va)
        if found.kind is EntryKind.VALID:
            if found.flags & (AMDGPU_PTE_WRITEABLE if write else AMDGPU_PTE_READABLE):
                if self._memory.is_live(found.address):
                    return found.address, found.length
                self._ring.gpu.on_stale(self._fault(va, write, client), found.address)
                return None, found.length
        elif self._is_hole(found.kind, va) and self._hole_is_silent(va, write, client):
            return None, found.length
        self._report(va, write, client)
        return None, found.length

    def _is_hole(self, kind: EntryKind, va: int) -> bool:
        """Tell whether a page that is not valid is a PRT hole: by its entry, or because all are (`prt_aperture`)."""
        return kind is EntryKind.PRT or va & VA_MASK in self._ring.gpu.prt_aperture

    def _hole_is_silent(self, va: int, write: bool, client: Client) -> bool:
        """Tell whether a PRT hole behaves as promised for this unit; RingStop where it hangs."""
        gpu = self._ring.gpu
        behaviour = gpu.prt[client]
        what = f"{client.value} {'writes to' if write else 'reads from'} a PRT hole at {va & VA_MASK:#x}"
        if behaviour is PrtBehaviour.HANG:
            raise RingStop(StopCause.HANG, f"{what}, which hangs this generation")
        if behaviour is PrtBehaviour.UNVERIFIED:
            gpu.note_once(client, f"{self._ring.name}: {what}; what hardware does is not known")
        return behaviour is not PrtBehaviour.FAULT

    def _report(self, va: int, write: bool, client: Client) -> None:
        self._ring.gpu.on_fault(self._fault(va, write, client))

    def _fault(self, va: int, write: bool, client: Client) -> VmFault:
        canonical = va & VA_MASK
        if canonical >> 47:
            canonical |= 0xFFFF << 48
        return VmFault(canonical, self._page_table, self._vmid, self._ring, client.value, write)
