# SPDX-License-Identifier: MIT
"""What other processes need: memory and processor time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import psutil

__all__ = ("cpu_s", "proportional_bytes")


def proportional_bytes(processes: Iterable[psutil.Process]) -> int:
    """Their memory, what they share counted once; nothing for those that are gone."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """The time that they have spent so far, in seconds."""
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))
