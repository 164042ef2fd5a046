# SPDX-License-Identifier: MIT
"""Programs drawn by hypothesis: GEM_VA in all forms, closes and submissions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

import hypothesis.strategies as st
from hypothesis import given, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from amdgpu_hw.address_space import Operation
from amdgpu_hw.proof.programs.actions import KINDS, LOOK, PAGES, SUBMIT, Action, Close, Step
from amdgpu_hw.proof.programs.oracle import PRT, Oracle
from amdgpu_hw.proof.programs.search import Patience, Search
from amdgpu_hw.proof.programs.window import Window

__all__ = ("draw_programs", "hold_against_each_other", "hold_against_oracle")

T = TypeVar("T")

Call = Callable[[Oracle], Step | None]
"""A GEM_VA that is made out when its turn comes: what is mapped by then decides where it goes, if anywhere."""

# Around the edges of tiles (16 pages), of huge entries (512) and of the window.
_FIRSTS = (0, 16, 512, 1, 15, 17, 32, 496, 511, 513, 528, 1008)
_COUNTS = (1, 16, 512, 2, 15, 17, 511, 513, 528, PAGES, 0)

_owners = st.sampled_from((*KINDS, PRT))
_maps = st.sampled_from((Operation.REPLACE, Operation.MAP))
_pick = st.integers(0, 15)
_part = st.integers(0, 3)


# What every search begins with, as drawing hits it seldom: mappings that end behind the edge of a huge entry, with
# somebody beside them, and what takes all of them away.
_ACROSS: tuple[tuple[Action, ...], ...] = tuple(
    (
        Step(Operation.MAP, first + count, 1, "A"),
        Step(Operation.MAP, first, count, owner, explicit=explicit),
        LOOK,
        Step(operation, first, count, owner, explicit=explicit),
        LOOK,
    )
    for first, count, owner in ((0, 528, "D"), (1, 1022, PRT))
    for operation, explicit in ((Operation.CLEAR, True), (Operation.UNMAP, False))
)


def _some(whole: int, part: int) -> int:
    """So many of a number of pages: all, one, half, all but one."""
    return max((whole, 1, whole // 2, whole - 1)[part], 1)


def _put(operation: Operation, owner: str, first: int, part: int, at_end: bool, _: Oracle) -> Step:
    """Map as much of a buffer as fits, from its beginning or up to its end."""
    # PRT as large as a huge entry, or as the window: then it may end behind the edge of one.
    whole = KINDS[owner].pages if owner != PRT else PAGES if at_end else 512
    count = min(_some(whole, part), PAGES - first)
    return Step(operation, first, count, owner, whole - count if at_end and owner != PRT else 0)


def _cut(owner: str | None, pick: int, part: int, at: int, oracle: Oracle) -> Step | None:
    """CLEAR a part of a mapping that there is, or REPLACE it by another owner."""
    if not oracle.pages:
        return None
    first, whole = oracle.span(pick)
    first += _some(whole, at) % whole
    count = min(_some(whole, part), PAGES - first)
    if owner is None:
        return Step(Operation.CLEAR, first, count)
    return Step(Operation.REPLACE, first, min(count, KINDS[owner].pages) if owner != PRT else count, owner)


def _take(pick: int, oracle: Oracle) -> Step | None:
    """UNMAP a mapping that there is: drawn at random it would hardly ever hit one."""
    if not oracle.pages:
        return None
    first, whole = oracle.span(pick)
    return Step(Operation.UNMAP, first, whole, oracle.pages[first].owner)


def _anything(operation: Operation, first: int, count: int, owner: str, index: int, _: Oracle) -> Step:
    """Any numbers; most must be refused. It stays in the window: what lies behind belongs to others."""
    return Step(operation, first, min(count, PAGES - first), owner, index)


def _calls(function: Callable[..., Step | None], *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Call]:
    """Draws calls of one kind, each delayed and explicit or not."""

    def made(delay: bool, explicit: bool, *drawn: object) -> Call:
        def call(oracle: Oracle) -> Step | None:
            step = function(*drawn, oracle)
            return step and replace(step, delay=delay, explicit=explicit)

        return call

    return st.builds(made, st.booleans(), st.booleans(), *arguments)


_puts = _calls(_put, _maps, _owners, st.sampled_from(_FIRSTS), _part, st.booleans())
_cuts = _calls(_cut, st.none() | _owners, _pick, _part, _part)
_takes = _calls(_take, _pick)
_anythings = _calls(
    _anything,
    st.sampled_from(Operation),
    st.sampled_from(_FIRSTS),
    st.sampled_from(_COUNTS),
    _owners,
    st.sampled_from((0, 1, 15, 16, 512)),
)
_others = st.sampled_from((LOOK, SUBMIT, LOOK, *map(Close, KINDS), LOOK, SUBMIT))


class _Programs(RuleBasedStateMachine):
    """Draws one program step by step, which must do at each step what the window's oracle does."""

    def __init__(self, window: Window, search: Search, explicit: bool) -> None:
        super().__init__()
        search.begin()
        self._window, self._search, self._explicit = window, search, explicit

    def _do(self, action: Action) -> None:
        self._search.actions += 1
        with self._search.program(self._window.actions):
            self._window.do(action)

    def _call(self, call: Call) -> None:
        step = call(self._window.oracle)
        if step is not None:
            self._do(replace(step, explicit=step.explicit and self._explicit))

    def _has_mappings(self) -> bool:
        return bool(self._window.oracle.pages)

    @initialize(calls=st.lists(_puts, max_size=5))
    def begin(self, calls: list[Call]) -> None:
        """Something to work on."""
        for call in calls:
            self._call(call)

    @rule(call=_puts)
    def put(self, call: Call) -> None:
        """MAP or REPLACE."""
        self._call(call)

    @precondition(_has_mappings)
    @rule(call=_cuts)
    def cut(self, call: Call) -> None:
        """CLEAR or REPLACE of a part."""
        self._call(call)

    @precondition(_has_mappings)
    @rule(call=_takes)
    def take(self, call: Call) -> None:
        """UNMAP."""
        self._call(call)

    @rule(call=_anythings)
    def anything(self, call: Call) -> None:
        """Whatever may be refused."""
        self._call(call)

    @rule(action=_others)
    def other(self, action: Action) -> None:
        """Anything but GEM_VA."""
        self._do(action)

    def teardown(self) -> None:
        """Look once more; leave nothing for the next program."""
        try:
            if not self._window.is_broken:
                self._do(LOOK)
        finally:
            self._window.reset()


