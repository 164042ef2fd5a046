# SPDX-License-Identifier: MIT
"""Hardware queues (HQDs) and their banks of registers (gfx_v9_0_kiq_init_register, gfx_v9_0_kcq_init_queue).

A hardware queue is described by CP_MQD_* and CP_HQD_*, one bank for each queue of each pipe; GRBM_GFX_CNTL selects
which. It becomes active when the driver writes CP_HQD_ACTIVE, as for the KIQ, or when the KIQ is told to map it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.faults import Client
from amdgpu_hw.gpu_model.hardware_queue import HardwareQueue
from amdgpu_hw.gpu_model.translation import EntryKind
from amdgpu_hw.gpu_model.vm_access import VmAccess
from amdgpu_hw.packets import Engine

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpu import GpuCore
    from amdgpu_hw.gpu_model.hardware_queue import QueuePorts

    from .hub import Hub
    from .log import MachineLog
    from .registers import RegisterFile

__all__ = (
    "BANK_DWORDS",
    "DOORBELL_EN",
    "DOORBELL_MASK",
    "DOORBELL_SHIFT",
    "RB_SIZE_MASK",
    "SCHEDULER_ME",
    "Hqd",
    "HqdBanks",
    "RingPlace",
)

M32 = 0xFFFF_FFFF

SCHEDULER_ME = 3
"""Where the queues of MES are (soc21_grbm_select in mes_v11_0.c): its ring on pipe 0, the KIQ on pipe 1."""

# GRBM_GFX_CNTL: pipe, me, VMID, queue.
PIPE_MASK, ME_SHIFT, QUEUE_SHIFT = 3, 2, 8

DOORBELL_EN = 1 << 30
DOORBELL_SHIFT, DOORBELL_MASK = 2, 0x3FF_FFFF
RB_SIZE_MASK = 63
MOST_DWORDS = 1 << 26
"""No ring is longer, whatever the registers say."""
BANK_DWORDS = 0x80
"""Registers from CP_MQD_BASE_ADDR on that may be banked."""


@dataclass(frozen=True, slots=True)
class RingPlace:
    """Where a ring is in the driver's own address space."""

    base: int
    dwords: int
    rptr_at: int
    """Where its read pointer is reported; 0 for nowhere."""
    rptr: int
    """Where to begin, in dwords."""
    wptr_at: int = 0
    """Where the driver keeps its write pointer; 0 for nowhere."""


class Hqd:
    """The registers of one hardware queue, and the queue while it is active."""

    def __init__(self, me: int, pipe: int, queue: int) -> None:
        self.me, self.pipe, self.queue = me, pipe, queue
        self.values: dict[int, int] = {}
        self.active: HardwareQueue | None = None
        self.mqd = 0
        """Where a graphics queue's description is."""
        self.doorbell = -1
        """A graphics queue's."""
        self.started: tuple[Engine, str, RingPlace] | None = None
        """How the queue was started last."""

    @property
    def name(self) -> str:
        """How logs name it."""
        return f"hqd{self.me}.{self.pipe}.{self.queue}"

    @property
    def ring_id(self) -> int:
        """What interrupts of the queue say (gfx_v9_0_eop_irq)."""
        return self.me << 2 | self.pipe | self.queue << 4


