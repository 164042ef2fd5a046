# SPDX-License-Identifier: MIT
"""The state of a wave: registers, which lanes are active, where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.vm_access import VmAccess

__all__ = ("DWORD", "EXEC", "TTMP", "VCC", "Wave")

DWORD = 0xFFFF_FFFF

# Numbers of scalar registers.
VCC = 106
TTMP = 108
EXEC = 126
_SCALARS = 528
"""What operands can name, whether there are such registers or not: nine bits, and what follows them in a vector."""


class Wave:
    """One wave of ``size`` lanes, 32 or 64.

    A register that nothing has written is 0; on hardware it has whatever the wave before left there.
    """

    __slots__ = ("_vectors", "ended", "full", "lanes", "moved", "pc", "scalars", "scc", "size", "vm")

    def __init__(self, vm: VmAccess, size: int, lanes: int, pc: int) -> None:
        """Begin at ``pc`` with the first ``lanes`` lanes active."""
        self.vm = vm
        self.size = size
        self.pc = pc
        self.ended = False
        self.scc = 0
        self.moved = 0
        """Bytes that it has read and written."""
        self.scalars = [0] * _SCALARS
        self._vectors: dict[int, list[int]] = {}
        self.lanes: list[int] = []
        """Numbers of the active lanes."""
        self.full = False
        """All lanes are active."""
        self.write_mask(EXEC, (1 << lanes) - 1)

    # -- scalar registers ---------------------------------------------------------------------------------------------

    def write_scalar(self, register: int, value: int, bits: int = 32) -> None:
        """Write a register, or with 64 bits a pair."""
        scalars = self.scalars
        scalars[register] = value & DWORD
        if bits == 64:
            scalars[register + 1] = value >> 32 & DWORD
        if register + bits // 32 > EXEC:
            self._exec_changed()

    def read_mask(self, register: int) -> int:
        """Return a bit for each lane."""
        low = self.scalars[register]
        return low if self.size == 32 else low | self.scalars[register + 1] << 32

    def write_mask(self, register: int, mask: int) -> None:
        """Write a bit for each lane."""
        self.write_scalar(register, mask, self.size)

    def _exec_changed(self) -> None:
        mask = self.read_mask(EXEC)
        self.full = mask == (1 << self.size) - 1
        self.lanes = [lane for lane in range(self.size) if mask >> lane & 1]

    # -- vector registers ---------------------------------------------------------------------------------------------

    def vector(self, register: int) -> list[int]:
        """Return a register, lane by lane; not to be changed."""
        found = self._vectors.get(register)
        if found is None:
            found = self._vectors[register] = [0] * self.size
        return found

    def write_vector(self, register: int, values: list[int]) -> None:
        """Write the active lanes of a register; ``values`` has all lanes and belongs to the wave from now on."""
        if not self.full:
            old = self.vector(register)
            merged = old.copy()
            for lane in self.lanes:
                merged[lane] = values[lane]
            values = merged
        self._vectors[register] = values

    def write_lanes(self, register: int, values: Sequence[int]) -> None:
        """Write the active lanes of a register; ``values`` has these alone."""
        if self.full:
            self._vectors[register] = list(values)
            return
        merged = self.vector(register).copy()
        for lane, value in zip(self.lanes, values, strict=True):
            merged[lane] = value
        self._vectors[register] = merged
