# SPDX-License-Identifier: MIT
"""Graphics and compute: the graphics ring, hardware queues (HQDs) and their banks of registers, the KIQ (gfx_v9_*.c).

A hardware queue is described by CP_MQD_* and CP_HQD_*, one bank for each queue of each pipe; GRBM_GFX_CNTL selects
which. It becomes active when the driver writes CP_HQD_ACTIVE (as for the KIQ), or when the KIQ is told to map it by the
same values in memory (MQD). There are no shaders and no firmware: what the MEC's firmware does is here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.faults import Client, StopCause
from amdgpu_hw.gpu_model.hardware_queue import HardwareQueue
from amdgpu_hw.gpu_model.translation import EntryKind
from amdgpu_hw.gpu_model.vm_access import VmAccess
from amdgpu_hw.packets import Engine, Packet

from .interrupts import CP_BAD_OPCODE, CP_EOP, CP_GENERIC2, CP_PRIV_REG, IhClient, Interrupt
from .packet_engine import PacketEngine

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpu import GpuCore
    from amdgpu_hw.gpu_model.gpus import ModelIdentity
    from amdgpu_hw.gpu_model.ring import Ring

    from .hub import Hub
    from .log import MachineLog
    from .registers import RegisterFile

__all__ = ("GFX_9_0", "GFX_9_4_3", "GFX_10_3", "Gfx", "GfxNames")

M32 = 0xFFFF_FFFF

# GRBM_GFX_CNTL: pipe, me, VMID, queue.
PIPE_MASK, ME_SHIFT, QUEUE_SHIFT = 3, 2, 8
BANK_MASK = 0x70F
"""What of it selects an HQD."""

DOORBELL_EN = 1 << 30
DOORBELL_SHIFT, DOORBELL_MASK = 2, 0x3FF_FFFF
RB_SIZE_MASK = 63
MOST_DWORDS = 1 << 26
"""No ring is longer, whatever the registers say."""
ME_HALT = 0x1500_0000
"""CP_ME_CNTL: CE, PFP and ME."""
MEC_HALT = 0x5000_0000
"""CP_MEC_CNTL: ME1 and ME2."""
GUI_ACTIVE_AND_CP_BUSY = 0xA000_0000
GENERIC2 = 1 << 29
RLC_CMD = 1

PRIV_REG_INT_ENABLE = 1 << 23
OPCODE_ERROR_INT_ENABLE = 1 << 24
TIME_STAMP_INT_ENABLE = 1 << 26
STOP_INTERRUPTS = {
    StopCause.OPCODE: (OPCODE_ERROR_INT_ENABLE, CP_BAD_OPCODE),
    StopCause.REGISTER: (PRIV_REG_INT_ENABLE, CP_PRIV_REG),
}
"""Where its enable bit is, and its source. A hang is told by nobody."""

MQD_REGISTERS = 128
"""Dword of an MQD that is CP_MQD_BASE_ADDR; the registers behind it follow in order (v9_structs.h)."""

COMPUTE, HIQ, GRAPHICS = 0, 1, 4
"""`engine_sel` of MAP_QUEUES; the HIQ is KFD's own (kgd_gfx_v9_hiq_mqd_load)."""
GFX_MQD_ACTIVE, GFX_MQD_BASE, GFX_MQD_RPTR, GFX_MQD_RPTR_ADDR, GFX_MQD_DOORBELL, GFX_MQD_CNTL = (
    130, 136, 138, 139, 143, 145,
)  # fmt: skip
"""Dwords of a graphics queue's MQD (v10_structs.h)."""
PIPE_QUEUES_SHIFT, PIPE_QUEUES_MASK = 16, 0xFF
"""CP_VMID_RESET: from here on eight queues of each pipe."""
IC_INVALIDATE, IC_COMPLETE = 1, 2

PREEMPT, RESET, DISABLE, PREEMPT_NO_UNMAP = range(4)

