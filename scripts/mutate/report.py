# SPDX-License-Identifier: MIT
"""What a mutation run says, as people read it and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mutate.verdicts import Fate, MutantVerdict

__all__ = ("FileGroup", "MutationRun", "run_view")


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Files of the mock kernel that are judged together: how many in a hundred must be noticed."""

    name: str
    files: tuple[str, ...]
    goal: int


@dataclass(frozen=True, slots=True)
class MutationRun:
    """Everything a run has found out. ``unreached``: mutants by file on lines that no row reaches, which did not run.

    ``false_alarms``: what was broken on the kernel as it is, looked at in between.
    """

    groups: tuple[FileGroup, ...]
    verdicts: tuple[MutantVerdict, ...]
    unreached: dict[str, int]
    false_alarms: tuple[str, ...]
    seconds: float
    planned: int
    sample: tuple[int, int] | None
    """How many were drawn, and with which seed."""

    @property
    def is_whole(self) -> bool:
        """Whether it was not interrupted."""
        return len(self.verdicts) == self.planned

    @property
    def is_good(self) -> bool:
        """Whether every group of files reaches its goal, and nothing contradicts what is written down."""
        told_apart = any(verdict.fate is Fate.TOLD_APART for verdict in self.verdicts)
        scores = [(group.goal, self.score(self.of(group.files))) for group in self.groups]
        return not told_apart and not self.false_alarms and all(s is None or s >= goal for goal, s in scores)

    def of(self, files: Sequence[str]) -> list[MutantVerdict]:
        """The mutants of these files."""
        return [verdict for verdict in self.verdicts if verdict.mutant.file in files]

    @staticmethod
    def score(verdicts: Sequence[MutantVerdict]) -> float | None:
        """How many in a hundred were noticed, of those that can be; None where there is none."""
        counted = [verdict for verdict in verdicts if verdict.fate is not Fate.EQUIVALENT]
        dead = sum(verdict.fate.is_dead or verdict.fate is Fate.TOLD_APART for verdict in counted)
        return 100 * dead / len(counted) if counted else None

    def to_json(self) -> dict[str, Any]:
        """The content of the result file."""
        return {
            "format": "amdgpu_hw mutation run",
            "version": 1,
            "good": self.is_good,
            "whole": self.is_whole,
            "seconds": round(self.seconds, 1),
            "sample": None if self.sample is None else {"mutants": self.sample[0], "seed": self.sample[1]},
            "groups": [
                {"name": group.name, "goal": group.goal, "score": self.score(self.of(group.files))}
                for group in self.groups
            ],
            "files": {
                file: {
                    "score": self.score(self.of([file])),
                    "unreached": self.unreached.get(file, 0),
                    **{fate.value: _count(self.of([file]), fate) for fate in Fate},
                }
                for group in self.groups
                for file in group.files
            },
            "false_alarms": list(self.false_alarms),
            "mutants": [verdict.to_json() for verdict in self.verdicts],
        }


def _count(verdicts: Sequence[MutantVerdict], fate: Fate) -> int:
    return sum(verdict.fate is fate for verdict in verdicts)


def run_view(run: MutationRun) -> Group:
    """Return the files with their scores, the survivors, what contradicts a reason, and a summary."""
    parts: list[RenderableType] = [_files(run), Text()]
    for fate, title in (
        (Fate.SURVIVED, "Survivors"),
        (Fate.UNTESTABLE, "Not noticed: with these a row cannot be tested, and the verdict only says so"),
        (Fate.TOLD_APART, "Told apart, though a reason says that nothing can"),
        (Fate.SILENCED, "Noticed only because nothing is said about the series"),
        (Fate.CRASHED, "Noticed only because the mock kernel failed, or had no GPU that the suite could use"),
        (Fate.HUNG, "Noticed only because the suite did not end"),
    ):
        found = sorted(
            (verdict for verdict in run.verdicts if verdict.fate is fate),
            key=lambda verdict: (verdict.mutant.file, verdict.mutant.line),
        )
        if found:
            parts += [Text(f"{title}:", style="bold"), _mutants(found), Text()]
    parts += [Text(f"False alarm: {alarm}", style="bold red") for alarm in run.false_alarms]
    parts.append(_summary(run))
    return Group(*parts)


def _files(run: MutationRun) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("file", *(fate.value for fate in Fate), "no row there", "score", "goal", "seconds"):
        table.add_column(heading, justify="left" if heading == "file" else "right")
    for group in run.groups:
        for file in group.files:
            verdicts = run.of([file])
            if verdicts or run.unreached.get(file):
                table.add_row(file, *_cells(run, verdicts, run.unreached.get(file, 0)), "", _seconds(verdicts))
        verdicts = run.of(group.files)
        unreached = sum(run.unreached.get(file, 0) for file in group.files)
        cells = (*_cells(run, verdicts, unreached), f"{group.goal} %", _seconds(verdicts))
        table.add_row(group.name, *cells, style="bold", end_section=True)
    return table


def _cells(run: MutationRun, verdicts: Sequence[MutantVerdict], unreached: int) -> list[str]:
    score = run.score(verdicts)
    counts = [str(_count(verdicts, fate) or "") for fate in Fate]
    return [*counts, str(unreached or ""), "" if score is None else f"{score:.0f} %"]


def _seconds(verdicts: Sequence[MutantVerdict]) -> str:
    return f"{sum(verdict.seconds for verdict in verdicts):.0f}"


def _mutants(verdicts: Sequence[MutantVerdict]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(4):
        table.add_column(overflow="fold")
    for verdict in verdicts:
        mutant = verdict.mutant
        table.add_row(
            f"{mutant.file}:{mutant.line}",
            f"{mutant.function}: {mutant.operator}",
            Text(mutant.change),
            Text(
                verdict.reason if verdict.fate is not Fate.SURVIVED else f"{verdict.rows_that_reach_it} rows reach it"
            ),
        )
    return table


def _summary(run: MutationRun) -> Text:
    counts = ", ".join(f"{_count(run.verdicts, fate)} {fate.value}" for fate in Fate if _count(run.verdicts, fate))
    drawn = f"a sample of {run.sample[0]} (seed {run.sample[1]})" if run.sample else "all that rows reach"
    text = f"{len(run.verdicts)} mutants, {drawn}: {counts or 'none'}. {run.seconds:.0f} s."
    return Text(text, style="bold green" if run.is_good and run.is_whole else "bold red")
