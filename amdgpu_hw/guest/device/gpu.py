# SPDX-License-Identifier: MIT
"""One GPU: its blocks, connected (what amdgpu_device_ip_early_init finds)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.faults import StopCause
from amdgpu_hw.gpu_model.gpu import GpuCore
from amdgpu_hw.gpu_model.hardware_queue import QueueWork
from amdgpu_hw.gpu_model.kernel_mes import KernelMesProcessor
from amdgpu_hw.gpu_model.kernel_pm4 import KernelPm4Processor
from amdgpu_hw.gpu_model.kernel_sdma import KernelSdmaProcessor
from amdgpu_hw.gpu_model.loop import Timers, WorkQueue
from amdgpu_hw.packets import Engine

from .atombios import AtomBios, build_rom
from .gfx import GFX_9_0, GFX_9_4_3, GFX_10_3, GFX_11_0, Gfx, GfxNames
from .gfxhub import GFXHUB_1_0, GFXHUB_2_1, GFXHUB_3_0
from .hdp import Hdp
from .hub import Hub, HubNames
from .ih import Ih
from .interrupts import UTCL2_FAULT, IhClient, Interrupt
from .ip_discovery import DISCOVERY_OFFSET, Discovery, IpBlockEntry, build_discovery
from .memory import PhysicalMemory
from .mmhub import MMHUB_1_0, MMHUB_2_0, MMHUB_3_0
from .mp import Mp
from .nbio import NBIO_2_3, NBIO_4_3, NBIO_6_1, NBIO_7_9, Nbio, NbioNames
from .registers import RegisterFile, load_table
from .sdma import SDMA_4_0, SDMA_4_4_2, SDMA_5_2, SDMA_6_0, CopyEngine, SdmaNames
from .smu import SMU_11_0_7, SMU_13_0_0, Smu, SmuNames
from .smu_tables import BOARD_PARAMETERS, BOARD_PARAMETERS_13

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.command_processor import CommandProcessor
    from amdgpu_hw.gpu_model.gpus import ModelIdentity
    from amdgpu_hw.gpu_model.ring import Ring
    from amdgpu_hw.gpu_model.translation import VmFault
    from amdgpu_hw.gpu_model.work import IbWork

    from .log import MachineLog

__all__ = ("GENERATIONS", "Generation", "GuestGpu")

FB_BASE = 0xF4_0000_0000
"""Where VRAM begins among the GPU's own addresses; what a BIOS would have chosen."""
FAULT_WRITE = 0x20
"""AMDGPU_GMC9_FAULT_SOURCE_DATA_WRITE."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Which blocks a GPU is made of."""

    gfxhub: HubNames
    mmhub: HubNames
    nbio: NbioNames
    sdma: SdmaNames
    sdma_on_gfxhub: bool
    bios: AtomBios
    gfx: GfxNames
    engines: int
    """Copy engines."""
    discovery: Discovery | None = None
    """IP-discovery data, where the driver does not know the GPU without."""
    smu: SmuNames | None = None
    """Its power management, where the driver cannot do without."""


