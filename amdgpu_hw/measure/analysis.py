# SPDX-License-Identifier: MIT
"""From a result to what tables and pictures show: summaries, effects and the finding in a sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from amdgpu_hw.measure.model import (
    REPEATED,
    Arm,
    Cell,
    Conditions,
    Frames,
    LatencyResult,
    OverlapResult,
    Round,
    Samples,
)
from amdgpu_hw.measure.statistics import Effect, Summary, mean_frame, median_of, paired_log_ratio, summary
from amdgpu_hw.measure.wording import by_mapping_words

__all__ = (
    "ARMS",
    "IDLE",
    "METRIC_WORDS",
    "NULL_ARMS",
    "CellAnalysis",
    "OverlapAnalysis",
    "Trouble",
    "analyse_latency",
    "analyse_overlap",
    "latency_finding",
    "median_unmap",
    "overlap_finding",
    "troubles",
    "unmap_ns",
)

ARMS: tuple[Arm, ...] = ("implicit", "explicit")
"""A and B of the comparison that the flag makes."""
NULL_ARMS: tuple[Arm, ...] = ("null_a", "null_b")
IDLE = "idle"
"""The load of a GPU that does nothing, where there is nothing to wait for."""

METRIC_WORDS = {
    "fence_ns": "update effective",
    "victim_ns": "next submission done",
    "ioctl_ns": "ioctl returned",
}


@dataclass(frozen=True)
class CellAnalysis:
    """One cell of a latency result."""

    cell: Cell
    rounds: Mapping[Arm, Sequence[Round]]
    """All of them, by arm; those of the A/A run too."""

    def samples(self, arm: Arm, metric: str = "fence_ns") -> Samples:
        """All samples of the usable rounds."""
        arrays = [getattr(each, metric) for each in self.rounds.get(arm, ()) if each.usable]
        return np.concatenate([np.empty(0, np.int64), *arrays])

    def summary(self, arm: Arm, metric: str = "fence_ns") -> Summary:
        """Of those samples."""
        return summary(self.samples(arm, metric))

    def outlasted(self, arm: Arm) -> float:
        """Share of the updates that were effective while the load still ran; NaN without load.

        What it takes no clock to see: an update that waits for the load is never among them.
        """
        rounds = [each for each in self.rounds.get(arm, ()) if each.usable]
        shares = [(each.in_flight[1], len(each.fence_ns)) for each in rounds if each.in_flight is not None]
        return sum(share * n for share, n in shares) / sum(n for _, n in shares) if shares else math.nan

    @cached_property
    def effects(self) -> Mapping[str, Effect]:
        """Explicit over implicit, by metric."""
        implicit, explicit = self.rounds.get("implicit", ()), self.rounds.get("explicit", ())
        return {metric: paired_log_ratio(implicit, explicit, [self.null], median_of(metric)) for metric in METRIC_WORDS}

    @property
    def effect(self) -> Effect:
        """On how long it takes until the update is effective."""
        return self.effects["fence_ns"]

    @property
    def null(self) -> list[Round]:
        """The A/A run."""
        return [each for arm in NULL_ARMS for each in self.rounds.get(arm, ())]


@lru_cache(maxsize=4)
def analyse_latency(result: LatencyResult) -> tuple[CellAnalysis, ...]:
    """The cells that have rounds, in the order of the grid.

    Kept for the results last asked for: tables and pictures want the same intervals, seconds of work for a whole grid.
    """
    rounds: dict[Cell, dict[Arm, list[Round]]] = {cell: {} for cell in result.cells}
    for each in result.rounds:
        rounds.setdefault(each.cell, {}).setdefault(each.arm, []).append(each)
    return tuple(CellAnalysis(cell, by_arm) for cell, by_arm in rounds.items() if by_arm)


def unmap_ns(frames: Frames) -> Samples:
    """How long each unmap beside the frames took to become effective."""
    seen = frames.unmap_effective_ns >= frames.unmap_start_ns
    return np.where(seen, frames.unmap_effective_ns - frames.unmap_start_ns, -1)


@dataclass(frozen=True)
class OverlapAnalysis:
    """Stretches of frames of one kind: rate of unmaps, length and budget of a frame."""

    rate_hz: float
    frame_gpu_ns: int
    budget_ns: int
    series: Mapping[Arm, Sequence[Frames]]

    def usable(self, arm: Arm) -> list[Frames]:
        """The stretches of an arm that count."""
        return [each for each in self.series.get(arm, ()) if each.usable]

    def frame_ns(self, arm: Arm) -> Samples:
        """How long each frame took."""
        return np.concatenate([np.empty(0, np.int64), *(each.frame_ns for each in self.usable(arm))])

    def unmap_ns(self, arm: Arm) -> Samples:
        """How long each unmap took to become effective."""
        return np.concatenate([np.empty(0, np.int64), *(unmap_ns(each) for each in self.usable(arm))])

    def stutters(self, arm: Arm) -> int:
        """How many frames were over the budget."""
        return int(np.count_nonzero(self.frame_ns(arm) > self.budget_ns))

    @cached_property
    def frame_effect(self) -> Effect:
        """Explicit over implicit: the mean frame time."""
        return self._effect(mean_frame)

    @cached_property
    def unmap_effect(self) -> Effect:
        """Explicit over implicit: how long an unmap takes to become effective."""
        return self._effect(median_unmap)

    @property
    def null(self) -> list[Frames]:
        """The A/A run."""
        return [each for arm in NULL_ARMS for each in self.series.get(arm, ())]

    def _effect(self, value: Callable[[Frames], float]) -> Effect:
        return paired_log_ratio(self.series.get("implicit", ()), self.series.get("explicit", ()), [self.null], value)


def median_unmap(frames: Frames) -> float:
    """Of a stretch."""
    return summary(unmap_ns(frames)).p50


@lru_cache(maxsize=4)
def analyse_overlap(result: OverlapResult) -> tuple[OverlapAnalysis, ...]:
    """Each kind of stretch, in the order in which they were taken; kept like those of `analyse_latency`."""
    kinds: dict[tuple[float, int, int], dict[Arm, list[Frames]]] = {}
    for each in result.series:
        kind = (each.rate_hz, each.frame_gpu_ns, each.budget_ns)
        kinds.setdefault(kind, {}).setdefault(each.arm, []).append(each)
    return tuple(OverlapAnalysis(*kind, series) for kind, series in kinds.items())


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was wrong with rounds, and with how many; nothing is left out without being told here."""

    what: str
    rounds: int


