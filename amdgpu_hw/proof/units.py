# SPDX-License-Identifier: MIT
"""Sizes in bytes, times in nanoseconds, and how people read them."""

from __future__ import annotations

from amdgpu_hw.memory import GiB, KiB, MiB

__all__ = ("address", "duration", "ms", "size")


def ms(milliseconds: float) -> int:
    """Milliseconds in nanoseconds, the unit of every timeout here."""
    return round(milliseconds * 1_000_000)


def duration(ns: int) -> str:
    """A time for people: ``0.4 ms``, ``2.1 s``."""
    if ns < 100_000:
        return f"{ns / 1e3:.0f} µs"
    if ns < 1_000_000_000:
        return f"{ns / 1e6:.1f} ms" if ns < 100_000_000 else f"{ns / 1e6:.0f} ms"
    return f"{ns / 1e9:.1f} s"


def size(count: int) -> str:
    """A size for people: ``64 KiB``, ``4097 bytes``."""
    for unit, name in ((GiB, "GiB"), (MiB, "MiB"), (KiB, "KiB")):
        if count >= unit and count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} bytes"


def address(va: int, count: int) -> str:
    """A range of virtual addresses for people: ``0x8000_0400_0000+64 MiB``."""
    return f"{va:#_x}+{size(count)}"