GENERATIONS: dict[str, Generation] = {
    "vega10": Generation(GFXHUB_1_0, MMHUB_1_0, NBIO_6_1, SDMA_4_0, False, AtomBios(vram_info=3), GFX_9_0, 2),
    # One of its eight accelerator complexes, and one of the four dies with their copy engines; the rest is off.
    "mi300x": Generation(
        GFXHUB_1_0,
        MMHUB_1_0,
        NBIO_7_9,
        SDMA_4_4_2,
        False,
        AtomBios(vram_info=3),
        GFX_9_4_3,
        4,
        Discovery(
            (
                IpBlockEntry("GC", (9, 4, 3), "GC"),
                *(IpBlockEntry("SDMA", (4, 4, 2), f"SDMA{n}", n) for n in range(4)),
                IpBlockEntry("MMHUB", (1, 8, 0), "MMHUB"),
                IpBlockEntry("ATHUB", (1, 8, 0), "ATHUB"),
                IpBlockEntry("NBIO", (7, 9, 0), "NBIO"),
                IpBlockEntry("HDP", (4, 4, 2), "HDP"),
                IpBlockEntry("OSSSYS", (4, 4, 2), "OSSSYS"),
                IpBlockEntry("SMUIO", (13, 0, 3), "SMUIO"),
                IpBlockEntry("MP0", (13, 0, 6), "MP0"),
                IpBlockEntry("MP1", (13, 0, 6), "MP0"),
                IpBlockEntry("VCN", (4, 0, 3), ""),
            ),
            (2, 1),
        ),
    ),
    "navi21": Generation(
        GFXHUB_2_1,
        MMHUB_2_0,
        NBIO_2_3,
        SDMA_5_2,
        True,
        AtomBios(vram_info=3, gfx_info=(2, 4), powerplay=(15, 0), board=((4, 9), BOARD_PARAMETERS)),
        GFX_10_3,
        4,
        Discovery(
            (
                IpBlockEntry("GC", (10, 3, 0), "GC"),
                *(IpBlockEntry(name, (5, 2, 0), "GC") for name in ("SDMA", "SDMA1", "SDMA2", "SDMA3")),
                IpBlockEntry("MMHUB", (2, 1, 0), "MMHUB"),
                IpBlockEntry("ATHUB", (2, 1, 0), "ATHUB"),
                IpBlockEntry("NBIO", (3, 3, 0), "NBIO"),
                IpBlockEntry("HDP", (5, 0, 3), "HDP"),
                IpBlockEntry("OSSSYS", (5, 0, 3), "OSSSYS"),
                IpBlockEntry("SMUIO", (11, 0, 6), "SMUIO"),
                IpBlockEntry("MP0", (11, 0, 7), "MP0"),
                IpBlockEntry("MP1", (11, 0, 7), "MP1"),
                IpBlockEntry("THM", (11, 0, 6), "THM"),
                IpBlockEntry("VCN", (3, 0, 0), ""),
            ),
            (1, 2),
        ),
        SMU_11_0_7,
    ),
    "navi31": Generation(
        GFXHUB_3_0,
        MMHUB_3_0,
        NBIO_4_3,
        SDMA_6_0,
        True,
        AtomBios(vram_info=3, gfx_info=(2, 4), board=((4, 10), BOARD_PARAMETERS_13)),
        GFX_11_0,
        2,
        Discovery(
            (
                IpBlockEntry("GC", (11, 0, 0), "GC"),
                *(IpBlockEntry(name, (6, 0, 0), "GC") for name in ("SDMA", "SDMA1")),
                IpBlockEntry("MMHUB", (3, 0, 0), "MMHUB"),
                IpBlockEntry("ATHUB", (3, 0, 0), "ATHUB"),
                IpBlockEntry("NBIO", (4, 3, 0), "NBIO"),
                IpBlockEntry("HDP", (6, 0, 0), "HDP"),
                IpBlockEntry("OSSSYS", (6, 0, 0), "OSSSYS"),
                IpBlockEntry("SMUIO", (13, 0, 6), "SMUIO"),
                IpBlockEntry("MP0", (13, 0, 0), "MP0"),
                IpBlockEntry("MP1", (13, 0, 0), "MP1"),
                IpBlockEntry("THM", (13, 0, 2), "THM"),
                IpBlockEntry("VCN", (4, 0, 0), ""),
            ),
            (1, 2),
        ),
        SMU_13_0_0,
    ),
}
"""GPUs that can be put into a guest, by the name of their TOML file."""


class _Core(GpuCore):
    """The model below: its rings execute the kernel's packets."""

    def command_processor(self, ring: Ring, work: IbWork) -> CommandProcessor:
        """Return what executes a doorbell's worth of a queue."""
        assert isinstance(work, QueueWork), "the guest's rings are those of hardware queues"
        if work.queue is not None and work.queue.scheduler:
            return KernelMesProcessor(ring, work)
        if ring.engine is Engine.SDMA:
            return KernelSdmaProcessor(ring, work)
        return KernelPm4Processor(ring, work)


