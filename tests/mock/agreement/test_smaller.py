# SPDX-License-Identifier: MIT
"""A program that two machines run otherwise becomes as small as can be, and says so in a file that can be replayed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agreement.drawing import draw
from agreement.golden import GoldenCase, GoldenFile, read_golden, write_golden
from agreement.program import Door, Program, Sync, SyncOperation, from_json, to_json
from agreement.smaller import smallest

from amdgpu_hw.address_space import Operation
from amdgpu_hw.proof.programs.actions import Close, Step

PUT, TAKE = Step(Operation.MAP, 16, 16, "A", delay=True), Step(Operation.CLEAR, 0, 1024)
LONG: Program = (PUT, Door.SHUT, Close("B"), PUT, Door.SUBMIT, TAKE, Close("A"), Door.OPEN, PUT, Door.SUBMIT)


def test_what_does_not_matter_goes() -> None:
    """Here a gate and a later CLEAR are what matters: two actions stay, the simplest of their kind."""
    asked: list[int] = []

    def differ(programs: Sequence[Program]) -> list[bool]:
        asked.append(len(programs))
        return [
            Door.SHUT in program
            and any(
                isinstance(action, Step) and action.operation is Operation.CLEAR
                for action in program[program.index(Door.SHUT) :]
            )
            for program in programs
        ]

    assert smallest(LONG, differ, 60) == (Door.SHUT, Step(Operation.CLEAR, 0, 1))
    assert len(asked) < 15, "programs are tried in batches: each is a start of two clients"


def test_it_ends_in_time_with_what_it_has() -> None:
    """A difference that never goes away, and no time."""
    assert smallest(LONG, lambda programs: [True] * len(programs), 0) == LONG


def test_a_program_that_differs_no_more_stays_as_it_was() -> None:
    """Chance."""
    assert smallest(LONG, lambda programs: [False] * len(programs), 60) == LONG


def test_the_same_seed_draws_the_same_programs() -> None:
    """With gates, closes and syncobjs in them; another seed draws others."""
    programs = draw(40, 7)
    assert programs == draw(40, 7) != draw(40, 8)
    kinds = {type(action) for program in programs for action in program}
    assert kinds == {Step, Close, Door, Sync}
    assert {Door.SHUT, Door.SUBMIT} <= {
        action for program in programs for action in program if isinstance(action, Door)
    }


def test_programs_come_back_from_json_as_they_were() -> None:
    """All kinds of actions."""
    program = (*LONG, Sync(SyncOperation.TRANSFER, 0, 1, 2, 3, 1))
    assert from_json(to_json(program)) == program


def test_golden_cases_come_back_as_they_were(tmp_path: Path) -> None:
    """A line for each."""
    golden = GoldenFile(
        "7.3", "7.3.4", "vega10", [GoldenCase.of("why", LONG, {"steps": []}), GoldenCase.of("b", (), {})]
    )
    write_golden(tmp_path / "x.json", golden)
    again = read_golden(tmp_path / "x.json")
    assert (again.kernel, again.release, again.gpu) == ("7.3", "7.3.4", "vega10")
    assert [(case.why, case.actions, case.answer) for case in again.cases] == [
        ("why", LONG, {"steps": []}),
        ("b", (), {}),
    ]
    assert len((tmp_path / "x.json").read_text().splitlines()) == 4
