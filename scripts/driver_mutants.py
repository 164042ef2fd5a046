#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does tests/hw notice mistakes in the real driver? Each is built into an amdgpu.ko and judged on a guest machine.

usage: scripts/driver_mutants.py [NAME...] [--gpu NAME] [--results DIR] [--resume] [--list]

The mistakes are declared in scripts/mutants/driver-7.3.toml. The driver as it is comes first: what is broken there is
nobody's catch. Then each mistake is built and the rows named beside it are run; if they do not notice it, all are.
A build takes about a minute and a boot half of one, so all of them take an hour or two; --resume goes on with what was
found out before an interrupt.
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

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.decode import JSON, DecodeError, decode
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.guest.build import sources
from amdgpu_hw.guest.modelled_gpu import DEFAULT_GPU, GUEST_GPUS
from amdgpu_hw.guest.module_build import build_module
from amdgpu_hw.verdict.model import Outcome
from amdgpu_hw.verdict.results import Results, read_results

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
        campaign = Campaign(declared.linux, options.gpu, options.results, resume=options.resume)
        return campaign.run(mutants)
    except (HarnessError, OSError) as error:
        print(f"driver_mutants: {error}", file=sys.stderr)
        return ExitStatus.UNUSABLE
    except KeyboardInterrupt:
        print("driver_mutants: interrupted; what was found out is in the results", file=sys.stderr)
        return ExitStatus.INCOMPLETE


class Campaign:
    """Mutants of one kernel's driver on one modelled GPU; everything found out is in ``directory`` at once.

    ``resume``: what is known there already is not asked again.
    """

    def __init__(self, linux: str, gpu: str, directory: Path, *, resume: bool) -> None:
        self._linux, self._gpu, self._directory = linux, gpu, directory
        self._file = directory / "driver-mutants.json"
        self._found = self._known() if resume else {}
        self._resume = resume

    def run(self, mutants: Sequence[DriverMutant]) -> int:
        """Judge them; the exit status. Raises `HarnessError` without a verdict on the driver as it is."""
        baseline = self._baseline()
        known = frozenset(case.test for case in baseline.cases if case.outcome is Outcome.BROKEN)
        holding = sum(case.outcome is Outcome.HOLDS for case in baseline.cases)
        print(f"the driver as it is: {holding} cases hold, {len(known)} broken", flush=True)
        root, source = sources(self._linux)
        for mutant in mutants:
            if mutant.name not in self._found:
                module = build_module(root, source, (), mutant.name, lambda _: None, [mutant.edits(self._linux)])
                self._found[mutant.name] = self._judged(mutant, module, known)
                self._keep()
            print(_line(mutant, self._found[mutant.name]), flush=True)
        found = {mutant.name: self._found[mutant.name] for mutant in mutants}
        survivors = [name for name, each in found.items() if each.catch is Noticed.SURVIVED]
        print(
            f"{len(found)} mutants, {len(found) - len(survivors)} caught; survivors: {', '.join(survivors) or 'none'}"
        )
        return int(bool(survivors))

    def _baseline(self) -> Results:
        """What the suite says of the driver as it is."""
        path = self._directory / "as-it-is.json"
        if self._resume and path.is_file():
            baseline: Results | None = read_results(path)
        else:
            baseline = judge_driver(self._linux, self._gpu, path, module=None)
        if baseline is None or baseline.finished is None:
            raise HarnessError(f"there is no verdict on the driver as it is: {path.with_suffix('.txt')} says why")
        return baseline

    def _judged(self, mutant: DriverMutant, module: Path, known: frozenset[str]) -> DriverVerdict:
        results = self._directory / f"{mutant.name}.json"
        first = judge(judge_driver(self._linux, self._gpu, results, module=module, rows=mutant.rows), known)
        if first.catch is not Noticed.SURVIVED:
            return first
        return judge(judge_driver(self._linux, self._gpu, results, module=module), known)

    def _known(self) -> dict[str, DriverVerdict]:
        if not self._file.is_file():
            return {}
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            known: dict[str, DriverVerdict] = decode(dict[str, DriverVerdict], content, "", JSON)
        except (ValueError, DecodeError) as error:
            raise HarnessError(f"{self._file} is damaged: {error}; without --resume it is made anew") from None
        return known

    def _keep(self) -> None:
        content = {name: {**asdict(each), "catch": each.catch.value} for name, each in self._found.items()}
        replace_file(self._file, f"{json.dumps(content, indent=1)}\n".encode())


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
    parser.add_argument("--resume", action="store_true", help="leave out what the results have already")
    parser.add_argument("--list", action="store_true", help="say what there is, and do nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
