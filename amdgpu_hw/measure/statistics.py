# SPDX-License-Identifier: MIT
"""What samples say: percentiles of one arm, and whether two arms differ by more than the method itself does.

A block is A B B A: what drifts steadily over it adds as much to both arms and drops out of their ratio. So a block
gives one number, the log of the ratio of its medians; those numbers, and not the single samples (which follow each
other and are not independent), are resampled for the interval. ``scripts/bench_statistics.py`` measures how often this
is wrong and what it finds; docs/measuring.md has the table.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from amdgpu_hw.measure.model import Frames, Round, Samples

__all__ = (
    "CONFIDENCE",
    "MARGIN",
    "MIN_BLOCKS",
    "Claim",
    "Effect",
    "Interval",
    "Summary",
    "bootstrap_median",
    "mean_frame",
    "median_of",
    "paired_log_ratio",
    "summary",
    "unpaired_log_ratio",
)

CONFIDENCE = 0.95
MIN_BLOCKS = 6
"""With fewer no interval around a median reaches 95 %: the chance that all of five lie on one side is 6 %."""
MARGIN = math.log(1.05)
"""Two arms whose interval lies within 5 % of each other are called equal."""
MIN_FOR_P99 = 1000
"""With fewer samples less than ten lie beyond the 99th percentile, and it says nothing."""

DRIFT_FACTOR = 3.0
"""Of a run's own drift in the noise floor between two runs: two random walks end farther apart than their halves."""
_RESAMPLES = 4000
_SEED = 20251
_OUTLIER_IQRS = 3.0
_MIN_IQR = 0.01  # in logs: where most samples are equal not every other one is an outlier

Floats = NDArray[np.float64]
Item = TypeVar("Item", bound=Round | Frames)


class Claim(StrEnum):
    """What may be said of B beside A."""

    FASTER = "faster"
    SLOWER = "slower"
    NO_DIFFERENCE = "no difference"
    INCONCLUSIVE = "inconclusive"


class Interval(NamedTuple):
    """An estimate and where the true value is with 95 % confidence, as logs of a ratio."""

    middle: float
    low: float
    high: float

    @property
    def reach(self) -> float:
        """The effect farthest from none that it allows."""
        return max(abs(self.low), abs(self.high))


_NOTHING = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Effect:
    """B's time over A's: below 1 B is faster."""

    ratio: float
    """NaN if there is no block to tell from, as are `low` and `high`."""
    low: float
    high: float
    noise_floor: float
    """The ratio, 1 or more, that this method cannot tell from none on this machine; NaN without an A/A run."""
    verdict: Claim
    reason: str
    """Why this verdict, as half a sentence."""
    blocks: tuple[float, ...]
    """The ratio in each usable block, in the order of measuring."""
    unusable: int
    """Blocks that were not used because one of their rounds may not be or is missing."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One arm's samples, in ns; what was not seen counts as longer than everything that was."""

    n: int
    p50: float
    p90: float
    p99: float | None
    """None with less than 1000 samples."""
    max: float
    outliers: int
    """Samples farther from the quartiles than three times what lies between those (of logs); none is left out."""
    missing: int
    """Samples that had not happened when the wait for them gave up."""


def summary(samples: Samples) -> Summary:
    """Percentiles of durations; NaN where there is none."""
    if not len(samples):
        return Summary(0, math.nan, math.nan, None, math.nan, 0, 0)
    values = _durations(samples)
    p50, p90, p99 = (float(np.quantile(values, q, method="higher")) for q in (0.5, 0.9, 0.99))
    logs = np.log(values)
    q1, q3 = (float(np.quantile(logs, q, method="lower")) for q in (0.25, 0.75))
    reach = _OUTLIER_IQRS * max(q3 - q1, _MIN_IQR) if math.isfinite(q3) else math.inf
    return Summary(
        n=len(values),
        p50=p50,
        p90=p90,
        p99=p99 if len(values) >= MIN_FOR_P99 else None,
        max=float(np.max(values)),
        outliers=int(np.count_nonzero((logs < q1 - reach) | (logs > q3 + reach))),
        missing=int(np.count_nonzero(np.isinf(values))),
    )


