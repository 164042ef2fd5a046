# SPDX-License-Identifier: MIT
"""Which instructions a generation has, by encoding and opcode: what `isa.toml` says."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from amdgpu_hw.packets import Version

__all__ = ("GENERATIONS", "aliases", "instruction_names")

GENERATIONS: Mapping[str, Version] = MappingProxyType(
    {
        "gfx8": (8,),
        "gfx9": (9,),
        "gfx90a": (9, 4, 2),
        "gfx940": (9, 4, 3),
        "gfx10": (10,),
        "gfx103": (10, 3),
        "gfx11": (11,),
        "gfx115": (11, 5),
        "gfx12": (12,),
    }
)
"""First GC version of each generation that differs in an opcode of the table, in order."""

_ALIASES = "aka"
_NONE = -1


@cache
def _table() -> dict[str, dict[str, dict[str, int | list[str]]]]:
    text = files(__package__).joinpath("isa.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def instruction_names(version: Version) -> Mapping[str, Mapping[int, str]]:
    """Return the instructions of a GC version: the name by encoding and opcode."""
    reached = [name for name, since in GENERATIONS.items() if since <= version]
    found: dict[str, dict[int, str]] = {}
    for encoding, instructions in _table().items():
        names = found.setdefault(encoding, {})
        for name, declared in instructions.items():
            # The last of the generations that is not newer than the GPU counts.
            opcode = next((declared[one] for one in reversed(reached) if one in declared), _NONE)
            if isinstance(opcode, int) and opcode != _NONE:
                names[opcode] = name
    return found


def aliases(encoding: str, name: str) -> frozenset[str]:
    """Return every name of an instruction, on whatever generation."""
    other = _table()[encoding][name].get(_ALIASES, [])
    return frozenset((name, *other)) if isinstance(other, list) else frozenset((name,))
