# SPDX-License-Identifier: MIT
"""Graphics and compute: GC's registers, its interrupts, and the graphics ring (gfx_v9_*.c to gfx_v11_0.c).

The queues that are none of that ring's are in `hqd`, what the KIQ does with them in `kiq`. There are no shaders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.faults import Client, StopCause
from amdgpu_hw.packets import Engine, Packet

from .hqd import DOORBELL_EN, DOORBELL_MASK, DOORBELL_SHIFT, RB_SIZE_MASK, HqdBanks, RingPlace
from .interrupts import CP_BAD_OPCODE, CP_EOP, CP_GENERIC2, CP_PRIV_REG, IhClient, Interrupt
from .kiq import Kiq
from .mes import MesBlock
from .packet_engine import PacketEngine

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.gpu import GpuCore
    from amdgpu_hw.gpu_model.gpus import ModelIdentity
    from amdgpu_hw.gpu_model.hardware_queue import HardwareQueue
    from amdgpu_hw.gpu_model.ring import Ring

    from .hub import Hub
    from .log import MachineLog
    from .registers import RegisterFile

__all__ = ("GFX_9_0", "GFX_9_4_3", "GFX_10_3", "GFX_11_0", "Gfx", "GfxNames")

M32 = 0xFFFF_FFFF

ME_HALT = 0x1500_0000
"""CP_ME_CNTL: CE, PFP and ME."""
MEC_HALT = 0x5000_0000
"""CP_MEC_CNTL: ME1 and ME2."""
MEC_RS64_HALT = 1 << 30
"""CP_MEC_RS64_CNTL."""
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

CACHE_INVALIDATE, CACHE_INVALIDATED, CACHE_PRIME, CACHE_PRIMED = 1, 2, 1 << 4, 1 << 5
CACHES = (
    "CP_PFP_IC_OP_CNTL", "CP_ME_IC_OP_CNTL", "CP_CE_IC_OP_CNTL", "CP_CPC_IC_OP_CNTL", "CP_GFX_RS64_DC_OP_CNTL",
    "CP_MEC_DC_OP_CNTL",
)  # fmt: skip
"""Of instructions, and of data of RS64 processors."""
IMU_RESET, IMU_GFX_RUNS = 1, 0x1F

CID_CPC, CID_CPG = 5, 6
CIDS = {
    Client.CP_FETCH.value: 4,
    Client.TCP.value: 8,
    Client.SQC_INST.value: 9,
    Client.SQC_DATA.value: 10,
}
"""Numbers of the units (gfxhub_client_ids) but for the command processors themselves."""
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
    backends_at_once: bool = False
    """Backends that are off are told for the whole GPU, from bit 4 on (gfx_v11_0_get_rb_active_bitmap)."""
    scheduler: bool = False
    """It has MES, and an IMU that starts it (GFX11)."""
    fault_client: IhClient = IhClient.UTCL2
    """Who raises interrupts of its hub's faults."""


