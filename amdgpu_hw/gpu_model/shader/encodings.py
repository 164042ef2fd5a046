# SPDX-License-Identifier: MIT
"""How instructions are laid out: which bits say the encoding, and where opcode and operands are.

Facts from AMD's public ISA documents of each generation. Encodings whose instructions the model does not execute are
here with their opcode alone, so that a wave that stops at one can say what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from amdgpu_hw.packets import Version

__all__ = ("LITERAL", "SDWA", "SDWA_FIELDS", "SOURCES", "VECTORS", "BitField", "Encoding", "encodings_of")

LITERAL = 255
"""The source operand that is the dword behind the instruction."""
VECTORS = 256
"""Number of the first vector register among source operands."""
SOURCES = ("ssrc0", "ssrc1", "src0", "src1", "src2")
"""Fields that can say `LITERAL`."""

SDWA = 249
"""The first source of VOP1 and VOP2 that says that it is in a dword behind the instruction, up to GFX10."""

GFX8, GFX9, GFX10, GFX11, GFX12, NEVER = (8,), (9,), (10,), (11,), (12,), (99,)


class BitField(NamedTuple):
    """Bits [high:low] of a dword."""

    name: str
    high: int
    low: int
    dword: int = 0
    signed: bool = False

    @property
    def width(self) -> int:
        """How many bits it has."""
        return self.high - self.low + 1

    def of(self, words: tuple[int, ...]) -> int:
        """Return its value in an instruction."""
        value = words[self.dword] >> self.low & (1 << self.width) - 1
        return value - (1 << self.width) if self.signed and value >> (self.width - 1) else value


@dataclass(frozen=True, slots=True)
class Encoding:
    """One encoding: an instruction is of it if ``word0 & mask == value``; of several the one with most bits counts."""

    name: str
    """As in `isa.toml`."""
    mask: int
    value: int
    fields: tuple[BitField, ...]
    dwords: int = 1
    literal: bool = False
    """A source may be a literal."""
    since: Version = GFX8
    before: Version = NEVER


def _op(high: int, low: int) -> BitField:
    return BitField("op", high, low)


def _top(bits: str) -> tuple[int, int]:
    """Return mask and value of an encoding that its uppermost bits say."""
    shift = 32 - len(bits)
    return ((1 << len(bits)) - 1) << shift, int(bits, 2) << shift


SDWA_FIELDS = (
    BitField("src0", 7, 0),
    BitField("dst_sel", 10, 8),
    BitField("dst_unused", 12, 11),
    BitField("clamp", 13, 13),
    BitField("omod", 15, 14),
    BitField("src0_sel", 18, 16),
    BitField("src0_sext", 19, 19),
    BitField("src0_modifiers", 21, 20),
    BitField("src0_scalar", 23, 23),
    BitField("src1_sel", 26, 24),
    BitField("src1_sext", 27, 27),
    BitField("src1_modifiers", 29, 28),
    BitField("src1_scalar", 31, 31),
)
"""Sub-dword addressing: which bytes of sources and destination are meant."""

_SSRC = (BitField("ssrc0", 7, 0), BitField("ssrc1", 15, 8))
_SDST = BitField("sdst", 22, 16)
_SIMM = BitField("simm", 15, 0, signed=True)
_SRC0 = BitField("src0", 8, 0)
_VSRC1 = BitField("vsrc1", 16, 9)
_VDST = BitField("vdst", 24, 17)

_VOP3 = (
    _op(25, 16),
    BitField("vdst", 7, 0),
    # Of instructions that write a mask as well, in the place of the modifiers abs and op_sel.
    BitField("sdst", 14, 8),
    BitField("clamp", 15, 15),
    BitField("src0", 8, 0, 1),
    BitField("src1", 17, 9, 1),
    BitField("src2", 26, 18, 1),
    BitField("omod", 28, 27, 1),
    BitField("neg", 31, 29, 1),
)
_MUBUF_SECOND = (BitField("vaddr", 7, 0, 1), BitField("vdata", 15, 8, 1), BitField("soffset", 31, 24, 1))
_RSRC4 = BitField("srsrc4", 20, 16, 1)
"""The descriptor's first register, in fours."""
_FLAT_SECOND = (BitField("vaddr", 7, 0, 1), BitField("vsrc", 15, 8, 1), BitField("vdst", 31, 24, 1))
_SADDR = BitField("saddr", 22, 16, 1)
_GFX12_MEMORY = (
    _op(21, 14),
    BitField("saddr", 6, 0),
    BitField("vdst", 7, 0, 1),
    BitField("vsrc", 30, 23, 1),
    BitField("vaddr", 7, 0, 2),
    BitField("offset", 31, 8, 2, signed=True),
)

