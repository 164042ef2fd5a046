# SPDX-License-Identifier: MIT
"""What is said of samples, and when nothing may be said."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench.synthetic import SCENARIOS, Design, Method, Scenario, paired, tally, unpaired

from amdgpu_hw.measure.results import NOT_SEEN, Arm, Round
from amdgpu_hw.measure.statistics import (
    MIN_BLOCKS,
    Claim,
    Effect,
    bootstrap_median,
    mean_frame,
    median_of,
    paired_log_ratio,
    summary,
    unpaired_log_ratio,
)
from tests.mock.measure.made_up import CELL, block, frames, samples

FENCE = median_of("fence_ns")
CALM = Design(blocks=20, samples=50)


def judge(rounds: Sequence[Round], null: Sequence[Round] | None = None) -> Effect:
    """Explicit over implicit, with the A/A run that is among the rounds."""

    def of(*arms: Arm) -> list[Round]:
        return [each for each in rounds if each.arm in arms]

    return paired_log_ratio(of("implicit"), of("explicit"), [of("null_a", "null_b") if null is None else null], FENCE)


def run(implicit_ns: float, explicit_ns: float, blocks: int = 8, null_blocks: int = 8) -> list[Round]:
    """A quiet run with an A/A run beside it."""
    rounds: list[Round] = []
    for index in range(blocks):
        rounds += block(CELL, index, ("implicit", "explicit"), (implicit_ns, explicit_ns))
    for index in range(null_blocks):
        rounds += block(CELL, index, ("null_a", "null_b"), (implicit_ns, implicit_ns))
    return rounds


BY_NAME = {each.name: each for each in SCENARIOS}


@pytest.mark.parametrize(
    ("method", "scenario"), [*((paired, name) for name in BY_NAME), (unpaired, "white"), (unpaired, "all")]
)
def test_no_effect_is_not_called_one_whatever_disturbs_the_run(method: Method, scenario: str) -> None:
    """At most 2 of 30 runs: the whole proof is scripts/bench_statistics.py, these are some of it with a fixed seed."""
    found = tally(method, BY_NAME[scenario], 0.0, CALM, runs=30, seed=3)
    assert found.share(Claim.FASTER, Claim.SLOWER) <= 0.07, f"{scenario}: {found}"


@pytest.mark.parametrize("scenario", ["white", "drift", "walk", "steps", "tails", "order"])
def test_three_percent_are_found_in_a_run_whose_level_wanders(scenario: str) -> None:
    """In at least nine of ten runs, and never the wrong way round."""
    found = tally(paired, BY_NAME[scenario], 0.03, CALM, runs=20, seed=4)
    assert found.share(Claim.SLOWER) >= 0.9, f"{scenario}: {found}"
    assert found.share(Claim.FASTER) == 0


def test_the_proof_would_notice_statistics_that_cry_wolf() -> None:
    """Its control: a run with an effect of three percent counts as an alarm."""
    quiet = Scenario("quiet", "next to no scatter", sigma=0.001)
    assert tally(paired, quiet, 0.03, CALM, runs=3, seed=5).share(Claim.FASTER, Claim.SLOWER) == 1
    assert tally(paired, quiet, 0.0, CALM, runs=3, seed=5).share(Claim.NO_DIFFERENCE) == 1


def test_an_update_that_does_not_wait_is_faster_by_the_ratio_of_the_medians() -> None:
    """The ratio is B over A, its interval around it, one ratio per block."""
    effect = judge(run(4_000_000, 40_000))
    assert effect.verdict is Claim.FASTER
    assert effect.ratio == pytest.approx(0.01, rel=0.005)
    assert effect.low <= effect.ratio <= effect.high < 1 < effect.noise_floor < 1.01
    assert len(effect.blocks) == 8
    assert effect.unusable == 0


def test_the_same_the_other_way_round_is_slower() -> None:
    """Symmetric in the arms."""
    effect = judge(run(40_000, 4_000_000))
    assert (effect.verdict, round(effect.ratio)) == (Claim.SLOWER, 100)


def test_equal_arms_are_no_difference_and_the_reason_says_how_equal() -> None:
    """Not merely "nothing was found": the whole interval is within five percent."""
    effect = judge(run(4_000_000, 4_000_000))
    assert (effect.verdict, effect.reason) == (Claim.NO_DIFFERENCE, "the whole interval lies within 5 %")


def test_without_an_a_a_run_nothing_is_concluded() -> None:
    """However large the effect: nobody knows what the method finds where there is nothing."""
    effect = judge(run(4_000_000, 40_000, null_blocks=MIN_BLOCKS - 1))
    assert effect.verdict is Claim.INCONCLUSIVE
    assert effect.reason == "without an A/A run of 6 blocks the noise floor is unknown"
    assert math.isnan(effect.noise_floor)


def test_an_effect_that_an_a_a_run_shows_too_is_none() -> None:
    """The noise floor is what the method finds between equal arms."""
    biased = [each for index in range(8) for each in block(CELL, index, ("null_a", "null_b"), (100_000, 120_000))]
    effect = judge(run(100_000, 118_000), null=biased)
    assert effect.verdict is Claim.INCONCLUSIVE
    assert effect.noise_floor == pytest.approx(1.2, rel=0.01)
    assert effect.reason == "the interval reaches into the noise floor"


@pytest.mark.parametrize("blocks", [0, 1, MIN_BLOCKS - 1])
def test_too_few_blocks_conclude_nothing(blocks: int) -> None:
    """And none at all is no error."""
    effect = judge(run(4_000_000, 40_000, blocks=blocks))
    assert effect.verdict is Claim.INCONCLUSIVE
    assert effect.reason == f"{blocks} blocks are too few for an interval, 6 are needed"


def test_blocks_with_a_bad_round_are_counted_and_not_used() -> None:
    """One lost round takes its block: with three of four, drift would not cancel."""
    rounds = [
        replace(each, flags=("unstable: clock",)) if each.index in (2, 5) and each.order == 1 else each
        for each in run(4_000_000, 40_000)
    ]
    effect = judge(rounds, null=[each for each in rounds if each.arm.startswith("null")])
    assert (len(effect.blocks), effect.unusable, effect.verdict) == (6, 2, Claim.FASTER)


def test_a_repeated_round_stands_for_the_one_it_repeats() -> None:
    """The unstable one stays in the file and out of the ratio."""
    rounds = run(100_000, 100_000)
    bad = replace(rounds[0], fence_ns=rounds[0].fence_ns * 50, flags=("unstable: clock",))
    effect = judge([bad, replace(rounds[0], flags=("repeated",)), *rounds[1:]])
    assert (len(effect.blocks), effect.unusable, effect.verdict) == (8, 0, Claim.NO_DIFFERENCE)


def test_when_most_blocks_cannot_be_used_nothing_is_concluded() -> None:
    """What is left may be what happened to go well."""
    rounds = [replace(each, flags=("reset",)) if each.index >= 7 else each for each in run(4e6, 4e4, blocks=16)]
    assert judge(rounds).reason == "9 of 16 blocks cannot be used"


def test_a_round_that_was_mostly_not_seen_has_no_median() -> None:
    """Its block cannot be used; a round in which one sample was lost can."""
    lost = np.full(20, NOT_SEEN)
    rounds = run(100_000, 100_000)
    rounds[0] = replace(rounds[0], fence_ns=lost)
    rounds[9] = replace(rounds[9], fence_ns=np.concatenate([rounds[9].fence_ns[1:], lost[:1]]))
    assert judge(rounds).unusable == 1


def test_two_runs_that_drift_apart_are_not_called_different() -> None:
    """What a run changes by within itself is no difference between kernels."""
    rising = [
        replace(each, fence_ns=(each.fence_ns * 1.02**each.index).astype(np.int64))
        for each in run(100_000, 100_000, blocks=10)
    ]
    half = [each for each in rising if each.arm == "implicit"]
    slower = [replace(each, fence_ns=(each.fence_ns * 1.2).astype(np.int64)) for each in half]
    null = [each for each in rising if each.arm.startswith("null")]
    effect = unpaired_log_ratio(half, slower, [null], FENCE)
    assert effect.verdict is Claim.INCONCLUSIVE
    assert effect.ratio == pytest.approx(1.2, rel=0.01)
    assert unpaired_log_ratio(half, [], [null], FENCE).verdict is Claim.INCONCLUSIVE


def test_the_interval_of_a_dozen_values_covers_the_median_as_often_as_it_says() -> None:
    """Plain percentiles of the bootstrap do not (about 10 % are outside at 8 values)."""
    generator = np.random.default_rng(6)
    outside = 0
    for _ in range(300):
        _, low, high = bootstrap_median(generator.standard_t(3, 8))
        outside += not low <= 0 <= high
    assert outside / 300 <= 0.06


def test_a_summary_counts_outliers_and_keeps_them() -> None:
    """Percentiles that are values of the samples; p99 only from a thousand on."""
    values = [*range(1000, 1999), 50_000]
    whole = summary(samples(values))
    assert (whole.n, whole.p50, whole.p90, whole.p99, whole.max) == (1000, 1500, 1900, 1990, 50_000)
    assert (whole.outliers, whole.missing) == (1, 0)
    assert summary(samples(values[1:])).p99 is None


def test_a_summary_of_what_was_not_seen_is_longer_than_everything() -> None:
    """Missing samples push the tail up instead of vanishing; all missing, or none at all, are no error."""
    mostly = summary(samples([1000] * 8 + [NOT_SEEN] * 2))
    assert (mostly.p50, mostly.max, mostly.missing, mostly.n) == (1000, math.inf, 2, 10)
    assert summary(samples([NOT_SEEN])).p50 == math.inf
    assert (summary(samples([])).n, math.isnan(summary(samples([])).p50)) == (0, True)


def test_equal_samples_have_no_outliers_but_a_far_one_is() -> None:
    """A coarse clock gives the same value over and over."""
    assert summary(samples([1000] * 50 + [1010])).outliers == 0
    assert summary(samples([1000] * 50 + [2000])).outliers == 1


def test_frames_are_compared_by_their_mean() -> None:
    """A tenth of the frames longer by 10 ms is one millisecond per frame; the median would not see it."""
    assert mean_frame(frames("implicit", 0, 0, 10_000_000)) == pytest.approx(9_000_000)
    none = np.empty(0, np.int64)
    nothing = replace(frames("implicit", 0, 0, 0), frame_start_ns=none, frame_end_ns=none)
    assert math.isnan(mean_frame(nothing))


def test_the_benchmark_prints_its_tables() -> None:
    """A row per disturbance, for both ways of comparing."""
    script = Path(__file__).parents[3] / "scripts" / "bench_statistics.py"
    command = [sys.executable, str(script), "--runs=2", "--blocks=6", "--scenarios", "white"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert len(re.findall(r"^white +5 % of scatter +[\d.]+ / [\d.]+ / [\d.]+$", printed, re.MULTILINE)) == 2
    assert "of 2 runs" in " ".join(printed.split())
