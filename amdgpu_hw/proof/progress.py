# SPDX-License-Identifier: MIT
"""What a quiet run shows while it goes on: a line that says which row is running, on a terminal; nothing in a log.

pytest's letters are for people who write tests. With `-q`, as `amdgpu-hw validate` runs it, the rows take their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from amdgpu_hw.proof.run import behaviour_of

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

__all__ = ("Progress",)

_CLEAR_LINE = "\r\x1b[2K"


class Progress:
    """Hooks of a pytest session that say where it is; they do nothing unless it is quiet."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._rows: dict[str, str] = {}
        self._begun = 0

    @property
    def _is_quiet(self) -> bool:
        # The option is of pytest's terminal plugin, which a session may do without.
        return bool(self._config.getoption("verbose", default=0) < 0)

    @property
    def _reporter(self) -> TerminalReporter | None:
        reporter: TerminalReporter | None = self._config.pluginmanager.get_plugin("terminalreporter")
        return reporter

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn which rows there are."""
        behaviours = ((item, behaviour_of(item)) for item in session.items)
        self._rows = {item.nodeid: behaviour.row for item, behaviour in behaviours if behaviour is not None}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Show the row that begins."""
        self._begun += 1
        row = self._rows.get(nodeid, "")
        reporter = self._reporter
        if self._is_quiet and row and reporter is not None and reporter.isatty:
            reporter.write(f"{_CLEAR_LINE}{row}  {self._begun}/{len(self._rows)}", flush=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """No letter for tests of behaviour: the verdict follows."""
        if not self._is_quiet or report.nodeid not in self._rows:
            return None
        counted = report.when == "call" or report.outcome != "passed"
        return (report.outcome if counted else "", "", "")

    def pytest_sessionfinish(self) -> None:
        """Clear the line, for what comes after it."""
        reporter = self._reporter
        if self._is_quiet and self._begun and reporter is not None and reporter.isatty:
            reporter.write(_CLEAR_LINE, flush=True)
