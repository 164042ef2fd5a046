# SPDX-License-Identifier: MIT
"""What is put on a ring: a client's IBs, or something that the kernel does itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from .timing import DriverOperation
from .translation import Translator

__all__ = ("CallWork", "IbWork", "PlacedIb", "Work")


class PlacedIb(NamedTuple):
    """An indirect buffer: where it is in the job's address space, its length, and AMDGPU_IB_FLAG_* bits."""

    va: int
    size_dw: int
    flags: int = 0


@dataclass(slots=True)
class IbWork:
    """A job: IBs to be executed one after the other.

    ``on_done`` is called once, with 0 or with the error given to `Ring.abort_current`.
    """

    ibs: list[PlacedIb]
    page_table: Translator
    vmid: int
    on_done: Callable[[int], None]
    flush: bool = False
    """The VMID's TLB entries are thrown away first."""
    submitted: int = 0
    """When it was put on the ring (CLOCK_MONOTONIC, ns); set by a ring with modelled time."""
    on_protected_fence: Callable[[int], None] | None = None
    """Called with the address behind a PROTECTED_FENCE_SIGNAL, which is for rings of user queues alone."""


@dataclass(slots=True)
class CallWork:
    """A job the kernel builds itself (page tables, clears, copies): ``run`` is its effect.

    ``operation`` and ``amount`` say what that is, for its modelled time.
    """

    run: Callable[[], None]
    on_done: Callable[[int], None]
    operation: DriverOperation = DriverOperation.OTHER
    amount: int = 0
    submitted: int = 0
    """As in `IbWork`."""


Work = IbWork | CallWork
