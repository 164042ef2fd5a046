# SPDX-License-Identifier: MIT
"""Two results beside each other: what may be compared, and what it says.

The arms of one result were interleaved, those of two were not: see `unpaired_log_ratio` for what that costs. What the
flag does within each result is interleaved in both, so it is told beside the comparison of the arms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.measure.analysis import (
    ARMS,
    IDLE,
    CellAnalysis,
    OverlapAnalysis,
    analyse_latency,
    analyse_overlap,
    median_unmap,
)
from amdgpu_hw.measure.mismatch import Mismatch, Subject, comparable, subject
from amdgpu_hw.measure.model import Arm, Cell, Conditions, Frames, LatencyResult, OverlapResult, Result
from amdgpu_hw.measure.statistics import Effect, mean_frame, median_of, unpaired_log_ratio
from amdgpu_hw.measure.wording import by_mapping_words, cell_words, time_words, verdict_summary

__all__ = (
    "SAME_ARMS",
    "ArmPair",
    "CellPair",
    "Comparison",
    "LatencyComparison",
    "OverlapComparison",
    "OverlapPair",
    "compare",
)

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ArmPair:
    """Which arm of A is compared with which arm of B."""

    a: Arm
    b: Arm

    def __str__(self) -> str:
        return self.a if self.a == self.b else f"{self.a} (A), {self.b} (B)"


SAME_ARMS = tuple(ArmPair(arm, arm) for arm in ARMS)


@dataclass(frozen=True)
class CellPair:
    """A cell that both results have."""

    cell: Cell
    a: CellAnalysis
    b: CellAnalysis

    def effect(self, arms: ArmPair, metric: str = "fence_ns") -> Effect:
        """B over A."""
        null = [self.a.null, self.b.null]
        of_a, of_b = self.a.rounds.get(arms.a, ()), self.b.rounds.get(arms.b, ())
        return unpaired_log_ratio(of_a, of_b, null, median_of(metric))


@dataclass(frozen=True)
class OverlapPair:
    """Stretches of the same rate and budget that both results have."""

    a: OverlapAnalysis
    b: OverlapAnalysis

    def frame_effect(self, arms: ArmPair) -> Effect:
        """B over A: the mean frame time."""
        return self._effect(arms, mean_frame)

    def unmap_effect(self, arms: ArmPair) -> Effect:
        """B over A: how long an unmap takes to become effective."""
        return self._effect(arms, median_unmap)

    def _effect(self, arms: ArmPair, value: Callable[[Frames], float]) -> Effect:
        null = [self.a.null, self.b.null]
        return unpaired_log_ratio(self.a.series.get(arms.a, ()), self.b.series.get(arms.b, ()), null, value)


@dataclass(frozen=True)
class Comparison:
    """What comparisons of both kinds have: the two results' conditions and what differs besides what is compared."""

    a: Conditions
    b: Conditions
    arms: Sequence[ArmPair]
    mismatches: Sequence[Mismatch]
    """Empty, or the user insisted."""
    missing: Sequence[str]
    """What only one of the two has, in words."""

    @property
    def subject(self) -> Subject:
        """``kernel``, ``GPU`` or ``run``."""
        return subject(self.a, self.b)

    @property
    def names(self) -> tuple[str, str]:
        """What to call A and B."""
        if self.subject == "kernel" and self.a.kernel != self.b.kernel:
            return self.a.kernel, self.b.kernel
        if self.subject == "GPU" and self.a.gpu_name != self.b.gpu_name:
            return self.a.gpu_name, self.b.gpu_name
        return "A", "B"

    @property
    def heading(self) -> str:
        """What is compared with what."""
        a, b = self.names
        return f"{b} beside {a}" if (a, b) == ("A", "B") else f"{b} (B) beside {a} (A)"

    @property
    def mark(self) -> str:
        """That figures are simulated, where any is."""
        return " (simulated)" if self.a.simulated or self.b.simulated else ""


