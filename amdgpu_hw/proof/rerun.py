# SPDX-License-Identifier: MIT
"""Running a test again that failed, when asked to: one that holds then is flaky.

Not pytest-rerunfailures: that goes on when the session is to stop because the GPU is lost, knows nothing of known
findings, and makes a success of what held at last.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from amdgpu_hw.options.suite import PREFIX, SessionOptions
from amdgpu_hw.proof.run import RUN
from amdgpu_hw.verdict.model import Case, Outcome

__all__ = ("Rerun",)


class Rerun:
    """Hooks of a pytest session that repeat what failed, with new fixtures and under the same watchdogs."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._is_rerun = False

    # Registered after the collector, so that this one is outside of its hook and each try is a whole one.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Repeat the protocol of a test as often as allowed, until it holds."""
        result = yield
        if self._is_rerun:
            return result
        tries = 1 + SessionOptions.of(self._config.option, PREFIX).rerun
        self._is_rerun = True
        try:
            first = self._failed(item)
            for number in range(2, tries + 1):
                if first is None or self._failed(item) is None:
                    break
                self._repeat(item, nextitem, first, number)
        finally:
            self._is_rerun = False
        return result

    def _failed(self, item: pytest.Item) -> Case | None:
        """The case of a test, if that is worth another try: not where it was expected, or the run is to stop."""
        run = self._config.stash.get(RUN, None)
        case = run.results.cases[-1] if run is not None and run.results.cases else None
        if run is None or case is None or case.test != item.nodeid or case.outcome.is_good:
            return None
        if case.outcome is Outcome.FLAKY or item.session.shouldstop or item.session.shouldfail:
            return None
        return None if run.is_expected_to_fail(case) else case

    def _repeat(self, item: pytest.Item, nextitem: pytest.Item | None, first: Case, number: int) -> None:
        """Once more; the new case takes the place of the one before, if it comes to one."""
        results = self._config.stash[RUN].results
        item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        case = next((case for case in results.cases if case.test == item.nodeid), None)
        if case is None:
            results.cases.append(first)  # the GPU was reset before the new one could begin
        elif case.outcome is Outcome.HOLDS:
            case.outcome = Outcome.FLAKY
            case.reason = f"it held on try {number}; before that: {first.outcome.value}: {first.reason}"
            case.explanation = first.explanation
