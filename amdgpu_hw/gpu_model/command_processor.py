# SPDX-License-Identifier: MIT
"""What the command processors of PM4 and SDMA have in common: fetching IBs, packet by packet."""

from __future__ import annotations

import operator
import re
import sys
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Generator
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from amdgpu_hw.packets import Codec, Packet, PacketError, TruncatedPacket, atomic_operation

from .atomics import atomic_result
from .faults import Client, RingStop, StopCause
from .translation import EntryKind
from .vm_access import Pauses, VmAccess

if TYPE_CHECKING:
    from .ring import IbWork, Ring

__all__ = ("COMPARE", "CommandProcessor")

WINDOW = 1024
"""Dwords fetched at once. Hardware prefetches too: a change to what is right ahead may come too late."""


@cache
def _run_of(dword: int) -> re.Pattern[bytes]:
    """Matches a dword as often as it comes. IBs end in up to thousands of no-operations: not to be looked at singly."""
    return re.compile(b"(?:%b)+" % re.escape(dword.to_bytes(4, sys.byteorder)), re.DOTALL)


def _always(_value: int, _reference: int) -> bool:
    return True


COMPARE: tuple[Callable[[int, int], bool], ...] = (
    _always,
    operator.lt,
    operator.le,
    operator.eq,
    operator.ne,
    operator.ge,
    operator.gt,
    # 7 is reserved.
    _always,
)
"""By `function` of WAIT_REG_MEM and POLL_REGMEM; unsigned, the value in memory on the left."""