GFX_9_0 = GfxNames()
GFX_9_4_3 = GfxNames(graphics=False, node=1, values={"CP_HYP_XCP_CTL": 1})
"""MI300X: one accelerator complex (XCC), which is the whole partition."""
GFX_10_3 = GfxNames(graphics_queues=True, work_group_processors=True)
"""Navi21."""
GFX_11_0 = GfxNames(
    graphics_queues=True,
    work_group_processors=True,
    backends_at_once=True,
    scheduler=True,
    fault_client=IhClient.GFX,
)
"""Navi31."""


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
        self._gpu = gpu
        self._identity = identity
        self._registers = registers
        self._hub = hub
        self._raise = raise_interrupt
        self._log = log
        self.ring: HardwareQueue | None = None
        self._clock = 0
        self.hqds = HqdBanks(gpu, registers, hub, self, names.scheduler, log)
        self.kiq = Kiq(self.hqds, invalidate_pasid, names.graphics_queues, names.scheduler, log)
        self.mes: MesBlock | None = None
        if names.scheduler:
            self.mes = MesBlock(identity.firmware["mes"][0], registers, self.hqds, self.kiq, log)
        self._connect()

    # -- from outside -------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Power up."""
        self._stop_gfx()
        self.hqds.reset()

    def queues(self) -> list[HardwareQueue]:
        """Return the queues that are active."""
        ring = [] if self.ring is None else [self.ring]
        return [*ring, *(hqd.active for hqd in self.hqds.active() if hqd.active is not None)]

    def ring_doorbell(self, index: int, value: int) -> bool:
        """Take a write pointer; returns whether the doorbell belongs to a queue here."""
        queue = self.ring if self.ring is not None and self._doorbell() == index else None
        if queue is None:
            queue = next((hqd.active for hqd in self.hqds.active() if self.hqds.doorbell(hqd) == index), None)
        if queue is None:
            return False
        queue.ring_doorbell(value)
        return True

    def owns(self, ring: Ring) -> HardwareQueue | None:
        """Return the queue that a ring of the model belongs to."""
        return next((queue for queue in self.queues() if queue.ring is ring), None)

    def fault_client(self, queue: HardwareQueue, client: str) -> int:
        """Return the number of the unit that made an access; ``client`` is what the model calls it."""
        own = CIDS.get(client)
        if own is not None:
            return own
        hqd = self.hqds.of(queue)
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
        """Do what the KIQ or MES is told."""
        if queue.scheduler and self.mes is not None:
            self.mes.execute(queue, packet)
        else:
            self.kiq.execute(queue, packet)

    # -- registers ----------------------------------------------------------------------------------------------------

    def _at(self, name: str) -> int:
        return self._registers.table.offset("GC", name)

    def _connect(self) -> None:
        registers, at = self._registers, self._at
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
        for name in CACHES:
            if registers.table.has("GC", name):
                registers.on_read(at(name), partial(self._read_cache, at(name)))
        if registers.table.has("GC", "CP_MEC_RS64_CNTL"):
            registers.default(at("CP_MEC_RS64_CNTL"), MEC_RS64_HALT)
            registers.on_write(at("CP_MEC_RS64_CNTL"), self._write_mec_rs64_cntl)
        if registers.table.has("GC", "GFX_IMU_GFX_RESET_CTRL"):
            registers.default(at("GFX_IMU_CORE_CTRL"), IMU_RESET)
            registers.on_read(at("GFX_IMU_GFX_RESET_CTRL"), self._read_imu)
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

    def _read_cache(self, offset: int) -> int:
        """A processor's cache is invalidated and primed at once (gfx_v11_0_cp_gfx_load_pfp_microcode_rs64).

        Up to GFX10 the driver asks for an invalidation; then it writes where the firmware is, which is one as well.
        """
        value = self._registers.get(offset)
        if value & CACHE_INVALIDATE or self._names.scheduler:
            value |= CACHE_INVALIDATED
        return value | CACHE_PRIMED if value & CACHE_PRIME else value

    def _read_imu(self) -> int:
        """The IMU takes graphics out of reset as soon as it runs itself (imu_v11_0_wait_for_reset_status)."""
        return 0 if self._registers.get(self._at("GFX_IMU_CORE_CTRL")) & IMU_RESET else IMU_GFX_RUNS

    def _read_clock(self, shift: int) -> int:
        return self._gpu.counter() >> shift & M32

    def _capture_clock(self, _value: int) -> None:
        self._clock = self._gpu.counter()

    def _read_grbm_status(self) -> int:
        idle = next((r.values[0] for r in self._identity.registers if r.offset == self._at("GRBM_STATUS")), 0)
        busy = any(queue.busy for queue in self.queues())
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
            # The third and fourth column are of the fifth engine on (gfx_v11_0_get_cu_info).
            active = topology.cu_bitmap[engine % 4][array + 2 * (engine // 4)]
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
        if self._names.backends_at_once:
            return (~topology.rb_mask & (1 << topology.num_rb) - 1) << 4
        arrays = topology.shader_engines * topology.arrays_per_engine
        each = max(1, topology.rb_mask.bit_length() // arrays) if topology.rb_mask else 0
        active = topology.rb_mask >> (engine * topology.arrays_per_engine + array) * each
        return (~active & (1 << each) - 1) << 16

    def _write_sq_cmd(self, value: int) -> None:
        """Kill the waves of a VMID (gfx_v9_0_ring_soft_recovery); the model has none but those that hang by order."""
        for queue in self.queues():
            queue.ring.kill_waves(value >> 28 & 15)

    def _write_cpc_int_status(self, value: int) -> None:
        self._registers.set(self._at("CPC_INT_STATUS"), 0)
        if value & GENERIC2:
            kiq = next(iter(self.hqds.active()), None)
            ring_id = kiq.ring_id if kiq is not None else 0
            self._raise(Interrupt(IhClient.GRBM_CP, CP_GENERIC2, ring_id, node=self._names.node))

    # -- the graphics ring --------------------------------------------------------------------------------------------

    def _write_me_cntl(self, value: int) -> None:
        if value & ME_HALT:
            self._stop_gfx()
            self.hqds.halt(0)
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
        place = RingPlace(
            base=(get(self._at("CP_RB0_BASE")) | get(self._at("CP_RB0_BASE_HI")) << 32) << 8,
            dwords=2 << (get(self._at("CP_RB0_CNTL")) & RB_SIZE_MASK),
            rptr_at=get(self._at("CP_RB0_RPTR_ADDR")) & ~3 | get(self._at("CP_RB0_RPTR_ADDR_HI")) << 32,
            rptr=get(self._at("CP_RB0_WPTR")),
        )
        self.ring = self.hqds.start(Engine.GFX, "gfx", place, place.rptr, self._doorbell())

    def _stop_gfx(self) -> None:
        if self.ring is not None:
            self.ring.stop()
            self.ring = None

    def _read_gfx_rptr(self) -> int:
        return self.ring.rptr % self.ring.size if self.ring is not None else 0

    def _write_vmid_reset(self, value: int) -> None:
        """Have the graphics ring give up the indirect buffer of a VMID (gfx_v9_0_reset_kgq)."""
        if self._names.graphics_queues:
            self.kiq.reset_graphics_queues(value)
            self._registers.set(self._at("CP_VMID_RESET"), 0)
            return
        ring = self.ring
        if ring is not None and ring.vmid and value >> ring.vmid & 1:
            self._log(f"{ring.name}: the indirect buffer of VMID {ring.vmid} is given up (CP_VMID_RESET)")
            ring.abandon()

    def _doorbell(self) -> int:
        """Return the graphics ring's doorbell, -1 for none."""
        control = self._registers.get(self._at("CP_RB_DOORBELL_CONTROL"))
        return control >> DOORBELL_SHIFT & DOORBELL_MASK if control & DOORBELL_EN else -1

    # -- halting, interrupts ------------------------------------------------------------------------------------------

    def _write_mec_cntl(self, value: int) -> None:
        """Halting a MEC takes its queues off the hardware (gfx_v9_0_cp_compute_enable)."""
        for me, bit in ((1, 30), (2, 28)):
            if value >> bit & 1:
                self.hqds.halt(me)

    def _write_mec_rs64_cntl(self, value: int) -> None:
        """Halting the MEC takes its queues off the hardware (gfx_v11_0_cp_compute_enable)."""
        if value & MEC_RS64_HALT:
            self.hqds.halt(1)

    def _ring_id(self, queue: HardwareQueue) -> int:
        hqd = self.hqds.of(queue)
        return 0 if hqd is None else hqd.ring_id

    def _interrupts(self, queue: HardwareQueue) -> int:
        """Return the interrupts that are on for a queue's pipe."""
        hqd = self.hqds.of(queue)
        if hqd is None or not hqd.me:
            name = f"CP_INT_CNTL_RING{0 if hqd is None else hqd.pipe}"
        else:
            name = f"CP_ME{hqd.me}_PIPE{hqd.pipe}_INT_CNTL"
        return self._registers.get(self._at(name)) if self._registers.table.has("GC", name) else 0
