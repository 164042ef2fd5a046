# SPDX-License-Identifier: MIT
"""Golden cases: programs with what a real kernel made of them, for a test that replays them on the mock kernel.

A file of them is for one kernel and one GPU.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agreement.bounded import Answer
from agreement.program import Program, from_json, to_json
from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.decode import JSON, decode

__all__ = ("GoldenCase", "GoldenFile", "read_golden", "write_golden")


@dataclass(frozen=True)
class GoldenCase:
    """One program."""

    why: str
    """What it showed when it was recorded."""
    program: Sequence[dict[str, Any]]
    answer: dict[str, Any]

    @classmethod
    def of(cls, why: str, program: Program, answer: Answer) -> GoldenCase:
        """A case from a program."""
        return cls(why, to_json(program), answer)

    @property
    def actions(self) -> Program:
        """The program as it is run."""
        return from_json(self.program)


@dataclass(frozen=True)
class GoldenFile:
    """Cases of one kernel on one GPU."""

    kernel: str
    """The mock's variant."""
    release: str
    """The real kernel's release."""
    gpu: str
    cases: Sequence[GoldenCase]


def read_golden(path: Path) -> GoldenFile:
    """Read a file. Raises `ValueError`."""
    content: GoldenFile = decode(GoldenFile, json.loads(path.read_text(encoding="utf-8")), path.name, JSON)
    return content


def write_golden(path: Path, golden: GoldenFile) -> None:
    """Write a file, a line for each case so that changes can be read."""
    head = {**asdict(golden), "cases": []}
    cases = ",\n".join(json.dumps(asdict(case), separators=(",", ":")) for case in golden.cases)
    text = json.dumps(head).removesuffix("[]}") + f"[\n{cases}\n]" + "}\n"
    replace_file(path, text.encode())
