#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which code of the real driver, and of a patch, tests/hw executes: on a guest machine, with a driver that notes it.

usage: scripts/driver_coverage.py [--patch MAIL]... [--edits NAME]... [--gpu NAME] [-- PYTEST ARGS]

Builds an amdgpu.ko for Linux 7.3 with the patches and edits given, whose VM, GEM, CS and sync files note each basic
block that runs; runs the suite on a guest with it; prints a table of the functions, and the lines that were changed
with a + where they ran and a - where they did not. Exit status: 0 it is known, 2 it could not be found out.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from covered.blocks import NotedModule, read_notes
from covered.report import changed_lines, coverage_view
from rich.console import Console

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.guest.build import sources
from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU, GUEST_GPUS
from amdgpu_hw.guest.module_build import AMD, build_directory, build_module
from amdgpu_hw.guest.source_edits import find_edits

__all__ = ("main",)

LINUX = "7.3"
NOTES = "coverage"
"""The edits that make a driver note what runs."""
DIRECTORY = "/sys/kernel/debug/amdgpu_hw_coverage"
SECTION = "/sys/module/amdgpu/sections/.text"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, run, print; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        options.results.mkdir(parents=True, exist_ok=True)
        root, source = sources(LINUX)
        edits = [find_edits(name) for name in (*options.edits, NOTES)]
        module = build_module(root, source, options.patch, "coverage", _say, edits)
        functions = NotedModule(module).functions
        files = sorted({function.file for function in functions if function.file.endswith(".c")})
        changed = changed_lines(source.root / AMD / "amdgpu", build_directory(root) / "amdgpu", files)
        ran = _run(module, options.gpu, options.results, options.pytest)
    except (HarnessError, OSError) as error:
        print(f"driver_coverage: {error}", file=sys.stderr)
        return ExitStatus.UNUSABLE
    view = coverage_view(functions, ran, changed)
    Console(width=None if sys.stdout.isatty() else 140).print(view, soft_wrap=False)
    with (options.results / "coverage.txt").open("w", encoding="utf-8") as file:
        Console(file=file, width=140).print(view)
    return 0


def _say(text: str) -> None:
    print(f"driver_coverage: {text}", file=sys.stderr, flush=True)


def _run(module: Path, gpu: str, directory: Path, pytest: Sequence[str]) -> frozenset[int]:
    """Run the suite on a guest with the module; the blocks that ran, by their place in .text."""
    results = directory / "coverage.json"
    notes = {name: (directory / f"coverage.{name}").absolute() for name in ("blocks", "text", "section")}
    validate = [sys.executable, "-m", "amdgpu_hw", "validate", "--allow-faults", "--timeout=60"]
    validate += [f"--results={results.absolute()}", *pytest]
    copies = [
        f"cat {DIRECTORY}/blocks > {shlex.quote(str(notes['blocks']))}",
        f"cat {DIRECTORY}/text > {shlex.quote(str(notes['text']))}",
        f"cat {SECTION} > {shlex.quote(str(notes['section']))}",
    ]
    script = "; ".join([f"{shlex.join(validate)}; status=$?", *copies, "exit $status"])
    for path in notes.values():
        path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "amdgpu_hw", "guest", f"--linux={LINUX}", f"--gpu={gpu}", f"--module={module}"]
    subprocess.run([*command, "--", "sh", "-c", script], stdout=sys.stderr, check=False)
    try:
        text, section = (int(notes[name].read_text(), 0) for name in ("text", "section"))
        return read_notes(notes["blocks"].read_bytes(), text, section)
    except (OSError, ValueError) as error:
        raise HarnessError(f"the guest did not tell what ran: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Which code of the real driver, and of a patch, tests/hw executes.")
    parser.add_argument("--patch", metavar="MAIL", type=Path, action="append", default=[], help="applied first")
    parser.add_argument("--edits", metavar="NAME", action="append", default=[], help="as of scripts/build_module")
    parser.add_argument("--gpu", choices=GUEST_GPUS, default=DEFAULT_GPU, help="the modelled GPU (%(default)s)")
    parser.add_argument("--results", metavar="DIR", type=Path, default=Path("results"), help="where results go")
    parser.add_argument("pytest", metavar="PYTEST ARGS", nargs="*", help="what validate takes, behind --")
    return parser


if __name__ == "__main__":
    sys.exit(main())
