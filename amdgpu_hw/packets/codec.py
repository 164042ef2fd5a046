# SPDX-License-Identifier: MIT
"""What the encoders and decoders of PM4 and SDMA have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TypeVar

from .engine import Engine
from .layout import DWORD, FieldValue, Layout, Packet, PacketError, PacketLayout, TruncatedPacket, Version

__all__ = ("Codec", "by_version", "check_range")

T = TypeVar("T")

VA_BITS = 48


def check_range(what: str, va: int, size: int, alignment: int = 1) -> None:
    """Raise ValueError unless [va, va + size) is aligned and lies in one half of the canonical 48-bit space."""
    if size <= 0:
        raise ValueError(f"{what} of {size} bytes: the size must be positive")
    if va % alignment or size % alignment:
        raise ValueError(f"{what} [{va:#x}, +{size:#x}] is not aligned to {alignment} bytes")
    half = 1 << (VA_BITS - 1)
    low = va >= 0 and va + size <= half
    high = va >= (1 << 64) - half and va + size <= 1 << 64
    if not low and not high:
        raise ValueError(f"{what} [{va:#x}, +{size:#x}] is outside the {VA_BITS}-bit address space")


def by_version(table: Iterable[tuple[Version, Version, T]], version: Version) -> T:
    """Return the row of a [since, before) table that ``version`` falls into; ValueError if none does."""
    for since, before, row in table:
        if since <= version < before:
            return row
    raise ValueError(f"no table row for version {'.'.join(map(str, version))}")


class Codec(ABC):
    """Encoder and decoder of one engine of one GPU."""

    filler: int
    """The one-dword no-operation."""

    def __init__(self, packets: Iterable[PacketLayout], version: Version, engine: Engine) -> None:
        self.version = version
        self.engine = engine
        self._layouts = [bound for bound in (p.bind(version, engine) for p in packets) if bound is not None]
        self._by_name = {layout.name: layout for layout in self._layouts}

    @property
    def names(self) -> tuple[str, ...]:
        """The packets this engine has."""
        return tuple(self._by_name)

    def layout(self, name: str) -> Layout:
        """Return a packet's layout; ValueError if this engine and generation do not have the packet."""
        found = self._by_name.get(name)
        if found is None:
            version = ".".join(map(str, self.version))
            raise ValueError(f"{self.engine.name} {version} has no {name} packet")
        return found

    @abstractmethod
    def packet(self, name: str, payload: Sequence[int] = (), /, **fields: FieldValue) -> list[int]:
        """Return the dwords of any packet from its fields, by number or by the names in the tables.

        Nothing but the fields' own ranges is checked: this is also how tests build bad packets.
        """

    @abstractmethod
    def decode_at(self, words: Sequence[int], at: int = 0) -> Packet:
        """Return the packet that starts at ``words[at]``; PacketError if that is none."""

    @abstractmethod
    def pad(self, dwords: Sequence[int], multiple: int = 8) -> list[int]:
        """Return the IB filled up with no-operations to a multiple of ``multiple`` dwords."""

    def decode(self, words: Sequence[int]) -> list[Packet]:
        """Return all packets of an IB in order; PacketError, with the dword's index, at the first bad one."""
        packets = []
        at = 0
        while at < len(words):
            try:
                packet = self.decode_at(words, at)
            except PacketError as error:
                raise PacketError(f"dword {at}: {error}") from None
            packets.append(packet)
            at += len(packet.dwords)
        return packets

    def disassemble(self, words: Sequence[int]) -> str:
        """Return one line per packet, for error messages and logs; what cannot be decoded is shown as such."""
        lines = []
        at = 0
        while at < len(words):
            try:
                packet = self.decode_at(words, at)
            except PacketError as error:
                lines.append(f"{at:5}  {words[at]:08x}  ? {error}")
                break
            layout = self._by_name.get(packet.name)
            text = layout.describe(packet) if layout else packet.name
            lines.append(f"{at:5}  {words[at]:08x}  {text}")
            at += len(packet.dwords)
        return "\n".join(lines)

    @staticmethod
    def _cut(words: Sequence[int], at: int, size: int, name: str) -> tuple[int, ...]:
        """Return the ``size`` dwords of a packet; TruncatedPacket if the words end before."""
        cut = tuple(words[at : at + size])
        if len(cut) < size:
            message = f"{name} of {size} dwords runs past the end, {len(cut)} are left"
            raise TruncatedPacket(message, size)
        return cut


def pad_with(filler: int, dwords: Sequence[int], multiple: int) -> list[int]:
    """Return ``dwords`` and as many one-dword fillers as make a multiple of ``multiple``; ValueError below 1."""
    if multiple < 1 or not 0 <= filler <= DWORD:
        raise ValueError(f"cannot pad to a multiple of {multiple} dwords")
    return [*dwords, *[filler] * (-len(dwords) % multiple)]
