# SPDX-License-Identifier: MIT
"""Vector instructions that compute: one value for each lane. Values are unsigned integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import NamedTuple, TypeAlias

from .decoder import Instruction, refuse
from .operands import VectorSource, is_null, vector_source
from .scalar import Step
from .wave import DWORD, EXEC, VCC, Wave

__all__ = ("vop1", "vop2", "vop3", "vopc")

_Function: TypeAlias = Callable[..., int]
_SDWA_OR_DPP = frozenset((233, 234, 249, 250))
"""Values of the first source that say that another form of the instruction follows."""


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


def _apply(operation: _Operation, sources: list[VectorSource], register: int) -> Step:
    function, bits = operation.function, operation.bits

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
        wave.write_vector(register, results)

    return step


# -- the short encodings, which can also be written as VOP3 ------------------------------------------------------------


def _sources(instruction: Instruction, bits: tuple[int, ...]) -> list[VectorSource]:
    """Return readers of the first operands, as many as there are ``bits``."""
    if instruction["src0"] in _SDWA_OR_DPP:
        raise refuse(f"{instruction.name} with DPP or SDWA")
    second = "src1" if instruction.encoding == "VOP3" else "vsrc1"
    return [
        vector_source(instruction, field, size) for field, size in zip(("src0", second, "src2"), bits, strict=False)
    ]


def _plain(instruction: Instruction, has_mask: bool = False) -> None:
    """Refuse the modifiers of VOP3: those of floating point, saturation, halves of registers."""
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
    _plain(instruction)
    if name == "v_readfirstlane_b32":
        return _read_first_lane(instruction)
    return _apply(_VOP1[name], _sources(instruction, (32,)), instruction["vdst"])


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
    _plain(instruction)
    if name == "v_cndmask_b32":
        return _select(instruction)
    operation = _VOP2[name]
    return _apply(operation, _sources(instruction, operation.sources[:2]), instruction["vdst"])


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
    _plain(instruction)
    operation = _VOP3[name]
    return _apply(operation, _sources(instruction, operation.sources), instruction["vdst"])


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
