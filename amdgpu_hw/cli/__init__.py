# SPDX-License-Identifier: MIT
"""The command line: ``amdgpu-hw list | info | validate | show | report | diff | rows | latency | ...``.

``python -m amdgpu_hw`` is the same. What the exit status means is in `amdgpu_hw.exit_status`; whatever goes wrong is
told in one sentence. The commands are imported when one runs, so that an interrupt meanwhile is handled as well.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from amdgpu_hw.program import end_with, run_program

__all__ = ("command", "main")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_program("amdgpu-hw", lambda: _run(sys.argv[1:] if arguments is None else arguments))


def command() -> NoReturn:
    """Be the program ``amdgpu-hw``."""
    end_with(main)


def _run(arguments: Sequence[str]) -> int:
    from amdgpu_hw.cli.parser import make_parser

    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and not options.takes_rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    status: int = options.run(options, rest)
    return status
