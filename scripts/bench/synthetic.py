# SPDX-License-Identifier: MIT
"""Measurements whose truth is known: made-up rounds with the disturbances that machines are known for.

`tally` runs the statistics of amdgpu_hw.measure on many of them, from rounds to verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amdgpu_hw.measure.model import Arm, Cell, Round
from amdgpu_hw.measure.statistics import Claim, Effect, median_of, paired_log_ratio, unpaired_log_ratio

__all__ = ("SCENARIOS", "Design", "Method", "Scenario", "Tally", "paired", "tally", "unpaired")

_CELL = Cell("synthetic", "UNMAP", "PRT", 65536)
_BASE_NS = 100_000.0
_FENCE = median_of("fence_ns")


@dataclass(frozen=True, slots=True)
class Scenario:
    """What disturbs a run. Levels are logs; each disturbance is the same for both arms, whenever it strikes."""

    name: str
    what: str
    sigma: float = 0.05
    """Of the samples of a round around its level."""
    slope: float = 0.0
    """How much slower the last round is than the first."""
    walk: float = 0.0
    """Standard deviation of the step from one round to the next."""
    bursts: float = 0.0
    """Share of rounds that something else slows by 50 %."""
    steps: float = 0.0
    """Share of rounds at which the level jumps by 20 % up or down, and stays (a clock changes)."""
    tail: float = 0.0
    """Share of samples with a Pareto tail of infinite variance on top (up to hundreds of times the median)."""
    middle: float = 0.0
    """How much slower the two middle rounds of each block are: not cancelled by the order, but seen in the A/A run."""


SCENARIOS = (
    Scenario("white", "5 % of scatter"),
    Scenario("drift", "20 % slower from begin to end", slope=0.2),
    Scenario("walk", "a random walk of 1 % per round", walk=0.01),
    Scenario("bursts", "one round in ten is 50 % slower", bursts=0.1),
    Scenario("steps", "the level jumps by 20 %, once in 25 rounds", steps=0.04),
    Scenario("tails", "5 % of samples with a Pareto tail (1.5)", tail=0.05),
    Scenario("order", "the middle of each block is 2 % slower, whatever the arm", middle=0.02),
    Scenario("all", "all of these", slope=0.2, walk=0.01, bursts=0.1, steps=0.04, tail=0.05, middle=0.02),
)


@dataclass(frozen=True, slots=True)
class Design:
    """How much is measured: blocks of four rounds per comparison (and as many for the A/A run), samples per round."""

    blocks: int
    samples: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How many runs ended with which verdict."""

    runs: int
    verdicts: dict[Claim, int]

    def share(self, *verdicts: Claim) -> float:
        """The share of runs with one of these verdicts."""
        return sum(self.verdicts.get(each, 0) for each in verdicts) / self.runs


def _levels(scenario: Scenario, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    levels = np.linspace(0, math.log1p(scenario.slope), count)
    levels += np.cumsum(generator.normal(0, scenario.walk, count))
    levels += math.log(1.5) * (generator.random(count) < scenario.bursts)
    jumps = generator.choice((-math.log(1.2), math.log(1.2)), count) * (generator.random(count) < scenario.steps)
    levels += np.cumsum(jumps)
    return levels


def _rounds(scenario: Scenario, effect: float, design: Design, generator: np.random.Generator) -> list[Round]:
    """One run: in each block A B B A, then the same of the A/A run; explicit is slower by `effect`."""
    arms: tuple[Arm, ...] = ("implicit", "explicit", "explicit", "implicit", "null_a", "null_b", "null_b", "null_a")
    shape = (design.blocks * len(arms), design.samples)
    logs = _levels(scenario, shape[0], generator)[:, None] + generator.normal(0, scenario.sigma, shape)
    logs += np.where(generator.random(shape) < scenario.tail, np.log1p(generator.pareto(1.5, shape)), 0.0)
    rounds = []
    for number, row in enumerate(logs):
        index, position = divmod(number, len(arms))
        slower = math.log1p(effect) if arms[position] == "explicit" else 0.0
        slower += math.log1p(scenario.middle) if position % 4 in (1, 2) else 0.0
        samples = (_BASE_NS * np.exp(row + slower)).astype(np.int64)
        rounds.append(
            Round(
                cell=_CELL,
                index=index,
                arm=arms[position],
                order=position % 4,
                ioctl_ns=samples,
                fence_ns=samples,
                victim_ns=samples[:0],
            )
        )
    return rounds


def _of(rounds: list[Round], *arms: Arm) -> list[Round]:
    return [each for each in rounds if each.arm in arms]


def paired(scenario: Scenario, effect: float, design: Design, generator: np.random.Generator) -> Effect:
    """One run, judged as `amdgpu-hw latency` judges the flag."""
    rounds = _rounds(scenario, effect, design, generator)
    null = _of(rounds, "null_a", "null_b")
    return paired_log_ratio(_of(rounds, "implicit"), _of(rounds, "explicit"), [null], _FENCE)


def unpaired(scenario: Scenario, effect: float, design: Design, generator: np.random.Generator) -> Effect:
    """Two runs, judged as `amdgpu-hw compare` judges two kernels; B's is slower by `effect`."""
    a = _rounds(scenario, 0.0, design, generator)
    b = _rounds(scenario, effect, design, generator)
    null = [_of(each, "null_a", "null_b") for each in (a, b)]
    return unpaired_log_ratio(_of(a, "explicit"), _of(b, "explicit"), null, _FENCE)


Method = Callable[[Scenario, float, Design, np.random.Generator], Effect]


def tally(method: Method, scenario: Scenario, effect: float, design: Design, runs: int, seed: int) -> Tally:
    """Judge `runs` made-up runs; the same seed gives the same."""
    generator = np.random.default_rng([seed, runs, SCENARIOS.index(scenario) if scenario in SCENARIOS else 0])
    verdicts: dict[Claim, int] = {}
    for _ in range(runs):
        found = method(scenario, effect, design, generator)
        verdicts[found.verdict] = verdicts.get(found.verdict, 0) + 1
    return Tally(runs, verdicts)
