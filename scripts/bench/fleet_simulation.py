# SPDX-License-Identifier: MIT
"""A fleet in modelled time: the real schedule, places whose boots, runs and failures are drawn."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

from amdgpu_hw.fleet.orders import Order
from amdgpu_hw.fleet.schedule import Schedule

__all__ = ("FirstCome", "SimulatedFleet", "SimulatedOutcome", "simulate_fleet")


@dataclass(frozen=True, slots=True)
class SimulatedFleet:
    """How big it is; times in seconds. ``sigma`` is the spread of the runs' logarithm, shares are of 1."""

    gpus: int = 20
    places_per_gpu: int = 10
    kernels: int = 6
    repetitions: int = 10
    run_s: float = 300
    sigma: float = 0.5
    boot_s: tuple[float, float] = (60, 240)
    hang_share: float = 0.02
    hang_s: float = 900
    broken_share: float = 0.02
    """Of the places: each breaks at some moment in the first hour."""

    @property
    def places(self) -> dict[str, str]:
        """Each place's GPU."""
        return {f"p{gpu}-{number}": f"g{gpu}" for gpu in range(self.gpus) for number in range(self.places_per_gpu)}

    def orders(self) -> dict[Order, list[str]]:
        """All orders, with the places that can take each."""
        by_gpu: dict[str, list[str]] = {}
        for place, gpu in self.places.items():
            by_gpu.setdefault(gpu, []).append(place)
        return {
            Order(gpu, f"k{kernel}", repetition): by_gpu[gpu]
            for repetition in range(self.repetitions)
            for kernel in range(self.kernels)
            for gpu in by_gpu
        }


class FirstCome(Schedule):
    """What the schedule is held against: the first order that a place can take, whatever runs there."""

    def take(self, place: str) -> Order | None:
        """The first."""
        self._last_kernel.clear()
        return super().take(place)


@dataclass(frozen=True, slots=True)
class SimulatedOutcome:
    """How it went; times in seconds.

    ``busy`` is the share of the places' time in which they had an order, until the last order of their GPU ended; after
    that there is nothing that they could do.
    """

    orders: int
    lost: int
    boots: int
    whole_s: float
    busy: float
    in_boots: float


def simulate_fleet(
    fleet: SimulatedFleet, seed: int, new_schedule: Callable[[dict[Order, list[str]]], Schedule] = Schedule
) -> SimulatedOutcome:
    """Carry all orders out."""
    draw = random.Random(seed)
    orders = fleet.orders()
    schedule = new_schedule(orders)
    places = list(fleet.places)
    ends_at = {place: draw.uniform(0, 3600) for place in places if draw.random() < fleet.broken_share}
    runs_there: dict[str, str] = {}
    busy = dict.fromkeys(places, 0.0)
    in_boots, boots, lost = 0.0, 0, 0
    ended = dict.fromkeys(fleet.places.values(), 0.0)
    gpu_of = fleet.places
    free: list[tuple[float, str, Order | None]] = [(0.0, place, None) for place in places]
    heapq.heapify(free)
    idle: set[str] = set()
    while free:
        now, place, order = heapq.heappop(free)
        if now >= ends_at.get(place, float("inf")):
            ended[gpu_of[place]] = max(ended[gpu_of[place]], now)
            if order is not None and not schedule.put_back(order, place):
                lost += 1
            lost += len(schedule.withdraw(place))
            for other in sorted(idle):
                heapq.heappush(free, (now, other, None))
            idle.clear()
            continue
        if order is not None:
            ended[order.gpu] = max(ended[order.gpu], now)
        taken = schedule.take(place)
        if taken is None:
            idle.add(place)
            continue
        boot = 0.0
        if runs_there.get(place) != taken.kernel:
            boot, runs_there[place] = draw.uniform(*fleet.boot_s), taken.kernel
            boots += 1
        run = draw.lognormvariate(0, fleet.sigma) * fleet.run_s
        run += fleet.hang_s if draw.random() < fleet.hang_share else 0.0
        end = min(now + boot + run, max(now, ends_at.get(place, float("inf"))))
        busy[place] += end - now
        in_boots += boot
        heapq.heappush(free, (end, place, taken))
    available = sum(min(ended[gpu_of[place]], ends_at.get(place, float("inf"))) for place in places)
    whole = max(ended.values())
    return SimulatedOutcome(len(orders), lost, boots, whole, sum(busy.values()) / available, in_boots / available)
