# SPDX-License-Identifier: MIT
"""A process on a mock machine that has the suite collected: for each run it forks a child, which needs no start-up.

It reads requests from its standard input, a JSON object to a line, and answers each with one when the run is over.
It opens no file of the machine itself, so that another kernel can be booted between two runs.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

import pytest

from amdgpu_hw.libraries import mesa_version
from amdgpu_hw.pci_gpus import udev
from amdgpu_hw.proof.run import RUN, behaviour_of
from amdgpu_hw.proof.units import ms
from amdgpu_hw.shipped import EXPECTATIONS
from amdgpu_hw.verdict.machine import software_versions
from amdgpu_hw.verdict.model import Outcome

__all__ = ("one_case",)

# Nobody reads what pytest would print, and what the tests do not need costs a quarter of the time that pytest takes.
_UNUSED = (
    "cacheprovider",
    "debugging",
    "doctest",
    "faulthandler",
    "hypothesispytest",
    "junitxml",
    "labgrid",
    "logging",
    "monkeypatch",
    "pastebin",
    "recwarn",
    "setuponly",
    "setupplan",
    "skipping",
    "stepwise",
    "subtests",
    "terminal",
    "threadexception",
    "timeout",
    "tmpdir",
    "unittest",
    "unraisableexception",
    "warnings",
)
_OPTIONS = [f"-pno:{plugin}" for plugin in _UNUSED] + ["--capture=no", "--override-ini=addopts="]


class _Selection:
    """Leaves rows out, and puts some before all others: with what they catch, the rest may not end.

    ``until_broken``: a row ends with its first case that is broken, as the rest of them say nothing more.
    ``enough``: everything ends with the first of these rows that is.
    """

    def __init__(
        self,
        only: Container[str],
        order: Sequence[str],
        without: Container[str],
        until_broken: bool,
        enough: Sequence[str],
    ) -> None:
        self._only = only
        self._rank = {row: rank for rank, row in enumerate(order)}
        self._without = without
        self._until_broken = until_broken
        self._enough = frozenset(enough)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose and order; the controls of a row come with it, see `Collector`."""
        chosen = [item for item in items if not self._only or _row(item) in self._only]
        items[:] = [item for item in chosen if _row(item) not in self._without]
        items.sort(key=lambda item: self._rank.get(_row(item), len(self._rank)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Pass over all the rest when enough is broken: skipping hundreds of tests would cost more than running one."""
        return True if _broken(item) & self._enough else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip other cases of a broken row: tests after them run, for which pytest has to take down what it set up."""
        if self._until_broken and _row(item) in _broken(item):
            pytest.skip("the row is broken already")


def _broken(item: pytest.Item) -> set[str]:
    """The rows that are broken by now."""
    return {case.row for case in item.config.stash[RUN].results.cases if case.outcome is Outcome.BROKEN}


def _row(item: pytest.Item) -> str:
    behaviour = behaviour_of(item)
    return behaviour.row if behaviour is not None else ""


def one_case(items: Iterable[pytest.Item], but: Container[str]) -> list[pytest.Item]:
    """The first case of each test, but all of those in some rows."""
    first: dict[str, pytest.Item] = {}
    for item in items:
        first.setdefault(item.nodeid.partition("[")[0], item)
    return [item for item in items if _row(item) in but or item in first.values()]


class _Runs:
    """Serves requests where pytest would run the tests that it has collected; `in_child` is set in the children.

    ``failed``: a plugin did. Rows that are broken decide about pytest's own exit status, so that would not tell.
    """

    def __init__(self, answers: TextIO) -> None:
        self._answers = answers
        self.in_child = False
        self.failed = False

    def pytest_internalerror(self) -> None:
        """Note it."""
        self.failed = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Fork for each request, until there are no more; a child goes on with pytest's own loop."""
        # What is there by now is there in every child: the tests with their rewritten asserts, and what is slow to get.
        software_versions()
        mesa_version()
        udev()
        gc.collect()
        gc.freeze()
        self._answer(0)
        for line in sys.stdin:
            request = json.loads(line)
            pid = os.fork()
            if not pid:
                self.in_child = True
                _begin(session, request)
                return None
            self._answer(_wait(pid, request["seconds"]))
        return True

    def _answer(self, status: int | None) -> None:
        print(json.dumps({"status": status}), file=self._answers, flush=True)


def _begin(session: pytest.Session, request: dict[str, Any]) -> None:
    """Make a forked session the one that was asked for: its output, its environment, its choice of tests."""
    os.setsid()
    with open(request["output"], "wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ.update(request["environment"])
    config = session.config
    config.option.collectonly = False
    config.option.tbstyle = "no"
    config.option.amdgpu_results = (Path(request["results"]),)
    if request["watch_ms"] is not None:
        config.option.amdgpu_watch = ms(request["watch_ms"])
    if request["by_expectations"]:
        config.option.amdgpu_expectations = EXPECTATIONS
    names = ("only", "order", "without", "until_broken", "enough")
    config.pluginmanager.register(_Selection(**{name: request[name] for name in names}))
    config.hook.pytest_collection_modifyitems(session=session, config=config, items=session.items)
    if request["one_case"]:
        session.items = one_case(session.items, but=request["first"])
    session.testscollected = len(session.items)


def _wait(pid: int, seconds: float) -> int | None:
    """Wait for a child; its exit status, None if it had to be killed."""
    pidfd = os.pidfd_open(pid)
    try:
        ended, _, _ = select.select([pidfd], [], [], seconds)
    finally:
        os.close(pidfd)
    if not ended:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) if ended else None


def main() -> int:
    """Serve requests until the input ends."""
    suite = sys.argv[1]
    runs = _Runs(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    with open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), 1)
    # With --collect-only nothing is opened before a child says that it wants to run tests. There is no GPU to lose.
    options = [*_OPTIONS, "--collect-only", "--amdgpu-allow-faults", f"--rootdir={Path(suite).parents[1]}"]
    status = int(pytest.main([*options, suite], [runs]))
    if runs.in_child:
        sys.stdout.flush()
        os._exit(pytest.ExitCode.INTERNAL_ERROR if runs.failed else status)
    return status


if __name__ == "__main__":
    sys.exit(main())
