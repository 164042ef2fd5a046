# SPDX-License-Identifier: MIT
"""How packets are described: fields of bits in dwords, for a range of hardware versions.

A packet is declared once (`PacketLayout`), with every generation's fields side by side, each field saying from
which version on and up to which version it exists. `PacketLayout.bind` picks what one GPU has; the result
(`Layout`) both encodes and decodes, so the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from .engine import Engine

__all__ = (
    "Field",
    "FieldValue",
    "Layout",
    "Packet",
    "PacketError",
    "PacketLayout",
    "TruncatedPacket",
    "Version",
    "address",
    "bits",
    "flag",
    "word",
    "word64",
)

Version: TypeAlias = tuple[int, ...]
"""(major, minor, revision) of the block; shorter tuples mean "from the first of that family on"."""

FieldValue: TypeAlias = int | str
"""What an encoder takes for a field: a number, or one of the field's named values."""

EVERY: Version = ()
NEVER: Version = (1 << 16,)
DWORD = 0xFFFF_FFFF


class PacketError(ValueError):
    """Words that are no packet of this engine and generation."""


class TruncatedPacket(PacketError):
    """The words end before the packet does; ``size`` is how many dwords it needs, as far as could be seen."""

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message)
        self.size = size


class Packet(NamedTuple):
    """One decoded packet.

    ``fields`` holds every declared field by name, addresses and 64-bit values joined; ``payload`` the dwords
    after the fixed part (the data of WRITE_DATA, the values of SET_SH_REG); ``dwords`` is the packet itself.
    """

    name: str
    fields: dict[str, int]
    payload: tuple[int, ...]
    dwords: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """Bits [high:low] of dword ``dword``; ``high`` above 31 goes on in the next dword.

    An ``address`` keeps its low bits in place, so that they say its alignment. ``bias`` is what the hardware's
    number is less than the meaning ("N-1" fields have 1). ``engine`` limits a field to one kind of ring.
    """

    name: str
    dword: int
    high: int
    low: int
    values: Mapping[str, int] = field(default_factory=dict)
    since: Version = EVERY
    before: Version = NEVER
    address: bool = False
    bias: int = 0
    engine: Engine | None = None

    @property
    def maximum(self) -> int:
        """The largest value that fits."""
        if self.address:
            return (1 << (self.high + 1)) - (1 << self.low)
        return (1 << (self.high - self.low + 1)) - 1 + self.bias

    def raw(self, value: FieldValue) -> int:
        """Return the bits for ``value``, in place (bit 0 = bit 0 of the dword); ValueError if it does not fit."""
        if isinstance(value, str):
            if value not in self.values:
                raise ValueError(f"{self.name} has no value {value!r}, it is one of {', '.join(self.values)}")
            value = self.values[value]
        if not self.bias <= value <= self.maximum:
            raise ValueError(f"{self.name} = {value:#x} is not between {self.bias:#x} and {self.maximum:#x}")
        if not self.address:
            return (value - self.bias) << self.low
        if value & ((1 << self.low) - 1):
            raise ValueError(f"{self.name} {value:#x} is not aligned to {1 << self.low} bytes")
        return value

    def name_of(self, value: int) -> str | None:
        """Return the name of ``value``, None where it has none."""
        return next((name for name, number in self.values.items() if number == value), None)


def bits(
    name: str,
    dword: int,
    high: int,
    low: int,
    values: Mapping[str, int] | Iterable[str] = (),
    *,
    since: Version = EVERY,
    before: Version = NEVER,
    engine: Engine | None = None,
    bias: int = 0,
) -> Field:
    """Declare bits [high:low] of a dword; ``values`` names them (a sequence counts from 0)."""
    if not isinstance(values, Mapping):
        values = {value: number for number, value in enumerate(values)}
    return Field(name, dword, high, low, values, since, before, engine=engine, bias=bias)


def flag(
    name: str,
    dword: int,
    bit: int,
    *,
    since: Version = EVERY,
    before: Version = NEVER,
    engine: Engine | None = None,
) -> Field:
    """Declare a single bit."""
    return Field(name, dword, bit, bit, {}, since, before, engine=engine)


def word(name: str, dword: int) -> Field:
    """Declare a whole dword."""
    return Field(name, dword, 31, 0)


def word64(name: str, dword: int) -> Field:
    """Declare a 64-bit value, low half first."""
    return Field(name, dword, 63, 0)


def address(
    name: str, dword: int, low: int, high: int = 63, *, since: Version = EVERY, before: Version = NEVER
) -> Field:
    """Declare a byte address in two dwords, low half first; bits below ``low`` must be 0."""
    return Field(name, dword, high, low, {}, since, before, address=True)


