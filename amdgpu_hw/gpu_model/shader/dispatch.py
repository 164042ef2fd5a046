# SPDX-License-Identifier: MIT
"""Compute dispatches: from the registers of a queue to workgroups and waves.

Waves run one after the other, each to its end: nothing that would let them work together (LDS, barriers, GWS) is
modelled. The order is that of hardware with one compute unit.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from amdgpu_hw.gpu_model.faults import RingStop, StopCause
from amdgpu_hw.gpu_model.vm_access import COST_SHIFT, Pauses
from amdgpu_hw.packets import Version, compute

from .decoder import refuse
from .program import Program
from .wave import TTMP, Wave

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.ring import Ring
    from amdgpu_hw.gpu_model.vm_access import VmAccess

__all__ = ("ComputeRegisters", "dispatch")

_SLICE = 128
"""Instructions that a wave executes before other rings may get their turn."""
_COST_SHIFT = 2
"""Four instructions cost as much as one packet."""
_WAVE_LIMIT, _DISPATCH_LIMIT = 1 << 16, 1 << 24
"""Instructions of a wave, and of all waves of a dispatch, above which they count as without end. A fill of 1 GiB needs
10 million; nobody waits for more, and hardware would be done with as much in a moment."""
_THREADS_MAX = 2048
"""Of a workgroup; the hardware has room for 32 waves of 64."""


class ComputeRegisters:
    """The SH registers of a queue that matter for compute shaders."""

    def __init__(self) -> None:
        self._values: dict[int, int] = {}

    def write(self, first: int, values: Sequence[int]) -> None:
        """Write consecutive registers; offsets count dwords from the first SH register."""
        self._values.update(enumerate(values, start=first))

    def __getitem__(self, offset: int) -> int:
        """Return a register; those that nobody has written are 0."""
        return self._values.get(offset, 0)


class _Axis(NamedTuple):
    """One dimension of a dispatch."""

    start: int
    """Number of the first workgroup."""
    end: int
    """Number of the last one, plus 1."""
    threads: int
    """Threads of a workgroup."""
    threads_of_last: int

    def threads_of(self, group: int) -> int:
        """Return how many threads a workgroup has."""
        return self.threads_of_last if group == self.end - 1 else self.threads


class _Shader:
    """What the registers say that holds for all waves of a dispatch."""

    def __init__(self, registers: ComputeRegisters, version: Version, initiator: int) -> None:
        second = registers[compute.PGM_RSRC2]
        if second & compute.SCRATCH:
            raise refuse("a shader with scratch memory")
        self.version = version
        self.code = (registers[compute.PGM_LO] | (registers[compute.PGM_HI] & 0xFF) << 32) << 8
        self.wave_size = 32 if version >= (10,) and initiator & compute.WAVE32 else 64
        self.user_data = [registers[compute.USER_DATA_0 + index] for index in range(second >> 1 & 0x1F)]
        self.group_ids = [axis for axis in range(3) if second >> (compute.GROUP_ID_X_BIT + axis) & 1]
        self.has_group_size = bool(second & compute.GROUP_SIZE)
        self.thread_ids = 1 + (second >> 11 & 3)

    @property
    def packs_thread_ids(self) -> bool:
        """All three thread numbers are in one register, ten bits each."""
        return self.version >= (11,) or (9, 4, 2) <= self.version < (10,)

    @property
    def group_ids_in_ttmp(self) -> bool:
        """The workgroup's numbers are in registers of the trap handler."""
        return self.version >= (12,)


def dispatch(
    ring: Ring, vm: VmAccess, registers: ComputeRegisters, dimensions: Sequence[int], initiator: int
) -> Pauses:
    """Run a compute shader; pauses whenever the ring's slice is used up.

    ``dimensions`` and ``initiator`` are those of the packet. Raises `RingStop`, with the place in the shader, at what
    the model does not execute.
    """
    if not initiator & compute.SHADER_ENABLE:
        return
    shader = _Shader(registers, ring.gpu.gc_version, initiator)
    axes = [_axis(registers, axis, dimensions[axis], initiator) for axis in range(3)]
    program = Program(vm, shader.version, shader.code)
    executed = 0
    for wave in _waves(shader, vm, axes):
        executed += yield from _run(ring, program, wave)
        if executed > _DISPATCH_LIMIT:
            raise _endless(program)


