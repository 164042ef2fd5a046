# SPDX-License-Identifier: MIT
"""Scalar instructions: arithmetic of one value for the whole wave, branches, and what only waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from .decoder import Instruction, refuse
from .operands import is_null, scalar_source
from .wave import DWORD, EXEC, VCC, Wave

__all__ = ("Step", "sop1", "sop2", "sopc", "sopk", "sopp")

Step: TypeAlias = Callable[[Wave], None]
"""Does what one instruction does; the wave's `pc` is already behind it."""

_Result: TypeAlias = tuple[int, int | None]
"""The value, and the new SCC, None where it stays."""


class _Binary(NamedTuple):
    function: Callable[[int, int, int], _Result]
    """Of both sources and the old SCC."""
    bits: int = 32
    second: int = 32
    """Bits of the second source."""


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def _add(one: int, other: int, carry: int = 0) -> _Result:
    total = one + other + carry
    return total, total >> 32


def _subtract(one: int, other: int, borrow: int = 0) -> _Result:
    return one - other - borrow, int(one < other + borrow)


def _overflows(total: int) -> bool:
    return not -(1 << 31) <= total < 1 << 31


def _signed_total(total: int) -> _Result:
    return total, int(_overflows(total))


def _nonzero(value: int) -> _Result:
    return value, int(value != 0)


def _picked(one: int, other: int, picks_first: bool) -> _Result:
    return (one if picks_first else other), int(picks_first)


def _field(value: int, where: int, signed: bool) -> _Result:
    """Cut a bit field out: offset in bits 4:0, width in 22:16."""
    width = where >> 16 & 0x7F
    cut = value >> (where & 31) & (1 << width) - 1
    if signed and width and cut >> (width - 1):
        cut -= 1 << width
    return _nonzero(cut & DWORD)


def _shift_add(shift: int) -> _Binary:
    def function(one: int, other: int, _scc: int) -> _Result:
        total = (one << shift) + other
        return total, int(total > DWORD)

    return _Binary(function)


_SOP2: dict[str, _Binary] = {
    "s_add_u32": _Binary(lambda a, b, _: _add(a, b)),
    "s_sub_u32": _Binary(lambda a, b, _: _subtract(a, b)),
    "s_add_i32": _Binary(lambda a, b, _: _signed_total(_signed(a) + _signed(b))),
    "s_sub_i32": _Binary(lambda a, b, _: _signed_total(_signed(a) - _signed(b))),
    "s_addc_u32": _Binary(_add),
    "s_subb_u32": _Binary(_subtract),
    "s_min_i32": _Binary(lambda a, b, _: _picked(a, b, _signed(a) < _signed(b))),
    "s_min_u32": _Binary(lambda a, b, _: _picked(a, b, a < b)),
    "s_max_i32": _Binary(lambda a, b, _: _picked(a, b, _signed(a) > _signed(b))),
    "s_max_u32": _Binary(lambda a, b, _: _picked(a, b, a > b)),
    "s_cselect_b32": _Binary(lambda a, b, scc: (a if scc else b, None)),
    "s_cselect_b64": _Binary(lambda a, b, scc: (a if scc else b, None), 64, 64),
    "s_and_b32": _Binary(lambda a, b, _: _nonzero(a & b)),
    "s_and_b64": _Binary(lambda a, b, _: _nonzero(a & b), 64, 64),
    "s_or_b32": _Binary(lambda a, b, _: _nonzero(a | b)),
    "s_or_b64": _Binary(lambda a, b, _: _nonzero(a | b), 64, 64),
    "s_xor_b32": _Binary(lambda a, b, _: _nonzero(a ^ b)),
    "s_xor_b64": _Binary(lambda a, b, _: _nonzero(a ^ b), 64, 64),
    "s_andn2_b32": _Binary(lambda a, b, _: _nonzero(a & ~b)),
    "s_andn2_b64": _Binary(lambda a, b, _: _nonzero(a & ~b), 64, 64),
    "s_orn2_b32": _Binary(lambda a, b, _: _nonzero((a | ~b) & DWORD)),
    "s_lshl_b32": _Binary(lambda a, b, _: _nonzero(a << (b & 31) & DWORD)),
    "s_lshl_b64": _Binary(lambda a, b, _: _nonzero(a << (b & 63) & (1 << 64) - 1), 64),
    "s_lshr_b32": _Binary(lambda a, b, _: _nonzero(a >> (b & 31))),
    "s_lshr_b64": _Binary(lambda a, b, _: _nonzero(a >> (b & 63)), 64),
    "s_ashr_i32": _Binary(lambda a, b, _: _nonzero(_signed(a) >> (b & 31) & DWORD)),
    "s_bfm_b32": _Binary(lambda a, b, _: (((1 << (a & 31)) - 1) << (b & 31), None)),
    "s_mul_i32": _Binary(lambda a, b, _: (a * b, None)),
    "s_mul_hi_u32": _Binary(lambda a, b, _: (a * b >> 32, None)),
    "s_bfe_u32": _Binary(lambda a, b, _: _field(a, b, signed=False)),
    "s_bfe_i32": _Binary(lambda a, b, _: _field(a, b, signed=True)),
    "s_pack_ll_b32_b16": _Binary(lambda a, b, _: (a & 0xFFFF | b << 16, None)),
    "s_pack_lh_b32_b16": _Binary(lambda a, b, _: (a & 0xFFFF | b & 0xFFFF_0000, None)),
    "s_pack_hl_b32_b16": _Binary(lambda a, b, _: (a >> 16 | b << 16, None)),
    "s_pack_hh_b32_b16": _Binary(lambda a, b, _: (a >> 16 | b & 0xFFFF_0000, None)),
    **{f"s_lshl{shift}_add_u32": _shift_add(shift) for shift in (1, 2, 3, 4)},
}


