# SPDX-License-Identifier: MIT
"""The copy engines: each has a queue for the driver (GFX), and up to SDMA 4 one for page tables (PAGE) (sdma_v*.c)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.faults import Client
from amdgpu_hw.gpu_model.hardware_queue import HardwareQueue
from amdgpu_hw.gpu_model.vm_access import VmAccess
from amdgpu_hw.packets import Engine, Packet

from .interrupts import SDMA_TRAP, SDMA_TRAP_GFX11, IhClient, Interrupt
from .packet_engine import PacketEngine

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpu import GpuCore
    from amdgpu_hw.gpu_model.ring import Ring

    from .hub import Hub
    from .log import MachineLog
    from .registers import RegisterFile

__all__ = ("SDMA_4_0", "SDMA_4_4_2", "SDMA_5_2", "SDMA_6_0", "CopyEngine", "SdmaNames")

M32 = 0xFFFF_FFFF
DRIVERS_OWN = ("GFX", "QUEUE0")
"""The queues that the driver's ring sdmaN is."""
RB_ENABLE = 1 << 0
RB_SIZE_SHIFT, RB_SIZE_MASK = 1, 63
MOST_DWORDS = 1 << 26
RPTR_WRITEBACK_ENABLE = 1 << 12
DOORBELL_ENABLE = 1 << 28
DOORBELL_SHIFT, DOORBELL_MASK = 2, 0x3FF_FFFF
HALT = 1
IDLE_STATUS = 0x46DE_E557
"""SDMA_STATUS_REG of an engine with nothing to do; bit 0 is IDLE."""
IDLE = 1
FREEZE, FROZEN = 1 << 4, 1 << 5


@dataclass(frozen=True, slots=True)
class SdmaNames:
    """How one generation calls an engine's registers."""

    block: str
    """Format of the block's name, with the engine's number."""
    prefix: str
    """Format of what register names begin with."""
    rings: dict[str, int]
    """Queue -> `ring_id` of its TRAP interrupts."""
    clients: tuple[int, ...]
    """Interrupt client of each engine."""
    cids: tuple[int, ...]
    """Number of each engine in the fault status (mmhub_client_ids)."""
    trap: int = SDMA_TRAP
    """Source of its interrupts."""
    engine_shift: int = 32
    """Bit of `ring_id` from which on is the engine's number; 32 where each engine is a client of its own."""


SDMA_4_0 = SdmaNames(block="SDMA{}", prefix="SDMA{}_", rings={"GFX": 0, "PAGE": 3}, clients=(0x08, 0x09), cids=(13, 14))

SDMA_4_4_2 = SdmaNames(
    block="SDMA{}",
    prefix="SDMA_",
    rings={"GFX": 0, "PAGE": 1},
    clients=(0x08, 0x09, 0x01, 0x04),
    cids=(0, 1, 2, 3),
)
"""MI300X: the four engines of one AID (sdma_v4_4_2_seq_to_irq_id)."""

SDMA_5_2 = SdmaNames(
    block="GC",
    prefix="SDMA{}_",
    rings={"GFX": 0},
    clients=(0x08, 0x09, 0x01, 0x05),
    cids=(13, 14, 16, 17),
)
"""Navi21 (sdma_v5_2_process_trap_irq)."""

SDMA_6_0 = SdmaNames(
    block="GC",
    prefix="SDMA{}_",
    rings={"QUEUE0": 0},
    clients=(IhClient.GFX,) * 2,
    cids=(13, 14),
    trap=SDMA_TRAP_GFX11,
    engine_shift=4,
)
"""Navi31 (sdma_v6_0_process_trap_irq)."""


class _Queue:
    """The registers of one queue, and the queue while it is on."""

    def __init__(self, name: str, ring_id: int) -> None:
        self.name = name
        self.ring_id = ring_id
        self.active: HardwareQueue | None = None


