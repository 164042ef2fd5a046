# SPDX-License-Identifier: MIT
"""One comparison: a guest is booted once, the mock machine does the same, and what differs is made small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agreement.bounded import Answer
from agreement.calls import CALLS
from agreement.comparing import compare_calls, compare_programs, compare_rows, program_findings
from agreement.drawing import draw
from agreement.findings import Area, AreaResult, Differences, Disagreement, KnownDifference
from agreement.golden import GoldenCase, GoldenFile, write_golden
from agreement.machines import GuestSide, MockSide, Side
from agreement.program import Program
from agreement.smaller import smallest
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.session import GuestMachine, GuestOptions
from amdgpu_hw.verdict.model import Outcome
from amdgpu_hw.verdict.results import Results

__all__ = ("Amounts", "Comparing", "MachineComparison", "compare_machines")

_PATIENCE_MS = 40
_LONG_PATIENCE_MS = 200
"""For programs that differed: a guest is slow, and a fence that comes late has not waited for the gate."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is compared, and for how many seconds and differences programs are made smaller."""

    programs: int
    seed: int
    areas: tuple[Area, ...] = tuple(Area)
    rows: tuple[str, ...] = ()
    """Options of `amdgpu-hw validate`."""
    every_call: int = 1
    """Of so many calls one is made."""
    smaller_s: float = 240
    smaller: int = 3
    golden: int = 0
    """So many programs in which the machines agree are kept as golden cases, too."""

    @property
    def whole(self) -> tuple[Area, ...]:
        """Areas in which every listed difference must show."""
        return () if self.every_call > 1 or self.rows else (Area.ROWS, Area.ERRNOS)


@dataclass
class MachineComparison:
    """What came of it."""

    kernel: str
    gpu: str
    release: str = ""
    areas: list[AreaResult] = field(default_factory=list)
    stale: list[KnownDifference] = field(default_factory=list)
    smaller: list[tuple[Disagreement, Program]] = field(default_factory=list)
    golden: Path | None = None
    trouble: list[str] = field(default_factory=list)
    """What kept areas from being compared."""

    @property
    def agrees(self) -> bool:
        """Whether all that was to be compared was, and nothing differs that is not listed."""
        return not self.trouble and not any(area.unlisted for area in self.areas)


