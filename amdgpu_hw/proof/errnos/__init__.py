# SPDX-License-Identifier: MIT
"""Tables of calls that kernels refuse: what is wrong with each, and the errno of the first check it fails.

Where released kernels differ, a row has the answers of all of them, the present one first, and says who differs.

A field that is a function is made with the client's help when the call is made: a handle, or an address in memory.
What a client has to have stands with each table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from amdgpu_hw.uapi.layout import Ioctl

__all__ = ("BAD", "NO_HANDLE", "Argument", "Row", "addresses", "of", "row")

Argument: TypeAlias = "int | bytes | Callable[[Any], int]"
"""A value, or a function that makes it from the client."""

BAD = 0x10
"""An address that nothing is mapped at."""

NO_HANDLE = 77
"""A handle that no client has."""


@dataclass(frozen=True)
class Row:
    """One call, and what kernels answer; 0 for one that is in order although it may not look so."""

    why: str
    ioctl: Ioctl
    errnos: tuple[int, ...]
    fields: Mapping[str, Argument]

    @property
    def errno(self) -> int:
        """What most kernels answer."""
        return self.errnos[0]

    @property
    def words(self) -> str:
        """The call in words."""
        return f"{self.ioctl.name.removeprefix('DRM_IOCTL_')} ({self.why})"

    def arguments(self, client: object) -> dict[str, int | bytes]:
        """The fields for one client."""
        return {name: value(client) if callable(value) else value for name, value in self.fields.items()}


def row(why: str, ioctl: Ioctl, errno: int | tuple[int, ...], **fields: Argument) -> Row:
    """A row of a table; several errnos where kernels differ."""
    return Row(why, ioctl, errno if isinstance(errno, tuple) else (errno,), fields)


def of(name: str) -> Callable[[Any], int]:
    """A handle or descriptor that the client has, by attribute."""
    return lambda client: int(getattr(client, name))


def addresses(*names: str | int) -> Callable[[Any], int]:
    """Address of an array of u32: attributes of the client, or numbers (``client.u32s``)."""
    return lambda client: int(client.u32s(*(getattr(client, n) if isinstance(n, str) else n for n in names)))