@dataclass(frozen=True)
class LatencyComparison(Comparison):
    """Two latency results."""

    pairs: Sequence[CellPair]

    @cached_property
    def effects(self) -> dict[tuple[Cell, ArmPair], Effect]:
        """B over A, of every cell and arm."""
        return {(pair.cell, arms): pair.effect(arms) for pair in self.pairs for arms in self.arms}

    def finding(self, only: ArmPair | None = None) -> str:
        """What differs, in a sentence (of all arms, or of one): while the GPU is busy if it ever was."""
        busy = [pair.cell for pair in self.pairs if pair.cell.load != IDLE]
        cells = busy or [pair.cell for pair in self.pairs]
        told = [
            f"{arms} sync: {by_mapping_words((cell, self.effects[cell, arms]) for cell in cells)}"
            for arms in ([only] if only else self.arms)
        ]
        return f"{self.heading}, GPU {'busy' if busy else 'idle'}, {'. '.join(told)}{self.mark}"


@dataclass(frozen=True)
class OverlapComparison(Comparison):
    """Two overlap results."""

    pairs: Sequence[OverlapPair]

    def finding(self) -> str:
        """What differs, in a sentence."""
        told = "; ".join(
            f"{arms} sync: {verdict_summary([pair.frame_effect(arms) for pair in self.pairs])}" for arms in self.arms
        )
        return f"{self.heading}, mean frame time, {told}{self.mark}"


def compare(
    a: Result, b: Result, arms: Sequence[ArmPair] = SAME_ARMS, allow_mismatch: bool = False
) -> LatencyComparison | OverlapComparison:
    """Put two results beside each other.

    Raises:
        HarnessError: They are of different kinds or have nothing in common, or their conditions differ in more than
            one thing and that was not allowed.

    """
    match a, b:
        case LatencyResult(), LatencyResult():
            mismatches = _mismatches(a.conditions, b.conditions, allow_mismatch)
            cells, missing = _both(
                {each.cell: each for each in analyse_latency(a)},
                {each.cell: each for each in analyse_latency(b)},
                cell_words,
            )
            pairs = [CellPair(cell, *both) for cell, both in cells.items()]
            return LatencyComparison(a.conditions, b.conditions, arms, mismatches, missing, pairs)
        case OverlapResult(), OverlapResult():
            mismatches = _mismatches(a.conditions, b.conditions, allow_mismatch)
            # The GPU time of a frame is measured, so it is never quite the same.
            kinds, missing = _both(
                {(each.rate_hz, each.budget_ns): each for each in analyse_overlap(a)},
                {(each.rate_hz, each.budget_ns): each for each in analyse_overlap(b)},
                lambda kind: f"{kind[0]:g} unmaps/s with a budget of {time_words(kind[1])}",
            )
            stretches = [OverlapPair(*both) for both in kinds.values()]
            return OverlapComparison(a.conditions, b.conditions, arms, mismatches, missing, stretches)
        case _:
            raise HarnessError(
                f"A is a measurement of {a.KIND} and B one of {b.KIND}: only two of the same kind can be compared."
            )


def _mismatches(a: Conditions, b: Conditions, allowed: bool) -> list[Mismatch]:
    mismatches = comparable(a, b)
    if mismatches and not allowed:
        what = subject(a, b)
        besides = "A and B should be alike" if what == "run" else f"A and B differ in more than the {what}"
        raise HarnessError(
            f"{besides}: {'; '.join(map(str, mismatches))}. Measure again under equal conditions, or add "
            "--allow-mismatch to compare them all the same."
        )
    return mismatches


def _both(
    a: Mapping[Key, Value], b: Mapping[Key, Value], words: Callable[[Key], str]
) -> tuple[dict[Key, tuple[Value, Value]], list[str]]:
    """What both have, and in words what only one has. Raises `HarnessError` if there is nothing in common."""
    common = {key: (value, b[key]) for key, value in a.items() if key in b}
    missing = [f"only A has {words(key)}" for key in a if key not in b]
    missing += [f"only B has {words(key)}" for key in b if key not in a]
    if not common:
        raise HarnessError(f"A and B have nothing in common to compare: {'; '.join(missing[:4])}.")
    return common, missing
