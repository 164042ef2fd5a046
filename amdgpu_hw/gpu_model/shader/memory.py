# SPDX-License-Identifier: MIT
"""Instructions that read and write memory: scalar loads, flat, global and buffer loads and stores.

All of them are over when the next one begins. Lanes whose addresses follow each other make one access.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from struct import Struct
from typing import NamedTuple, TypeAlias

from amdgpu_hw.gpu_model.faults import Client

from .buffer import Descriptor
from .decoder import Instruction, refuse
from .operands import is_null
from .scalar import Step
from .wave import DWORD, EXEC, Wave

__all__ = ("flat", "global_", "mubuf", "smem")

_Addresses: TypeAlias = Callable[[Wave], list[int | None]]
"""Where each active lane reads or writes; None: nowhere, it reads 0."""

_NO_SADDR = 0x7F
"""The scalar address of GLOBAL that says that there is none, up to GFX10; from GFX10 on the null register does."""


class _Access(NamedTuple):
    """What a lane moves."""

    size: int
    """Bytes."""
    signed: bool = False
    formatted: bool = False
    """The descriptor says what a component is."""
    half: int | None = None
    """First bit of the half of a register that it is about (D16); a load leaves the other one alone."""

    @property
    def registers(self) -> int:
        return max(1, self.size // 4)


_ACCESSES: dict[str, _Access] = {
    "ubyte": _Access(1),
    "sbyte": _Access(1, signed=True),
    "byte": _Access(1),
    "ushort": _Access(2),
    "sshort": _Access(2, signed=True),
    "short": _Access(2),
    "ubyte_d16": _Access(1, half=0),
    "ubyte_d16_hi": _Access(1, half=16),
    "sbyte_d16": _Access(1, signed=True, half=0),
    "sbyte_d16_hi": _Access(1, signed=True, half=16),
    "byte_d16_hi": _Access(1, half=16),
    "short_d16": _Access(2, half=0),
    "short_d16_hi": _Access(2, half=16),
    "dword": _Access(4),
    "dwordx2": _Access(8),
    "dwordx3": _Access(12),
    "dwordx4": _Access(16),
    "format_x": _Access(4, formatted=True),
    "format_xy": _Access(8, formatted=True),
    "format_xyz": _Access(12, formatted=True),
    "format_xyzw": _Access(16, formatted=True),
}


def _split(name: str) -> tuple[bool, _Access]:
    """Tell whether an instruction stores, and what."""
    _, direction, what = name.split("_", 2)
    return direction == "store", _ACCESSES[what]


# -- runs of addresses -------------------------------------------------------------------------------------------------


def _runs(addresses: Sequence[int | None], size: int) -> Iterator[tuple[int | None, int]]:
    """Join lanes that follow each other in memory: the first one's address, and how many they are."""
    first = addresses[0]
    if first is not None and list(addresses) == list(range(first, first + size * len(addresses), size)):
        yield first, len(addresses)
        return
    start, count = first, 1
    for address in addresses[1:]:
        if address == (None if start is None else start + size * count):
            count += 1
        else:
            yield start, count
            start, count = address, 1
    yield start, count


def _load(wave: Wave, addresses: list[int | None], access: _Access, register: int) -> None:
    size = access.size
    data = b"".join(
        bytes(size * count) if va is None else wave.vm.read(va, size * count, Client.TCP)
        for va, count in _runs(addresses, size)
    )
    wave.moved += len(data)
    if size < 4:
        values = [
            int.from_bytes(data[at : at + size], "little", signed=access.signed) & DWORD
            for at in range(0, len(data), size)
        ]
        if access.half is not None:
            kept, shift = 0xFFFF_0000 >> access.half, access.half
            old = _active(wave, register)
            values = [one & kept | (value & 0xFFFF) << shift for one, value in zip(old, values, strict=True)]
        wave.write_lanes(register, values)
        return
    dwords = Struct(f"<{len(data) // 4}I").unpack(data)
    for index in range(access.registers):
        wave.write_lanes(register + index, dwords[index :: access.registers])


def _store(wave: Wave, addresses: list[int | None], access: _Access, register: int) -> None:
    size = access.size
    columns = [_active(wave, register + index) for index in range(access.registers)]
    if size < 4:
        mask, shift = (1 << 8 * size) - 1, access.half or 0
        data = b"".join((value >> shift & mask).to_bytes(size, "little") for value in columns[0])
    else:
        data = Struct(f"<{len(columns) * len(addresses)}I").pack(*chain.from_iterable(zip(*columns, strict=True)))
    wave.moved += len(data)
    at = 0
    for va, count in _runs(addresses, size):
        if va is not None:
            wave.vm.write(va, data[at : at + size * count], Client.TCP)
        at += size * count


def _access(instruction: Instruction, addresses: _Addresses, load_to: str, store_from: str) -> Step:
    stores, access = _split(instruction.name)
    register = instruction[store_from if stores else load_to]
    move = _store if stores else _load

    def step(wave: Wave) -> None:
        if wave.lanes:
            move(wave, addresses(wave), access, register)

    return step


# -- flat and global ---------------------------------------------------------------------------------------------------


def _active(wave: Wave, register: int) -> list[int]:
    """Return a register of the active lanes."""
    values = wave.vector(register)
    return values if wave.full else [values[lane] for lane in wave.lanes]


