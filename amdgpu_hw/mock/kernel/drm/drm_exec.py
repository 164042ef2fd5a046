# SPDX-License-Identifier: MIT
"""Locking several reservation objects at a time: drivers/gpu/drm/drm_exec.c.

The kernel orders competing callers by ww-mutex tickets: one that meets a contended lock gives up all it has, sleeps
for that one, and starts again. In one thread that is all that is needed to be free of deadlocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.kernel.wait import Blocking

__all__ = ("drm_exec_fini", "lock_all")

_tickets = count(1)


def lock_all(resvs: Iterable[DmaResv], interruptible: bool) -> Blocking[tuple[DmaResv, ...]]:
    """Take all locks, sleeping without any while one of them is taken; duplicates are ignored.

    Returns what was locked, for `drm_exec_fini`. Raises ERESTARTSYS on a signal if ``interruptible``.
    """
    wanted = tuple(dict.fromkeys(resvs))
    ticket = next(_tickets)
    while not _trylock_all(wanted, ticket):
        contended = next(resv for resv in wanted if resv.locked)
        yield from contended.lock(interruptible)
        contended.unlock()
    return wanted


def _trylock_all(wanted: tuple[DmaResv, ...], ticket: int) -> bool:
    """Take all locks, or none if one of them is taken."""
    for resv in wanted:
        if resv.locked:
            return False
    for resv in wanted:
        resv.trylock(ticket)
    return True


def drm_exec_fini(locked: Iterable[DmaResv]) -> None:
    """Give the locks back."""
    for resv in locked:
        resv.unlock()
