# SPDX-License-Identifier: MIT
"""From virtual addresses to memory: what a ring needs to know of an address space, however its page tables are kept.

Two kinds of page tables have this interface. `gpu_model.page_table` keeps the mock kernel's, of which nobody sees the
bits. The guest machine's are in the format of the hardware, in memory that a real driver writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from .ring import Ring

__all__ = (
    "AMDGPU_PTE_EXECUTABLE",
    "AMDGPU_PTE_READABLE",
    "AMDGPU_PTE_WRITEABLE",
    "VA_MASK",
    "EntryKind",
    "Translation",
    "Translator",
    "VmFault",
)

VA_MASK = (1 << 48) - 1
"""`AMDGPU_GMC_HOLE_MASK`: what of a virtual address page tables are indexed with."""

AMDGPU_PTE_EXECUTABLE = 1 << 4
AMDGPU_PTE_READABLE = 1 << 5
AMDGPU_PTE_WRITEABLE = 1 << 6


class EntryKind(IntEnum):
    """What happens to an access."""

    NONE = 0
    """Not mapped: a fault is reported, reads give 0, writes are dropped."""
    PRT = 1
    """Mapped without memory: reads give 0, writes are dropped, silently."""
    VALID = 2
    """Backed by memory."""


class Translation(NamedTuple):
    """What the address space has at a virtual address, and for how many bytes from there on at least."""

    kind: EntryKind
    address: int
    length: int
    flags: int


class Translator(Protocol):
    """An address space as the hardware sees it."""

    def walk(self, va: int) -> Translation:
        """Translate a virtual address; of its upper 16 bits only 0 and all ones are meaningful and neither counts."""
        ...


@dataclass(frozen=True, slots=True)
class VmFault:
    """An access that the page tables do not allow (the hub's PROTECTION_FAULT)."""

    va: int
    """First byte of the access that could not be translated, canonical."""
    page_table: Translator
    vmid: int
    ring: Ring
    client: str
    """The unit that made the access: the value of a `faults.Client`."""
    write: bool
