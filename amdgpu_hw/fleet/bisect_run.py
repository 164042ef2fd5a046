# SPDX-License-Identifier: MIT
"""A bisection carried out by the fleet: each step validates one row on as many kernels as there are places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from amdgpu_hw.fleet.bisection import Bisection, Judgement, judgement_of
from amdgpu_hw.fleet.candidates import Candidates
from amdgpu_hw.fleet.conduct import Installable
from amdgpu_hw.fleet.crew import Crew
from amdgpu_hw.fleet.index import Index
from amdgpu_hw.fleet.matrix import make_matrix
from amdgpu_hw.fleet.plan import FleetPlan, PlannedKernel
from amdgpu_hw.fleet.run import members_of, run_fleet

__all__ = ("bisect_fleet",)


def bisect_fleet(
    plan: FleetPlan,
    row: str,
    candidates: Candidates,
    directory: Path,
    installable: Installable,
    tell: Callable[[str], None],
    new_crew: Callable[[Path], Crew] = Crew,
) -> list[str]:
    """The kernels of which one is the first on which the row is broken: one, if all could be judged.

    ``plan`` has the places; its rows and kernels are not used. Raises `HarnessError` where there is no such kernel.
    """
    bisection = Bisection(candidates.names)
    plan = replace(plan, rows=row, place=tuple(replace(place, kernels=()) for place in plan.place))
    step = 0
    while names := bisection.next(len(members_of(plan))):
        step += 1
        kernels: list[PlannedKernel] = []
        for name in names:
            made = candidates.kernel(name)
            if isinstance(made, str):
                tell(f"{name}: {Judgement.SKIPPED.value}: {made}")
                bisection.answer(name, Judgement.SKIPPED)
            else:
                kernels.append(made)
        if kernels:
            here = directory / f"step-{step}"
            index = Index.of(replace(plan, kernel=tuple(kernels)))
            run_fleet(index, here, installable, tell, new_crew(here / "places"))
            for name, judgement in _judged(index, here, row).items():
                tell(f"{name}: {judgement.value}")
                bisection.answer(name, judgement)
    return bisection.suspects


def _judged(index: Index, directory: Path, row: str) -> dict[str, Judgement]:
    """What each kernel says: the worst of all GPUs."""
    found: dict[str, Judgement] = {}
    worst = (Judgement.BAD, Judgement.GOOD, Judgement.SKIPPED)
    matrix = make_matrix(index, directory)
    for column in matrix.columns:
        judgement = judgement_of(matrix.outcome(row, column))
        found[column.kernel] = min(judgement, found.get(column.kernel, judgement), key=worst.index)
    return found
