# SPDX-License-Identifier: MIT
"""One GPU as the driver sees it: rings, schedulers, memory, counters (amdgpu_device.c, amdgpu.h).

Finding, starting and suspending the IP blocks is left out: the model's GPU is ready when it is made.
"""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.faults import UNNOTICED, StopCause
from amdgpu_hw.gpu_model.gpu import GpuModel
from amdgpu_hw.gpu_model.ring import Ring
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AMDGPU_GFX_PIPE_PRIO_HIGH, AMDGPU_GFX_PIPE_PRIO_NORMAL
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gmc import RateLimit, process_fault
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import AMDGPU_GFXHUB, AMDGPU_MMHUB0, AmdgpuVmidMgr
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_job import AmdgpuSchedOps
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_kms.dev_info import encode_dev_info
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import PAGE_QUEUE_HW_SUBMISSION, SCHED_HW_SUBMISSION, AmdgpuRing
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ttm import AmdgpuMman
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm import AmdgpuVmManager
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc, dma_fence_get_stub
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.kasan import kasan_report
from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmGpuScheduler
from amdgpu_hw.mock.pci import gpu_syspath, pci_address
from amdgpu_hw.packets import Engine
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amdgpu_hw.gpu_model.gpus.identity import ModelIdentity
    from amdgpu_hw.gpu_model.translation import Translator, VmFault
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AmdgpuCtx
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_userq import AmdgpuUsermodeQueue
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("PAGE_QUEUE", "AmdgpuDevice", "drm_to_adev")

PAGE_QUEUE = 0x100
"""In the keys of `AmdgpuDevice.scheds`: an SDMA page queue; the kernel has no number for it, no client can name it."""

_PIPES_PER_MEC = 4
_SDMA_PER_AID = 4
_MAX_RINGS = 64
_VBIOS_SIZE = 512