def _durations(samples: Samples) -> Floats:
    """As floats, infinite where not seen; 0 ns, which a coarse clock can give, as 1."""
    return np.where(samples < 0, np.inf, np.maximum(samples, 1)).astype(np.float64)


def median_of(metric: str) -> Callable[[Round], float]:
    """A round's median of one of its metrics (``fence_ns``); NaN if it has none, infinite if most were not seen."""

    def median(item: Round) -> float:
        samples: Samples = getattr(item, metric)
        return float(np.median(_durations(samples))) if len(samples) else math.nan

    return median


def mean_frame(frames: Frames) -> float:
    """The mean frame time: a few stalled frames move it as they move the frame rate, unlike the median."""
    return float(np.mean(frames.frame_ns)) if len(frames.frame_end_ns) else math.nan


def bootstrap_median(values: Floats, confidence: float = CONFIDENCE) -> Interval:
    """The median and its bootstrap interval.

    Percentiles of resampled medians are too narrow for a dozen values. They are expanded as Hesterberg proposes
    ("What Teachers Should Know About the Bootstrap", 2015): by what Student's t is wider than the normal
    distribution. The generator is seeded, so that a file always gives the same table.
    """
    n = len(values)
    medians = _resampled_medians(values, np.random.default_rng(_SEED))
    tail = _expanded_tail(n, confidence)
    low, high = np.quantile(medians, (tail, 1 - tail))
    return Interval(float(np.median(values)), float(low), float(high))


def _resampled_medians(values: Floats, generator: np.random.Generator) -> Floats:
    picks = generator.integers(0, len(values), (_RESAMPLES, len(values)))
    medians: Floats = np.median(values[picks], axis=1)
    return medians


def _expanded_tail(n: int, confidence: float) -> float:
    t = stdtrit(max(n - 1, 1), (1 + confidence) / 2)
    return float(ndtr(-t * math.sqrt(n / max(n - 1, 1))))


def paired_log_ratio(
    a: Iterable[Item],
    b: Iterable[Item],
    null: Sequence[Iterable[Item]],
    value: Callable[[Item], float],
    margin: float = MARGIN,
) -> Effect:
    """B over A from rounds that were interleaved (A B B A); `null` are one or more A/A runs.

    The noise floor is what the A/A run finds although there is nothing: the far end of its 50 % interval (of several
    runs the farthest). B is faster or slower if the whole interval lies beyond it, not different if the whole interval
    lies within `margin`.
    """
    ratios, unusable = _block_ratios(a, b, value)
    interval = bootstrap_median(ratios) if len(ratios) else _NOTHING
    return _effect(interval, _floor(null, value), ratios, unusable, len(ratios), margin)


def unpaired_log_ratio(
    a: Iterable[Item],
    b: Iterable[Item],
    null: Sequence[Iterable[Item]],
    value: Callable[[Item], float],
    margin: float = MARGIN,
) -> Effect:
    """B over A from two runs, which nothing interleaves: two kernels need a boot between them.

    What drifts is not cancelled here. So the noise floor is that of the A/A runs (of both) and on top of it three
    times what the first and the second half of either run differ by. What another boot alone would change is in no
    file: repeat both runs to know.
    """
    of_a, of_b = _block_levels(a, value), _block_levels(b, value)
    n = min(len(of_a), len(of_b))
    interval = _difference(of_a, of_b) if n else _NOTHING
    drift = max(_drift(of_a), _drift(of_b)) if n >= MIN_BLOCKS else math.nan
    return _effect(interval, _floor(null, value) + DRIFT_FACTOR * drift, np.empty(0), 0, n, margin)


def _difference(a: Floats, b: Floats) -> Interval:
    generator = np.random.default_rng(_SEED)
    medians = _resampled_medians(b, generator) - _resampled_medians(a, generator)
    tail = _expanded_tail(min(len(a), len(b)), CONFIDENCE)
    low, high = np.quantile(medians, (tail, 1 - tail))
    return Interval(float(np.median(b) - np.median(a)), float(low), float(high))


