# SPDX-License-Identifier: MIT
"""The command line: ``amdgpu-hw list | info | validate | show | report | diff | rows | latency | ...``.

``python -m amdgpu_hw`` is the same.

Exit status: 0 if nothing is broken and something was proven, 1 if something is broken, 2 if the environment allows no
verdict. Whatever goes wrong is told in one sentence.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from amdgpu_hw.cli import (
    bugs,
    compare,
    console,
    diff,
    gpus,
    guest,
    latency,
    mock,
    overlap,
    report,
    rows,
    show,
    validate,
)
from amdgpu_hw.errors import UNUSABLE, AmdgpuHwError
from amdgpu_hw.verdict.machine import package_version

__all__ = ("main",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and not options.takes_rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        status: int = options.run(options, rest)
    except AmdgpuHwError as error:
        print(f"amdgpu-hw: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("amdgpu-hw: interrupted", file=sys.stderr)
        return UNUSABLE
    except BrokenPipeError:
        # Whoever read our output has had enough, e.g. `amdgpu-hw list | head -1`.
        sys.stderr.close()
        return UNUSABLE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="amdgpu-hw",
        description="Proves what an amdgpu kernel does with PRT unmaps, on real GPUs and on a mock machine.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=package_version())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (gpus, validate, show, report, diff, rows, latency, overlap, compare, mock, guest, bugs, console):
        module.add_commands(commands)
    return parser
