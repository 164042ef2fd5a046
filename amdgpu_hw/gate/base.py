# SPDX-License-Identifier: MIT
"""A gate: a fence that provably stays unsignalled until it is opened, and is always opened.

A submission that waits for the fence is in flight in the sense that matters to page-table updates: its finished fence
sits unsignalled in the address space's reservation object, while it occupies no ring and its job timeout has not
started (KERNEL.md 6.1). Whoever shuts a gate opens it; a watchdog, `open_all` and the interpreter's exit do if not.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Self

from amdgpu_hw.errors import AmdgpuHwError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.sync import SyncFile, Syncobj

__all__ = ("WATCHDOG", "Gate", "GateMaker", "open_all", "open_what_can_be", "shut_gates")

WATCHDOG = "the watchdog"
"""Who opened a gate that its owner left shut for too long (`Gate.opened_by`)."""

_lock = threading.RLock()
_shut: dict[Gate, None] = {}


class Gate(ABC):
    """One shut gate. ``purpose`` says in a few words what it holds back, for messages.

    ``hold_ns`` bounds how long it stays shut: then the watchdog opens it, and a result that relies on the gate
    is inconclusive.
    """

    name: ClassVar[str]
    is_foreign: ClassVar[bool] = True
    """Whether the fence is another driver's, which amdgpu waits for by other rules than its own (KERNEL.md 4.2)."""

    def __init__(self, sync_file: SyncFile, hold_ns: int, purpose: str) -> None:
        self.purpose = purpose
        self.hold_ns = hold_ns
        self.opened_by: str | None = None
        """Who opened it ("the test", "the watchdog", ...); None while nobody has."""
        self.shut_at = time.monotonic_ns()
        self.opened_at: int | None = None
        self._sync_file = sync_file
        self._fences: list[Syncobj] = []
        self._closed = False
        self._watchdog = threading.Timer(hold_ns / 1e9, self.open, (WATCHDOG,))
        self._watchdog.name = f"gate {self.name}: {purpose}"
        self._watchdog.daemon = True
        with _lock:
            _shut[self] = None
        self._watchdog.start()

    def __str__(self) -> str:
        return f"{self.name} gate holding {self.purpose}"

    def fence(self, gpu: Gpu) -> Syncobj:
        """A syncobj of ``gpu``'s file that signals when the gate opens; it lives as long as the gate."""
        fence = gpu.import_sync_file(self._sync_file)
        self._fences.append(fence)
        return fence

    @property
    def sync_file(self) -> SyncFile:
        """The fence as a sync file, which stays the gate's."""
        return self._sync_file

    @property
    def is_shut(self) -> bool:
        """Whether the kernel says that the fence is unsignalled right now."""
        return self._sync_file.status() == 0

    def wait(self, timeout_ns: int) -> bool:
        """Wait until the fence has signalled; False on timeout."""
        return self._sync_file.wait(timeout_ns)

    @property
    def remaining_ns(self) -> int:
        """For how long the gate will stay shut at most, in nanoseconds."""
        return max(0, self.shut_at + self.hold_ns - time.monotonic_ns())

    @property
    def why_open(self) -> str:
        """How it came that the gate is not shut."""
        if self.opened_by is None:
            return f"the {self.name} gate opened by itself, {_ms(time.monotonic_ns() - self.shut_at)} after it was shut"
        held = (self.opened_at or time.monotonic_ns()) - self.shut_at
        return f"{self.opened_by} opened the {self.name} gate, {_ms(held)} after it was shut"

    def open(self, by: str = "the test") -> None:
        """Signal the fence; harmless when it is open already, or closed. Any thread may call it."""
        with _lock:
            if self.opened_by is not None or self._closed:
                return
            # Marked open only afterwards: Ctrl-C in between must not make anybody believe that it is.
            self.opened_by = self._signal() or by
            self.opened_at = time.monotonic_ns()
            self._watchdog.cancel()
            _shut.pop(self, None)

    def close(self) -> None:
        """Open the gate and give back what it is made of, once; the latter also where the device is gone."""
        try:
            self.open()
        finally:
            with _lock:
                self._give_back()

    def _give_back(self) -> None:
        if self._closed:
            return
        # From now on its descriptors may be somebody else's.
        self._closed = True
        self._watchdog.cancel()
        _shut.pop(self, None)
        with contextlib.ExitStack() as all_of_it:
            all_of_it.callback(self._release)
            all_of_it.callback(self._sync_file.close)
            for fence in self._fences:
                all_of_it.callback(fence.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _signal(self) -> str | None:
        """Make the fence signal; what did so before, if it had signalled already. May be called once more."""

    @abstractmethod
    def _release(self) -> None:
        """Close what is behind the fence; called once, after `_signal`."""


class GateMaker(ABC):
    """Makes gates of one kind. ``name`` is what `--amdgpu-gate` takes and every result names."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """How the gate works and what it costs, in one sentence."""
    longest_hold_ns: ClassVar[int]
    """How long such a gate may stay shut without harm to the machine."""

    @abstractmethod
    def why_not(self) -> str | None:
        """One sentence saying why such gates cannot be made here, None when they can."""

    @abstractmethod
    def shut(self, purpose: str, hold_ns: int) -> Gate:
        """A new, shut gate, independent of all others; raises `GateError`."""

    def renew(self) -> None:  # noqa: B027 - most kinds are not on the GPU
        """Make anew what a reset of the GPU has taken, with no gate shut."""

    def close(self) -> None:  # noqa: B027 - most kinds keep nothing
        """Give back what the maker keeps open; its gates are opened first."""


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.1f} ms"


def shut_gates() -> list[Gate]:
    """The gates that nobody has opened yet."""
    with _lock:
        return list(_shut)


def open_all(by: str) -> list[Gate]:
    """Open every gate that is still shut and return those; ``by`` says who wanted it. Any thread may call it.

    One that cannot be opened keeps no other shut: its `AmdgpuHwError` or OSError, of several the first, is raised last.
    """
    gates, failures = shut_gates(), list[AmdgpuHwError | OSError]()
    for gate in gates:
        try:
            gate.open(by)
        except (AmdgpuHwError, OSError) as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return gates


def open_what_can_be(by: str) -> None:
    """As `open_all`, on the way out: what cannot be opened is on a device that is gone, and nothing waits for it."""
    with contextlib.suppress(AmdgpuHwError, OSError):
        open_all(by)


# A gate left shut would block the close of the GPU's file at exit (amdgpu_flush, KERNEL.md 4.8).
atexit.register(open_what_can_be, "the interpreter's exit")
