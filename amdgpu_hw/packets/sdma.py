# SPDX-License-Identifier: MIT
"""SDMA: packets for the copy engine, CIK and later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .atomics import atomic_code
from .codec import Codec, by_version, check_range, pad_with
from .engine import Engine
from .layout import FieldValue, Layout, Packet, PacketError, PacketLayout, Version
from .sdma_tables import CAREFUL_BYTES, RETRY_FOREVER, SDMA_PACKETS

__all__ = ("Sdma", "sdma_for")

Width = Literal[32, 64]


class Sdma(Codec):
    """Encodes and decodes SDMA packets of one version; every encoder returns a list of dwords.

    Addresses are GPU virtual addresses in bytes. Bad addresses, sizes and values raise ValueError.
    """

    filler = 0

    def __init__(self, sdma_version: Version, more: tuple[PacketLayout, ...] = ()) -> None:
        """Make the codec; ``more`` are packets that IBs of clients may not have."""
        if sdma_version < (2,):
            raise ValueError("the GFX6 DMA engine has its own packets, which are not described here")
        super().__init__((*SDMA_PACKETS, *more), sdma_version, Engine.SDMA)
        self._by_opcode: dict[int, list[Layout]] = {}
        for layout in self._layouts:
            self._by_opcode.setdefault(layout.opcode, []).append(layout)
        self.max_bytes: int = by_version(CAREFUL_BYTES, sdma_version)
        """The most bytes the encoders put into one COPY or CONST_FILL; more becomes several packets."""
        count = self.layout("WRITE_LINEAR").by_name["count"]
        self.max_write_dwords = count.maximum
        """The most dwords of one WRITE packet."""

    # -- any packet -------------------------------------------------------------------------------------------

    def packet(self, name: str, payload: Sequence[int] = (), /, **fields: FieldValue) -> list[int]:
        """Return any packet; see `Codec.packet`. A payload's length sets the packet's count field."""
        layout = self.layout(name)
        if layout.payload_count and layout.payload_count not in fields:
            fields[layout.payload_count] = len(payload)
        return layout.encode(layout.opcode | layout.variant[1], fields, payload)

    def decode_at(self, words: Sequence[int], at: int = 0) -> Packet:
        """Return the packet at ``words[at]``; PacketError for unknown opcodes and packets that run past the end."""
        header = words[at]
        layout = self._find(header)
        if layout is None:
            raise PacketError(
                f"{header:08x} has opcode {header & 0xFF:#04x}.{header >> 8 & 0xFF:#04x}, unknown to this engine"
            )
        size = layout.size
        if layout.payload_count:
            fixed = self._cut(words, at, size, layout.name)
            size += layout.decode(fixed)[layout.payload_count]
        cut = self._cut(words, at, size, layout.name)
        return Packet(layout.name, layout.decode(cut), cut[layout.size :], cut)

    def _find(self, header: int) -> Layout | None:
        for layout in self._by_opcode.get(header & 0xFFFF, ()):
            mask, value = layout.variant
            if header & mask == value:
                return layout
        return None

    def pad(self, dwords: Sequence[int], multiple: int = 8) -> list[int]:
        """Return the IB filled up with one-dword no-operations to a multiple of ``multiple`` dwords."""
        return pad_with(self.filler, dwords, multiple)

    # -- packets ----------------------------------------------------------------------------------------------

    def nop(self, dwords: int = 1) -> list[int]:
        """Do nothing for ``dwords`` dwords: one packet, of which the engine skips the body."""
        if dwords < 1:
            raise ValueError("a NOP has at least one dword")
        return self.packet("NOP", [0] * (dwords - 1))

    def write(self, va: int, data: Sequence[int]) -> list[int]:
        """Write dwords at ``va``; several packets if one could not hold them."""
        check_range("SDMA write", va, 4 * len(data), 4)
        words = []
        for at in range(0, len(data), self.max_write_dwords):
            words += self.packet("WRITE_LINEAR", data[at : at + self.max_write_dwords], dst=va + 4 * at)
        return words

    def copy(self, src: int, dst: int, size: int) -> list[int]:
        """Copy ``size`` bytes; several packets if one could not move them."""
        check_range("SDMA copy source", src, size)
        check_range("SDMA copy destination", dst, size)
        words = []
        for at in range(0, size, self.max_bytes):
            count = min(self.max_bytes, size - at)
            words += self.packet("COPY_LINEAR", byte_count=count, src=src + at, dst=dst + at)
        return words

    def fill(self, dst: int, value: int, size: int) -> list[int]:
        """Fill ``size`` bytes, a multiple of 4, with a dword; several packets if need be."""
        check_range("SDMA fill", dst, size, 4)
        return self._fill(dst, value, size, "dword")

    def fill_bytes(self, dst: int, value: int, size: int) -> list[int]:
        """Fill ``size`` bytes with one byte; several packets if need be."""
        check_range("SDMA fill", dst, size)
        if not 0 <= value < 256:
            raise ValueError(f"SDMA byte fill with {value:#x}")
        return self._fill(dst, value, size, "byte")

    def _fill(self, dst: int, value: int, size: int, unit: str) -> list[int]:
        words = []
        for at in range(0, size, self.max_bytes):
            words += self.packet(
                "CONST_FILL", fill_size=unit, dst=dst + at, data=value, byte_count=min(self.max_bytes, size - at)
            )
        return words

    def fence(self, va: int, value: int) -> list[int]:
        """Write 32 bits after all earlier packets of the ring."""
        check_range("SDMA fence", va, 4, 4)
        return self.packet("FENCE", addr=va, data=value)

    def poll_regmem(
        self,
        va: int,
        reference: int,
        *,
        function: FieldValue = "==",
        mask: int = 0xFFFF_FFFF,
        interval: int = 10,
        retries: int | None = None,
    ) -> list[int]:
        """Wait until ``(memory & mask) function reference``, for ever or for a number of ``retries``.

        What hardware does when the retries run out is documented nowhere (PACKETS.md 3.4): no verdict may hang
        on it.
        """
        check_range("POLL_REGMEM", va, 4, 4)
        if retries is not None and not 0 <= retries < RETRY_FOREVER:
            raise ValueError(f"POLL_REGMEM can retry 0 to {RETRY_FOREVER - 1} times or for ever, not {retries}")
        return self.packet(
            "POLL_REGMEM",
            function=function,
            mem_poll="memory",
            addr=va,
            reference=reference,
            mask=mask,
            interval=interval,
            retry_count=RETRY_FOREVER if retries is None else retries,
        )

    def timestamp(self, va: int) -> list[int]:
        """Write the 64-bit GPU clock counter after all earlier packets of the ring."""
        check_range("SDMA timestamp", va, 8, 8)
        return self.packet("TIMESTAMP_GLOBAL", addr=va)

    def trap(self, context: int = 0) -> list[int]:
        """Raise the engine's interrupt."""
        if "int_context" in self.layout("TRAP").by_name:
            return self.packet("TRAP", int_context=context)
        return self.packet("TRAP")

    def atomic(
        self,
        operation: str,
        va: int,
        source: int,
        *,
        compare: int = 0,
        bits: Width = 32,
        returns: bool = True,
        loop_interval: int | None = None,
    ) -> list[int]:
        """Do an atomic operation (`ATOMIC_OPERATIONS`); with ``loop_interval`` repeat until the compare holds."""
        check_range("SDMA atomic", va, bits // 8, bits // 8)
        return self.packet(
            "ATOMIC",
            atomic=atomic_code(operation, bits, returns),
            loop=loop_interval is not None,
            addr=va,
            source=source,
            compare=compare,
            loop_interval=loop_interval or 0,
        )

    def cond_exe(self, va: int, reference: int, dwords: int) -> list[int]:
        """Execute the next ``dwords`` dwords only if the dword at ``va`` equals ``reference`` (CIK: is not 0)."""
        check_range("COND_EXE", va, 4, 4)
        fields: dict[str, FieldValue] = {"addr": va, "exec_count": dwords}
        if "reference" in self.layout("COND_EXE").by_name:
            fields["reference"] = reference
        return self.packet("COND_EXE", **fields)

    def indirect(self, va: int, dwords: int, *, vmid: int = 0) -> list[int]:
        """Call the IB at ``va``, which must be aligned to 32 bytes; only for the ring itself."""
        check_range("SDMA indirect buffer", va, dwords * 4, 4)
        return self.packet("INDIRECT", addr=va, size=dwords, vmid=vmid)


def sdma_for(sdma_version: Version) -> Sdma:
    """Return the SDMA codec for a version (major, minor, revision); CIK's engine counts as 2.0."""
    return Sdma(sdma_version)
