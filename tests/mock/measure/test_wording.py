# SPDX-License-Identifier: MIT
"""How figures are spelled."""

from __future__ import annotations

import math

import pytest

from amdgpu_hw.measure.results import Cell
from amdgpu_hw.measure.statistics import Claim, Effect
from amdgpu_hw.measure.wording import (
    by_mapping_words,
    effect_words,
    floor_words,
    interval_words,
    ratio_words,
    time_words,
    verdict_summary,
)

FASTER, SLOWER, EQUAL, OPEN = Claim.FASTER, Claim.SLOWER, Claim.NO_DIFFERENCE, Claim.INCONCLUSIVE


def effect(verdict: Claim, ratio: float, low: float | None = None, high: float | None = None) -> Effect:
    """An effect with that verdict."""
    low, high = (ratio * 0.99 if low is None else low), (ratio * 1.01 if high is None else high)
    return Effect(ratio, low, high, 1.012, verdict, "", (), 0)


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (999.6, "1.00 µs"),
        (31_249, "31.2 µs"),
        (99_960, "100 µs"),
        (4_012_000, "4.01 ms"),
        (2.5e9, "2.50 s"),
        (math.inf, "not seen"),
        (math.nan, "-"),
    ],
)
def test_times_have_three_digits(ns: float, words: str) -> None:
    """In the unit that makes them short."""
    assert time_words(ns) == words


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.01, "100x faster"),
        (0.5, "2.00x faster"),
        (0.9, "10.0 % less time"),
        (1.0001, "equal"),
        (1.031, "3.1 % more time"),
        (12.5, "12.5x slower"),
        (math.nan, "-"),
    ],
)
def test_ratios_are_percentages_when_small_and_factors_when_large(ratio: float, words: str) -> None:
    """And cannot be misread: percentages are of the time."""
    assert ratio_words(ratio) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.98, 1.03, "-2.0 .. +3.0 %"),
        (0.01, 0.02, "50.0x .. 100x"),
        (3, 4, "3.00x .. 4.00x"),
        (0.25, 1.04, "4.00x faster .. 1.04x slower"),
        (math.nan, math.nan, "-"),
    ],
)
def test_intervals_are_told_like_their_ends(low: float, high: float, words: str) -> None:
    """Both ends in one way where that is possible."""
    assert interval_words(effect(OPEN, 1, low, high)) == words


def test_the_size_of_an_effect_is_told_like_its_interval() -> None:
    """A percentage beside factors is compared with them, and means something else."""
    wide, narrow = effect(FASTER, 0.68, 0.4, 0.77), effect(FASTER, 0.68, 0.6, 0.77)
    assert (effect_words(wide), interval_words(wide)) == ("1.47x faster", "1.30x .. 2.50x")
    assert (effect_words(narrow), interval_words(narrow)) == ("32.0 % less time", "-40.0 .. -23.0 %")
    assert interval_words(effect(OPEN, 1, 0.25, 1)) == "4.00x faster .. equal"


def test_the_size_of_an_effect_is_told_only_where_there_is_one() -> None:
    """What is inconclusive has no size."""
    assert effect_words(effect(FASTER, 0.01)) == "100x faster"
    assert effect_words(effect(OPEN, 0.01)) == "inconclusive"
    assert (floor_words(effect(OPEN, 1)), interval_words(effect(EQUAL, 1))) == ("1.2 %", "-1.0 .. +1.0 %")


@pytest.mark.parametrize(
    ("effects", "words"),
    [
        ([effect(FASTER, 0.01), effect(FASTER, 0.02)], "50.0x to 100x faster"),
        ([effect(FASTER, 0.9), effect(FASTER, 0.1)], "10.0 % less time to 10.0x faster"),
        ([effect(SLOWER, 3), effect(SLOWER, 3)], "3.00x slower"),
        ([effect(EQUAL, 1)] * 3, "no difference"),
        ([effect(OPEN, 1), effect(OPEN, 1, 0.9, 1.05)], "inconclusive (within 11 %)"),
        ([effect(OPEN, 1), effect(OPEN, 1, 0.1, 1.05)], "inconclusive"),
        ([effect(OPEN, 1), effect(OPEN, math.nan)], "inconclusive"),
        ([effect(FASTER, 0.5), effect(EQUAL, 1), effect(FASTER, 0.4)], "faster in 2, no difference in 1 of 3"),
    ],
)
def test_several_effects_in_a_few_words(effects: list[Effect], words: str) -> None:
    """From the smallest to the largest, or how many of which kind."""
    assert verdict_summary(effects) == words


def test_effects_by_mapping_are_told_once_if_they_are_the_same() -> None:
    """And each with its mapping otherwise."""
    prt, ordinary = (Cell("idle", "UNMAP", mapping, 4096) for mapping in ("PRT", "ordinary"))
    equal, faster = effect(EQUAL, 1), effect(FASTER, 0.1)
    assert by_mapping_words([(prt, equal), (ordinary, equal)]) == "no difference (PRT, ordinary)"
    assert by_mapping_words([(prt, faster), (ordinary, equal)]) == "PRT 10.0x faster; ordinary no difference"
