# SPDX-License-Identifier: MIT
"""How figures are spelled in tables and pictures: three digits, the same words everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from amdgpu_hw.measure.model import Cell, Conditions
from amdgpu_hw.measure.statistics import Claim, Effect
from amdgpu_hw.proof.units import size

__all__ = (
    "by_mapping_words",
    "cell_words",
    "conditions_words",
    "effect_words",
    "floor_words",
    "found_words",
    "interval_words",
    "ratio_words",
    "time_words",
    "verdict_summary",
)

_FACTOR_FROM = 2.0
"""Ratios from here on are told as factors, smaller ones as percentages."""


def time_words(ns: float) -> str:
    """``31.2 µs``, ``4.01 ms``; ``not seen`` for what never happened, ``-`` for no sample."""
    if math.isnan(ns):
        return "-"
    if math.isinf(ns):
        return "not seen"
    for unit, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= unit * 0.9995:
            return f"{_digits(ns / unit)} {name}"
    return f"{ns:.0f} ns"


def _digits(number: float) -> str:
    """Three digits without an exponent."""
    return f"{number:.0f}" if number >= 99.95 else f"{number:.1f}" if number >= 9.995 else f"{number:.2f}"


def ratio_words(ratio: float, *, factor_from: float = _FACTOR_FROM) -> str:
    """B's time over A's: ``130x faster``, ``3.1 % more time``, ``equal``; as a factor from ``factor_from`` on."""
    if math.isnan(ratio):
        return "-"
    factor = max(ratio, 1 / ratio) if ratio else math.inf
    percent = 100 * abs(1 - ratio)
    if percent < 0.05:
        return "equal"
    if factor >= factor_from:
        return f"{_digits(factor)}x {'faster' if ratio < 1 else 'slower'}"
    return f"{percent:.1f} % {'less' if ratio < 1 else 'more'} time"


def found_words(effect: Effect) -> str:
    """The size of an effect, as `ratio_words` and in the same terms as its interval."""
    return ratio_words(effect.ratio, factor_from=1 if _is_told_in_factors(effect) else _FACTOR_FROM)


def _is_told_in_factors(effect: Effect) -> bool:
    """Whether one end of the interval at least is a large one: people compare the ends, and with what was found."""
    return not math.isnan(effect.low) and max(1 / effect.low, effect.high) >= _FACTOR_FROM


def interval_words(effect: Effect) -> str:
    """The interval of an effect: ``-1.2 .. +0.8 %``, ``125x .. 133x`` or ``4.00x faster .. 1.04x slower``."""
    low, high = effect.low, effect.high
    if math.isnan(low):
        return "-"
    if not _is_told_in_factors(effect):
        return f"{100 * (low - 1):+.1f} .. {100 * (high - 1):+.1f} %"
    if high < 1:
        return f"{_digits(1 / high)}x .. {_digits(1 / low)}x"
    if low > 1:
        return f"{_digits(low)}x .. {_digits(high)}x"
    return f"{ratio_words(low, factor_from=1)} .. {ratio_words(high, factor_from=1)}"


def floor_words(effect: Effect) -> str:
    """The noise floor of an effect: ``0.8 %``, ``2.40x``."""
    floor = effect.noise_floor
    if math.isnan(floor):
        return "-"
    return f"{_digits(floor)}x" if floor >= _FACTOR_FROM else f"{100 * (floor - 1):.1f} %"


def effect_words(effect: Effect) -> str:
    """The verdict with its size where it has one: ``130x faster``, ``no difference``, ``inconclusive``."""
    if effect.verdict in (Claim.FASTER, Claim.SLOWER):
        return found_words(effect)
    return effect.verdict.value


def verdict_summary(effects: Sequence[Effect]) -> str:
    """Several effects in a few words: ``95x to 130x faster``, ``inconclusive (within 12 %)``, ``faster in 3 of 4``."""
    verdicts = {each.verdict for each in effects}
    if verdicts == {Claim.INCONCLUSIVE}:
        reach = max((max(1 / each.low, each.high) for each in effects), key=lambda ends: (math.isnan(ends), ends))
        return f"inconclusive (within {100 * (reach - 1):.0f} %)" if reach < _FACTOR_FROM else "inconclusive"
    if verdicts == {Claim.NO_DIFFERENCE}:
        return Claim.NO_DIFFERENCE.value
    if len(verdicts) == 1:
        ends = sorted(effects, key=lambda each: abs(math.log(each.ratio)))
        first, last = found_words(ends[0]), found_words(ends[-1])
        number, side = _split(first)
        return last if first == last else f"{number if side == _split(last)[1] else first} to {last}"
    ordered = sorted((each.verdict.value for each in effects), key=[each.value for each in Claim].index)
    told = ", ".join(f"{verdict} in {len([*group])}" for verdict, group in groupby(ordered))
    return f"{told} of {len(effects)}"


def _split(words: str) -> tuple[str, str]:
    """What `ratio_words` says, as number and side."""
    end = max(words.rfind("x "), words.rfind("% ")) + 1
    return words[:end], words[end:]


def by_mapping_words(effects: Iterable[tuple[Cell, Effect]]) -> str:
    """The effects of several cells by their mapping: ``PRT 130x faster; ordinary no difference``."""
    by_mapping: dict[str, list[Effect]] = {}
    for cell, effect in effects:
        by_mapping.setdefault(cell.mapping, []).append(effect)
    told = {mapping: verdict_summary(each) for mapping, each in by_mapping.items()}
    if len(told) > 1 and len({*told.values()}) == 1:
        return f"{next(iter(told.values()))} ({', '.join(told)})"
    return "; ".join(f"{mapping} {words}" for mapping, words in told.items())


def cell_words(cell: Cell) -> str:
    """``gfx x4: UNMAP of 64 KiB PRT``."""
    return f"{cell.load}: {cell.operation} of {size(cell.size)} {cell.mapping}"


def conditions_words(conditions: Conditions) -> str:
    """Where figures come from, in a line that no table and no picture goes without."""
    gpu, kernel = conditions.gpu_name, conditions.kernel
    if conditions.simulated and not conditions.mock_kernel:
        return f"SIMULATED: modelled {gpu} under the real kernel Linux {kernel}, in a guest machine"
    if conditions.simulated:
        return f"SIMULATED: mock {gpu}, mock kernel {kernel}, modelled GPU time x{conditions.gpu_time:g}"
    return f"{gpu}, Linux {kernel}"