class CommandProcessor(ABC):
    """Executes the IBs of one job.

    Memory changes with every packet, in order: the model has no caches and no asynchronous writes, so flushes and
    write confirmations have nothing to do.
    """

    fetch_client: ClassVar[Client]
    va_mask: ClassVar[int]
    """Bits of an IB's address that the engine ignores (PACKETS.md section 0 item 7)."""

    def __init__(self, ring: Ring, work: IbWork) -> None:
        self.ring = ring
        self.gpu = ring.gpu
        self.timing = ring.timing
        self.work = work
        self.vm = VmAccess(ring, work.page_table, work.vmid)
        self.codec: Codec = ring.gpu.codec(ring.engine)
        self.ib_va = 0
        self.ib_size = 0
        self.at = 0
        """Index of the next packet."""
        self._packet_at = 0
        self._window: array[int] = array("I")
        self._window_at = 0
        self.atomic_return = 0
        """What the last atomic operation found in memory."""
        self.in_shader = False
        """The packet being executed runs a shader."""

    def where(self) -> str:
        """Say where the packet being executed is, and if nothing is mapped there.

        Such an IB reads as zeros, which need not be reported as a fault: before GFX9 no fault is, while PRT is on.
        """
        text = f"IB {self.ib_va:#x} dword {self._packet_at} of {self.ib_size}"
        page = self.vm.kind_at(self.ib_va + 4 * self._packet_at)
        return text if page is EntryKind.VALID else f"{text}, on a page that is {'PRT' if page else 'not mapped'}"

    def run(self) -> Pauses:
        """Execute the job; raises `RingStop` where hardware would stop."""
        for ib in self.work.ibs:
            self.enter(ib.va, ib.size_dw)
            yield from self.proceed()

    def proceed(self) -> Pauses:
        """Execute from the next packet on to the end of the IB, and of those that called it."""
        ring = self.ring
        while True:
            if self.at >= self.ib_size:
                if self.leave():
                    continue
                return
            skipped = self._skip_fillers()
            if not skipped:
                pauses = self._step()
                if pauses is not None:
                    yield from pauses
            ring.budget -= 1
            if ring.budget <= 0 or ring.front > ring.seen:
                yield False

    def enter(self, va: int, size: int) -> None:
        """Go on at the beginning of another IB."""
        self.ib_va = va & ~self.va_mask
        self.ib_size = size
        self.at = self._packet_at = 0
        self._window = array("I")
        self._window_at = 0

    def leave(self) -> bool:
        """Return to the IB that called the one just finished; False if there is none."""
        return False

    @abstractmethod
    def execute(self, packet: Packet) -> Pauses | None:
        """Do what one packet says, at once or as a generator. `at` is already behind the packet."""

    def skip(self, dwords: int) -> None:
        """Leave out the next dwords, at most to the end of the IB."""
        self.at = min(self.at + dwords, self.ib_size)

    def wait_until(self, satisfied: Callable[[], bool], deadline: int | None = None) -> Generator[bool, None, bool]:
        """Wait for memory; returns False when ``deadline`` (CLOCK_MONOTONIC, ns) passed first."""
        if satisfied():
            return True
        self.ring.begin_wait(deadline)
        while True:
            yield True
            found = satisfied()
            if found or (deadline is not None and self.gpu.now() >= deadline):
                self.ring.end_wait()
                return found

    def atomic(self, code: int, va: int, source: int, compare: int, loop: bool, client: Client) -> Pauses | None:
        """Do an atomic operation; a looping compare-and-swap waits until the compare holds."""
        operation = atomic_operation(code)
        if operation is None:
            raise RingStop(StopCause.OPCODE, f"atomic operation {code}")
        name, bits, _returns = operation
        if loop and name == "cmpswap":
            return self._atomic_loop(bits, va, source, compare, client)
        size = bits // 8
        old = int.from_bytes(self.vm.read(va, size, client), "little")
        self.vm.write(va, atomic_result(name, bits, old, source, compare).to_bytes(size, "little"), client)
        self.atomic_return = old
        return None

    def _atomic_loop(self, bits: int, va: int, source: int, compare: int, client: Client) -> Pauses:
        size = bits // 8
        mask = (1 << bits) - 1
        yield from self.wait_until(lambda: int.from_bytes(self.vm.read(va, size, client), "little") == compare & mask)
        self.vm.write(va, (source & mask).to_bytes(size, "little"), client)
        self.atomic_return = compare & mask

    # -- fetching -----------------------------------------------------------------------------------------------------

    def _fetch(self, dwords: int) -> None:
        """Make the window begin at the next packet and hold at least ``dwords`` dwords, or what the IB has."""
        count = min(max(dwords, WINDOW), self.ib_size - self.at)
        window = array("I", self._read_ahead(count))
        if sys.byteorder == "big":
            window.byteswap()
        self._window = window
        self._window_at = self.at

    def _read_ahead(self, dwords: int) -> bytes:
        """Return the next dwords of the IB."""
        return self.vm.read(self.ib_va + 4 * self.at, 4 * dwords, self.fetch_client)

    def _skip_fillers(self) -> bool:
        """Pass over one-dword no-operations; returns whether there were any."""
        index = self.at - self._window_at
        if not 0 <= index < len(self._window):
            self._fetch(1)
            index = 0
        fillers = _run_of(self.codec.filler).match(self._window, 4 * index)
        if fillers is None:
            return False
        count = (fillers.end() - fillers.start()) // 4
        self.at += count
        timing = self.timing
        if timing is not None:
            self.ring.front += int(count * timing.filler)
        return True

    def _step(self) -> Pauses | None:
        """Decode and execute the packet at `at`."""
        self._packet_at = self.at
        while True:
            try:
                packet = self.codec.decode_at(self._window, self.at - self._window_at)
            except TruncatedPacket as error:
                if self._window_at + len(self._window) >= self.ib_size:
                    raise RingStop(StopCause.HANG, f"IB ends inside a packet: {error}") from None
                self._fetch(error.size)
            except PacketError as error:
                raise RingStop(StopCause.OPCODE, f"{error}") from None
            else:
                size = len(packet.dwords)
                self.at += size
                pauses = self.execute(packet)
                timing = self.timing
                if timing is not None:
                    time = timing.packets.get(packet.name, timing.packet)
                    self.ring.front += time + int(size * timing.filler)
                return pauses