class AmdgpuDevice:
    """`struct amdgpu_device`.

    ``scheds``: every scheduler by (AMDGPU_HW_IP_*, index) and, for page queues, (`PAGE_QUEUE`, index).
    ``vm_pte_scheds``: those that page-table updates run on. ``ddev`` is set by `amdgpu_drv.probe`.
    """

    ddev: DrmDevice

    def __init__(self, kernel: Kernel, identity: ModelIdentity, index: int) -> None:
        self.kernel = kernel
        self.identity = identity
        self.variant = kernel.variant
        self.index = index
        self.pci_address = pci_address(index)
        self.syspath = gpu_syspath(index)
        self.on_bus = True
        """Whether the PCI function is there; a driver that was unbound has let go of one that is."""
        self.gpu = GpuModel(kernel.work, kernel.timers, kernel.now, identity, kernel.gpu_time)

        self.accel_working = True
        self.in_reset = False
        self.gpu_recovery = True
        """Module parameter gpu_recovery: hung jobs lead to resets."""
        self.init_debug_options(0)
        self.gpu_reset_counter = 0
        self.vram_lost_counter = 0
        self.num_bytes_moved = 0
        self.num_evictions = 0
        self.stable_pstate: int = drm.AMDGPU_CTX_STABLE_PSTATE_NONE
        self.stable_pstate_ctx: AmdgpuCtx | None = None
        self.gang_submit: DmaFence = dma_fence_get_stub()
        """Scheduled fence of the leader of the gang that may use the rings."""
        self.fault_ratelimit = RateLimit()
        self.prt_warning = False
        """It was said once that PRT disables VM faults (gmc_v8_0_set_prt)."""
        self.vbios = _vbios_image(identity)
        self._registers = {
            (register.offset + i, register.instance & 0xFFFF): value
            for register in identity.registers
            for i, value in enumerate(register.values)
        }

        self.fence_context = dma_fence_context_alloc(_MAX_RINGS)
        self.rings: list[AmdgpuRing] = []
        self.scheds: dict[tuple[int, int], DrmGpuScheduler] = {}
        self.gpu_sched: dict[tuple[int, int], list[DrmGpuScheduler]] = {}
        """Schedulers that contexts use, by IP and priority of the ring."""
        self.vm_pte_scheds: list[DrmGpuScheduler] = []
        self._init_rings()
        self._ring_of = {ring.hw: ring for ring in self.rings}
        self.init_user_queues(-1)
        self.userqs: dict[AmdgpuUsermodeQueue, None] = {}
        """The user queues of all files."""
        self._ring_of_sched = {ring.sched: ring for ring in self.rings}
        self.gpu.on_fault = self._vm_fault
        self.gpu.on_stale = partial(kasan_report, self)
        self.gpu.on_stop = self._ring_stopped
        self.gpu.on_note = self.info

        first_kfd_vmid = identity.vm.first_kfd_vmid
        self.id_mgr = {hub: AmdgpuVmidMgr(first_kfd_vmid) for hub in (AMDGPU_GFXHUB, AMDGPU_MMHUB0)}
        self.vm_manager = AmdgpuVmManager(identity)
        self.vms: dict[int, AmdgpuVm] = {}
        """Address spaces of open files, by the identity of their page table."""
        self.mman = AmdgpuMman(self)
        self.info(
            f"initialized {identity.codename} {identity.pci.vendor:#06x}:{identity.pci.device:#06x} "
            f"({identity.marketing_name}), {len(self.rings)} rings, kernel {self.variant.name}"
        )

    # -- log --

    def init_debug_options(self, debug_mask: int) -> None:
        """Take the module parameter debug_mask (amdgpu_init_debug_options)."""
        self.debug_mask = debug_mask
        self.debug_vm = bool(debug_mask & 0x1)
        """Updates that nobody waits for are delayed, and submissions write the mappings of their buffers anew."""
        self.debug_disable_soft_recovery = bool(debug_mask & 0x4)
        self.debug_disable_gpu_ring_reset = bool(debug_mask & 0x40)
        self.debug_enable_ce_cs = bool(debug_mask & 0x400)
        """IBs for the constant engine are let through."""

    def init_user_queues(self, user_queue: int) -> None:
        """Take the module parameter user_queue; by default (-1) no GPU has them."""
        self.user_queue = user_queue
        on = user_queue == 1 and self.identity.gc_version >= (11,) and self.variant.has_userq_ioctls
        self.userq_ip_mask = 1 << drm.AMDGPU_HW_IP_COMPUTE if on else 0
        """IPs that have user queues (`userq_funcs`)."""
        self.dev_info = encode_dev_info(self.identity, self.variant, self.userq_ip_mask)

    def cancel_user_queues(self) -> None:
        """The whole GPU is going to be reset, or is gone (amdgpu_userq_pre_reset)."""
        for queue in list(self.userqs):
            queue.reset()

    def info(self, text: str) -> None:
        """`dev_info`."""
        self.kernel.log.info(f"amdgpu {self.pci_address}: amdgpu: {text}")

    def warn(self, text: str) -> None:
        """`dev_warn`."""
        self.kernel.log.warn(f"amdgpu {self.pci_address}: amdgpu: {text}")

    def err(self, text: str) -> None:
        """`dev_err`."""
        self.kernel.log.err(f"amdgpu {self.pci_address}: amdgpu: {text}")

    # -- rings --

    def get_scheds(self, hw_ip: int, hw_prio: int) -> Sequence[DrmGpuScheduler]:
        """Schedulers for a context's entity: those of the priority, else of the normal one; maybe none."""
        scheds = self.gpu_sched.get((hw_ip, hw_prio))
        return scheds or self.gpu_sched.get((hw_ip, AMDGPU_GFX_PIPE_PRIO_NORMAL), [])

    def ring_of_sched(self, sched: DrmGpuScheduler) -> AmdgpuRing:
        """Return the ring that a scheduler serves."""
        return self._ring_of_sched[sched]

    def _init_rings(self) -> None:
        identity = self.identity
        for i in range(identity.rings.gfx):
            self._add_ring(drm.AMDGPU_HW_IP_GFX, i, _gfx_ring_name(identity, i))
        for i in range(identity.rings.compute):
            self._add_ring(drm.AMDGPU_HW_IP_COMPUTE, i, _compute_ring_name(identity, i))
        for i in range(identity.rings.sdma):
            self._add_ring(drm.AMDGPU_HW_IP_DMA, i, _sdma_ring_name(identity, "sdma", i))
        if identity.sdma.page_queues:
            for i in range(identity.rings.sdma):
                self._add_ring(PAGE_QUEUE, i, _sdma_ring_name(identity, "page", i))

    def _add_ring(self, kind: int, index: int, name: str) -> None:
        """Make a ring and its scheduler (amdgpu_ring_init, amdgpu_device_init_schedulers)."""
        is_page_queue = kind == PAGE_QUEUE
        hw_ip = drm.AMDGPU_HW_IP_DMA if is_page_queue else kind
        is_sdma = hw_ip == drm.AMDGPU_HW_IP_DMA
        on_mmhub = is_sdma and (4,) <= self.identity.sdma_version < (5,)
        ring = AmdgpuRing(
            self,
            len(self.rings),
            hw_ip,
            name,
            self._hardware_ring(kind, index, name),
            vm_hub=AMDGPU_MMHUB0 if on_mmhub else AMDGPU_GFXHUB,
            hw_submission=(PAGE_QUEUE_HW_SUBMISSION if is_page_queue and index == 0 else SCHED_HW_SUBMISSION),
            no_user_submission=is_page_queue,
        )
        variant = self.variant
        timeout = variant.compute_lockup_timeout_ns if kind == drm.AMDGPU_HW_IP_COMPUTE else variant.lockup_timeout_ns
        ring.sched = DrmGpuScheduler(
            self.kernel,
            name,
            ring.hw_submission,
            AmdgpuSchedOps(ring),
            timeout=timeout,
            priv=ring,
            device_name=self.pci_address,
        )
        self.rings.append(ring)
        self.scheds[kind, index] = ring.sched
        if not is_page_queue:
            # The first of several compute rings is for contexts of high priority.
            is_high = kind == drm.AMDGPU_HW_IP_COMPUTE and index == 0 and self.identity.rings.compute > 1
            prio = AMDGPU_GFX_PIPE_PRIO_HIGH if is_high else AMDGPU_GFX_PIPE_PRIO_NORMAL
            self.gpu_sched.setdefault((kind, prio), []).append(ring.sched)
        if is_sdma and is_page_queue == self.identity.sdma.page_queues:
            self.vm_pte_scheds.append(ring.sched)

    def _hardware_ring(self, kind: int, index: int, name: str) -> Ring:
        if kind == PAGE_QUEUE:
            # A second queue of the engine, which the model runs as a ring of its own.
            return Ring(self.gpu, Engine.SDMA, index, name)
        hw = self.gpu.rings[kind, index]
        hw.name = name
        return hw

    # -- what the hardware tells --

    def vm_of(self, page_table: Translator) -> AmdgpuVm | None:
        """Return the address space of an open file that has this page table."""
        return self.vms.get(id(page_table))

    def _vm_fault(self, fault: VmFault) -> None:
        # What a user queue does is told as if by the compute ring whose pipe it may share.
        ring = self._ring_of.get(fault.ring) or self.ring_of_sched(self.scheds[drm.AMDGPU_HW_IP_COMPUTE, 0])
        process_fault(self, ring, fault)

    def _ring_stopped(self, hw: Ring, cause: StopCause, text: str) -> None:
        """Treat the job at once as hung (gfx_v*_bad_op_irq, gfx_v*_priv_reg_irq, drm_sched_fault).

        For one that merely hangs the driver would wait until its timeout, which is a minute on some kernels.
        """
        if cause in UNNOTICED:
            self.gpu.on_note(f"{hw.name}: {text}; the driver is not let wait for its job timeout")
        else:
            self.err(f"{cause.value} ({hw.name}: {text.removeprefix(f'{cause.value}: ')})")
        ring = self._ring_of.get(hw)
        if ring is not None:  # of a user queue that hangs the driver hears when its fences are late
            ring.sched.fault()

    def gpu_clock_counter(self) -> int:
        """Read the GPU's free-running counter (amdgpu_gfx_get_gpu_clock_counter)."""
        return self.gpu.counter()

    def read_register(self, offset: int, selector: int) -> int:
        """Read a register for user space: EFAULT for one that is not on the list (amdgpu_asic_read_register).

        ``offset`` in dwords; ``selector``: engine and array, 0xff for all of either.
        """
        registers = self._registers
        value = registers.get((offset, selector))
        if value is None:
            value = registers.get((offset, 0xFFFF))
        if value is None:
            raise KernelError(errno.EFAULT, f"unallowed offset {offset:#x}")
        return value

    def read_sensor(self, kind: int) -> int | None:
        """Read a sensor in the unit of INFO SENSOR (MHz, millidegrees C, %, W, mV); None for one there is not."""
        clocks, sensors = self.identity.clocks, self.identity.sensors
        pinned = self.stable_pstate != drm.AMDGPU_CTX_STABLE_PSTATE_NONE
        readings = {
            info.AMDGPU_INFO_SENSOR_GFX_SCLK: clocks.engine[pinned] // 1000,
            info.AMDGPU_INFO_SENSOR_GFX_MCLK: clocks.memory[pinned] // 1000,
            info.AMDGPU_INFO_SENSOR_GPU_TEMP: sensors.temperature * 1000,
            info.AMDGPU_INFO_SENSOR_GPU_LOAD: sensors.load,
            info.AMDGPU_INFO_SENSOR_GPU_AVG_POWER: sensors.power,
            info.AMDGPU_INFO_SENSOR_GPU_INPUT_POWER: sensors.power,
            info.AMDGPU_INFO_SENSOR_VDDGFX: sensors.vddgfx,
            info.AMDGPU_INFO_SENSOR_STABLE_PSTATE_GFX_SCLK: clocks.engine[1] // 1000,
            info.AMDGPU_INFO_SENSOR_STABLE_PSTATE_GFX_MCLK: clocks.memory[1] // 1000,
            info.AMDGPU_INFO_SENSOR_PEAK_PSTATE_GFX_SCLK: clocks.engine[1] // 1000,
            info.AMDGPU_INFO_SENSOR_PEAK_PSTATE_GFX_MCLK: clocks.memory[1] // 1000,
        }
        if sensors.vddnb:
            readings[info.AMDGPU_INFO_SENSOR_VDDNB] = sensors.vddnb
        return readings.get(kind)


