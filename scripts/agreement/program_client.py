# SPDX-License-Identifier: MIT
"""Runs programs on the first amdgpu GPU: ``program_client PROGRAMS OUT PATIENCE_MS``.

PROGRAMS is an array of programs (`agreement.program`); OUT gets a line of JSON for each, as it is over. Runs on either
machine, and cannot tell which.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from agreement.bounded import Answer, one_by_one
from agreement.player import Player
from agreement.program import from_json
from amdgpu_hw.errors import GateError
from amdgpu_hw.gate import choose
from amdgpu_hw.gpu import open_gpu

LIMIT_S = 40.0
"""Longer than any program takes that does not block, on emulated processors that others use as well."""


def main(arguments: Sequence[str]) -> int:
    """Run all programs."""
    programs = [from_json(program) for program in json.loads(Path(arguments[0]).read_text(encoding="utf-8"))]
    patience_ns = int(arguments[2]) * 1_000_000

    def start() -> Callable[[int], Answer]:
        gpu = open_gpu()
        gates = choose(gpu.identity.node).maker
        if gates is None:
            raise GateError("no gate can be had")
        player = Player(gpu, gates, patience_ns)
        return lambda number: player.play(programs[number])

    with Path(arguments[1]).open("w", encoding="utf-8") as out:
        for _, answer in one_by_one(len(programs), start, LIMIT_S):
            out.write(json.dumps(answer) + "\n")
            out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
