# SPDX-License-Identifier: MIT
"""The processes there are, as /proc tells them: whose child and of which session each is (proc_pid_stat(5))."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ("ProcessTable", "is_running")

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class _Process:
    state: str
    parent: int
    session: int

    @property
    def is_running(self) -> bool:
        """Whether it has not ended; one that nobody has waited for yet has."""
        return self.state not in "ZX"


def _read(pid: int) -> _Process | None:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return None
    return _Process(fields[0], int(fields[1]), int(fields[3]))


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    process = _read(pid)
    return process is not None and process.is_running


class ProcessTable:
    """All processes at one moment."""

    def __init__(self) -> None:
        pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())
        self._processes = {pid: process for pid in pids if (process := _read(pid)) is not None}

    def session(self, leader: int) -> set[int]:
        """The running processes of a session."""
        return self._running(pid for pid, process in self._processes.items() if process.session == leader)

    def family(self, leader: int) -> set[int]:
        """Those of a session and what they have started, in whichever session that is."""
        members = {pid for pid, process in self._processes.items() if process.session == leader}
        while more := {pid for pid, process in self._processes.items() if process.parent in members} - members:
            members |= more
        return self._running(members)

    def children(self, parent: int) -> set[int]:
        """The running processes that a process has started itself."""
        return self._running(pid for pid, process in self._processes.items() if process.parent == parent)

    def _running(self, pids: Iterable[int]) -> set[int]:
        return {pid for pid in pids if self._processes[pid].is_running}
