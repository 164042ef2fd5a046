# SPDX-License-Identifier: MIT
"""Covering arrays: few cases in which every two circumstances of different sorts come together.

What goes wrong goes wrong because of one circumstance or of two that meet, seldom of three. All combinations of what an
update may be, take away and find in flight are thousands; those in which each pair occurs are dozens.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

from allpairspy import AllPairs

__all__ = ("covering",)

Circumstances = Mapping[str, str]
"""A case, or the first axes of one: for each axis, what it is there."""


def covering(
    axes: Mapping[str, Sequence[str]], possible: Callable[[Circumstances], bool] = lambda _: True
) -> list[dict[str, str]]:
    """Cases in which every two values of different ``axes`` that can meet do; the same ones every time.

    ``possible`` tells of a case, or of some axes of one, whether it can be; with more axes it may only become stricter.
    """
    names = list(axes)

    def allowed(values: Sequence[str]) -> bool:
        return possible(dict(zip(names, values, strict=False)))

    rows = AllPairs(list(axes.values()), filter_func=allowed)
    found = [dict(zip(names, row, strict=True)) for row in rows]
    # AllPairs gives a pair up when it cannot go on from the row it is at.
    seen = set(itertools.chain.from_iterable(map(_pairs, found)))
    for (one, values), (other, others) in itertools.combinations(axes.items(), 2):
        for pair in itertools.product(values, others):
            fixed = dict(zip((one, other), pair, strict=True))
            case = None if next(_pairs(fixed)) in seen else next(_completed(fixed, axes, possible), None)
            if case is not None:
                found.append(case)
                seen.update(_pairs(case))
    return found


def _pairs(case: Circumstances) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    return itertools.combinations(case.items(), 2)


def _completed(
    fixed: Circumstances, axes: Mapping[str, Sequence[str]], possible: Callable[[Circumstances], bool]
) -> Iterator[dict[str, str]]:
    """The cases that have these circumstances."""
    open_axis = next((axis for axis in axes if axis not in fixed), None)
    if not possible(fixed):
        return
    if open_axis is None:
        yield {axis: fixed[axis] for axis in axes}
        return
    for value in axes[open_axis]:
        yield from _completed({**fixed, open_axis: value}, axes, possible)
