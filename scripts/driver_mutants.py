#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does tests/hw notice mistakes in the real driver? Each is built into an amdgpu.ko and judged on a guest machine.

usage: scripts/driver_mutants.py [NAME...] [--gpu NAME] [--results DIR] [--list]

The mistakes are declared in scripts/mutants/driver-7.3.toml. The driver as it is comes first: what is broken there is
nobody's catch. Then each mistake is built and the rows named beside it are run; if they do not notice it, all are.
A build takes about a minute and a boot half of one, so all of them take an hour or two.
Exit status: 0 all are caught, 1 not, 2 it could not be found out.
"""

from __future__ import annotations

from in_venv import run_in_venv

run_in_venv()

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mutants.declared import DriverMutant, choose, read_mutants
from mutants.run import DriverVerdict, Noticed, judge, judge_driver

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.guest.build import sources
from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU, GUEST_GPUS
from amdgpu_hw.guest.module_build import build_module
from amdgpu_hw.verdict.model import Outcome

__all__ = ("main",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and judge them; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        declared = read_mutants()
        mutants = choose(declared.mutants, options.names)
        if options.list:
            for mutant in mutants:
                print(f"{mutant.name}: {mutant.what} ({mutant.edit.place}; {', '.join(mutant.rows)})")
            return 0
        options.results.mkdir(parents=True, exist_ok=True)
        return _all(declared.linux, mutants, options.gpu, options.results)
    except (HarnessError, OSError) as error:
        print(f"driver_mutants: {error}", file=sys.stderr)
        return ExitStatus.UNUSABLE
    except KeyboardInterrupt:
        print("driver_mutants: interrupted; what was found out is in the results", file=sys.stderr)
        return ExitStatus.INCOMPLETE


def _all(linux: str, mutants: Sequence[DriverMutant], gpu: str, directory: Path) -> int:
    baseline = judge_driver(linux, gpu, directory / "as-it-is.json", module=None)
    if baseline is None or baseline.finished is None:
        raise HarnessError(f"there is no verdict on the driver as it is: {directory / 'as-it-is.txt'} says why")
    known = frozenset(case.test for case in baseline.cases if case.outcome is Outcome.BROKEN)
    holding = sum(case.outcome is Outcome.HOLDS for case in baseline.cases)
    print(f"the driver as it is: {holding} cases hold, {len(known)} broken", flush=True)
    root, source = sources(linux)
    found: dict[str, DriverVerdict] = {}
    for mutant in mutants:
        module = build_module(root, source, (), mutant.name, lambda _: None, [mutant.edits(linux)])
        found[mutant.name] = _one(linux, mutant, module, gpu, directory, known)
        _keep(directory / "driver-mutants.json", found)
        print(_line(mutant, found[mutant.name]), flush=True)
    survivors = [name for name, each in found.items() if each.catch is Noticed.SURVIVED]
    print(f"{len(found)} mutants, {len(found) - len(survivors)} caught; survivors: {', '.join(survivors) or 'none'}")
    return int(bool(survivors))


def _one(
    linux: str, mutant: DriverMutant, module: Path, gpu: str, directory: Path, known: frozenset[str]
) -> DriverVerdict:
    results = directory / f"{mutant.name}.json"
    first = judge(judge_driver(linux, gpu, results, module=module, rows=mutant.rows), known)
    if first.catch is not Noticed.SURVIVED:
        return first
    return judge(judge_driver(linux, gpu, results, module=module), known)


def _keep(path: Path, found: dict[str, DriverVerdict]) -> None:
    content = {name: {**asdict(each), "catch": each.catch.value} for name, each in found.items()}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _line(mutant: DriverMutant, found: DriverVerdict) -> str:
    rows = " ".join(found.rows)
    return (
        f"{found.catch.value:8}  {mutant.name}: {mutant.what}{f' [{rows}]' if rows else ''}\n          {found.message}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Mistakes in the real driver, judged on a guest machine.")
    parser.add_argument("names", metavar="NAME", nargs="*", help="mutants, by default all")
    parser.add_argument("--gpu", choices=GUEST_GPUS, default=DEFAULT_GPU, help="the modelled GPU (%(default)s)")
    parser.add_argument(
        "--results", metavar="DIR", type=Path, default=Path("results/driver-mutants"), help="where results go"
    )
    parser.add_argument("--list", action="store_true", help="say what there is, and do nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