def troubles(items: Iterable[Round | Frames]) -> list[Trouble]:
    """The flags of rounds or stretches, the most frequent first, by what stands before the colon."""
    kinds = Counter(flag.partition(":")[0] for item in items for flag in item.flags)
    repeated = kinds.pop(REPEATED, 0)
    found = [Trouble(what, number) for what, number in kinds.most_common()]
    return found + ([Trouble("taken again", repeated)] if repeated else [])


def latency_finding(cells: Sequence[CellAnalysis], conditions: Conditions) -> str:
    """What the flag does, in a sentence: while the GPU is busy if it ever was."""
    busy = [each for each in cells if each.cell.load != IDLE]
    told = by_mapping_words((each.cell, each.effect) for each in busy or cells)
    return f"GPU {'busy' if busy else 'idle'}, with explicit sync: {told}{_mark(conditions)}"


def overlap_finding(kinds: Sequence[OverlapAnalysis], conditions: Conditions) -> str:
    """What the flag does to frames, in a sentence."""
    told = []
    for each in kinds:
        without, with_it = (_share(each.stutters(arm), len(each.frame_ns(arm))) for arm in ARMS)
        told.append(f"beside {each.rate_hz:g} unmaps/s: {without} without the flag, {with_it} with it")
    return f"Frames over budget {'; '.join(told)}{_mark(conditions)}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def _mark(conditions: Conditions) -> str:
    """What a finding must not be read without."""
    marks = ["simulated"] if conditions.simulated else []
    marks += [] if conditions.explicit_sync else ["this kernel has no flag: both arms are implicit"]
    return f" ({'; '.join(marks)})" if marks else ""