def sop2(instruction: Instruction) -> Step:
    """Two sources."""
    function, bits, second = _SOP2[instruction.name]
    one = scalar_source(instruction, "ssrc0", bits)
    other = scalar_source(instruction, "ssrc1", second)
    write = _writer(instruction, bits)

    def step(wave: Wave) -> None:
        value, scc = function(one(wave), other(wave), wave.scc)
        write(wave, value)
        if scc is not None:
            wave.scc = scc

    return step


def _writer(instruction: Instruction, bits: int) -> Callable[[Wave, int], None]:
    register = instruction["sdst"]
    if is_null(register, instruction.version):
        return lambda _wave, _value: None
    return lambda wave, value: wave.write_scalar(register, value, bits)


def _extended(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class _Unary(NamedTuple):
    function: Callable[[int], _Result]
    bits: int = 32


_SOP1: dict[str, _Unary] = {
    "s_mov_b32": _Unary(lambda a: (a, None)),
    "s_mov_b64": _Unary(lambda a: (a, None), 64),
    "s_not_b32": _Unary(lambda a: _nonzero(~a & DWORD)),
    "s_not_b64": _Unary(lambda a: _nonzero(~a & (1 << 64) - 1), 64),
    "s_brev_b32": _Unary(lambda a: (int(f"{a:032b}"[::-1], 2), None)),
    "s_sext_i32_i8": _Unary(lambda a: (_extended(a, 8), None)),
    "s_sext_i32_i16": _Unary(lambda a: (_extended(a, 16), None)),
}

_SAVEEXEC: dict[str, Callable[[int, int], int]] = {
    "and": lambda source, mask: source & mask,
    "or": lambda source, mask: source | mask,
    "xor": lambda source, mask: source ^ mask,
    "andn1": lambda source, mask: ~source & mask,
    "andn2": lambda source, mask: source & ~mask,
    "orn1": lambda source, mask: ~source | mask,
    "orn2": lambda source, mask: source | ~mask,
    "nand": lambda source, mask: ~(source & mask),
    "nor": lambda source, mask: ~(source | mask),
    "xnor": lambda source, mask: ~(source ^ mask),
}
"""What becomes of EXEC, by what is between s_ and _saveexec."""


def sop1(instruction: Instruction) -> Step:
    """One source."""
    if "_saveexec_" in instruction.name:
        return _saveexec(instruction)
    if instruction.name == "s_cmov_b32":
        return _cmov(instruction)
    function, bits = _SOP1[instruction.name]
    source = scalar_source(instruction, "ssrc0", bits)
    write = _writer(instruction, bits)

    def step(wave: Wave) -> None:
        value, scc = function(source(wave))
        write(wave, value)
        if scc is not None:
            wave.scc = scc

    return step


def _saveexec(instruction: Instruction) -> Step:
    operation, width = instruction.name.removeprefix("s_").split("_saveexec_b")
    function, bits = _SAVEEXEC[operation], int(width)
    source = scalar_source(instruction, "ssrc0", bits)
    write = _writer(instruction, bits)

    def step(wave: Wave) -> None:
        old = wave.scalars[EXEC] | (wave.scalars[EXEC + 1] << 32 if bits == 64 else 0)
        new = function(source(wave), old) & ((1 << bits) - 1)
        write(wave, old)
        wave.write_scalar(EXEC, new, bits)
        wave.scc = int(new != 0)

    return step


def _cmov(instruction: Instruction) -> Step:
    source = scalar_source(instruction, "ssrc0")
    write = _writer(instruction, 32)

    def step(wave: Wave) -> None:
        if wave.scc:
            write(wave, source(wave))

    return step


_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "lg": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}


