# SPDX-License-Identifier: MIT
"""What the kernel interface queue (KIQ) is told: to map and unmap queues, and TLBs of processes (amdgpu_gfx.c).

There is no firmware: what the MEC's firmware does with these packets is here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.faults import Client
from amdgpu_hw.packets import Engine, Packet

from .hqd import BANK_DWORDS, RB_SIZE_MASK, SCHEDULER_ME, RingPlace

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.hardware_queue import HardwareQueue
    from amdgpu_hw.gpu_model.vm_access import VmAccess

    from .hqd import HqdBanks
    from .log import MachineLog

__all__ = ("Kiq",)

MQD_REGISTERS = 128
"""Dword of an MQD that is CP_MQD_BASE_ADDR; the registers behind it follow in order (v9_structs.h, v11_structs.h)."""

COMPUTE, HIQ, GRAPHICS, SCHEDULER = 0, 1, 4, 5
"""`engine_sel` of MAP_QUEUES; the HIQ is KFD's own (kgd_gfx_v9_hiq_mqd_load), the scheduler is MES."""
GFX_MQD_ACTIVE, GFX_MQD_BASE, GFX_MQD_RPTR, GFX_MQD_RPTR_ADDR, GFX_MQD_CNTL = 130, 136, 138, 139, 145
"""Dwords of a graphics queue's MQD (v10_structs.h, v11_structs.h)."""
PIPE_QUEUES_SHIFT, PIPE_QUEUES_MASK = 16, 0xFF
"""CP_VMID_RESET: from here on eight queues of each pipe."""

_PREEMPT, RESET, _DISABLE, PREEMPT_NO_UNMAP = range(4)
"""`action` of UNMAP_QUEUES."""


class Kiq:
    """The packets of the KIQ; ``graphics_queues`` and ``scheduler`` say whether it maps graphics rings and MES, too."""

    def __init__(
        self,
        hqds: HqdBanks,
        invalidate_pasid: Callable[[int, bool], None],
        graphics_queues: bool,
        scheduler: bool,
        log: MachineLog,
    ) -> None:
        self._hqds = hqds
        self._invalidate_pasid = invalidate_pasid
        self._graphics_queues = graphics_queues
        self._log = log
        self._compute = (COMPUTE, HIQ, SCHEDULER) if scheduler else (COMPUTE, HIQ)
        # SET_RESOURCES names the queues that the scheduler may use; this one uses those that it is told to map.
        self._handlers = {
            "MAP_QUEUES": self._map_queue,
            "UNMAP_QUEUES": self._unmap_queue,
            "QUERY_STATUS": self._query_status,
            "INVALIDATE_TLBS": self._invalidate_tlbs,
        }

    def execute(self, kiq: HardwareQueue, packet: Packet) -> None:
        """Do what a packet of ``kiq`` says."""
        handler = self._handlers.get(packet.name)
        if handler is not None:
            handler(kiq, packet)

    def reset_graphics_queues(self, value: int) -> None:
        """Take the graphics queues that are named off, and note that in their descriptions (gfx_v10_0_reset_kgq)."""
        for hqd in self._hqds.active():
            queues = value >> PIPE_QUEUES_SHIFT + 8 * hqd.pipe & PIPE_QUEUES_MASK
            if not hqd.me and hqd.active is not None and queues >> hqd.queue & 1:
                self._log(f"{hqd.active.name}: taken off (CP_VMID_RESET)")
                system = self._hqds.system(hqd.active)
                self._hqds.deactivate(hqd)
                system.write(hqd.mqd + 4 * GFX_MQD_ACTIVE, bytes(4), Client.CP)

    def _map_queue(self, kiq: HardwareQueue, packet: Packet) -> None:
        fields = packet.fields
        graphics = fields["engine_sel"] == GRAPHICS and self._graphics_queues
        if not graphics and (fields["engine_sel"] not in self._compute or fields["num_queues"] != 1):
            self._log.once("map", f"not modelled: MAP_QUEUES {' '.join(f'{word:#x}' for word in packet.dwords)}")
            return
        system = self._hqds.system(kiq)
        place = fields["pipe"], fields["queue"], fields["mqd"], fields["doorbell"], fields["wptr"]
        if graphics:
            self.map_graphics_queue(system, *place)
        elif fields["engine_sel"] == SCHEDULER:
            self._map_compute_queue(system, SCHEDULER_ME, *place)
        else:
            self._map_compute_queue(system, 2 if fields["me"] else 1, *place)

    def map_compute_queue(self, system: VmAccess, pipe: int, queue: int, mqd: int, doorbell: int, wptr: int) -> None:
        """Start a compute ring of the first MEC as its description says (gfx_v11_0_compute_mqd_init)."""
        self._map_compute_queue(system, 1, pipe, queue, mqd, doorbell, wptr)

    def _map_compute_queue(
        self, system: VmAccess, me: int, pipe: int, queue: int, mqd: int, doorbell: int, wptr: int
    ) -> None:
        hqd = self._hqds.get(me, pipe, queue)
        self._hqds.load(hqd, _description(system, mqd)[MQD_REGISTERS:], doorbell)
        self._hqds.activate(hqd, wptr)

    def map_graphics_queue(self, system: VmAccess, pipe: int, queue: int, mqd: int, doorbell: int, wptr: int) -> None:
        """Start a graphics ring as its description says (gfx_v10_0_gfx_mqd_init)."""
        words = _description(system, mqd)
        hqd = self._hqds.get(0, pipe, queue)
        self._hqds.deactivate(hqd)
        hqd.mqd = mqd
        hqd.doorbell = doorbell
        place = RingPlace(
            base=(words[GFX_MQD_BASE] | words[GFX_MQD_BASE + 1] << 32) << 8,
            dwords=2 << (words[GFX_MQD_CNTL] & RB_SIZE_MASK),
            rptr_at=words[GFX_MQD_RPTR_ADDR] & ~3 | words[GFX_MQD_RPTR_ADDR + 1] << 32,
            rptr=words[GFX_MQD_RPTR],
            wptr_at=wptr,
        )
        self._hqds.begin(hqd, Engine.GFX, f"gfx{hqd.pipe}.{hqd.queue}", place)

    def _unmap_queue(self, kiq: HardwareQueue, packet: Packet) -> None:
        fields = packet.fields
        action = fields["action"]
        others = [hqd for hqd in self._hqds.active() if hqd.active is not kiq]
        found = next((hqd for hqd in others if self._hqds.doorbell(hqd) == fields["doorbell"]), None)
        if action == PREEMPT_NO_UNMAP or found is None:
            self._log.once(
                ("unmap", action), f"not modelled: UNMAP_QUEUES {' '.join(f'{word:#x}' for word in packet.dwords)}"
            )
            return
        self._hqds.dequeue(found, keep_rptr=action != RESET)

    def _query_status(self, kiq: HardwareQueue, packet: Packet) -> None:
        fields = packet.fields
        self._hqds.system(kiq).write(fields["addr"], struct.pack("<I", fields["data"] & 0xFFFF_FFFF), Client.CP)

    def _invalidate_tlbs(self, _kiq: HardwareQueue, packet: Packet) -> None:
        """Drop what the TLBs have of a process (gmc_v9_0_flush_gpu_tlb_pasid)."""
        self._invalidate_pasid(packet.fields["pasid"], bool(packet.fields["all_hub"]))


def _description(system: VmAccess, mqd: int) -> tuple[int, ...]:
    """Read a queue's description."""
    count = MQD_REGISTERS + BANK_DWORDS
    return struct.unpack(f"<{count}I", system.read(mqd, 4 * count, Client.CP))
