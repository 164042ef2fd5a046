# SPDX-License-Identifier: MIT
"""Which rows reach which lines of the mock kernel, on which machine. What is known is kept from run to run."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from matrix.farm import Farm
from matrix.plan import MatrixRun, RunResult, Selection
from matrix.slot import Slot

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.model import Outcome, row_order
from mutate.machine import KERNEL_VARIANT
from mutate.mutants import Mutant
from mutate.recorder import recorder_file

__all__ = ("MACHINES", "Lines", "Reach", "learn_reach")

ROOT = Path(__file__).resolve().parents[2]

MACHINES = (
    MatrixRun("navi31", KERNEL_VARIANT),
    MatrixRun("navi31", KERNEL_VARIANT, parameters=(("vm_update_mode", 3),)),
    MatrixRun("polaris10", KERNEL_VARIANT),
)
"""Where mutants run: on the first of these that reaches what is changed. The others do what the first cannot: the CPU
writes page tables; PRT is a switch of the whole GPU.
"""

_SOURCES = ("amdgpu_hw/mock/kernel", "amdgpu_hw/gpu_model", "amdgpu_hw/proof", "amdgpu_hw/gate")
"""What decides about what a row does, beside its own file."""

Lines = Mapping[str, frozenset[int]]
"""By file below mock/kernel."""

_RECORD_S = 300.0


@dataclass(frozen=True, slots=True)
class Reach:
    """What one machine's rows reach, and how long each takes there without a bug (seconds); the tests that hold."""

    machine: MatrixRun
    rows: Mapping[str, Lines]
    seconds: Mapping[str, float]
    holding: frozenset[str]

    def rows_of(self, mutant: Mutant) -> list[str]:
        """The rows that reach what the mutant changes, the quickest first."""
        first, last = mutant.reached_by
        wanted = range(first, last + 1)
        reaching = [
            row for row, lines in self.rows.items() if not lines.get(mutant.file, frozenset()).isdisjoint(wanted)
        ]
        return sorted(reaching, key=lambda row: (self.seconds[row], row_order(row)))


class _Cache:
    """One file for each row on a machine, named after everything that it depends on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._common = _digest(path for folder in _SOURCES for path in sorted((ROOT / folder).rglob("*.py")))

    def path(self, machine: MatrixRun, row: str, tests: Iterable[str]) -> Path:
        """Where it is, or is to be."""
        files = sorted({ROOT / test.partition("::")[0] for test in tests})
        name = hashlib.sha256(f"{machine!r} {row} {self._common} {_digest(files)}".encode()).hexdigest()
        return self._directory / f"{name[:32]}.json"


def _digest(paths: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.read_bytes())
    return whole.hexdigest()


def learn_reach(machine: MatrixRun, sound: RunResult, farm: Farm, cache: Path, told: Callable[[int], None]) -> Reach:
    """Find out what each row reaches on a machine; ``sound`` is a run of the whole suite there.

    ``told`` is called after each row that had to be run for it, with how many have to. Raises `HarnessError` when one
    cannot be.
    """
    cache.mkdir(parents=True, exist_ok=True)
    known = _Cache(cache)
    tests: dict[str, list[str]] = {}
    for case in sound.cases:
        if case.outcome == Outcome.HOLDS.value:
            tests.setdefault(case.row, []).append(case.test)
    paths = {row: known.path(machine, row, tests[row]) for row in sorted(tests, key=row_order)}
    missing = [row for row, path in paths.items() if not path.exists()]
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        shares = [missing[index :: farm.size] for index in range(min(farm.size, len(missing)))]
        jobs = [partial(_record, machine, share, Path(name), paths, lambda: told(len(missing))) for share in shares]
        farm.work_off(jobs, lambda _: None)
    contents = {row: json.loads(path.read_text(encoding="utf-8")) for row, path in paths.items()}
    return Reach(
        machine,
        {row: _frozen(content["lines"]) for row, content in contents.items()},
        {row: content["seconds"] for row, content in contents.items()},
        frozenset(test for names in tests.values() for test in names),
    )


def _frozen(lines: Mapping[str, Iterable[int]]) -> Lines:
    return {file: frozenset(numbers) for file, numbers in lines.items()}


def _record(
    machine: MatrixRun,
    rows: Sequence[str],
    directory: Path,
    paths: Mapping[str, Path],
    told: Callable[[], None],
    slot: Slot,
) -> None:
    """Run rows one after the other, each in a kernel that notes its lines; a reboot makes it write them down."""
    results: dict[str, RunResult] = {}
    for row in rows:
        bug = directory / f"record_{row}.py"
        bug.write_text(recorder_file(directory / f"{row}.json"), encoding="utf-8")
        results[row] = slot.run(replace(machine, bug=str(bug)), Selection(only=(row,), seconds=_RECORD_S))
        told()
    slot.close()
    for row, result in results.items():
        output = directory / f"{row}.json"
        if result.trouble or not output.exists():
            raise HarnessError(f"what {row} reaches cannot be found out: {result.trouble or 'nothing was recorded'}")
        content = {"row": row, "seconds": round(result.seconds, 3), "lines": json.loads(output.read_text("utf-8"))}
        paths[row].write_text(json.dumps(content), encoding="utf-8")