def drm_to_adev(dev: DrmDevice) -> AmdgpuDevice:
    """Return the driver's device behind a DRM device."""
    adev = dev.dev_private
    if not isinstance(adev, AmdgpuDevice):
        raise AssertionError(f"{dev!r} is not an amdgpu")
    return adev


# Names as the drivers of the IP versions give them; they show in log lines and fence timelines.


def _gfx_ring_name(identity: ModelIdentity, index: int) -> str:
    return f"gfx_0.{index}.0" if identity.gc_version >= (10, 0, 0) else "gfx"


def _compute_ring_name(identity: ModelIdentity, index: int) -> str:
    queue, pipe = divmod(index, _PIPES_PER_MEC)
    xcc = "0." if identity.gc_version in ((9, 4, 3), (9, 4, 4), (9, 5, 0)) else ""
    return f"comp_{xcc}1.{pipe}.{queue}"


def _sdma_ring_name(identity: ModelIdentity, kind: str, index: int) -> str:
    if identity.sdma_version[:2] == (4, 4) and identity.sdma_version[2] >= 2:
        return f"{kind}{index // _SDMA_PER_AID}.{index % _SDMA_PER_AID}"
    return f"{kind}{index}"


def _vbios_image(identity: ModelIdentity) -> bytes:
    """Return the first block of an option ROM: signature, length in blocks, and the part number as text."""
    head = b"\x55\xaa\x01" + bytes(45)
    return (head + identity.chip.vbios.encode() + b"\0AMD ATOMBIOS\0").ljust(_VBIOS_SIZE, b"\0")
