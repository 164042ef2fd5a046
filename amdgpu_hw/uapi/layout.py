# SPDX-License-Identifier: MIT
"""How the ABI is declared: C structs with natural alignment, and ioctl numbers made from them (asm-generic/ioctl.h)."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ("Buffer", "Ioctl", "Member", "Struct", "flag_names", "io", "ior", "iow", "iowr")

Buffer: TypeAlias = bytes | bytearray | memoryview

# C type -> (struct code, size in bytes)
_TYPES = {
    "u8": ("B", 1),
    "u16": ("H", 2),
    "u32": ("I", 4),
    "u64": ("Q", 8),
    "s32": ("i", 4),
    "s64": ("q", 8),
    "char": ("s", 1),
}

_FIELD = re.compile(r"(?P<type>\w+) (?P<name>\w+)(?:\[(?P<count>\d+)\])?$")


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a struct; ``count`` is None for a scalar, else the number of array elements."""

    name: str
    type: str
    count: int | None
    offset: int

    @property
    def size(self) -> int:
        """Size in bytes, of all elements."""
        return _TYPES[self.type][1] * (1 if self.count is None else self.count)


class Struct:
    """A C struct of the ABI (LP64, little endian, natural alignment).

    Fields are declared as in C, ``"u32 handle; u32 flags; u64 va; u8 data[16]"``. Scalars read and write as int,
    arrays as bytes.
    """

    def __init__(self, name: str, declaration: str) -> None:
        self.name = name
        self.fields = tuple(_parse(name, declaration))
        alignment = max(_TYPES[field.type][1] for field in self.fields)
        end = self.fields[-1].offset + self.fields[-1].size
        self.size = -(-end // alignment) * alignment
        self._by_name = {field.name: field for field in self.fields}
        self._struct = struct.Struct(_format(self.fields, self.size))
        self._defaults = {field.name: 0 if field.count is None else b"" for field in self.fields}
        if self._struct.size != self.size:
            raise AssertionError(f"{name}: packed size {self._struct.size}, C size {self.size}")
        # The hot paths of the mock kernel call these directly: no Python frame in between.
        self.unpack = self._struct.unpack
        self.unpack_from = self._struct.unpack_from
        self.pack_into = self._struct.pack_into

    def __repr__(self) -> str:
        return f"<struct {self.name}, {self.size} bytes>"

    def offset(self, field: str) -> int:
        """Offset of a field in bytes."""
        return self._by_name[field].offset

    def pack(self, **values: int | bytes) -> bytes:
        """Encode; fields not named are 0. An unknown name is a TypeError, a value out of range a ValueError."""
        unknown = values.keys() - self._by_name.keys()
        if unknown:
            raise TypeError(f"struct {self.name} has no field {', '.join(sorted(unknown))}")
        try:
            return self._struct.pack(*(self._defaults | values).values())
        except struct.error as error:
            raise ValueError(f"struct {self.name} cannot hold {values}: {error}") from error

    def as_dict(self, buffer: Buffer, offset: int = 0) -> dict[str, Any]:
        """Decode into field name -> int, or bytes for an array."""
        values = self._struct.unpack_from(buffer, offset)
        return dict(zip(self._by_name, values, strict=True))


def _parse(struct_name: str, declaration: str) -> list[Member]:
    fields: list[Member] = []
    offset = 0
    for text in filter(None, (part.strip() for part in declaration.split(";"))):
        match = _FIELD.match(text)
        if match is None or match["type"] not in _TYPES:
            raise AssertionError(f"struct {struct_name}: cannot read the declaration '{text}'")
        size = _TYPES[match["type"]][1]
        offset = -(-offset // size) * size
        count = None if match["count"] is None else int(match["count"])
        field = Member(match["name"], match["type"], count, offset)
        fields.append(field)
        offset += field.size
    return fields


def _format(fields: tuple[Member, ...], size: int) -> str:
    parts = ["<"]
    position = 0
    for field in fields:
        parts.append("x" * (field.offset - position))
        parts.append(_TYPES[field.type][0] if field.count is None else f"{field.size}s")
        position = field.offset + field.size
    parts.append("x" * (size - position))
    return "".join(parts)


_WRITE, _READ = 1, 2


@dataclass(frozen=True, slots=True)
class Ioctl:
    """An ioctl: the number user space sends, and the number in the kernel's table where the two differ."""

    name: str
    request: int
    struct: Struct | None
    kernel_request: int

    @property
    def nr(self) -> int:
        """The number within its type, the only part that selects the kernel's handler."""
        return self.request & 0xFF

    @property
    def type(self) -> int:
        """The type byte, ``ord('d')`` for DRM."""
        return self.request >> 8 & 0xFF

    @property
    def size(self) -> int:
        """Size of the argument in bytes."""
        return self.request >> 16 & 0x3FFF

    @property
    def kernel_writes(self) -> bool:
        """Whether the kernel copies the argument back."""
        return bool(self.kernel_request >> 30 & _READ)


def _number(direction: int, type_: str, nr: int, size: int) -> int:
    return direction << 30 | size << 16 | ord(type_) << 8 | nr


def io(name: str, type_: str, nr: int) -> Ioctl:
    """Declare an ioctl without an argument (`_IO`)."""
    request = _number(0, type_, nr, 0)
    return Ioctl(name, request, None, request)


def iow(name: str, type_: str, nr: int, argument: Struct) -> Ioctl:
    """Declare an ioctl whose argument the kernel reads (`_IOW`)."""
    request = _number(_WRITE, type_, nr, argument.size)
    return Ioctl(name, request, argument, request)


def ior(name: str, type_: str, nr: int, argument: Struct) -> Ioctl:
    """Declare an ioctl whose argument the kernel writes (`_IOR`)."""
    request = _number(_READ, type_, nr, argument.size)
    return Ioctl(name, request, argument, request)


def iowr(name: str, type_: str, nr: int, argument: Struct, kernel_only_reads: bool = False) -> Ioctl:
    """Declare an ioctl whose argument goes both ways (`_IOWR`).

    ``kernel_only_reads``: user space declares both directions but the kernel's table only has `_IOW`, so nothing
    is copied back (amdgpu's INFO, GEM_VA and SCHED).
    """
    request = _number(_WRITE | _READ, type_, nr, argument.size)
    kernel = _number(_WRITE, type_, nr, argument.size) if kernel_only_reads else request
    return Ioctl(name, request, argument, kernel)


def flag_names(value: int, flags: Mapping[str, int]) -> str:
    """Spell a flag word for people, e.g. ``PAGE_PRT|EXPLICIT_SYNC``; bits without a name come in hex."""
    if value == 0:
        return "0"
    names = []
    for name, bits in flags.items():
        if bits and value & bits == bits:
            names.append(name)
            value &= ~bits
    if value:
        names.append(hex(value))
    return "|".join(names)