class GuestGpu:
    """The blocks of one GPU with ``vram`` bytes; ``send_msi`` interrupts the guest."""

    def __init__(self, identity: ModelIdentity, vram: int, log: MachineLog, send_msi: Callable[[], None]) -> None:
        generation = GENERATIONS[identity.name]
        self.identity = identity
        self._log = log
        self.work = WorkQueue()
        self.timers = Timers()
        self.memory = PhysicalMemory(vram, log)
        self.core = _Core(self.work, self.timers, time.monotonic_ns, identity, self.memory)
        self.core.on_fault = self._fault
        self.core.on_stale = self._stale
        self.core.on_stop = self._stopped
        self.core.on_note = log
        self._gfx_node = generation.gfx.node
        self._fault_client = generation.gfx.fault_client
        registers = self.registers = RegisterFile(load_table(identity.name), log)
        self.nbio = Nbio(generation.nbio, registers, self.memory, log)
        self.hdp = Hdp(registers)
        self.mp = Mp(registers)
        self.gfxhub = Hub("gfxhub", generation.gfxhub, registers, self.memory, log, FB_BASE)
        self.mmhub = Hub("mmhub", generation.mmhub, registers, self.memory, log, FB_BASE)
        self._sdma_hub = self.gfxhub if generation.sdma_on_gfxhub else self.mmhub
        self.ih = Ih(registers, self.memory, self.mmhub.translator(0), self.core.counter, send_msi, log)
        raise_interrupt = self.ih.raise_interrupt
        self.gfx = Gfx(
            self.core,
            identity,
            registers,
            self.gfxhub,
            raise_interrupt,
            self._invalidate_pasid,
            generation.gfx,
            log,
        )
        self.sdma = [
            CopyEngine(
                n,
                generation.sdma,
                self.core,
                registers,
                self._sdma_hub,
                (self.gfxhub, self.mmhub),
                raise_interrupt,
                log,
            )
            for n in range(generation.engines)
        ]
        self.smu = None
        if generation.smu is not None:
            self.smu = Smu(
                identity,
                generation.smu,
                registers,
                self.nbio,
                self.memory,
                self.mmhub.translator(0),
                self.core,
                self._mode1_reset,
                log,
            )
        scratch = registers.table.offset("NBIO", f"{generation.nbio.prefix}BIOS_SCRATCH_0")
        self.rom = build_rom(identity, generation.bios, scratch)
        self._discovery = b""
        if generation.discovery is not None:
            self._discovery = build_discovery(identity, generation.discovery, registers.table.bases)
        self._put_discovery()

    def reset(self) -> None:
        """Reset the whole GPU: idle engines, registers as after power-up, VRAM lost."""
        self.gfx.reset()
        for engine in self.sdma:
            engine.reset()
        self.gfxhub.reset()
        self.mmhub.reset()
        self.ih.reset()
        self.nbio.reset()
        if self.smu is not None:
            self.smu.reset()
        self.registers.reset()
        self.memory.lose_vram()
        self._put_discovery()

    def _put_discovery(self) -> None:
        """Put the IP-discovery data where firmware leaves them: at the end of VRAM."""
        if self._discovery:
            self.memory.write(self.memory.vram_size - DISCOVERY_OFFSET, self._discovery)

    def close(self) -> None:
        """Give everything back."""
        self.gfx.reset()
        for engine in self.sdma:
            engine.reset()
        self.memory.close()

    def ring_doorbell(self, index: int, value: int) -> None:
        """Take what was written to a doorbell: the number of a dword of BAR2."""
        if self.gfx.ring_doorbell(index, value):
            return
        for engine in self.sdma:
            if engine.ring_doorbell(index, value):
                return
        if not self.ih.ring_doorbell(index, value) and value:
            self._log.once(("doorbell", index), f"doorbell {index:#x} = {value:#x} belongs to no queue that is on")

    def tell_state(self) -> None:
        """Write where each queue is to the log."""
        queues = [*self.gfx.queues(), *(queue for engine in self.sdma for queue in engine.queues())]
        for queue in queues:
            ring = queue.ring
            self._log(
                f"{queue.name}: {ring.state.value}, read {queue.rptr} of {queue.wptr} dwords, {ring.queued} doorbells "
                f"waiting, VMID {queue.vmid}, at {ring.where()}"
            )

    def _mode1_reset(self) -> None:
        """Reset what the driver asked the SMU for; configuration space is the driver's to keep."""
        self._log("mode 1 reset")
        self.reset()

    # -- callbacks of the model ---------------------------------------------------------------------------------------

    def _fault(self, fault: VmFault) -> None:
        """Tell the driver of an access without translation (gmc_v9_0_process_interrupt)."""
        on_gfx = self.gfx.owns(fault.ring)
        if on_gfx is not None:
            hub, cid = self.gfxhub, self.gfx.fault_client(on_gfx, fault.client)
        else:
            hub = self._sdma_hub
            cid = next((engine.cid for engine in self.sdma if engine.owns(fault.ring) is not None), 0)
        access = "write to" if fault.write else "read of"
        self._log.once(
            ("fault", fault.ring.name, fault.vmid, fault.va >> 12),
            f"fault: {access} {fault.va:#x} by {fault.client} of {fault.ring.name}, VMID {fault.vmid}",
        )
        if not hub.fault(fault, cid):
            return
        other = hub is not self.gfxhub
        page = fault.va >> 12 & (1 << 36) - 1
        self.ih.raise_interrupt(
            Interrupt(
                IhClient.VMC if other else self._fault_client,
                UTCL2_FAULT,
                vmid=fault.vmid,
                vmid_src=int(other),
                pasid=self.ih.pasid(int(other), fault.vmid),
                node=0 if other else self._gfx_node,
                data=(page & 0xFFFF_FFFF, page >> 32 | (FAULT_WRITE if fault.write else 0), 0, 0),
            )
        )

    def _stale(self, fault: VmFault, address: int) -> None:
        access = "write" if fault.write else "read"
        self._log.once(
            ("stale", address >> 12),
            f"refused: {access} of {fault.client} at {fault.va:#x}, VMID {fault.vmid}: its page is at {address:#x}, "
            "where the GPU has no memory",
        )

    def _stopped(self, ring: Ring, cause: StopCause, text: str) -> None:
        self._log(f"{ring.name} hangs: {text}")
        queue = self.gfx.owns(ring)
        if queue is not None:
            self.gfx.stopped(queue, cause)

    def _invalidate_pasid(self, pasid: int, all_hubs: bool) -> None:
        for number, hub in enumerate((self.gfxhub, self.mmhub) if all_hubs else (self.gfxhub,)):
            for vmid in range(1, 16):
                if self.ih.pasid(number, vmid) == pasid:
                    hub.invalidate_vmid(vmid)