CID_CPF, CID_CPC, CID_CPG = 4, 5, 6
"""gfxhub_client_ids: who fetches IBs, the compute rings' processor, the graphics ring's."""


@dataclass(frozen=True, slots=True)
class GfxNames:
    """What differs between generations."""

    graphics: bool = True
    """Whether there is a graphics ring."""
    node: int = 0
    """`node_id` of its interrupts (gfx_v9_4_3_ih_to_xcc_inst)."""
    values: dict[str, int] = field(default_factory=dict)
    """What else is not 0 after power-up."""
    graphics_queues: bool = False
    """Graphics rings are hardware queues, too, that the KIQ maps; a reset of a VMID takes them off (GFX10)."""
    work_group_processors: bool = False
    """What is off is told for pairs of CUs."""


GFX_9_0 = GfxNames()
GFX_9_4_3 = GfxNames(graphics=False, node=1, values={"CP_HYP_XCP_CTL": 1})
"""MI300X: one accelerator complex (XCC), which is the whole partition."""
GFX_10_3 = GfxNames(graphics_queues=True, work_group_processors=True)
"""Navi21."""


class _Hqd:
    """The registers of one hardware queue, and the queue while it is active."""

    def __init__(self, me: int, pipe: int, queue: int) -> None:
        self.me, self.pipe, self.queue = me, pipe, queue
        self.values: dict[int, int] = {}
        self.active: HardwareQueue | None = None
        self.mqd = 0
        """Where a graphics queue's description is."""
        self.doorbell = -1
        """A graphics queue's."""

    @property
    def name(self) -> str:
        return f"hqd{self.me}.{self.pipe}.{self.queue}"

    @property
    def ring_id(self) -> int:
        """What interrupts of the queue say (gfx_v9_0_eop_irq)."""
        return self.me << 2 | self.pipe | self.queue << 4