def hold_against_oracle(window: Window, how: settings, patience: Patience, *, explicit: bool) -> Search:
    """Draw programs and hold each against the oracle; raises `Broken` with the smallest that goes wrong.

    ``explicit`` says whether the kernel knows AMDGPU_VM_EXPLICIT_SYNC, so that operations may carry it.
    """

    def run(actions: list[Action]) -> None:
        try:
            for action in (*actions, LOOK):
                window.do(action)
        finally:
            window.reset()

    search = Search(run, patience)
    with search.smallest():
        for actions in _ACROSS:
            known = [
                replace(action, explicit=action.explicit and explicit) if isinstance(action, Step) else action
                for action in actions
            ]
            search.begin()
            search.actions += len(known)
            with search.program(known):
                run(known)
        # Declared to take a class; what it wants is something to call for a new machine.
        machine = cast("type[RuleBasedStateMachine]", lambda: _Programs(window, search, explicit))
        run_state_machine_as_test(machine, settings=how)
    return search


def hold_against_each_other(one: Window, other: Window, how: settings, patience: Patience) -> Search:
    """Draw programs and run each in two windows, explicitly in the first; raises `Broken` if they end differently."""

    def run(actions: list[Action]) -> None:
        try:
            for action in actions:
                _do_both(one, other, action)
            _same_end(one, other)
        finally:
            one.reset()
            other.reset()

    search = Search(run, patience)
    either = (_puts, _cuts, _takes, _anythings, st.sampled_from((*map(Close, KINDS), SUBMIT)))

    @how
    @given(st.lists(_puts, max_size=5), st.lists(st.one_of(either), max_size=20))
    def ends_alike(first: list[Call], then: list[Call | Action]) -> None:
        search.begin()
        # Where calls go depends on what is mapped by then, which both windows' oracles agree on.
        oracle = Oracle(one.oracle.sizes)
        actions = [action for drawn in (*first, *then) if (action := _made_out(drawn, oracle)) is not None]
        search.actions += len(actions)
        with search.program(actions):
            run(actions)

    with search.smallest():
        ends_alike()
    return search


def draw_programs(how: settings, number: int, others: st.SearchStrategy[T]) -> list[list[Step | T]]:
    """Programs for somebody else to run: GEM_VA, none of it explicit, with ``others`` drawn in between.

    ``number`` is the seed. Calls go where the oracle has something mapped; it knows nothing of ``others`` but `Close`.
    """
    programs: list[list[Step | T]] = []
    either = (_puts, _cuts, _takes, _anythings, others, others)

    @seed(number)
    @how
    @given(st.lists(_puts, max_size=5), st.lists(st.one_of(either), min_size=5, max_size=25))
    def collect(first: list[Call], then: list[Call | T]) -> None:
        oracle = Oracle({name: kind.pages for name, kind in KINDS.items()})
        program: list[Step | T] = []
        for drawn in (*first, *then):
            if isinstance(drawn, Close):
                oracle.close(drawn.name)
            if not callable(drawn):
                program.append(drawn)
            elif (step := drawn(oracle)) is not None:
                step.foretell(oracle)
                program.append(replace(step, explicit=False))
        programs.append(program)

    collect()
    return programs


def _made_out(drawn: Call | Action, oracle: Oracle) -> Action | None:
    """What a drawn action is when its turn comes, after which the oracle has moved on."""
    if isinstance(drawn, Close):
        oracle.close(drawn.name)
        return drawn
    if not callable(drawn):
        return drawn
    step = drawn(oracle)
    if step is not None:
        # What is delayed is not explicit when it is carried out (F6), so it would prove nothing here.
        step = replace(step, delay=False)
        step.foretell(oracle)
    return step


def _do_both(one: Window, other: Window, action: Action) -> None:
    for window in (one, other):
        window.do(replace(action, explicit=window is one) if isinstance(action, Step) else action)


def _same_end(one: Window, other: Window) -> None:
    """Both windows have the same mappings, and the GPU reads the same in both."""
    for window in (one, other):
        window.settle()
    for name in KINDS:
        if one.mappings(name) != other.mappings(name):
            one.broken(f"of {name} the kernel has {one.told(name)}; after the same without the flag {other.told(name)}")
    for (page, _, explicit), (_, _, implicit) in zip(one.contents(), other.contents(), strict=True):
        if one.words(explicit) != other.words(implicit):
            without = other.words(implicit)
            one.broken(f"at page {page} the GPU read {one.words(explicit)}; after the same without the flag {without}")