def flat(instruction: Instruction) -> Step:
    """An address of 64 bits in each lane. None of them is in an aperture of LDS or scratch memory: there is neither."""
    if "saddr" in instruction.fields and not _no_saddr(instruction):
        raise refuse(f"{instruction.name} with a scalar address")
    return _access(instruction, _vector_addresses(instruction), "vdst", "vsrc")


def _no_saddr(instruction: Instruction) -> bool:
    return instruction["saddr"] == _NO_SADDR or is_null(instruction["saddr"], instruction.version)


def global_(instruction: Instruction) -> Step:
    """As flat, or a scalar address with an offset in each lane."""
    saddr, vaddr, offset = instruction["saddr"], instruction["vaddr"], instruction["offset"]
    if instruction.fields.get("lds"):
        raise refuse(f"{instruction.name} to LDS")
    if _no_saddr(instruction):
        return _access(instruction, _vector_addresses(instruction), "vdst", "vsrc")

    def addresses(wave: Wave) -> list[int | None]:
        base = (wave.scalars[saddr] | wave.scalars[saddr + 1] << 32) + offset
        return [base + one for one in _active(wave, vaddr)]

    return _access(instruction, addresses, "vdst", "vsrc")


def _vector_addresses(instruction: Instruction) -> _Addresses:
    vaddr, offset = instruction["vaddr"], instruction.fields.get("offset", 0)

    def addresses(wave: Wave) -> list[int | None]:
        low, high = _active(wave, vaddr), _active(wave, vaddr + 1)
        return [one + (other << 32) + offset for one, other in zip(low, high, strict=True)]

    return addresses


# -- buffers -----------------------------------------------------------------------------------------------------------


def mubuf(instruction: Instruction) -> Step:
    """A descriptor in scalar registers, with an index and an offset in each lane where the instruction says so."""
    if instruction.fields.get("lds"):
        raise refuse(f"{instruction.name} to LDS")
    stores, access = _split(instruction.name)
    move, register = _store if stores else _load, instruction["vdata"]
    first = instruction["srsrc"] if "srsrc" in instruction.fields else 4 * instruction["srsrc4"]
    soffset = _scalar_offset(instruction)
    vaddr, offset = instruction["vaddr"], instruction["offset"]
    indexed, has_offset = instruction["idxen"], instruction["offen"]

    def step(wave: Wave) -> None:
        if not wave.lanes:
            return
        descriptor = Descriptor(wave.scalars[first : first + 4], instruction.version)
        descriptor.check(instruction.name, access.formatted)
        zeros = [0] * len(wave.lanes)
        indices = _active(wave, vaddr) if indexed else zeros
        offsets = [one + offset for one in (_active(wave, vaddr + indexed) if has_offset else zeros)]

        def addresses(size: int, behind: int = 0) -> list[int | None]:
            moved = [one + behind for one in offsets] if behind else offsets
            return descriptor.addresses(indices, moved, soffset(wave), size, bool(indexed))

        whole = addresses(access.size)
        if access.registers == 1 or access.formatted or None not in whole:
            move(wave, whole, access, register)
            return
        # Each dword may be the first one beyond the end.
        for index in range(access.registers):
            move(wave, addresses(4, 4 * index), _ACCESSES["dword"], register + index)

    return step


def _scalar_offset(instruction: Instruction) -> Callable[[Wave], int]:
    """Return what reads the offset that is the same for all lanes: a register or a constant."""
    code = instruction["soffset"]
    if is_null(code, instruction.version):
        return lambda _wave: 0
    if code <= EXEC + 1:
        return lambda wave: wave.scalars[code]
    if 128 <= code <= 192:
        return lambda _wave: code - 128
    raise refuse(f"{instruction.name} with offset operand {code}")


# -- scalar loads ------------------------------------------------------------------------------------------------------


def smem(instruction: Instruction) -> Step:
    """Consecutive dwords into scalar registers, from an address or from a buffer."""
    from_buffer = instruction.name.startswith("s_buffer")
    count = int(instruction.name.partition("dword")[2].removeprefix("x") or 1)
    base, register = 2 * instruction["sbase2"], instruction["sdst"]
    offset = _load_offset(instruction)

    def step(wave: Wave) -> None:
        scalars = wave.scalars
        # The hardware drops the two lowest bits of all that it adds up.
        at = offset(wave) & ~3
        start, size = scalars[base] | scalars[base + 1] << 32, 4 * count
        if from_buffer:
            descriptor = Descriptor(scalars[base : base + 4], instruction.version)
            start, size = descriptor.base, max(0, min(size, descriptor.bytes - at))
        data = wave.vm.read((start & ~3) + at, size, Client.SQC_DATA) if size else b""
        wave.moved += size
        for index in range(count):
            word = data[4 * index : 4 * index + 4]
            wave.write_scalar(register + index, int.from_bytes(word, "little"))

    return step


def _load_offset(instruction: Instruction) -> Callable[[Wave], int]:
    version, offset = instruction.version, instruction["offset"]
    if version < (10,):
        if instruction["imm"]:
            register = instruction["soffset"] if instruction.fields.get("soffset_en") else None
        elif instruction.fields.get("soffset_en"):
            register, offset = instruction["soffset"], 0
        else:
            # The field is the number of a register.
            register, offset = offset & 0x7F, 0
    else:
        register = None if is_null(instruction["soffset"], version) else instruction["soffset"]
    if register is None:
        return lambda _wave: offset
    return lambda wave: wave.scalars[register] + offset
