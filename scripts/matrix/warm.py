# SPDX-License-Identifier: MIT
"""A process on a mock machine that has the suite ready: for each run it forks a child, which needs no start-up.

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
from collections.abc import Container
from pathlib import Path
from typing import Any, NoReturn

import pytest

from amdgpu_hw.discovery import udev
from amdgpu_hw.proof.run import behaviour_of
from amdgpu_hw.verdict.machine import software_versions

# Nobody reads what pytest would print, and with what the tests do not need it takes a quarter longer.
_LEAN = ("terminal", "cacheprovider", "logging", "faulthandler", "unraisableexception", "threadexception", "doctest")
_OPTIONS = [f"-pno:{plugin}" for plugin in _LEAN] + ["--capture=no", "-Wignore", "--override-ini=addopts="]


class _Selection:
    """Leaves rows out, and puts some before all others: with what they catch, the rest may not end."""

    def __init__(self, first: Container[str], without: Container[str]) -> None:
        self._first = first
        self._without = without

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose and order; the controls of a row come with it, see `Collector`."""
        rows = {item: behaviour.row if (behaviour := behaviour_of(item)) is not None else "" for item in items}
        items[:] = [item for item in items if rows[item] not in self._without]
        items.sort(key=lambda item: rows[item] not in self._first)


def _run(request: dict[str, Any]) -> NoReturn:
    """Run the suite in a child, and end it."""
    os.setsid()
    with open(request["output"], "wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ.update(request["environment"])
    status = 1
    try:
        status = int(
            pytest.main(
                [*_OPTIONS, f"--amdgpu-results={request['results']}", *request["arguments"]],
                [_Selection(request["first"], request["without"])],
            )
        )
        sys.stdout.flush()
    finally:
        os._exit(status)


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
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), 1)
    # What is imported here is there in every child: pytest, the package, and the tests with their rewritten asserts.
    status = pytest.main([*_OPTIONS, "--collect-only", f"--rootdir={Path(suite).parents[1]}", suite])
    software_versions()
    udev()
    gc.collect()
    gc.freeze()
    print(json.dumps({"status": int(status)}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if not pid:
            _run(request)
        print(json.dumps({"status": _wait(pid, request["seconds"])}), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
