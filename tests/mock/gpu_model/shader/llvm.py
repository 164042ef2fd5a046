# SPDX-License-Identifier: MIT
"""LLVM's assembler and disassembler of AMD's instructions, where one is installed that knows the GPU."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache

import pytest

__all__ = ("PROCESSORS", "disassembled")

PROCESSORS = {
    "gfx8": "gfx803",
    "gfx9": "gfx900",
    "gfx90a": "gfx90a",
    "gfx940": "gfx942",
    "gfx10": "gfx1010",
    "gfx103": "gfx1030",
    "gfx11": "gfx1100",
    "gfx115": "gfx1150",
    "gfx12": "gfx1200",
}
"""LLVM's name of a GPU of each generation of `isa.GENERATIONS`."""

_NEWEST, _OLDEST = 30, 13


@cache
def _tool(processor: str) -> str:
    """Path of the newest llvm-mc; skips the test where none knows the processor."""
    names = [*(f"llvm-mc-{version}" for version in range(_NEWEST, _OLDEST, -1)), "llvm-mc"]
    tools = [path for path in map(shutil.which, names) if path is not None]
    if not tools:
        pytest.skip("llvm-mc (Debian: llvm) is not installed; scripts/test installs it")
    for tool in tools:
        done = subprocess.run(
            [tool, "-arch=amdgcn", f"-mcpu={processor}"], input="s_endpgm", capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and "is not a recognized processor" not in done.stderr:
            return tool
    pytest.skip(f"none of the installed llvm-mc knows {processor}: {', '.join(tools)}")


def disassembled(generation: str, codes: Sequence[bytes]) -> list[str]:
    """Return the assembly of each instruction, or what LLVM says of bytes that are none."""
    processor = PROCESSORS[generation]
    text = "\n".join(" ".join(f"{byte:#04x}" for byte in code) for code in codes)
    # Without it, masks are of 32 bits from GFX10 on.
    wide = ["-mattr=-wavefrontsize32,+wavefrontsize64"] if processor.startswith("gfx1") else []
    done = subprocess.run(
        [_tool(processor), "-arch=amdgcn", f"-mcpu={processor}", *wide, "-disassemble"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("\t") and not line.startswith("\t.")]
    assert len(lines) == len(codes), f"LLVM does not know all of them:\n{done.stderr}"
    return [re.sub(r"\s+", " ", line) for line in lines]
