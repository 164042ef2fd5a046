# SPDX-License-Identifier: MIT
"""One GPU: its memory, its rings, its clock, and how it tells the driver that something went wrong."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Protocol

from amdgpu_hw.packets import Engine, Version, codec_for

from .faults import StopCause, prt_behaviour
from .memory import GpuMemory
from .pm4_cp import Pm4Processor
from .ring import IbWork, Ring
from .sdma_engine import SdmaProcessor
from .timing import Timing, timing_for

if TYPE_CHECKING:
    from amdgpu_hw.packets import Pm4, Sdma

    from .command_processor import CommandProcessor
    from .loop import Timers, WorkQueue
    from .translation import VmFault

__all__ = ("GpuCore", "GpuDescription", "GpuModel", "ReachedMemory")


class ReachedMemory(Protocol):
    """Memory as the units of a GPU reach it, by the addresses that a `Translator` returns.

    Accesses raise `StaleAddress` where there is nothing.
    """

    def is_live(self, address: int) -> bool:
        """Whether there is memory at an address."""
        ...

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes."""
        ...

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Store bytes."""
        ...

    def read_u32(self, address: int) -> int:
        """Return the dword at an address."""
        ...

    def copy(self, dst: int, src: int, size: int) -> None:
        """Copy bytes; overlapping ranges come out as if the source had been read first."""
        ...

    def fill(self, address: int, pattern: bytes, size: int) -> None:
        """Repeat a pattern over ``size`` bytes."""
        ...


class _Memory(Protocol):
    @property
    def vram(self) -> int: ...
    @property
    def gtt(self) -> int: ...


class _Rings(Protocol):
    @property
    def gfx(self) -> int: ...
    @property
    def compute(self) -> int: ...
    @property
    def sdma(self) -> int: ...


class _Clocks(Protocol):
    @property
    def counter(self) -> int: ...


class GpuDescription(Protocol):
    """What the hardware model needs to know of a GPU (`ModelIdentity` has it)."""

    @property
    def gc_version(self) -> tuple[int, int, int]:
        """Version of graphics and compute."""
        ...

    @property
    def sdma_version(self) -> tuple[int, int, int]:
        """Version of the copy engines."""
        ...

    @property
    def memory(self) -> _Memory:
        """Bytes of VRAM and GTT."""
        ...

    @property
    def rings(self) -> _Rings:
        """How many rings of each kind there are."""
        ...

    @property
    def clocks(self) -> _Clocks:
        """``counter``: kHz of the counter that timestamps read."""
        ...


def _ignore_fault(_fault: VmFault) -> None:
    pass


def _ignore_stale(_fault: VmFault, _address: int) -> None:
    pass


def _ignore_stop(_ring: Ring, _cause: StopCause, _text: str) -> None:
    pass


def _ignore_note(_text: str) -> None:
    pass


class GpuCore:
    """What all rings of a GPU share, whoever makes the rings and whatever memory they reach.

    The owner sets the callbacks: ``on_fault`` for accesses the page tables do not allow (the job goes on),
    ``on_stop`` when a ring stops at something it cannot execute (it stays stopped until
    `Ring.abort_current`), ``on_note`` for things that people should know about a verdict. They run inside the
    ring's slice.
    """

    def __init__(
        self,
        work: WorkQueue,
        timers: Timers,
        now: Callable[[], int],
        identity: GpuDescription,
        memory: ReachedMemory,
        time_factor: float = 0,
    ) -> None:
        """Power up. ``now`` is CLOCK_MONOTONIC in ns.

        ``time_factor`` multiplies the modelled time of all work; with 0 everything is done at once.
        """
        self.work = work
        self.timers = timers
        self.now = now
        self.gc_version: Version = identity.gc_version
        self.sdma_version: Version = identity.sdma_version
        self.counter_khz = identity.clocks.counter
        self.timing: Timing | None = None
        """What work costs; None when it costs nothing."""
        if time_factor:
            self.timing = timing_for(self.gc_version, self.sdma_version).scaled(time_factor)
        self.memory = memory
        self.prt = prt_behaviour(self.gc_version, self.sdma_version)
        """What each unit does with PRT holes."""
        self.prt_aperture = range(0)
        """Addresses whose unmapped pages are PRT holes in every address space: the driver's switch before GFX9."""
        self.on_fault: Callable[[VmFault], None] = _ignore_fault
        self.on_stale: Callable[[VmFault, int], None] = _ignore_stale
        """An access that the page tables allow, to an address (the second argument) without memory."""
        self.on_stop: Callable[[Ring, StopCause, str], None] = _ignore_stop
        self.on_note: Callable[[str], None] = _ignore_note
        self.waiting: dict[Ring, None] = {}
        """Rings whose packet waits for memory."""
        self._noted: set[Hashable] = set()
        self._codecs: dict[Engine, Pm4 | Sdma] = {}

    def counter(self, at: int | None = None) -> int:
        """Return the GPU clock counter, which AMDGPU_INFO_TIMESTAMP reads; ``at`` another time than now (ns)."""
        return (self.now() if at is None else at) * self.counter_khz // 1_000_000

    def codec(self, engine: Engine) -> Pm4 | Sdma:
        """Return the packets of an engine."""
        found = self._codecs.get(engine)
        if found is None:
            found = self._codecs[engine] = codec_for(engine, self.gc_version, self.sdma_version)
        return found

    def command_processor(self, ring: Ring, work: IbWork) -> CommandProcessor:
        """Return what executes a job on a ring."""
        if ring.engine is Engine.SDMA:
            return SdmaProcessor(ring, work)
        return Pm4Processor(ring, work)

    def memory_written(self, by: Ring | None = None) -> None:
        """Let the rings that wait look at memory again; ``by`` is the ring that wrote."""
        if self.waiting:
            for ring in list(self.waiting):
                if ring is not by:
                    ring.kick()

    def note_once(self, key: Hashable, text: str) -> None:
        """Say something through `on_note`, but only the first time for ``key``."""
        if key not in self._noted:
            self._noted.add(key)
            self.on_note(text)


class GpuModel(GpuCore):
    """The hardware behind one device node: the rings that its driver makes, and memory of its own."""

    memory: GpuMemory

    def __init__(
        self,
        work: WorkQueue,
        timers: Timers,
        now: Callable[[], int],
        identity: GpuDescription,
        time_factor: float = 0,
    ) -> None:
        """Power up: empty memory, idle rings; the arguments are those of `GpuCore`."""
        memory = GpuMemory(identity.memory.vram, identity.memory.gtt)
        super().__init__(work, timers, now, identity, memory, time_factor)
        counts = (
            (Engine.GFX, identity.rings.gfx),
            (Engine.COMPUTE, identity.rings.compute),
            (Engine.SDMA, identity.rings.sdma),
        )
        self.rings: dict[tuple[int, int], Ring] = {
            (engine, index): Ring(self, engine, index, f"{engine.name.lower()}{index}")
            for engine, count in counts
            for index in range(count)
        }
        """By engine (`Engine`, which are the numbers of AMDGPU_HW_IP_*) and index."""

    def close(self) -> None:
        """Give the memory back; nothing may run any more."""
        self.memory.close()