class HqdBanks:
    """All hardware queues of GC."""

    def __init__(
        self, gpu: GpuCore, registers: RegisterFile, hub: Hub, ports: QueuePorts, scheduler: bool, log: MachineLog
    ) -> None:
        """Connect the registers; queues reach the rest of the GPU through ``ports``. ``scheduler``: there is MES."""
        self._gpu = gpu
        self._registers = registers
        self._hub = hub
        self._ports = ports
        self._scheduler = scheduler
        self._log = log
        self._hqds: dict[int, Hqd] = {}
        self._select = self._at("GRBM_GFX_CNTL")
        self._active = self._at("CP_HQD_ACTIVE")
        self._first = self._at("CP_MQD_BASE_ADDR")
        self._banked = sorted(
            {
                offset
                for prefix in ("CP_MQD_", "CP_HQD_")
                for offset in registers.table.find("GC", prefix).values()
                if self._first <= offset < self._first + BANK_DWORDS
            }
        )
        for offset in self._banked:
            registers.on_read(offset, partial(self._read_bank, offset))
            registers.on_write(offset, partial(self._write_bank, offset))

    def reset(self) -> None:
        """Power up."""
        for hqd in self._hqds.values():
            self.deactivate(hqd)
        self._hqds.clear()

    # -- who there is -------------------------------------------------------------------------------------------------

    def active(self) -> list[Hqd]:
        """Return those that are active, in the order in which they were first selected."""
        return [hqd for hqd in self._hqds.values() if hqd.active is not None]

    def of(self, queue: HardwareQueue) -> Hqd | None:
        """Return the HQD that a queue is."""
        return next((hqd for hqd in self._hqds.values() if hqd.active is queue), None)

    def get(self, me: int, pipe: int, queue: int) -> Hqd:
        """Return a queue's HQD."""
        bank = pipe | me << ME_SHIFT | queue << QUEUE_SHIFT
        found = self._hqds.get(bank)
        if found is None:
            found = self._hqds[bank] = Hqd(me, pipe, queue)
        return found

    def doorbell(self, hqd: Hqd) -> int:
        """Return the doorbell that an HQD listens to, -1 for none."""
        if not hqd.me:
            return hqd.doorbell
        control = hqd.values.get(self._at("CP_HQD_PQ_DOORBELL_CONTROL"), 0)
        return control >> DOORBELL_SHIFT & DOORBELL_MASK if control & DOORBELL_EN else -1

    # -- on and off ---------------------------------------------------------------------------------------------------

    def load(self, hqd: Hqd, mqd: Sequence[int], doorbell: int) -> None:
        """Give the registers what a description in memory says, from CP_MQD_BASE_ADDR on (v9_structs.h)."""
        for offset in self._banked:
            hqd.values[offset] = mqd[offset - self._first]
        # The firmware connects the doorbell that it is told of (the MQD of KFD's HIQ has it without DOORBELL_EN).
        hqd.values[self._at("CP_HQD_PQ_DOORBELL_CONTROL")] = doorbell << DOORBELL_SHIFT | DOORBELL_EN

    def activate(self, hqd: Hqd, wptr_at: int = 0) -> None:
        """Start a compute queue as its registers say."""

        def value(name: str) -> int:
            return hqd.values.get(self._at(name), 0)

        place = RingPlace(
            base=(value("CP_HQD_PQ_BASE") | value("CP_HQD_PQ_BASE_HI") << 32) << 8,
            dwords=2 << (value("CP_HQD_PQ_CONTROL") & RB_SIZE_MASK),
            rptr_at=value("CP_HQD_PQ_RPTR_REPORT_ADDR") & ~3 | value("CP_HQD_PQ_RPTR_REPORT_ADDR_HI") << 32,
            rptr=value("CP_HQD_PQ_RPTR"),
            wptr_at=wptr_at,
        )
        self.begin(hqd, Engine.COMPUTE, hqd.name, place)

    def begin(self, hqd: Hqd, engine: Engine, name: str, place: RingPlace) -> None:
        """Start an HQD's queue, in place of one that may be active."""
        self.deactivate(hqd)
        hqd.values[self._active] = 1
        hqd.started = engine, name, place
        # The firmware looks whether something was put into the ring before it was mapped.
        at = self._hub.translator(0).walk(place.wptr_at) if place.wptr_at else None
        wptr = pointer = place.rptr
        if at is not None and at.kind is EntryKind.VALID:
            wptr = int.from_bytes(self._gpu.memory.read(at.address, 8), "little")
            pointer = wptr - (wptr - pointer) % min(place.dwords, MOST_DWORDS)
        hqd.active = self.start(engine, name, place, pointer, self.doorbell(hqd))
        hqd.active.scheduler = self._scheduler and hqd.me == SCHEDULER_ME and not hqd.pipe
        hqd.active.ring_doorbell(wptr)

    def start(self, engine: Engine, name: str, place: RingPlace, pointer: int, doorbell: int) -> HardwareQueue:
        """Start a queue at ``pointer``; whose it is and its ``doorbell`` are the caller's to know."""
        dwords = min(place.dwords, MOST_DWORDS)

        def report(rptr: int) -> None:
            if place.rptr_at:
                self.system(queue).write(place.rptr_at, struct.pack("<I", rptr % dwords), Client.CP)

        queue = HardwareQueue(self._gpu, engine, name, place.base, dwords, self._ports, report, pointer)
        self._log(f"{name}: {dwords} dwords at {place.base:#x}, doorbell {doorbell:#x}")
        return queue

    def restart(self, hqd: Hqd) -> None:
        """Have a queue drop what it is at and go on where the driver will write next."""
        if hqd.started is None:
            return
        engine, name, place = hqd.started
        at = self._hub.translator(0).walk(place.wptr_at) if place.wptr_at else None
        if at is not None and at.kind is EntryKind.VALID:
            wptr = int.from_bytes(self._gpu.memory.read(at.address, 8), "little")
        else:
            wptr = hqd.active.wptr if hqd.active is not None else place.rptr
        self.begin(hqd, engine, name, replace(place, rptr=wptr))
        hqd.started = engine, name, place

    def deactivate(self, hqd: Hqd) -> None:
        """Take a queue off the hardware; harmless when it is not active."""
        hqd.values[self._active] = 0
        queue, hqd.active = hqd.active, None
        if queue is not None:
            queue.stop()

    def dequeue(self, hqd: Hqd, *, keep_rptr: bool) -> None:
        """Take an active queue off and have its registers say where it stopped, or that it begins anew."""
        assert hqd.active is not None, "only an active queue is somewhere"
        hqd.values[self._at("CP_HQD_PQ_RPTR")] = hqd.active.rptr % hqd.active.size if keep_rptr else 0
        self.deactivate(hqd)

    def halt(self, me: int) -> None:
        """Take all queues of a micro engine off, as halting it does (gfx_v9_0_cp_compute_enable)."""
        for hqd in self.active():
            if hqd.me == me:
                self.deactivate(hqd)

    def system(self, queue: HardwareQueue) -> VmAccess:
        """Return the driver's own address space, for a queue."""
        return VmAccess(queue.ring, self._hub.translator(0), 0)

    # -- registers ----------------------------------------------------------------------------------------------------

    def _at(self, name: str) -> int:
        return self._registers.table.offset("GC", name)

    def _selected(self) -> Hqd:
        select = self._registers.get(self._select)
        return self.get(select >> ME_SHIFT & 3, select & PIPE_MASK, select >> QUEUE_SHIFT & 7)

    def _read_bank(self, offset: int) -> int:
        hqd = self._selected()
        if hqd.active is not None:
            if offset == self._at("CP_HQD_PQ_RPTR"):
                return hqd.active.rptr % hqd.active.size
            if offset == self._at("CP_HQD_PQ_WPTR_LO"):
                return hqd.active.wptr & M32
        return hqd.values.get(offset, 0)

    def _write_bank(self, offset: int, value: int) -> None:
        hqd = self._selected()
        hqd.values[offset] = value
        if offset == self._active:
            if value & 1:
                self.activate(hqd)
            else:
                self.deactivate(hqd)
        elif offset == self._at("CP_HQD_DEQUEUE_REQUEST") and value:
            self.deactivate(hqd)
