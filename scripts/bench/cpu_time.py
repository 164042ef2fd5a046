# SPDX-License-Identifier: MIT
"""Processor time of the processes that make up a guest machine, by what they are, over time.

On a busy machine it says more than the time that passes: what others take does not count.
"""

from __future__ import annotations

import bisect
import os
import threading
import time
from collections import defaultdict
from pathlib import Path

__all__ = ("GPU", "OURSELVES", "QEMU", "SHARES", "ProcessorTimes", "processor_ns")

QEMU, GPU, SHARES, OURSELVES = "QEMU", "modelled GPU", "virtiofsd", "session"
_INTERVAL_S = 0.1
_MARKS = {"qemu-system": QEMU, "amdgpu_hw.guest.device": GPU, "virtiofsd": SHARES}
"""Words of command lines; the first that is there counts."""


def processor_ns(pid: int) -> int:
    """Processor time of all threads of a process that there are (schedstat: time on the processor)."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((thread / "schedstat").read_text().split()[0])
        except OSError:  # a thread that has ended since
            continue
    return total


def _ticks_s(pid: int) -> float:
    """Processor time of a process, threads that ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _descendants(pid: int) -> list[int]:
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


class ProcessorTimes:
    """Notes every 0.1 s what this process and those that it started have used; a context manager."""

    def __init__(self) -> None:
        self._kinds: dict[int, str] = {os.getpid(): OURSELVES}
        self._last: dict[int, float] = {}
        self._times: list[float] = []
        self._totals: list[defaultdict[str, float]] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> ProcessorTimes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def between(self, start: float, end: float) -> dict[str, float]:
        """Seconds by kind of process between two times of `time.monotonic`."""
        first, last = (max(0, bisect.bisect(self._times, moment) - 1) for moment in (start, end))
        return {kind: seconds - self._totals[first][kind] for kind, seconds in dict(self._totals[last]).items()}

    def pids(self, kind: str) -> list[int]:
        """Processes of a kind that have been seen and run."""
        return [pid for pid, its in self._kinds.items() if its == kind and Path(f"/proc/{pid}").exists()]

    def _watch(self) -> None:
        while True:
            self._note()
            if self._end.wait(_INTERVAL_S):
                self._note()
                return

    def _note(self) -> None:
        for pid in (os.getpid(), *self._safely_descendants()):
            try:
                self._kind(pid)
                self._last[pid] = _ticks_s(pid)
            except OSError:  # ended meanwhile: what was noted last stays
                continue
        totals: defaultdict[str, float] = defaultdict(float)
        for pid, seconds in self._last.items():
            totals[self._kinds[pid]] += seconds
        self._times.append(time.monotonic())
        self._totals.append(totals)

    def _safely_descendants(self) -> list[int]:
        try:
            return _descendants(os.getpid())
        except OSError:  # one of them ended while its children were asked for
            return list(self._last)

    def _kind(self, pid: int) -> None:
        """What a process is: this changes when it executes its program, and is no longer told when it has ended."""
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        if pid == os.getpid() or (not words and pid in self._kinds):
            return
        self._kinds[pid] = next((kind for mark, kind in _MARKS.items() if mark in words), OURSELVES)
