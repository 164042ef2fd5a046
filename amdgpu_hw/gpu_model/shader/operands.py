# SPDX-License-Identifier: MIT
"""What a source operand is: a register, a constant, or the dword behind the instruction."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias

from amdgpu_hw.packets import Version

from .decoder import Instruction, refuse
from .encodings import LITERAL, VECTORS
from .wave import DWORD, EXEC, VCC, Wave

__all__ = ("ScalarSource", "VectorSource", "is_null", "scalar_source", "vector_source")

ScalarSource: TypeAlias = Callable[[Wave], int]
VectorSource: TypeAlias = Callable[[Wave], int | list[int]]
"""Returns one value for all lanes, or one for each."""

_REGISTERS = range(128)
_POSITIVE = range(128, 193)
_NEGATIVE = range(193, 209)
_FLOATS = {240 + n: value for n, value in enumerate((0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 4.0, -4.0, 0.15915494309189532))}
_VCCZ, _EXECZ, _SCC = 251, 252, 253

_NULL_GFX10, _NULL_GFX11 = 125, 124
"""A register that reads as 0 and drops what is written; GFX9 and before have none."""


def is_null(register: int, version: Version) -> bool:
    """Tell whether a scalar register is the one that is none."""
    if version < (10,):
        return False
    return register == (_NULL_GFX10 if version < (11,) else _NULL_GFX11)


def scalar_source(instruction: Instruction, field: str, bits: int = 32) -> ScalarSource:
    """Return what reads a scalar operand of 32 or 64 bits; raises `RingStop` for one that the model does not have."""
    return _scalar(instruction, instruction[field], bits)


def _scalar(instruction: Instruction, code: int, bits: int) -> ScalarSource:
    constant = _constant(instruction, code, bits)
    if constant is not None:
        return lambda _wave: constant
    if code in _REGISTERS:
        if bits == 32:
            return lambda wave: wave.scalars[code]
        return lambda wave: wave.scalars[code] | wave.scalars[code + 1] << 32
    if code == _SCC:
        return lambda wave: wave.scc
    if code == _EXECZ:
        return lambda wave: int(not wave.read_mask(EXEC))
    if code == _VCCZ and instruction.version < (11,):
        return lambda wave: int(not wave.read_mask(VCC))
    raise refuse(f"{instruction.name} with source operand {code}")


def _constant(instruction: Instruction, code: int, bits: int) -> int | None:
    if is_null(code, instruction.version):
        return 0
    if code in _POSITIVE:
        return code - _POSITIVE.start
    if code in _NEGATIVE:
        return (_NEGATIVE.start - 1 - code) & ((1 << bits) - 1)
    if code == LITERAL:
        return instruction.literal
    if code in _FLOATS:
        packed = struct.pack("<f" if bits == 32 else "<d", _FLOATS[code])
        return int.from_bytes(packed, "little")
    return None


def vector_source(instruction: Instruction, field: str, bits: int = 32) -> VectorSource:
    """Return what reads a vector operand of 32 or 64 bits; ``vsrc1`` is a register of its own numbering."""
    code = instruction[field]
    register = code - VECTORS
    if field == "vsrc1":
        register = code
    elif register < 0:
        return _scalar(instruction, code, bits)
    if bits == 32:
        return lambda wave: wave.vector(register)

    def pair(wave: Wave) -> list[int]:
        low, high = wave.vector(register), wave.vector(register + 1)
        return [one & DWORD | other << 32 for one, other in zip(low, high, strict=True)]

    return pair