@dataclass(frozen=True, slots=True)
class Comparing:
    """Compares two machines, area by area, into ``result``."""

    result: MachineComparison
    guest: Side
    mock: Side
    amounts: Amounts
    differences: Differences
    say: Callable[[str], None]

    def area(self, area: Area) -> None:
        """Compare one. Raises `HarnessError` where a machine does not come to its end."""
        {Area.PROGRAMS: self.programs, Area.ERRNOS: self.calls, Area.ROWS: self.rows}[area]()

    def rows(self) -> None:
        """What the suite finds on both; a machine that was too busy to show a row is asked for it once more."""
        self.say(f"{self.result.kernel}: the suite")
        self._judge(compare_rows(self._rows(self.guest), self._rows(self.mock)))

    def _rows(self, side: Side) -> Results:
        results = side.rows(*self.amounts.rows)
        unclear = [case.test for case in results.cases if case.outcome is Outcome.INCONCLUSIVE]
        if unclear:
            self.say(f"{self.result.kernel}: {len(unclear)} tests are inconclusive on the {side.name}; once more")
            again = side.rows(*self.amounts.rows, *(f"--test={test}" for test in unclear))
            clear = {case.test: case for case in again.cases if case.test in unclear}
            results.cases = [clear.get(case.test, case) for case in results.cases]
        return results

    def calls(self) -> None:
        """The calls of the tables."""
        numbers = range(0, len(CALLS), self.amounts.every_call)
        self.say(f"{self.result.kernel}: {len(numbers)} calls")
        names = [CALLS[number].name for number in numbers]
        self._judge(compare_calls(names, self.guest.calls(numbers), self.mock.calls(numbers)))

    def programs(self) -> None:
        """Play drawn programs on both; what differs is tried again with patience, made smaller and kept."""
        programs = draw(self.amounts.programs, self.amounts.seed)
        self.say(f"{self.result.kernel}: {len(programs)} programs of {sum(map(len, programs))} steps")
        answers = self.guest.programs(programs, _PATIENCE_MS)
        area = compare_programs(programs, answers, self.mock.programs(programs, _PATIENCE_MS))
        different = sorted({int(finding.name.rpartition(" ")[2]) for finding in area.findings})
        if different:
            self.say(f"{self.result.kernel}: {len(different)} programs differ; once more, with patience")
            again = [programs[number] for number in different]
            ours, theirs = self._patiently(again)
            area.findings = [
                finding
                for number, one, other in zip(different, ours, theirs, strict=False)
                for finding in program_findings(f"program {number}", one, other)
            ]
            for number, one in zip(different, ours, strict=False):
                answers[number] = one
        self._judge(area)
        equal = [each for each in range(len(answers)) if each not in different]
        cases = [
            GoldenCase.of("the mock agreed when it was recorded", programs[number], answers[number])
            for number in _telling(programs, equal, self.amounts.golden)
        ]
        for finding in _one_of_each(area.unlisted)[: self.amounts.smaller]:
            self.say(f"{self.result.kernel}: making {finding.name} smaller ({finding.what})")
            program = programs[int(finding.name.rpartition(" ")[2])]
            small = smallest(program, partial(self._differ, finding.kind), self.amounts.smaller_s)
            self.result.smaller.append((finding, small))
            cases += [
                GoldenCase.of(f"{finding.what} differed", small, answer)
                for answer in self.guest.programs([small], _LONG_PATIENCE_MS)
            ]
        if cases:
            result = self.result
            result.golden = self.guest.directory / f"{result.kernel}-{result.gpu}.golden.json"
            write_golden(result.golden, GoldenFile(result.kernel, result.release, result.gpu, cases))

    def _judge(self, area: AreaResult) -> None:
        self.differences.judge(area)
        self.result.areas.append(area)

    def _patiently(self, programs: Sequence[Program]) -> tuple[list[Answer], list[Answer]]:
        """What comes of programs on the guest and on the mock machine, when fences may come late."""
        return self.guest.programs(programs, _LONG_PATIENCE_MS), self.mock.programs(programs, _LONG_PATIENCE_MS)

    def _differ(self, kind: str, programs: Sequence[Program]) -> list[bool]:
        """Of each program whether the machines differ in one respect, otherwise than is listed."""
        return [
            any(each.kind == kind and self.differences.known(each) is None for each in program_findings("", one, other))
            for one, other in zip(*self._patiently(programs), strict=True)
        ]


def compare_machines(
    kernel: str,
    gpu: str,
    amounts: Amounts,
    listed: Sequence[KnownDifference],
    directory: Path,
    say: Callable[[str], None],
) -> MachineComparison:
    """Compare a stock kernel with the mock's variant of its name. Raises `HarnessError` if no guest can be booted."""
    result = MachineComparison(kernel, gpu)
    differences = Differences(listed, kernel, gpu)
    mock = MockSide(gpu, kernel, directory)
    options = GuestOptions(gpus=(gpu,), linux=kernel, console=directory / "guest.console.log", writable=(directory,))
    with GuestMachine(options) as machine:
        say(machine.words)
        if machine.trouble or machine.kernel is None:
            raise HarnessError(machine.trouble)
        result.release = machine.kernel.release
        comparing = Comparing(result, GuestSide(machine, directory), mock, amounts, differences, say)
        for area in amounts.areas:
            try:
                comparing.area(area)
            except HarnessError as error:
                result.trouble.append(str(error))
                say(f"{kernel}: {error}")
    result.stale = differences.stale([area for area in amounts.whole if area in {each.area for each in result.areas}])
    return result


def _telling(programs: Sequence[Program], numbers: Sequence[int], count: int) -> list[int]:
    """So many programs with many different actions; not those side by side, which are often drawn from each other."""
    ranked = sorted(numbers, key=lambda number: -len(set(programs[number])))
    return sorted(ranked[: 5 * count : 5])


def _one_of_each(findings: Sequence[Disagreement]) -> list[Disagreement]:
    """The first finding of each kind, and of each program only one."""
    chosen: list[Disagreement] = []
    for finding in findings:
        if finding.kind not in {one.kind for one in chosen} and finding.name not in {one.name for one in chosen}:
            chosen.append(finding)
    return chosen
