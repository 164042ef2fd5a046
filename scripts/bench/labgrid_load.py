# SPDX-License-Identifier: MIT
"""labgrid's coordinator with many places: what it needs, and how long it takes to get a place from it."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
from loopback.labgrid_daemons import LabgridDaemons, LabgridPlace

from amdgpu_hw.fleet.reservation import Reservation
from bench.processes import cpu_s, proportional_bytes

__all__ = ("CoordinatorLoad", "measure_coordinator")

_WITHIN_S = 300
_PLACES_PER_TAG = 10


@dataclass(frozen=True, slots=True)
class CoordinatorLoad:
    """Memory in bytes, times in seconds; reservation, lock and release together are one ``order``."""

    places: int
    memory: int
    """Of coordinator and exporter, with all places and their resources."""
    idle_share: float
    """Of one processor, with nobody asking."""
    order_cpu: float
    """Of coordinator and exporter, for an order."""
    taken: Sequence[float]
    """From asking for a place to having it, each."""

    @property
    def usual(self) -> float:
        """The median of them."""
        return statistics.median(self.taken)


def measure_coordinator(places: int, orders: int, at_once: int, idle_s: float = 20) -> CoordinatorLoad:
    """Have ``orders`` places taken and let go, ``at_once`` at a time, as a fleet does."""
    listed = [
        LabgridPlace(f"p{number}", {"gpu": f"g{number // _PLACES_PER_TAG}"}, "nobody", 1 + number)
        for number in range(places)
    ]
    with tempfile.TemporaryDirectory() as directory, LabgridDaemons(Path(directory) / "labgrid", listed) as daemons:
        processes = [psutil.Process(pid) for pid in daemons.pids]
        before = cpu_s(processes)
        time.sleep(idle_s)
        idle = cpu_s(processes) - before

        def take(number: int) -> float:
            begun = time.monotonic()
            wanted = Reservation(daemons.coordinator, listed[number * _PLACES_PER_TAG % places].tags, _WITHIN_S)
            took = time.monotonic() - begun
            wanted.close()
            return took

        before = cpu_s(processes)
        with ThreadPoolExecutor(at_once) as pool:
            taken = list(pool.map(take, range(orders)))
        order_cpu = (cpu_s(processes) - before) / orders
        memory = proportional_bytes(processes)
    return CoordinatorLoad(places, memory, idle / idle_s, order_cpu, taken)