class Gfx(PacketEngine):
    """GC of one GPU."""

    def __init__(
        self,
        gpu: GpuCore,
        identity: ModelIdentity,
        registers: RegisterFile,
        hub: Hub,
        raise_interrupt: Callable[[Interrupt], None],
        invalidate_pasid: Callable[[int, bool], None],
        names: GfxNames,
        log: MachineLog,
    ) -> None:
        """Connect the registers; ``invalidate_pasid(pasid, all_hubs)`` drops what TLBs have of a process."""
        self._names = names
        self._invalidate_pasid = invalidate_pasid
        self._gpu = gpu
        self._identity = identity
        self._registers = registers
        self._hub = hub
        self._raise = raise_interrupt
        self._log = log
        self._hqds: dict[int, _Hqd] = {}
        self._of: dict[HardwareQueue, _Hqd | None] = {}
        """Which HQD a queue is; None for the graphics ring."""
        self.ring: HardwareQueue | None = None
        self._clock = 0
        self._select = self._at("GRBM_GFX_CNTL")
        self._active = self._at("CP_HQD_ACTIVE")
        self._first = self._at("CP_MQD_BASE_ADDR")
        self._banked = sorted(
            {
                offset
                for prefix in ("CP_MQD_", "CP_HQD_")
                for offset in registers.table.find("GC", prefix).values()
                if self._first <= offset < self._first + 0x80
            }
        )
        self._connect()

    # -- from outside -------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Power up."""
        self._stop_gfx()
        for hqd in self._hqds.values():
            self._deactivate(hqd)
        self._hqds.clear()
        self._of.clear()

    def queues(self) -> list[HardwareQueue]:
        """Return the queues that are active."""
        return list(self._of)

    def ring_doorbell(self, index: int, value: int) -> bool:
        """Take a write pointer; returns whether the doorbell belongs to a queue here."""
        for queue, hqd in self._of.items():
            if self._doorbell(hqd) == index:
                queue.ring_doorbell(value)
                return True
        return False

    def owns(self, ring: Ring) -> HardwareQueue | None:
        """Return the queue that a ring of the model belongs to."""
        return next((queue for queue in self._of if queue.ring is ring), None)

    def fault_client(self, queue: HardwareQueue, fetch: bool) -> int:
        """Return the number of the unit that made an access (gfxhub_client_ids)."""
        if fetch:
            return CID_CPF
        hqd = self._of.get(queue)
        return CID_CPG if hqd is None or not hqd.me else CID_CPC

    def stopped(self, queue: HardwareQueue, cause: StopCause) -> None:
        """Tell the driver of a packet that a queue cannot execute, if it wants to know (gfx_v9_0_fault)."""
        told = STOP_INTERRUPTS.get(cause)
        if told is None:
            return
        enable, source = told
        if self._interrupts(queue) & enable:
            self._raise(Interrupt(IhClient.GRBM_CP, source, self._ring_id(queue), node=self._names.node))

    # -- QueuePorts ---------------------------------------------------------------------------------------------------

    def end_of_pipe(self, queue: HardwareQueue) -> None:
        """Raise the end-of-pipe interrupt."""
        if self._interrupts(queue) & TIME_STAMP_INT_ENABLE:
            self._raise(Interrupt(IhClient.GRBM_CP, CP_EOP, self._ring_id(queue), node=self._names.node))

    def trap(self, queue: HardwareQueue, context: int) -> None:
        """Only copy engines have TRAP."""
        raise AssertionError(f"{queue.name} has no TRAP packet ({context})")

    def invalidate(self, engines: tuple[int, int], request: int) -> None:
        """Only copy engines have VM_INVALIDATION."""
        raise AssertionError(f"PM4 has no VM_INVALIDATION packet ({engines}, {request:#x})")

    def manage_queues(self, queue: HardwareQueue, packet: Packet) -> None:
        """Do what the KIQ is told."""
        handler = {
            "MAP_QUEUES": self._map_queue,
            "UNMAP_QUEUES": self._unmap_queue,
            "QUERY_STATUS": self._query_status,
            "INVALIDATE_TLBS": self._invalidate_tlbs,
        }.get(packet.name)
        # SET_RESOURCES names the queues that the scheduler may use; this one uses those that it is told to map.
        if handler is not None:
            handler(queue, packet)

    # -- registers ----------------------------------------------------------------------------------------------------

    def _at(self, name: str) -> int:
        return self._registers.table.offset("GC", name)

    def _connect(self) -> None:
        registers, at = self._registers, self._at
        for offset in self._banked:
            registers.on_read(offset, partial(self._read_bank, offset))
            registers.on_write(offset, partial(self._write_bank, offset))
        for name, value in self._names.values.items():
            registers.default(at(name), value)
        registers.default(at("CP_ME_CNTL"), ME_HALT)
        registers.default(at("CP_MEC_CNTL"), MEC_HALT)
        registers.on_write(at("CP_ME_CNTL"), self._write_me_cntl)
        registers.on_write(at("CP_MEC_CNTL"), self._write_mec_cntl)
        registers.on_write(at("CP_RB_DOORBELL_CONTROL"), lambda _value: self._update_gfx())
        registers.on_write(at("CP_VMID_RESET"), self._write_vmid_reset)
        registers.on_write(at("CPC_INT_STATUS"), self._write_cpc_int_status)
        registers.on_write(at("SQ_CMD"), self._write_sq_cmd)
        registers.on_read(at("CP_RB0_RPTR"), self._read_gfx_rptr)
        registers.on_read(at("GRBM_STATUS"), self._read_grbm_status)
        registers.on_read(at("RLC_SAFE_MODE"), lambda: registers.get(at("RLC_SAFE_MODE")) & ~RLC_CMD)
        registers.on_write(at("RLC_CAPTURE_GPU_CLOCK_COUNT"), self._capture_clock)
        for name in ("CP_PFP_IC_OP_CNTL", "CP_ME_IC_OP_CNTL", "CP_CE_IC_OP_CNTL", "CP_CPC_IC_OP_CNTL"):
            if registers.table.has("GC", name):
                registers.on_read(at(name), partial(self._read_instruction_cache, at(name)))
        for name, shift in (("GOLDEN_TSC_COUNT_LOWER", 0), ("GOLDEN_TSC_COUNT_UPPER", 32)):
            if registers.table.has("SMUIO", name):
                offset = registers.table.offset("SMUIO", name)
                registers.on_read(offset, partial(self._read_clock, shift))
        registers.on_read(at("RLC_GPU_CLOCK_COUNT_LSB"), lambda: self._clock & M32)
        registers.on_read(at("RLC_GPU_CLOCK_COUNT_MSB"), lambda: self._clock >> 32)
        registers.on_read(at("CC_GC_SHADER_ARRAY_CONFIG"), self._read_inactive_cus)
        registers.on_read(at("CC_RB_BACKEND_DISABLE"), self._read_inactive_backends)
        for register in self._identity.registers:
            if register.offset != at("GRBM_STATUS"):
                for number, value in enumerate(register.values):
                    registers.default(register.offset + number, value)

    def _read_instruction_cache(self, offset: int) -> int:
        """An invalidation of a processor's instruction cache is over at once (gfx_v10_0_cp_gfx_load_pfp_microcode)."""
        value = self._registers.get(offset)
        return value | IC_COMPLETE if value & IC_INVALIDATE else value

    def _read_clock(self, shift: int) -> int:
        return self._gpu.counter() >> shift & M32

    def _capture_clock(self, _value: int) -> None:
        self._clock = self._gpu.counter()

    def _read_grbm_status(self) -> int:
        idle = next((r.values[0] for r in self._identity.registers if r.offset == self._at("GRBM_STATUS")), 0)
        busy = any(queue.busy for queue in self._of)
        return idle | (GUI_ACTIVE_AND_CP_BUSY if busy else 0)

    def _selected_array(self) -> tuple[int, int]:
        """Return the shader engine and array that GRBM_GFX_INDEX selects; broadcasts read the first one."""
        index = self._registers.get(self._at("GRBM_GFX_INDEX"))
        engine = 0 if index >> 31 else index >> 16 & 0xFF
        array = 0 if index >> 29 & 1 else index >> 8 & 0xFF
        return engine, array

    def _read_inactive_cus(self) -> int:
        """INACTIVE_CUS, from bit 16 on, of an array (gfx_v9_0_get_cu_active_bitmap)."""
        engine, array = self._selected_array()
        topology = self._identity.topology
        try:
            active = topology.cu_bitmap[engine][array]
        except IndexError:
            active = 0
        count = topology.cus_per_array
        if self._names.work_group_processors:
            count //= 2
            active = sum((active >> 2 * n & 3 != 0) << n for n in range(count))
        return (~active & (1 << count) - 1) << 16

    def _read_inactive_backends(self) -> int:
        """BACKEND_DISABLE, from bit 16 on, of an array (gfx_v9_0_get_rb_active_bitmap)."""
        engine, array = self._selected_array()
        topology = self._identity.topology
        arrays = topology.shader_engines * topology.arrays_per_engine
        each = max(1, topology.rb_mask.bit_length() // arrays) if topology.rb_mask else 0
        active = topology.rb_mask >> (engine * topology.arrays_per_engine + array) * each
        return (~active & (1 << each) - 1) << 16

    def _write_sq_cmd(self, value: int) -> None:
        """Kill the waves of a VMID (gfx_v9_0_ring_soft_recovery); the model has none but those that hang by order."""
        for queue in self._of:
            queue.ring.kill_waves(value >> 28 & 15)

    def _write_cpc_int_status(self, value: int) -> None:
        self._registers.set(self._at("CPC_INT_STATUS"), 0)
        if value & GENERIC2:
            kiq = next((hqd for hqd in self._hqds.values() if hqd.active is not None), None)
            ring_id = kiq.ring_id if kiq is not None else 0
            self._raise(Interrupt(IhClient.GRBM_CP, CP_GENERIC2, ring_id, node=self._names.node))

    # -- the graphics ring --------------------------------------------------------------------------------------------

    def _write_me_cntl(self, value: int) -> None:
        if value & ME_HALT:
            self._stop_gfx()
            for hqd in list(self._hqds.values()):
                if not hqd.me and hqd.active is not None:
                    self._deactivate(hqd)
        else:
            self._update_gfx()

    def _update_gfx(self) -> None:
        """Start the graphics ring as soon as it is described and its processor runs (gfx_v9_0_cp_gfx_resume)."""
        get = self._registers.get
        control = get(self._at("CP_RB_DOORBELL_CONTROL"))
        if (
            not self._names.graphics
            or self.ring is not None
            or not control & DOORBELL_EN
            or get(self._at("CP_ME_CNTL")) & ME_HALT
        ):
            return
        base = (get(self._at("CP_RB0_BASE")) | get(self._at("CP_RB0_BASE_HI")) << 32) << 8
        size = 2 << (get(self._at("CP_RB0_CNTL")) & RB_SIZE_MASK)
        address = get(self._at("CP_RB0_RPTR_ADDR")) & ~3 | get(self._at("CP_RB0_RPTR_ADDR_HI")) << 32
        self.ring = self._start(Engine.GFX, "gfx", base, size, address, get(self._at("CP_RB0_WPTR")), None)

    def _stop_gfx(self) -> None:
        if self.ring is not None:
            self._of.pop(self.ring, None)
            self.ring.stop()
            self.ring = None

    def _read_gfx_rptr(self) -> int:
        return self.ring.rptr % self.ring.size if self.ring is not None else 0

    def _write_vmid_reset(self, value: int) -> None:
        """Have the graphics ring give up the indirect buffer of a VMID (gfx_v9_0_reset_kgq)."""
        if self._names.graphics_queues:
            self._reset_graphics_queues(value)
            return
        ring = self.ring
        if ring is not None and ring.vmid and value >> ring.vmid & 1:
            self._log(f"{ring.name}: the indirect buffer of VMID {ring.vmid} is given up (CP_VMID_RESET)")
            ring.abandon()

    def _reset_graphics_queues(self, value: int) -> None:
        """Take the graphics queues that are named off, and note that in their descriptions (gfx_v10_0_reset_kgq)."""
        for hqd in list(self._hqds.values()):
            queues = value >> PIPE_QUEUES_SHIFT + 8 * hqd.pipe & PIPE_QUEUES_MASK
            if not hqd.me and hqd.active is not None and queues >> hqd.queue & 1:
                self._log(f"{hqd.active.name}: taken off (CP_VMID_RESET)")
                system = self._system(hqd.active)
                self._deactivate(hqd)
                system.write(hqd.mqd + 4 * GFX_MQD_ACTIVE, bytes(4), Client.CP)
        self._registers.set(self._at("CP_VMID_RESET"), 0)

    # -- hardware queues ----------------------------------------------------------------------------------------------

    def _hqd(self, me: int, pipe: int, queue: int) -> _Hqd:
        bank = pipe | me << ME_SHIFT | queue << QUEUE_SHIFT
        found = self._hqds.get(bank)
        if found is None:
            found = self._hqds[bank] = _Hqd(me, pipe, queue)
        return found

    def _selected(self) -> _Hqd:
        select = self._registers.get(self._select)
        return self._hqd(select >> ME_SHIFT & 3, select & PIPE_MASK, select >> QUEUE_SHIFT & 7)

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
                self._activate(hqd, 0)
            else:
                self._deactivate(hqd)
        elif offset == self._at("CP_HQD_DEQUEUE_REQUEST") and value:
            self._deactivate(hqd)

    def _activate(self, hqd: _Hqd, wptr_address: int) -> None:
        self._deactivate(hqd)

        def value(name: str) -> int:
            return hqd.values.get(self._at(name), 0)

        hqd.values[self._active] = 1
        base = (value("CP_HQD_PQ_BASE") | value("CP_HQD_PQ_BASE_HI") << 32) << 8
        size = min(2 << (value("CP_HQD_PQ_CONTROL") & RB_SIZE_MASK), MOST_DWORDS)
        address = value("CP_HQD_PQ_RPTR_REPORT_ADDR") & ~3 | value("CP_HQD_PQ_RPTR_REPORT_ADDR_HI") << 32
        self._begin(hqd, Engine.COMPUTE, hqd.name, base, size, address, value("CP_HQD_PQ_RPTR"), wptr_address)

    def _begin(
        self, hqd: _Hqd, engine: Engine, name: str, base: int, size: int, rptr_at: int, pointer: int, wptr_at: int
    ) -> None:
        """Start a queue at ``pointer``; its write pointer is at ``wptr_at``, if anywhere."""
        # The firmware looks whether something was put into the ring before it was mapped.
        at = self._hub.translator(0).walk(wptr_at) if wptr_at else None
        wptr = pointer
        if at is not None and at.kind is EntryKind.VALID:
            wptr = int.from_bytes(self._gpu.memory.read(at.address, 8), "little")
            pointer = wptr - (wptr - pointer) % size
        hqd.active = self._start(engine, name, base, size, rptr_at, pointer, hqd)
        hqd.active.ring_doorbell(wptr)

    def _deactivate(self, hqd: _Hqd) -> None:
        hqd.values[self._active] = 0
        queue, hqd.active = hqd.active, None
        if queue is not None:
            self._of.pop(queue, None)
            queue.stop()

    def _write_mec_cntl(self, value: int) -> None:
        """Halting a MEC takes its queues off the hardware (gfx_v9_0_cp_compute_enable)."""
        for me, bit in ((1, 30), (2, 28)):
            if value >> bit & 1:
                for hqd in list(self._hqds.values()):
                    if hqd.me == me:
                        self._deactivate(hqd)

    def _start(
        self, engine: Engine, name: str, base: int, size: int, rptr_address: int, pointer: int, hqd: _Hqd | None
    ) -> HardwareQueue:
        size = min(size, MOST_DWORDS)

        def report(rptr: int) -> None:
            if rptr_address:
                self._system(queue).write(rptr_address, struct.pack("<I", rptr % size), Client.CP)

        queue = HardwareQueue(self._gpu, engine, name, base, size, self, report, pointer)
        self._of[queue] = hqd
        self._log(f"{name}: {size} dwords at {base:#x}, doorbell {self._doorbell(hqd):#x}")
        return queue

    def _system(self, queue: HardwareQueue) -> VmAccess:
        """Return the driver's own address space, for a queue."""
        return VmAccess(queue.ring, self._hub.translator(0), 0)

    def _doorbell(self, hqd: _Hqd | None) -> int:
        if hqd is not None and not hqd.me:
            return hqd.doorbell
        if hqd is None:
            control = self._registers.get(self._at("CP_RB_DOORBELL_CONTROL"))
        else:
            control = hqd.values.get(self._at("CP_HQD_PQ_DOORBELL_CONTROL"), 0)
        return control >> DOORBELL_SHIFT & DOORBELL_MASK if control & DOORBELL_EN else -1

    def _ring_id(self, queue: HardwareQueue) -> int:
        hqd = self._of.get(queue)
        return 0 if hqd is None else hqd.ring_id

    def _interrupts(self, queue: HardwareQueue) -> int:
        """Return the interrupts that are on for a queue's pipe."""
        hqd = self._of.get(queue)
        if hqd is None or not hqd.me:
            name = f"CP_INT_CNTL_RING{0 if hqd is None else hqd.pipe}"
        else:
            name = f"CP_ME{hqd.me}_PIPE{hqd.pipe}_INT_CNTL"
        return self._registers.get(self._at(name)) if self._registers.table.has("GC", name) else 0

    # -- KIQ ----------------------------------------------------------------------------------------------------------

    def _map_queue(self, kiq: HardwareQueue, packet: Packet) -> None:
        fields = packet.fields
        if fields["engine_sel"] == GRAPHICS and self._names.graphics_queues:
            self._map_graphics_queue(kiq, packet)
            return
        hqd = self._hqd(2 if fields["me"] else 1, fields["pipe"], fields["queue"])
        if fields["engine_sel"] not in (COMPUTE, HIQ) or fields["num_queues"] != 1:
            self._log.once("map", f"not modelled: MAP_QUEUES {' '.join(f'{word:#x}' for word in packet.dwords)}")
            return
        data = self._system(kiq).read(fields["mqd"], 4 * (MQD_REGISTERS + 0x80), Client.CP)
        words = struct.unpack(f"<{MQD_REGISTERS + 0x80}I", data)
        for offset in self._banked:
            hqd.values[offset] = words[MQD_REGISTERS + offset - self._first]
        # The firmware connects the doorbell that it is told of (the MQD of KFD's HIQ has it without DOORBELL_EN).
        hqd.values[self._at("CP_HQD_PQ_DOORBELL_CONTROL")] = fields["doorbell"] << DOORBELL_SHIFT | DOORBELL_EN
        self._activate(hqd, fields["wptr"])

    def _map_graphics_queue(self, kiq: HardwareQueue, packet: Packet) -> None:
        """Start a graphics ring as its description says (gfx_v10_0_gfx_mqd_init)."""
        fields = packet.fields
        hqd = self._hqd(0, fields["pipe"], fields["queue"])
        self._deactivate(hqd)
        data = self._system(kiq).read(fields["mqd"], 4 * (MQD_REGISTERS + 0x80), Client.CP)
        words = struct.unpack(f"<{MQD_REGISTERS + 0x80}I", data)
        hqd.mqd = fields["mqd"]
        hqd.doorbell = fields["doorbell"]
        base = (words[GFX_MQD_BASE] | words[GFX_MQD_BASE + 1] << 32) << 8
        size = min(2 << (words[GFX_MQD_CNTL] & RB_SIZE_MASK), MOST_DWORDS)
        address = words[GFX_MQD_RPTR_ADDR] & ~3 | words[GFX_MQD_RPTR_ADDR + 1] << 32
        self._begin(
            hqd, Engine.GFX, f"gfx{hqd.pipe}.{hqd.queue}", base, size, address, words[GFX_MQD_RPTR], fields["wptr"]
        )

    def _unmap_queue(self, kiq: HardwareQueue, packet: Packet) -> None:
        fields = packet.fields
        action = fields["action"]
        hqds = [hqd for hqd in self._hqds.values() if hqd.active is not None and hqd.active is not kiq]
        found = next((hqd for hqd in hqds if self._doorbell(hqd) == fields["doorbell"]), None)
        if action == PREEMPT_NO_UNMAP or found is None:
            self._log.once(
                ("unmap", action), f"not modelled: UNMAP_QUEUES {' '.join(f'{word:#x}' for word in packet.dwords)}"
            )
            return
        assert found.active is not None, "only active ones were looked at"
        found.values[self._at("CP_HQD_PQ_RPTR")] = 0 if action == RESET else found.active.rptr % found.active.size
        self._deactivate(found)

    def _query_status(self, kiq: HardwareQueue, packet: Packet) -> None:
        fields = packet.fields
        data = struct.pack("<I", fields["data"] & M32)
        self._system(kiq).write(fields["addr"], data, Client.CP)

    def _invalidate_tlbs(self, _kiq: HardwareQueue, packet: Packet) -> None:
        """Drop what the TLBs have of a process (gmc_v9_0_flush_gpu_tlb_pasid)."""
        self._invalidate_pasid(packet.fields["pasid"], bool(packet.fields["all_hub"]))
