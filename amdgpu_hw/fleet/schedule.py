# SPDX-License-Identifier: MIT
"""Which order a free place takes next, so that places are busy and boots are few."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from amdgpu_hw.fleet.orders import Order

__all__ = ("Schedule",)


class Schedule:
    """The orders that wait, with the places that can take each; a place is any name."""

    def __init__(self, orders: Mapping[Order, Iterable[str]]) -> None:
        self._waiting = {order: set(places) for order, places in orders.items()}
        self._last_kernel: dict[str, str] = {}
        self._places_of: dict[Order, set[str]] = {}

    @property
    def waiting(self) -> list[Order]:
        """What no place has taken yet."""
        return list(self._waiting)

    def take(self, place: str) -> Order | None:
        """The order that a free place takes now; None: there is none for it.

        One with the kernel that runs there comes first, for a boot takes minutes. Then one that few places can take.
        """
        kernel = self._last_kernel.get(place)
        candidates = [order for order, places in self._waiting.items() if place in places]
        if not candidates:
            return None
        order = min(candidates, key=lambda each: (each.kernel != kernel, len(self._waiting[each])))
        self._places_of[order] = self._waiting.pop(order)
        self._last_kernel[place] = order.kernel
        return order

    def clear(self) -> None:
        """Give out no more orders."""
        self._waiting.clear()

    def put_back(self, order: Order, place: str) -> bool:
        """The order did not end at a place that is of no use any more: let another take it. Whether there is one."""
        left = self._places_of[order] - {place}
        if left:
            self._waiting[order] = left
        return bool(left)

    def withdraw(self, place: str) -> list[Order]:
        """A place is of no use any more; returns the orders that nobody can take now."""
        for places in (*self._waiting.values(), *self._places_of.values()):
            places.discard(place)
        nobody = [order for order, places in self._waiting.items() if not places]
        for order in nobody:
            del self._waiting[order]
        return nobody