_SEG_GFX9, _SEG_GFX11 = 3 << 14, 3 << 16
"""Bits that tell FLAT, SCRATCH and GLOBAL apart."""
_FLAT = _top("110111")

_SMEM_REGISTERS = (BitField("sbase2", 5, 0), BitField("sdst", 12, 6))
_SMEM_SOFFSET = BitField("soffset", 31, 25, 1)

_ENCODINGS: tuple[Encoding, ...] = (
    Encoding("SOP1", *_top("101111101"), (_op(15, 8), _SDST, _SSRC[0]), literal=True),
    Encoding("SOP2", *_top("10"), (_op(29, 23), _SDST, *_SSRC), literal=True),
    Encoding("SOPC", *_top("101111110"), (_op(22, 16), *_SSRC), literal=True),
    Encoding("SOPK", *_top("1011"), (_op(27, 23), _SDST, _SIMM)),
    Encoding("SOPP", *_top("101111111"), (_op(22, 16), _SIMM)),
    Encoding(
        "SMEM",
        *_top("110000"),
        (
            _op(25, 18),
            *_SMEM_REGISTERS,
            BitField("imm", 17, 17),
            BitField("offset", 19, 0, 1),
        ),
        dwords=2,
        before=GFX9,
    ),
    Encoding(
        "SMEM",
        *_top("110000"),
        (
            _op(25, 18),
            *_SMEM_REGISTERS,
            BitField("soffset_en", 14, 14),
            BitField("imm", 17, 17),
            BitField("offset", 20, 0, 1, signed=True),
            _SMEM_SOFFSET,
        ),
        dwords=2,
        since=GFX9,
        before=GFX10,
    ),
    Encoding(
        "SMEM",
        *_top("111101"),
        (
            _op(25, 18),
            *_SMEM_REGISTERS,
            BitField("offset", 20, 0, 1, signed=True),
            _SMEM_SOFFSET,
        ),
        dwords=2,
        since=GFX10,
        before=GFX12,
    ),
    Encoding(
        "SMEM",
        *_top("111101"),
        (
            _op(18, 13),
            *_SMEM_REGISTERS,
            BitField("offset", 23, 0, 1, signed=True),
            _SMEM_SOFFSET,
        ),
        dwords=2,
        since=GFX12,
    ),
    Encoding("VOP1", *_top("0111111"), (_op(16, 9), _VDST, _SRC0), literal=True),
    Encoding("VOP2", *_top("0"), (_op(30, 25), _VDST, _SRC0, _VSRC1), literal=True),
    Encoding("VOPC", *_top("0111110"), (_op(24, 17), _SRC0, _VSRC1), literal=True),
    Encoding("VOP3", *_top("110100"), _VOP3, dwords=2, before=GFX10),
    Encoding("VOP3", *_top("110101"), _VOP3, dwords=2, literal=True, since=GFX10),
    Encoding(
        "MUBUF",
        *_top("111000"),
        (
            _op(24, 18),
            BitField("offset", 11, 0),
            BitField("offen", 12, 12),
            BitField("idxen", 13, 13),
            BitField("lds", 16, 16),
            *_MUBUF_SECOND,
            _RSRC4,
        ),
        dwords=2,
        before=GFX11,
    ),
    Encoding(
        "MUBUF",
        *_top("111000"),
        (
            _op(25, 18),
            BitField("offset", 11, 0),
            BitField("offen", 22, 22, 1),
            BitField("idxen", 23, 23, 1),
            *_MUBUF_SECOND,
            _RSRC4,
        ),
        dwords=2,
        since=GFX11,
        before=GFX12,
    ),
    Encoding(
        "MUBUF",
        *_top("110001"),
        (
            _op(21, 14),
            BitField("soffset", 6, 0),
            BitField("vdata", 7, 0, 1),
            BitField("srsrc", 17, 9, 1),
            BitField("offen", 30, 30, 1),
            BitField("idxen", 31, 31, 1),
            BitField("vaddr", 7, 0, 2),
            BitField("offset", 31, 8, 2, signed=True),
        ),
        dwords=3,
        since=GFX12,
    ),
    Encoding("FLAT", *_FLAT, (_op(24, 18), *_FLAT_SECOND), dwords=2, before=GFX9),
    Encoding(
        "FLAT",
        _FLAT[0] | _SEG_GFX9,
        _FLAT[1],
        (_op(24, 18), BitField("offset", 11, 0), *_FLAT_SECOND),
        dwords=2,
        since=GFX9,
        before=GFX10,
    ),
    Encoding(
        "FLAT",
        _FLAT[0] | _SEG_GFX9,
        _FLAT[1],
        (_op(24, 18), BitField("offset", 10, 0), *_FLAT_SECOND, _SADDR),
        dwords=2,
        since=GFX10,
        before=GFX11,
    ),
    Encoding(
        "FLAT",
        _FLAT[0] | _SEG_GFX11,
        _FLAT[1],
        (_op(24, 18), BitField("offset", 11, 0), *_FLAT_SECOND, _SADDR),
        dwords=2,
        since=GFX11,
        before=GFX12,
    ),
    Encoding("FLAT", *_top("11101100"), _GFX12_MEMORY, dwords=3, since=GFX12),
    Encoding(
        "GLOBAL",
        _FLAT[0] | _SEG_GFX9,
        _FLAT[1] | 2 << 14,
        (_op(24, 18), BitField("offset", 12, 0, signed=True), BitField("lds", 13, 13), *_FLAT_SECOND, _SADDR),
        dwords=2,
        since=GFX9,
        before=GFX10,
    ),
    Encoding(
        "GLOBAL",
        _FLAT[0] | _SEG_GFX9,
        _FLAT[1] | 2 << 14,
        (_op(24, 18), BitField("offset", 11, 0, signed=True), BitField("lds", 13, 13), *_FLAT_SECOND, _SADDR),
        dwords=2,
        since=GFX10,
        before=GFX11,
    ),
    Encoding(
        "GLOBAL",
        _FLAT[0] | _SEG_GFX11,
        _FLAT[1] | 2 << 16,
        (_op(24, 18), BitField("offset", 12, 0, signed=True), *_FLAT_SECOND, _SADDR),
        dwords=2,
        since=GFX11,
        before=GFX12,
    ),
    Encoding("GLOBAL", *_top("11101110"), _GFX12_MEMORY, dwords=3, since=GFX12),
    # What is only named.
    Encoding("SCRATCH", _FLAT[0] | _SEG_GFX9, _FLAT[1] | 1 << 14, (_op(24, 18),), 2, since=GFX9, before=GFX11),
    Encoding("SCRATCH", _FLAT[0] | _SEG_GFX11, _FLAT[1] | 1 << 16, (_op(24, 18),), 2, since=GFX11, before=GFX12),
    Encoding("SCRATCH", *_top("11101101"), (_op(21, 14),), 3, since=GFX12),
    Encoding("DS", *_top("110110"), (_op(24, 17),), 2, before=GFX10),
    Encoding("DS", *_top("110110"), (_op(25, 18),), 2, since=GFX10),
    Encoding("VOP3P", *_top("110100111"), (_op(22, 16),), 2, since=GFX9, before=GFX10),
    Encoding("VOP3P", *_top("11001100"), (_op(22, 16),), 2, since=GFX10),
    Encoding("VOPD", *_top("110010"), (_op(25, 22),), 2, since=GFX11),
    Encoding("MTBUF", *_top("111010"), (_op(18, 15),), 2, before=GFX12),
    Encoding("MIMG", *_top("111100"), (_op(24, 18),), 2, before=GFX12),
    Encoding("VIMAGE", *_top("110100"), (_op(21, 14),), 3, since=GFX12),
    Encoding("VSAMPLE", *_top("111001"), (_op(21, 14),), 3, since=GFX12),
    Encoding("VINTRP", *_top("110101"), (_op(17, 16),), before=GFX10),
    Encoding("EXP", *_top("110001"), (), 2, before=GFX10),
    Encoding("EXP", *_top("111110"), (), 2, since=GFX10),
)


@cache
def encodings_of(version: Version) -> tuple[Encoding, ...]:
    """Return the encodings of a GC version; of two that fit a dword the first one is right."""
    present = (one for one in _ENCODINGS if one.since <= version < one.before)
    return tuple(sorted(present, key=lambda one: -one.mask.bit_count()))
