# SPDX-License-Identifier: MIT
"""Vector instructions that compute: one value for each lane. Values are unsigned integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import repeat
from typing import NamedTuple, TypeAlias

from .decoder import SDWA_FORM, Instruction, refuse
from .encodings import SDWA, VECTORS
from .operands import VectorSource, is_null, vector_source
from .scalar import Step
from .wave import DWORD, EXEC, VCC, Wave

__all__ = ("vop1", "vop2", "vop3", "vopc")

_Function: TypeAlias = Callable[..., int]
_OTHER_FORMS = frozenset((233, 234, SDWA, 250))
"""Values of the first source that say that DPP or SDWA follows."""
_WHOLE = 6
"""The selector of SDWA that means the whole dword."""
_SELECTED: dict[int, tuple[int, int]] = {
    **{byte: (8 * byte, 0xFF) for byte in range(4)},
    **{4 + word: (16 * word, 0xFFFF) for word in range(2)},
    _WHOLE: (0, DWORD),
}
"""Shift and mask of what a selector of SDWA means."""
_PRESERVED = 2
"""`dst_unused` of SDWA: the other bits stay; else they become 0, or copies of the sign."""
_SIGN = 1
_FLOATS = range(240, 249)
"""Constants that are other bits in halves of registers."""


class _Operation(NamedTuple):
    function: _Function
    bits: int = 32
    """Of the result."""
    sources: tuple[int, ...] = (32, 32, 32)
    """Bits of each source."""


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def _signed24(value: int) -> int:
    value &= 0xFF_FFFF
    return value - (1 << 24) if value >> 23 else value


def _bit_field(value: int, offset: int, width: int) -> int:
    return value >> (offset & 31) & (1 << (width & 31)) - 1


def _signed_bit_field(value: int, offset: int, width: int) -> int:
    width &= 31
    cut = _bit_field(value, offset, width)
    return (cut - (1 << width)) & DWORD if width and cut >> (width - 1) else cut


def _permute(high: int, low: int, selectors: int) -> int:
    """Pick four of the eight bytes; selectors above 7 are signs and constants."""
    both = high << 32 | low
    result = 0
    for index in range(4):
        selector = selectors >> 8 * index & 0xFF
        if selector >= 13:
            byte = 0xFF
        elif selector == 12:
            byte = 0
        elif selector >= 8:
            byte = 0xFF * (both >> (16 * (selector - 8) + 15) & 1)
        else:
            byte = both >> 8 * selector & 0xFF
        result |= byte << 8 * index
    return result


_VOP1: dict[str, _Operation] = {
    "v_mov_b32": _Operation(lambda a: a),
    "v_not_b32": _Operation(lambda a: ~a & DWORD),
    "v_bfrev_b32": _Operation(lambda a: int(f"{a:032b}"[::-1], 2)),
}

_VOP2: dict[str, _Operation] = {
    "v_add_u32": _Operation(lambda a, b: (a + b) & DWORD),
    "v_sub_u32": _Operation(lambda a, b: (a - b) & DWORD),
    "v_subrev_u32": _Operation(lambda a, b: (b - a) & DWORD),
    "v_min_i32": _Operation(lambda a, b: min(a, b, key=_signed)),
    "v_min_u32": _Operation(min),
    "v_max_i32": _Operation(lambda a, b: max(a, b, key=_signed)),
    "v_max_u32": _Operation(max),
    "v_lshlrev_b32": _Operation(lambda a, b: b << (a & 31) & DWORD),
    "v_lshlrev_b64": _Operation(lambda a, b: b << (a & 63) & (1 << 64) - 1, 64, (32, 64)),
    "v_lshrrev_b32": _Operation(lambda a, b: b >> (a & 31)),
    "v_ashrrev_i32": _Operation(lambda a, b: _signed(b) >> (a & 31) & DWORD),
    "v_and_b32": _Operation(lambda a, b: a & b),
    "v_or_b32": _Operation(lambda a, b: a | b),
    "v_xor_b32": _Operation(lambda a, b: a ^ b),
    "v_mul_u32_u24": _Operation(lambda a, b: (a & 0xFF_FFFF) * (b & 0xFF_FFFF) & DWORD),
    "v_mul_i32_i24": _Operation(lambda a, b: _signed24(a) * _signed24(b) & DWORD),
}

_VOP3: dict[str, _Operation] = {
    "v_mad_u32_u24": _Operation(lambda a, b, c: ((a & 0xFF_FFFF) * (b & 0xFF_FFFF) + c) & DWORD),
    "v_bfe_u32": _Operation(_bit_field),
    "v_bfe_i32": _Operation(_signed_bit_field),
    "v_bfi_b32": _Operation(lambda a, b, c: a & b | ~a & c),
    "v_alignbit_b32": _Operation(lambda a, b, c: (a << 32 | b) >> (c & 31) & DWORD),
    "v_alignbyte_b32": _Operation(lambda a, b, c: (a << 32 | b) >> 8 * (c & 3) & DWORD),
    "v_perm_b32": _Operation(_permute),
    "v_mul_lo_u32": _Operation(lambda a, b: a * b & DWORD, 32, (32, 32)),
    "v_mul_hi_u32": _Operation(lambda a, b: a * b >> 32, 32, (32, 32)),
    "v_lshlrev_b64": _VOP2["v_lshlrev_b64"],
    "v_lshrrev_b64": _Operation(lambda a, b: b >> (a & 63), 64, (32, 64)),
    "v_lshl_add_u32": _Operation(lambda a, b, c: ((a << (b & 31)) + c) & DWORD),
    "v_lshl_add_u64": _Operation(lambda a, b, c: ((a << (b & 7)) + c) & (1 << 64) - 1, 64, (64, 32, 64)),
    "v_add_lshl_u32": _Operation(lambda a, b, c: (a + b) << (c & 31) & DWORD),
    "v_lshl_or_b32": _Operation(lambda a, b, c: a << (b & 31) & DWORD | c),
    "v_and_or_b32": _Operation(lambda a, b, c: a & b | c),
    "v_or3_b32": _Operation(lambda a, b, c: a | b | c),
    "v_add3_u32": _Operation(lambda a, b, c: (a + b + c) & DWORD),
    "v_xad_u32": _Operation(lambda a, b, c: ((a ^ b) + c) & DWORD),
}

_CARRY: dict[str, Callable[[int, int, int], int]] = {
    "v_add_co_u32": lambda a, b, _: a + b,
    "v_sub_co_u32": lambda a, b, _: a - b,
    "v_subrev_co_u32": lambda a, b, _: b - a,
    "v_addc_co_u32": lambda a, b, carry: a + b + carry,
    "v_subb_co_u32": lambda a, b, carry: a - b - carry,
}
"""What these give before it is cut to 32 bits; the carry is bit 32."""
_TAKES_CARRY = frozenset(("v_addc_co_u32", "v_subb_co_u32"))

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "lt": lambda a, b: a < b,
    "eq": lambda a, b: a == b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ne": lambda a, b: a != b,
    "ge": lambda a, b: a >= b,
}


def _lanes(wave: Wave, values: list[int | list[int]]) -> Iterator[tuple[int, ...]]:
    """Return the operands of each lane."""
    return zip(*(value if isinstance(value, list) else repeat(value, wave.size) for value in values), strict=True)


def _apply(instruction: Instruction, operation: _Operation, sources: list[VectorSource]) -> Step:
    function, bits, register = operation.function, operation.bits, instruction["vdst"]
    merged = _merge(instruction) if instruction.encoding == SDWA_FORM else None

    def step(wave: Wave) -> None:
        values = [source(wave) for source in sources]
        if not any(isinstance(value, list) for value in values):
            # The same for all lanes.
            results = [function(*values)] * wave.size
        else:
            columns = (value if isinstance(value, list) else repeat(value) for value in values)
            results = list(map(function, *columns))
        if bits == 64:
            wave.write_vector(register + 1, [value >> 32 for value in results])
            results = [value & DWORD for value in results]
        if merged is not None:
            results = list(map(merged, wave.vector(register), results))
        wave.write_vector(register, results)

    return step


def _merge(instruction: Instruction) -> Callable[[int, int], int]:
    """Return what puts a result into the part of a register that SDWA says; of what was there, and the result."""
    shift, mask = _selected(instruction, "dst_sel")
    unused = instruction["dst_unused"]
    if unused == _SIGN and mask != DWORD:
        raise refuse(f"{instruction.name} with SDWA that extends the sign of its result")
    kept = DWORD & ~(mask << shift) if unused == _PRESERVED else 0
    return lambda old, result: old & kept | (result & mask) << shift


def _selected(instruction: Instruction, field: str) -> tuple[int, int]:
    """Return shift and mask of what a selector of SDWA means."""
    found = _SELECTED.get(instruction[field])
    if found is None:
        raise refuse(f"{instruction.name} with SDWA selector {instruction[field]}")
    return found


def _select_part(instruction: Instruction, number: int, source: VectorSource) -> VectorSource:
    """Return what reads the part of a source that SDWA says."""
    shift, mask = _selected(instruction, f"src{number}_sel")
    if instruction[f"src{number}_sext"] or instruction[f"src{number}_modifiers"]:
        raise refuse(f"{instruction.name} with SDWA that changes its sources")

    def part(wave: Wave) -> int | list[int]:
        value = source(wave)
        if isinstance(value, list):
            return [one >> shift & mask for one in value]
        return value >> shift & mask

    return part


# -- the short encodings, which can also be written as VOP3 ------------------------------------------------------------


def _sources(instruction: Instruction, bits: tuple[int, ...]) -> list[VectorSource]:
    """Return readers of the first operands, as many as there are ``bits``."""
    if instruction.encoding == SDWA_FORM:
        return _sdwa_sources(instruction, len(bits))
    if instruction["src0"] in _OTHER_FORMS:
        raise refuse(f"{instruction.name} with DPP or SDWA")
    second = "src1" if instruction.encoding == "VOP3" else "vsrc1"
    return [
        vector_source(instruction, field, size) for field, size in zip(("src0", second, "src2"), bits, strict=False)
    ]


def _sdwa_sources(instruction: Instruction, count: int) -> list[VectorSource]:
    sources = [_select_part(instruction, 0, vector_source(instruction, "src0"))]
    if count > 1:
        if instruction["src1_scalar"]:
            raise refuse(f"{instruction.name} with SDWA and a scalar second source")
        sources.append(_select_part(instruction, 1, vector_source(instruction, "vsrc1")))
    return sources


def _plain(instruction: Instruction, *, has_mask: bool = False, sdwa: bool = False) -> None:
    """Refuse the modifiers of VOP3 and SDWA: those of floating point, saturation, halves of registers.

    ``sdwa``: selecting parts of registers is modelled.
    """
    if instruction.encoding == SDWA_FORM:
        if not sdwa:
            raise refuse(f"{instruction.name} with DPP or SDWA")
        if instruction["clamp"] or instruction["omod"]:
            raise refuse(f"{instruction.name} with modifiers")
    if instruction.encoding != "VOP3":
        return
    # Instructions that write a mask have its register in the place of two of them.
    low = 0 if has_mask else instruction["sdst"]
    if low or instruction["clamp"] or instruction["omod"] or instruction["neg"]:
        raise refuse(f"{instruction.name} with modifiers")


def vop1(instruction: Instruction) -> Step:
    """One source."""
    name = instruction.name
    if name == "v_nop":
        return lambda _wave: None
    if name == "v_mov_b16":
        return _move_half(instruction)
    if name == "v_readfirstlane_b32":
        _plain(instruction)
        return _read_first_lane(instruction)
    _plain(instruction, sdwa=True)
    return _apply(instruction, _VOP1[name], _sources(instruction, (32,)))


def _read_first_lane(instruction: Instruction) -> Step:
    (source,), register = _sources(instruction, (32,)), instruction["vdst"]

    def step(wave: Wave) -> None:
        value = source(wave)
        if isinstance(value, list):
            value = value[wave.lanes[0] if wave.lanes else 0]
        wave.write_scalar(register, value)

    return step


def vop2(instruction: Instruction) -> Step:
    """Two sources."""
    name = instruction.name
    if name in _CARRY:
        return _carry(instruction)
    if name == "v_cndmask_b32":
        _plain(instruction)
        return _select(instruction)
    _plain(instruction, sdwa=True)
    operation = _VOP2[name]
    return _apply(instruction, operation, _sources(instruction, operation.sources[:2]))


def _mask_in(instruction: Instruction) -> int:
    """Return the register of the mask that an instruction reads."""
    if instruction.encoding != "VOP3":
        return VCC
    if instruction["src2"] > EXEC:
        raise refuse(f"{instruction.name} with mask operand {instruction['src2']}")
    return instruction["src2"]


def _select(instruction: Instruction) -> Step:
    first, second = _sources(instruction, (32, 32))
    register, mask_register = instruction["vdst"], _mask_in(instruction)

    def step(wave: Wave) -> None:
        mask = wave.read_mask(mask_register)
        pairs = _lanes(wave, [first(wave), second(wave)])
        wave.write_vector(register, [pair[mask >> lane & 1] for lane, pair in enumerate(pairs)])

    return step


def _carry(instruction: Instruction) -> Step:
    """Additions and subtractions with a carry for each lane, in a mask."""
    _plain(instruction, has_mask=True)
    name, register = instruction.name, instruction["vdst"]
    function = _CARRY[name]
    first, second = _sources(instruction, (32, 32))
    mask_out = instruction["sdst"] if instruction.encoding == "VOP3" else VCC
    mask_in = _mask_in(instruction) if name in _TAKES_CARRY else None
    drops_mask = is_null(mask_out, instruction.version)

    def step(wave: Wave) -> None:
        carries = 0 if mask_in is None else wave.read_mask(mask_in)
        totals = [
            function(a, b, carries >> lane & 1) for lane, (a, b) in enumerate(_lanes(wave, [first(wave), second(wave)]))
        ]
        wave.write_vector(register, [total & DWORD for total in totals])
        if not drops_mask:
            wave.write_mask(mask_out, sum(1 << lane for lane in wave.lanes if totals[lane] >> 32 & 1))

    return step


def vopc(instruction: Instruction) -> Step:
    """Compare two sources, into a mask of lanes."""
    _plain(instruction)
    compare, relation, kind = instruction.name.removeprefix("v_").split("_")
    holds = _COMPARE[relation]
    first, second = _sources(instruction, (32, 32))
    as_number = _signed if kind == "i32" else int
    to_exec = compare == "cmpx"
    target = instruction["vdst"] if instruction.encoding == "VOP3" else VCC
    # From GFX10 on a comparison for EXEC writes nothing else.
    writes_mask = not (to_exec and instruction.version >= (10,)) and not is_null(target, instruction.version)

    def step(wave: Wave) -> None:
        pairs = _lanes(wave, [first(wave), second(wave)])
        results = [holds(as_number(a), as_number(b)) for a, b in pairs]
        mask = sum(1 << lane for lane in wave.lanes if results[lane])
        if writes_mask:
            wave.write_mask(target, mask)
        if to_exec:
            wave.write_mask(EXEC, mask)

    return step


# -- VOP3 alone --------------------------------------------------------------------------------------------------------


def vop3(instruction: Instruction) -> Step:
    """Up to three sources."""
    name = instruction.name
    if name in _CARRY:
        return _carry(instruction)
    if name == "v_mad_u64_u32":
        return _mad64(instruction)
    if name == "v_pack_b32_f16":
        return _pack(instruction)
    _plain(instruction)
    operation = _VOP3[name]
    return _apply(instruction, operation, _sources(instruction, operation.sources))


def _mad64(instruction: Instruction) -> Step:
    """Multiply 32 by 32 bits and add 64, with a carry in a mask."""
    _plain(instruction, has_mask=True)
    register, mask_out = instruction["vdst"], instruction["sdst"]
    sources = _sources(instruction, (32, 32, 64))
    drops_mask = is_null(mask_out, instruction.version)

    def step(wave: Wave) -> None:
        totals = [a * b + c for a, b, c in _lanes(wave, [source(wave) for source in sources])]
        wave.write_vector(register, [total & DWORD for total in totals])
        wave.write_vector(register + 1, [total >> 32 & DWORD for total in totals])
        if not drops_mask:
            wave.write_mask(mask_out, sum(1 << lane for lane in wave.lanes if totals[lane] >> 64))

    return step


# -- halves of registers ----------------------------------------------------------------------------------------------


def _half(source: VectorSource, high: bool) -> VectorSource:
    shift = 16 if high else 0

    def half(wave: Wave) -> int | list[int]:
        value = source(wave)
        if isinstance(value, list):
            return [one >> shift & 0xFFFF for one in value]
        return value >> shift & 0xFFFF

    return half


def _halves_of_vop3(instruction: Instruction) -> int:
    """Return a bit for each operand of which the upper half is meant: sources from bit 0 on, the result in bit 3."""
    if instruction["sdst"] & 7 or instruction["clamp"] or instruction["omod"] or instruction["neg"]:
        raise refuse(f"{instruction.name} with modifiers")
    return instruction["sdst"] >> 3


def _pack(instruction: Instruction) -> Step:
    """Two halves become a register. As bits: denormals are kept in the mode that drivers choose for 16 bits."""
    high = _halves_of_vop3(instruction)
    if instruction["src0"] in _FLOATS or instruction["src1"] in _FLOATS:
        raise refuse(f"{instruction.name} with constants of floating point")
    first, second = _sources(instruction, (32, 32))
    sources = [_half(first, bool(high & 1)), _half(second, bool(high & 2))]
    return _apply(instruction, _Operation(lambda a, b: a | b << 16), sources)


_UPPER_HALF = 1 << 7
"""In the number of a register of an instruction of 16 bits that is not VOP3; there are 128 then."""


def _move_half(instruction: Instruction) -> Step:
    if instruction["src0"] in _FLOATS:
        raise refuse(f"{instruction.name} with a constant of floating point")
    if instruction.encoding == "VOP3":
        high = _halves_of_vop3(instruction)
        register, from_upper, to_upper = instruction["vdst"], bool(high & 1), bool(high & 8)
        (source,) = _sources(instruction, (32,))
    else:
        code, register = instruction["src0"], instruction["vdst"]
        from_upper = code >= VECTORS and bool(code & _UPPER_HALF)
        to_upper = bool(register & _UPPER_HALF)
        register &= ~_UPPER_HALF
        plain = {**instruction.fields, "src0": code & ~_UPPER_HALF if from_upper else code}
        (source,) = _sources(replace(instruction, fields=plain), (32,))
    shift, kept = (16, 0xFFFF) if to_upper else (0, 0xFFFF_0000)
    half = _half(source, from_upper)

    def step(wave: Wave) -> None:
        value = half(wave)
        values = value if isinstance(value, list) else [value] * wave.size
        old = wave.vector(register)
        wave.write_vector(register, [one & kept | new << shift for one, new in zip(old, values, strict=True)])

    return step
