# SPDX-License-Identifier: MIT
"""Operation codes of the memory atomics that ATOMIC_MEM and SDMA's ATOMIC carry (PACKETS.md 2.10)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ("ATOMIC_OPERATIONS", "AtomicOperation", "atomic_code", "atomic_operation")

ATOMIC_OPERATIONS = {
    "swap": 7,
    "cmpswap": 8,
    "add": 15,
    "sub": 16,
    "smin": 17,
    "umin": 18,
    "smax": 19,
    "umax": 20,
    "and": 21,
    "or": 22,
    "xor": 23,
    "inc": 24,
    "dec": 25,
}
"""Codes of the 32-bit forms that return the old value; +32 is 64-bit, +64 returns nothing."""

WIDE = 32
NO_RETURN = 64
_NAMES = {code: name for name, code in ATOMIC_OPERATIONS.items()}


class AtomicOperation(NamedTuple):
    """A decoded operation: its name, the width of its operands, whether the old value can be read afterwards."""

    name: str
    bits: int
    returns: bool


def atomic_code(name: str, bits: int = 32, returns: bool = False) -> int:
    """Return the 7-bit code; ValueError for a name that is not in `ATOMIC_OPERATIONS` or another width."""
    if name not in ATOMIC_OPERATIONS:
        raise ValueError(f"no atomic operation {name!r}, it is one of {', '.join(ATOMIC_OPERATIONS)}")
    if bits not in (32, 64):
        raise ValueError(f"atomics work on 32 or 64 bits, not {bits}")
    return ATOMIC_OPERATIONS[name] + (WIDE if bits == 64 else 0) + (0 if returns else NO_RETURN)


def atomic_operation(code: int) -> AtomicOperation | None:
    """Return what a 7-bit code means, None for codes without a meaning here."""
    name = _NAMES.get(code & 31)
    if name is None:
        return None
    return AtomicOperation(name, 64 if code & WIDE else 32, not code & NO_RETURN)