class CopyEngine(PacketEngine):
    """One copy engine."""

    def __init__(
        self,
        index: int,
        names: SdmaNames,
        gpu: GpuCore,
        registers: RegisterFile,
        hub: Hub,
        hubs: tuple[Hub, Hub],
        raise_interrupt: Callable[[Interrupt], None],
        log: MachineLog,
    ) -> None:
        """Connect the registers; ``hub`` translates for the engine, ``hubs`` are graphics' and the other one."""
        self._hubs = hubs
        self.index = index
        self.cid = names.cids[index]
        self._client = names.clients[index]
        self._trap_source = names.trap
        self._engine_ring_id = index << names.engine_shift & 0xFF
        self._block = names.block.format(index)
        self._prefix = names.prefix.format(index)
        self._gpu = gpu
        self._registers = registers
        self._hub = hub
        self._raise = raise_interrupt
        self._log = log
        self._queues = {name: _Queue(name, ring_id) for name, ring_id in names.rings.items()}
        self._f32 = self._at("F32_CNTL")
        registers.default(self._f32, HALT)
        registers.on_write(self._f32, self._write_f32)
        registers.on_read(self._at("STATUS_REG"), self._read_status)
        if registers.table.has(self._block, f"{self._prefix}FREEZE"):
            registers.on_read(self._at("FREEZE"), self._read_freeze)
        if registers.table.has(self._block, f"{self._prefix}QUEUE_RESET_REQ"):
            registers.on_write(self._at("QUEUE_RESET_REQ"), self._reset_queues)
        for queue in self._queues.values():
            at = partial(self._queue_at, queue)
            registers.on_write(at("RB_CNTL"), partial(self._write_cntl, queue))
            registers.on_read(at("RB_RPTR"), partial(self._read_rptr, queue, 0))
            registers.on_read(at("RB_RPTR_HI"), partial(self._read_rptr, queue, 32))
            registers.on_write(at("RB_WPTR"), partial(self._write_wptr, queue))
            registers.on_write(at("RB_WPTR_HI"), partial(self._write_wptr, queue))

    # -- from outside -------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Power up."""
        for queue in self._queues.values():
            self._stop(queue)

    def queues(self) -> list[HardwareQueue]:
        """Return the queues that are on."""
        return [queue.active for queue in self._queues.values() if queue.active is not None]

    def owns(self, ring: Ring) -> HardwareQueue | None:
        """Return the queue that a ring of the model belongs to."""
        return next((queue for queue in self.queues() if queue.ring is ring), None)

    def ring_doorbell(self, index: int, value: int) -> bool:
        """Take a write pointer, in bytes; returns whether the doorbell belongs to a queue here."""
        for queue in self._queues.values():
            if queue.active is not None and self._doorbell(queue) == index:
                queue.active.ring_doorbell(value >> 2)
                return True
        return False

    # -- QueuePorts ---------------------------------------------------------------------------------------------------

    def end_of_pipe(self, queue: HardwareQueue) -> None:
        """Only PM4 has RELEASE_MEM."""
        raise AssertionError(f"{queue.name} has no RELEASE_MEM packet")

    def trap(self, queue: HardwareQueue, context: int) -> None:
        """Raise the engine's interrupt."""
        ring_id = next((one.ring_id for one in self._queues.values() if one.active is queue), 0)
        ring_id |= self._engine_ring_id
        self._raise(Interrupt(self._client, self._trap_source, ring_id, data=(context, 0, 0, 0)))

    def invalidate(self, engines: tuple[int, int], request: int) -> None:
        """Invalidate translations with an engine of each hub."""
        for hub, engine in zip(self._hubs, engines, strict=True):
            hub.request(engine, request)

    def manage_queues(self, queue: HardwareQueue, packet: Packet) -> None:
        """Only PM4 has MAP_QUEUES."""
        raise AssertionError(f"{queue.name} has no {packet.name} packet")

    # -- registers ----------------------------------------------------------------------------------------------------

    def _at(self, name: str) -> int:
        return self._registers.table.offset(self._block, self._prefix + name)

    def _queue_at(self, queue: _Queue, name: str) -> int:
        return self._at(f"{queue.name}_{name}")

    def _get(self, queue: _Queue, name: str) -> int:
        return self._registers.get(self._queue_at(queue, name))

    def _read_status(self) -> int:
        busy = any(queue.busy for queue in self.queues())
        return IDLE_STATUS & ~IDLE if busy else IDLE_STATUS

    def _read_freeze(self) -> int:
        """An engine that is asked to stands still at once (sdma_v5_2_stop_queue)."""
        value = self._registers.get(self._at("FREEZE"))
        return value | FROZEN if value & FREEZE else value & ~FROZEN

    def _read_rptr(self, queue: _Queue, shift: int) -> int:
        if queue.active is None:
            return self._get(queue, "RB_RPTR_HI" if shift else "RB_RPTR")
        return queue.active.rptr * 4 >> shift & M32

    def _write_wptr(self, queue: _Queue, _value: int) -> None:
        if queue.active is not None and not self._get(queue, "DOORBELL") & DOORBELL_ENABLE:
            queue.active.ring_doorbell((self._get(queue, "RB_WPTR") | self._get(queue, "RB_WPTR_HI") << 32) >> 2)

    def _write_f32(self, value: int) -> None:
        for queue in self.queues():
            if value & HALT:
                queue.ring.hold()
            else:
                queue.ring.release()

    def _write_cntl(self, queue: _Queue, value: int) -> None:
        if not value & RB_ENABLE:
            self._stop(queue)
        elif queue.active is None:
            self._start(queue, value)

    def _reset_queues(self, value: int) -> None:
        """Take the queues that bits name off, at once (mes_v11_0_reset_queue_mmio)."""
        for queue in self._queues.values():
            if value >> queue.ring_id & 1:
                self._stop(queue)
                cntl = self._queue_at(queue, "RB_CNTL")
                self._registers.set(cntl, self._registers.get(cntl) & ~RB_ENABLE)
        self._registers.set(self._at("QUEUE_RESET_REQ"), 0)

    def _start(self, queue: _Queue, cntl: int) -> None:
        base = (self._get(queue, "RB_BASE") | self._get(queue, "RB_BASE_HI") << 32) << 8
        size = min(1 << (cntl >> RB_SIZE_SHIFT & RB_SIZE_MASK), MOST_DWORDS)
        pointer = (self._get(queue, "RB_RPTR") | self._get(queue, "RB_RPTR_HI") << 32) >> 2

        def report(rptr: int) -> None:
            if self._get(queue, "RB_CNTL") & RPTR_WRITEBACK_ENABLE:
                address = self._get(queue, "RB_RPTR_ADDR_LO") & ~3 | self._get(queue, "RB_RPTR_ADDR_HI") << 32
                system = VmAccess(active.ring, self._hub.translator(0), 0)
                system.write(address, struct.pack("<Q", rptr * 4), Client.SDMA)

        name = f"sdma{self.index}" if queue.name in DRIVERS_OWN else f"{queue.name.lower()}{self.index}"
        active = queue.active = HardwareQueue(self._gpu, Engine.SDMA, name, base, size, self, report, pointer)
        if self._registers.get(self._f32) & HALT:
            active.ring.hold()
        self._log(f"{name}: {size} dwords at {base:#x}, doorbell {self._doorbell(queue):#x}")
        active.ring_doorbell((self._get(queue, "RB_WPTR") | self._get(queue, "RB_WPTR_HI") << 32) >> 2)

    def _stop(self, queue: _Queue) -> None:
        active, queue.active = queue.active, None
        if active is not None:
            # What the driver reads now is where it stopped.
            pointer = active.rptr * 4
            self._registers.set(self._queue_at(queue, "RB_RPTR"), pointer)
            self._registers.set(self._queue_at(queue, "RB_RPTR_HI"), pointer >> 32)
            active.stop()

    def _doorbell(self, queue: _Queue) -> int:
        if not self._get(queue, "DOORBELL") & DOORBELL_ENABLE:
            return -1
        return self._get(queue, "DOORBELL_OFFSET") >> DOORBELL_SHIFT & DOORBELL_MASK
