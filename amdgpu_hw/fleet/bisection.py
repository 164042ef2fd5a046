# SPDX-License-Identifier: MIT
"""Where a row broke: a bisection of a line of kernels, several of them at a time where there are several places."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.verdict.model import Outcome

__all__ = ("Bisection", "Judgement", "judgement_of")


class Judgement(enum.Enum):
    """What a kernel says about the row."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"
    """It could not be judged: not built, not booted, not testable, inconclusive."""


def judgement_of(outcome: Outcome | None) -> Judgement:
    """What an outcome says; flaky is bad: what must not happen happened."""
    if outcome is Outcome.HOLDS:
        return Judgement.GOOD
    return Judgement.BAD if outcome in (Outcome.BROKEN, Outcome.FLAKY) else Judgement.SKIPPED


class Bisection:
    """A line of kernels by name, the good one first, the bad one last. Raises `HarnessError` for less than two."""

    def __init__(self, names: Sequence[str]) -> None:
        if len(names) < 2:
            raise HarnessError("there is no kernel between the good one and the bad one, or their order is wrong")
        self._names = list(names)
        self._known: dict[str, Judgement] = {}

    def next(self, count: int) -> list[str]:
        """The kernels to judge now, at most ``count``; none: all is known that can be."""
        ends = [name for name in (self._names[0], self._names[-1]) if name not in self._known]
        if ends:
            return ends
        low, high = self._range()
        open_ones = [name for name in self._names[low + 1 : high] if name not in self._known]
        if len(open_ones) <= count:
            return open_ones
        # Equally far apart, so that whatever they say leaves the least.
        return [open_ones[(number + 1) * len(open_ones) // (count + 1)] for number in range(count)]

    def answer(self, name: str, judgement: Judgement) -> None:
        """What a kernel said. Raises `HarnessError` where no kernel of the line can be the first bad one."""
        self._known[name] = judgement
        first, last = self._names[0], self._names[-1]
        if name == first and judgement is not Judgement.GOOD:
            raise HarnessError(f"the row does not hold on the good kernel {name}: {judgement.value}")
        if name == last and judgement is not Judgement.BAD:
            raise HarnessError(f"the row is not broken on the bad kernel {name}: {judgement.value}")
        bad = [each for each in self._names if self._known.get(each) is Judgement.BAD]
        good = [each for each in self._names if self._known.get(each) is Judgement.GOOD]
        if bad and good and self._names.index(bad[0]) < self._names.index(good[-1]):
            raise HarnessError(f"the row is broken on {bad[0]} and holds on {good[-1]}, which is later: it broke twice")

    @property
    def suspects(self) -> list[str]:
        """Those of which one is the first bad kernel: one, or more where kernels between could not be judged."""
        low, high = self._range()
        return self._names[low + 1 : high + 1]

    def _range(self) -> tuple[int, int]:
        """The last good and the first bad one."""
        good = [number for number, name in enumerate(self._names) if self._known.get(name) is Judgement.GOOD]
        bad = [number for number, name in enumerate(self._names) if self._known.get(name) is Judgement.BAD]
        return max(good, default=0), min(bad, default=len(self._names) - 1)
