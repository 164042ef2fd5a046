# SPDX-License-Identifier: MIT
"""From dwords to instructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from amdgpu_hw.gpu_model.faults import RingStop, StopCause
from amdgpu_hw.packets import Version

from .encodings import LITERAL, SDWA, SDWA_FIELDS, SOURCES, VECTORS, Encoding, encodings_of
from .isa import instruction_names

__all__ = ("SDWA_FORM", "Decoder", "Instruction", "decoder_for", "refuse")

SDWA_FORM = "SDWA"
_HAVE_SDWA = frozenset(("VOP1", "VOP2"))

# In VOP3 the instructions of the short encodings have these first opcodes.
_VOPC_IN_VOP3, _VOP2_IN_VOP3 = 0, 0x100
_VOP1_IN_VOP3_GFX8, _VOP1_IN_VOP3_GFX10 = 0x140, 0x180


def refuse(what: str) -> RingStop:
    """Return what a wave stops with at something that the model does not execute."""
    return RingStop(StopCause.SHADER, what)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction."""

    name: str
    """As in `isa.toml`."""
    group: str
    """The encoding whose table has it: VOP2 also for one that is written as VOP3."""
    encoding: str
    """How it is written; `SDWA_FORM` where such a dword follows."""
    fields: Mapping[str, int]
    literal: int
    """The dword behind it, if a source says so."""
    size: int
    """In bytes."""
    version: Version

    def __getitem__(self, field: str) -> int:
        """Return the value of a field."""
        return self.fields[field]


class Decoder:
    """Decodes the instructions of one GC version."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self._encodings = encodings_of(version)
        self._names = instruction_names(version)
        vop1 = _VOP1_IN_VOP3_GFX8 if version < (10,) else _VOP1_IN_VOP3_GFX10
        self._promoted = ((vop1, "VOP1"), (_VOP2_IN_VOP3, "VOP2"), (_VOPC_IN_VOP3, "VOPC"))

    def decode(self, word: Callable[[int], int]) -> Instruction:
        """Return the instruction of which ``word`` returns the dwords by their number.

        Raises `RingStop` for one that the model does not execute.
        """
        encoding = self._encoding(word(0))
        words = tuple(word(number) for number in range(encoding.dwords))
        fields = {field.name: field.of(words) for field in encoding.fields}
        group, name = self._name(encoding, fields.get("op", 0))
        literal, dwords, form = 0, encoding.dwords, encoding.name
        if form in _HAVE_SDWA and fields["src0"] == SDWA and self.version < (11,):
            behind = (word(dwords),)
            fields |= {field.name: field.of(behind) for field in SDWA_FIELDS}
            if not fields["src0_scalar"]:
                fields["src0"] += VECTORS
            form = SDWA_FORM
            dwords += 1
        elif any(fields.get(source) == LITERAL for source in SOURCES):
            if not encoding.literal:
                raise refuse(f"{name} with a literal in {encoding.name}")
            literal = word(dwords)
            dwords += 1
        return Instruction(name, group, form, fields, literal, 4 * dwords, self.version)

    def _encoding(self, word: int) -> Encoding:
        for encoding in self._encodings:
            if word & encoding.mask == encoding.value:
                return encoding
        raise refuse(f"the dword {word:08x}, of no encoding that is known")

    def _name(self, encoding: Encoding, opcode: int) -> tuple[str, str]:
        """Return an instruction's table and name."""
        found = self._names.get(encoding.name, {}).get(opcode)
        if found is not None:
            return encoding.name, found
        if encoding.name == "VOP3":
            # The one with the highest first opcode that is not above it.
            first, group = next(one for one in self._promoted if one[0] <= opcode)
            found = self._names[group].get(opcode - first)
            if found is not None:
                return group, found
        raise refuse(f"{encoding.name} opcode {opcode:#x}")


@cache
def decoder_for(version: Version) -> Decoder:
    """Return the decoder of a GC version."""
    return Decoder(version)
