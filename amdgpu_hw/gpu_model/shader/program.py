# SPDX-License-Identifier: MIT
"""A shader's code: fetched from memory, decoded, and kept as what its instructions do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import unpack
from types import MappingProxyType
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.faults import Client, RingStop, StopCause
from amdgpu_hw.gpu_model.translation import EntryKind
from amdgpu_hw.packets import Version

from .decoder import Instruction, decoder_for
from .memory import flat, global_, mubuf, smem
from .scalar import Step, sop1, sop2, sopc, sopk, sopp
from .vector import vop1, vop2, vop3, vopc

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.vm_access import VmAccess

__all__ = ("MEANINGS", "Program")

MEANINGS: Mapping[str, Callable[[Instruction], Step]] = MappingProxyType(
    {
        "FLAT": flat,
        "GLOBAL": global_,
        "MUBUF": mubuf,
        "SMEM": smem,
        "SOP1": sop1,
        "SOP2": sop2,
        "SOPC": sopc,
        "SOPK": sopk,
        "SOPP": sopp,
        "VOP1": vop1,
        "VOP2": vop2,
        "VOP3": vop3,
        "VOPC": vopc,
    }
)
"""What makes an instruction of a table something that can be done."""

LINE = 256
"""Bytes of code that are fetched at once; a page is a multiple of it."""


class Program:
    """The code of one dispatch, in the address space of its job. It is not read again when memory changes."""

    def __init__(self, vm: VmAccess, version: Version, start: int) -> None:
        self.start = start
        self._vm = vm
        self._decoder = decoder_for(version)
        self._lines: dict[int, tuple[int, ...]] = {}
        self._steps: dict[int, tuple[Step, int]] = {}

    def step(self, pc: int) -> tuple[Step, int]:
        """Return what the instruction at ``pc`` does, and where the next one is.

        Raises `RingStop` where there is no code, or an instruction that the model does not execute.
        """
        found = self._steps.get(pc)
        if found is None:
            instruction = self._decoder.decode(lambda index: self._dword(pc + 4 * index))
            found = self._steps[pc] = (MEANINGS[instruction.group](instruction), pc + instruction.size)
        return found

    def _dword(self, va: int) -> int:
        line = self._lines.get(va & -LINE)
        if line is None:
            line = self._lines[va & -LINE] = self._fetch(va & -LINE)
        return line[va % LINE // 4]

    def _fetch(self, va: int) -> tuple[int, ...]:
        line = unpack(f"<{LINE // 4}I", self._vm.read(va, LINE, Client.SQC_INST))
        if self._vm.kind_at(va) is not EntryKind.VALID:
            # What is there reads as zeros, and is even an instruction: it would go on to the end of the address space.
            raise RingStop(StopCause.HANG, "a shader where no code is mapped")
        return line