def _drift(levels: Floats) -> float:
    half = len(levels) // 2
    return abs(float(np.median(levels[half:]) - np.median(levels[:half])))


def _floor(null: Iterable[Iterable[Item]], value: Callable[[Item], float]) -> float:
    """How far the even-odds interval of an A/A run reaches; NaN if none is long enough to tell."""
    reaches: list[float] = []
    for run in null:
        halves: dict[str, list[Item]] = {"null_a": [], "null_b": []}
        for item in run:
            halves[item.arm].append(item)
        ratios, _ = _block_ratios(halves["null_a"], halves["null_b"], value)
        if len(ratios) >= MIN_BLOCKS:
            reaches.append(bootstrap_median(ratios, confidence=0.5).reach)
    return max(reaches, default=math.nan)


def _logs_by_block(items: Iterable[Item], value: Callable[[Item], float]) -> dict[int, dict[int, float]]:
    """The log of each usable round's value by block and position; a repetition stands for what it repeats."""
    blocks: dict[int, dict[int, float]] = defaultdict(dict)
    for item in items:
        block = blocks[item.index]  # made, although there may be nothing usable in it
        number = value(item) if item.usable else math.nan
        if 0 < number < math.inf:
            block[item.order] = math.log(number)
    return blocks


def _block_ratios(a: Iterable[Item], b: Iterable[Item], value: Callable[[Item], float]) -> tuple[Floats, int]:
    """The log of B over A per block, and how many blocks are not fit for one.

    Fit are those in which both arms have as many rounds at, on average, the same position: only there a steady drift
    cancels.
    """
    of_a = _logs_by_block(a, value)
    of_b = _logs_by_block(b, value)
    ratios: list[float] = []
    everything = sorted({*of_a, *of_b})
    for index in everything:
        x = of_a.get(index, {})
        y = of_b.get(index, {})
        if x and len(x) == len(y) and sum(x) == sum(y):
            ratios.append(float(np.mean([*y.values()]) - np.mean([*x.values()])))
    return np.array(ratios), len(everything) - len(ratios)


def _block_levels(items: Iterable[Item], value: Callable[[Item], float]) -> Floats:
    blocks = _logs_by_block(items, value)
    return np.array([float(np.mean([*blocks[index].values()])) for index in sorted(blocks) if blocks[index]])


def _effect(interval: Interval, floor: float, ratios: Floats, unusable: int, n: int, margin: float) -> Effect:
    verdict, reason = _judge(interval, floor, n, unusable, margin)
    return Effect(
        ratio=math.exp(interval.middle),
        low=math.exp(interval.low),
        high=math.exp(interval.high),
        noise_floor=math.exp(floor),
        verdict=verdict,
        reason=reason,
        blocks=tuple(float(each) for each in np.exp(ratios)),
        unusable=unusable,
    )


def _judge(interval: Interval, floor: float, n: int, unusable: int, margin: float) -> tuple[Claim, str]:
    if n < MIN_BLOCKS:
        lost = f", {unusable} cannot be used" if unusable else ""
        return Claim.INCONCLUSIVE, f"{n} blocks are too few for an interval, {MIN_BLOCKS} are needed{lost}"
    if unusable > n:
        return Claim.INCONCLUSIVE, f"{unusable} of {n + unusable} blocks cannot be used"
    if math.isnan(floor):
        return Claim.INCONCLUSIVE, f"without an A/A run of {MIN_BLOCKS} blocks the noise floor is unknown"
    if interval.high < -floor or interval.low > floor:
        verdict = Claim.FASTER if interval.high < 0 else Claim.SLOWER
        return verdict, "the whole interval lies beyond the noise floor"
    if interval.reach <= margin:
        return Claim.NO_DIFFERENCE, f"the whole interval lies within {100 * math.expm1(margin):.2g} %"
    if interval.low <= 0 <= interval.high:
        return (
            Claim.INCONCLUSIVE,
            f"the interval holds none as well as more than {100 * math.expm1(margin):.2g} %, more blocks would tell",
        )
    return Claim.INCONCLUSIVE, "the interval reaches into the noise floor"
