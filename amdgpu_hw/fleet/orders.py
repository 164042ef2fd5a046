# SPDX-License-Identifier: MIT
"""Orders: the validations that a plan asks for, one GPU on one kernel, once."""

from __future__ import annotations

from dataclasses import dataclass

from amdgpu_hw.fleet.plan import FleetPlan

__all__ = ("Order", "orders_of")


@dataclass(frozen=True, slots=True)
class Order:
    """One validation of a GPU on a kernel; ``repetition`` counts from 1."""

    gpu: str
    kernel: str
    repetition: int

    @property
    def name(self) -> str:
        """What it is called in the results, and on the box."""
        return f"{self.gpu}@{self.kernel}@{self.repetition}"


def orders_of(plan: FleetPlan) -> dict[Order, tuple[str, ...]]:
    """All orders of a plan, each with the places that can take it; first repetitions come first."""
    orders: dict[Order, tuple[str, ...]] = {}
    for repetition in range(1, plan.repetitions + 1):
        for kernel in plan.kernel:
            for place in plan.place:
                if not place.kernels or kernel.name in place.kernels:
                    order = Order(place.gpu, kernel.name, repetition)
                    orders[order] = (*orders.get(order, ()), place.name)
    return orders
