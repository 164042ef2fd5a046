# SPDX-License-Identifier: MIT
"""The model's compute units: they execute small compute shaders, instruction by instruction.

    dispatch     from the registers of a queue to workgroups and waves
    program      a shader's code
    decoder      from dwords to instructions, by `encodings` and `isa` (isa.toml)
    wave         registers and active lanes
    scalar, vector, memory, buffer
                 what instructions do

Drivers copy, fill and clear buffers with such shaders. What they do not need is not there, and is refused by name.
"""

from .dispatch import ComputeRegisters, dispatch

__all__ = ("ComputeRegisters", "dispatch")
