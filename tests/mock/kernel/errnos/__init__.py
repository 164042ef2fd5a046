# SPDX-License-Identifier: MIT
"""Calls that kernels refuse, kernel by kernel: tables that tests of the mock kernel read, and scripts/kernel_diff.py.

They know neither the mock kernel nor pytest: what a call needs it asks of an `ErrnoClient`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from amdgpu_hw.proof import errnos
from amdgpu_hw.proof.errnos import BAD, NO_HANDLE, Argument, of
from amdgpu_hw.uapi.layout import Ioctl

__all__ = ("BAD", "IB_AREA", "IB_VA", "NO_HANDLE", "Argument", "ErrnoClient", "Row", "of", "on", "row")

IB_VA = 0x7000_0000
"""Where every client has memory mapped, for its IBs."""
IB_AREA = 0x1_0000
"""How much, in bytes."""


class ErrnoClient(Protocol):
    """What calls ask of who makes them; some of the tables want more of it."""

    ctx: int

    def fails(self, ioctl: Ioctl, /, **fields: Any) -> int:
        """The errno of an ioctl, 0 when it succeeds."""

    def bo(self, size: int = 4096) -> int:
        """A new buffer's handle."""

    def syncobj(self) -> int:
        """A new syncobj's handle, without a fence."""

    def alloc(self, content: bytes) -> int:
        """Address of these bytes, which stay there for as long as the client lives."""

    def u32s(self, *values: int) -> int:
        """Address of an array of u32."""

    def u64s(self, *values: int) -> int:
        """Address of an array of u64."""

    def bo_handles_chunk(self, *handles: int) -> bytes:
        """A BO_HANDLES chunk."""

    def nops(self, ip: int) -> tuple[int, int]:
        """Address and bytes of an IB that does nothing; anything for an IP that there is none of."""


@dataclass(frozen=True)
class Row(errnos.Row):
    """One call: what is wrong with it, and what it ends with on the kernels it is listed for."""

    variants: tuple[str, ...]


def row(why: str, ioctl: Ioctl, errno: int, *variants: str, **fields: Argument) -> Row:
    """A row of a table; without variants it is for ``base`` only."""
    return Row(why, ioctl, (errno,), fields, variants or ("base",))


def on(variants: Iterable[str], rows: Iterable[errnos.Row]) -> tuple[Row, ...]:
    """Rows that hold on every kernel, for these."""
    return tuple(Row(entry.why, entry.ioctl, entry.errnos, entry.fields, tuple(variants)) for entry in rows)