def sopc(instruction: Instruction) -> Step:
    """Compare two sources, into SCC."""
    operation, kind = instruction.name.split("_")[-2:]
    bits = int(kind[1:])
    one, other = scalar_source(instruction, "ssrc0", bits), scalar_source(instruction, "ssrc1", bits)
    if operation in ("bitcmp0", "bitcmp1"):
        wanted = int(operation[-1])

        def test(wave: Wave) -> None:
            wave.scc = int(one(wave) >> (other(wave) & 31) & 1 == wanted)

        return test
    holds, signed = _COMPARE[operation], kind[0] == "i"

    def step(wave: Wave) -> None:
        a, b = one(wave), other(wave)
        wave.scc = int(holds(_signed(a), _signed(b)) if signed else holds(a, b))

    return step


def sopk(instruction: Instruction) -> Step:
    """A constant of 16 bits."""
    name, constant, register = instruction.name, instruction["simm"], instruction["sdst"]
    if name in ("s_version", "s_waitcnt_vscnt"):
        return _nothing
    write = _writer(instruction, 32)
    if name == "s_movk_i32":
        return lambda wave: write(wave, constant)

    def step(wave: Wave) -> None:
        old = wave.scalars[register]
        if name == "s_cmovk_i32":
            if wave.scc:
                write(wave, constant)
        elif name == "s_mulk_i32":
            write(wave, old * constant)
        else:
            total = _signed(old) + constant
            write(wave, total)
            wave.scc = int(_overflows(total))

    return step


def _nothing(_wave: Wave) -> None:
    """Do nothing: each instruction of the model is over before the next one begins."""


def _end(wave: Wave) -> None:
    wave.ended = True


_BRANCHES: dict[str, Callable[[Wave], bool]] = {
    "s_branch": lambda _wave: True,
    "s_cbranch_scc0": lambda wave: not wave.scc,
    "s_cbranch_scc1": lambda wave: bool(wave.scc),
    "s_cbranch_vccz": lambda wave: not wave.read_mask(VCC),
    "s_cbranch_vccnz": lambda wave: bool(wave.read_mask(VCC)),
    "s_cbranch_execz": lambda wave: not wave.lanes,
    "s_cbranch_execnz": lambda wave: bool(wave.lanes),
}

_WAITS = frozenset(
    (
        "s_nop", "s_sleep", "s_setprio", "s_inst_prefetch", "s_clause", "s_delay_alu", "s_round_mode", "s_denorm_mode",
        "s_waitcnt", "s_waitcnt_depctr", "s_wait_idle", "s_wait_loadcnt", "s_wait_storecnt", "s_wait_kmcnt",
        "s_wait_dscnt", "s_wait_loadcnt_dscnt", "s_wait_storecnt_dscnt", "s_singleuse_vdst",
    )
)  # fmt: skip
"""What waits for, or advises, units that the model does not have side by side; modes are those of floating point."""

_DEALLOC_VGPRS = 3
"""The message that gives the wave's registers back, from GFX11 on."""


def sopp(instruction: Instruction) -> Step:
    """Branches, the end, and what only waits."""
    name, constant = instruction.name, instruction["simm"]
    if name == "s_endpgm":
        return _end
    if name in _WAITS:
        return _nothing
    if name == "s_sendmsg":
        if constant & 0xFF != _DEALLOC_VGPRS:
            raise refuse(f"s_sendmsg {constant & 0xFF}")
        return _nothing
    taken = _BRANCHES[name]

    def step(wave: Wave) -> None:
        if taken(wave):
            wave.pc += 4 * constant

    return step