def _axis(registers: ComputeRegisters, axis: int, dimension: int, initiator: int) -> _Axis:
    start = 0 if initiator & compute.FORCE_START_AT_000 else registers[compute.START_X + axis]
    sizes = registers[compute.NUM_THREAD_X + axis]
    threads = sizes & 0xFFFF
    if initiator & compute.THREAD_DIMENSIONS and threads:
        # The packet counts threads; only the last workgroup has fewer.
        groups = -(-dimension // threads)
        return _Axis(start, groups, threads, dimension - (groups - 1) * threads)
    last = sizes >> 16 if initiator & compute.PARTIAL_GROUPS else threads
    return _Axis(start, dimension, threads, last or threads)


def _waves(shader: _Shader, vm: VmAccess, axes: Sequence[_Axis]) -> Iterator[Wave]:
    """Make the waves, in order; the first dimension runs fastest."""
    size = shader.wave_size
    for group in _groups(axes):
        x, y, z = (axis.threads_of(number) for axis, number in zip(axes, group, strict=True))
        if x * y * z > _THREADS_MAX:
            raise refuse(f"a workgroup of {x} x {y} x {z} threads")
        threads = [(one, two, three) for three, two, one in product(range(z), range(y), range(x))]
        for first in range(0, len(threads), size):
            lanes = threads[first : first + size]
            wave = Wave(vm, size, len(lanes), shader.code)
            _set_scalars(shader, wave, group, first // size, -(-len(threads) // size))
            _set_vectors(shader, wave, lanes)
            yield wave


def _groups(axes: Sequence[_Axis]) -> Iterator[tuple[int, int, int]]:
    """Return the workgroups' numbers; there may be any number of them, so that no list of them is made."""
    x, y, z = axes
    if not (x.threads and y.threads and z.threads):
        return
    for three in range(z.start, z.end):
        for two in range(y.start, y.end):
            for one in range(x.start, x.end):
                yield one, two, three


def _set_scalars(shader: _Shader, wave: Wave, group: tuple[int, int, int], number: int, waves: int) -> None:
    """Set what a wave begins with: the client's words, then the workgroup's numbers and what the wave is in it."""
    values = [*shader.user_data]
    if shader.group_ids_in_ttmp:
        x, y, z = group
        wave.scalars[TTMP + 9] = x
        wave.scalars[TTMP + 7] = y & 0xFFFF | z << 16
        wave.scalars[TTMP + 8] = number << 25
    else:
        values += [group[axis] for axis in shader.group_ids]
        if shader.has_group_size:
            values.append(number << (20 if shader.version >= (10,) else 6) | waves)
    wave.scalars[: len(values)] = values


def _set_vectors(shader: _Shader, wave: Wave, lanes: Sequence[tuple[int, int, int]]) -> None:
    """Set the thread's numbers in the workgroup."""
    idle = [0] * (wave.size - len(lanes))
    if shader.packs_thread_ids:
        wave.write_vector(0, [x | y << 10 | z << 20 for x, y, z in lanes] + idle)
        return
    for axis in range(shader.thread_ids):
        wave.write_vector(axis, [thread[axis] for thread in lanes] + idle)


def _run(ring: Ring, program: Program, wave: Wave) -> Generator[bool, None, int]:
    """Execute a wave to its end; returns how many instructions that were."""
    timing = ring.timing
    executed = 0
    while not wave.ended:
        begun = executed
        for _ in range(_SLICE):
            at = wave.pc
            try:
                step, wave.pc = program.step(at)
                step(wave)
            except RingStop as stop:
                raise stop.at(f"at {at:#x} of the shader at {program.start:#x}") from None
            executed += 1
            if wave.ended:
                break
        if executed > _WAVE_LIMIT:
            raise _endless(program)
        ring.budget -= 1 + (executed - begun >> _COST_SHIFT) + (wave.moved >> COST_SHIFT)
        if timing is not None:
            ring.front += int(wave.moved / timing.copy)
        wave.moved = 0
        if ring.budget <= 0:
            yield False
    return executed


def _endless(program: Program) -> RingStop:
    return RingStop(StopCause.ENDLESS, f"the shader at {program.start:#x} does not end")