@dataclass(frozen=True, slots=True)
class PacketLayout:
    """One packet in all its generations.

    ``size`` counts the fixed dwords with the header, ``least`` the fewest the decoder accepts (fields beyond
    read as 0). ``payload`` names what follows the fixed part, ``payload_count`` the field that says how much
    (SDMA; PM4's header says it). ``variant`` are header bits, mask and value, that choose among packets of one
    opcode. Declarations of the same name and disjoint versions are one packet whose shape changed.
    """

    name: str
    opcode: int
    size: int
    fields: tuple[Field, ...] = ()
    payload: str = ""
    payload_count: str = ""
    variant: tuple[int, int] = (0, 0)
    least: int = 0
    since: Version = EVERY
    before: Version = NEVER
    engines: tuple[Engine, ...] = tuple(Engine)

    def bind(self, version: Version, engine: Engine) -> Layout | None:
        """Return what the packet looks like on that hardware, None if it does not exist there."""
        if engine not in self.engines or not self.since <= version < self.before:
            return None
        present = tuple(f for f in self.fields if f.since <= version < f.before and f.engine in (None, engine))
        return Layout(self, present)


class Layout:
    """A packet as one GPU's engine has it; made by `PacketLayout.bind`."""

    __slots__ = (
        "_biased",
        "_decoders",
        "_joined",
        "_reach",
        "by_name",
        "fields",
        "least",
        "name",
        "opcode",
        "payload",
        "payload_count",
        "size",
        "variant",
    )

    def __init__(self, declared: PacketLayout, fields: tuple[Field, ...]) -> None:
        self.name = declared.name
        self.opcode = declared.opcode
        self.size = declared.size
        self.least = declared.least or declared.size
        self.payload = declared.payload
        self.payload_count = declared.payload_count
        self.variant = declared.variant
        self.fields = fields
        self.by_name = {f.name: f for f in fields}
        # Plain tuples: decoding is what the mock's command processors spend their time with.
        self._decoders = tuple((f.name, f.dword, f.low, (1 << (f.high - f.low + 1)) - 1) for f in fields if f.high < 32)
        self._joined = tuple(
            (f.name, f.dword, 0 if f.address else f.low, (1 << (f.high + 1)) - (1 << f.low))
            for f in fields
            if f.high >= 32
        )
        self._biased = tuple((f.name, f.bias) for f in fields if f.bias)
        self._reach = 1 + max((f.dword + (f.high > 31) for f in fields), default=0)

    def encode(self, header: int, fields: Mapping[str, FieldValue], payload: Sequence[int]) -> list[int]:
        """Return the dwords: ``header`` with its own fields added, the fixed part, the payload.

        Fields not given are 0. Raises ValueError for a field the packet lacks on this hardware, and for values
        that do not fit.
        """
        words = [header] + [0] * (self.size - 1)
        for name, value in fields.items():
            declared = self.by_name.get(name)
            if declared is None:
                raise ValueError(f"{self.name} has no field {name} on this engine and generation")
            try:
                raw = declared.raw(value)
            except ValueError as error:
                raise ValueError(f"{self.name}: {error}") from None
            words[declared.dword] |= raw & DWORD
            if raw >> 32:
                words[declared.dword + 1] |= raw >> 32
        if payload and not self.payload:
            raise ValueError(f"{self.name} has a fixed size and takes no payload")
        for value in payload:
            if not 0 <= value <= DWORD:
                raise ValueError(f"{self.name}: {self.payload} {value:#x} is not a 32-bit word")
        words.extend(payload)
        return words

    def decode(self, words: Sequence[int]) -> dict[str, int]:
        """Return the fields of the packet that ``words`` starts with; missing dwords count as 0."""
        if len(words) < self._reach:
            words = (*words, *(0 for _ in range(self._reach - len(words))))
        fields = {name: (words[dword] >> low) & mask for name, dword, low, mask in self._decoders}
        for name, dword, low, mask in self._joined:
            fields[name] = ((words[dword] | words[dword + 1] << 32) & mask) >> low
        for name, bias in self._biased:
            fields[name] += bias
        return fields

    def describe(self, packet: Packet) -> str:
        """Return one line of disassembly: the name and every field that is not 0."""
        parts = []
        for declared in self.fields:
            value = packet.fields[declared.name]
            label = declared.name_of(value)
            if label is not None and (value or declared.dword):
                parts.append(f"{declared.name}={label}")
            elif value:
                parts.append(f"{declared.name}={value:#x}")
        if packet.payload:
            shown = " ".join(f"{value:08x}" for value in packet.payload[:8])
            more = f" +{len(packet.payload) - 8} dwords" if len(packet.payload) > 8 else ""
            parts.append(f"{self.payload}=[{shown}{more}]")
        return " ".join([self.name, *parts])
