# SPDX-License-Identifier: MIT
"""What the memory atomics compute."""

from __future__ import annotations

import operator
from collections.abc import Callable

__all__ = ("atomic_result",)


def _wrapping_increment(old: int, source: int) -> int:
    return 0 if old >= source else old + 1


def _wrapping_decrement(old: int, source: int) -> int:
    return source if old == 0 or old > source else old - 1


_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "sub": operator.sub,
    "umin": min,
    "umax": max,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    # As the shader instructions of these names; not verified for the command processors (PACKETS.md 2.10).
    "inc": _wrapping_increment,
    "dec": _wrapping_decrement,
}


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def atomic_result(name: str, bits: int, old: int, source: int, compare: int) -> int:
    """Return the value that memory has after the operation ``name`` of `ATOMIC_OPERATIONS`."""
    mask = (1 << bits) - 1
    source &= mask
    if name == "swap":
        return source
    if name == "cmpswap":
        return source if old == compare & mask else old
    if name in ("smin", "smax"):
        pick = min if name == "smin" else max
        return pick(_signed(old, bits), _signed(source, bits)) & mask
    return _OPERATIONS[name](old, source) & mask
