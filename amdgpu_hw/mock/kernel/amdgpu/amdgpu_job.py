# SPDX-License-Identifier: MIT
"""Jobs: what goes to a ring, from user space or from the driver itself (amdgpu_job.c)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

from amdgpu_hw.gpu_model.timing import DriverOperation
from amdgpu_hw.gpu_model.work import CallWork, IbWork, PlacedIb
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_dev_coredump import amdgpu_coredump
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.gang import amdgpu_device_switch_gang
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.recover import amdgpu_device_gpu_recover
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_fence import AmdgpuFence
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ib import amdgpu_ib_schedule
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import amdgpu_vmid_grab
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_reset import ResetSource, ResetType, supported_resets
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import amdgpu_ring_reset, amdgpu_ring_soft_recovery
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.task_info import amdgpu_vm_print_task_info
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import amdgpu_vm_generation
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.fault_injection import AllocSite
from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmGpuSchedStat, DrmSchedBackendOps, DrmSchedJob

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ring import AmdgpuRing
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
    from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
    from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmSchedEntity

__all__ = ("AmdgpuJob", "AmdgpuSchedOps", "amdgpu_job_alloc", "amdgpu_job_submit", "amdgpu_job_timedout")


_LAG_PART = 4
"""A ring that is behind its modelled time by this part of the timeout is short of the host's CPU time."""
_FORGIVEN_MAX = 4
"""So many more timeouts a job gets then."""


class AmdgpuJob(DrmSchedJob):
    """`struct amdgpu_job`: IBs that run in a VM, or (`call`) something the driver does on the ring.

    ``vm`` is None for the driver's own jobs. ``call`` stands for the IB the kernel would build: it reads and writes
    GPU memory or page tables when the ring gets to it.
    """

    __slots__ = (
        "adev",
        "amount",
        "call",
        "forgiven",
        "gang_submit",
        "generation",
        "ibs",
        "job_run_counter",
        "operation",
        "preamble_present",
        "uf_address",
        "uf_sequence",
        "vm",
        "vm_needs_flush",
        "vmid",
    )

    def __init__(self, adev: AmdgpuDevice, vm: AmdgpuVm | None, entity: DrmSchedEntity, owner: object) -> None:
        super().__init__(entity, owner)
        self.adev = adev
        self.vm = vm
        self.generation = amdgpu_vm_generation(adev, vm)
        self.ibs: list[PlacedIb] = []
        self.call: Callable[[], None] | None = None
        self.operation = DriverOperation.OTHER
        """What kind of work `call` is, and `amount` of what: for its modelled time."""
        self.amount = 0
        self.gang_submit: DmaFence | None = None
        """Scheduled fence of the gang's leader; None for a job alone."""
        self.preamble_present = False
        self.uf_address: int | None = None
        """Where in GPU memory the ring writes `uf_sequence` when the job is done; None without a user fence."""
        self.uf_sequence = 0
        self.vmid = 0
        self.vm_needs_flush = False
        """The VMID has to forget what it knows of the page tables."""
        self.job_run_counter = 0
        self.forgiven = 0
        """How many timeouts were put down to the mock's own slowness."""

    @property
    def client_id(self) -> int:
        """The file that submitted it."""
        return self.vm.client_id if self.vm is not None else 0

    def hardware_work(self, on_done: Callable[[int], None]) -> IbWork | CallWork:
        """What the ring has to do; it calls ``on_done`` with 0 or a negative errno."""
        if self.call is not None:
            return CallWork(self.call, on_done, self.operation, self.amount)
        if self.vm is None:
            raise AssertionError("a job with IBs but without a VM")
        return IbWork(self.ibs, self.vm.page_table, self.vmid, on_done, self.vm_needs_flush)

    def write_user_fence(self) -> None:
        """Write the sequence number where user space asked for it (64 bit, behind the last IB)."""
        if self.uf_address is not None:
            self.adev.gpu.memory.write(self.uf_address, self.uf_sequence.to_bytes(8, "little"))


def amdgpu_job_alloc(
    adev: AmdgpuDevice, vm: AmdgpuVm | None, entity: DrmSchedEntity, owner: object, num_ibs: int
) -> AmdgpuJob:
    """Make a job for an entity; ENOENT when the entity has no run queue, EINVAL for a submission without IBs.

    ``owner`` is who amdgpu_sync takes the job's fence for: the VM for a submission, AMDGPU_FENCE_OWNER_VM for
    page-table work. A job of the driver itself sets `call` and has no IBs.

    Leaves out: the hardware fences that belong to a job: `amdgpu_fence_emit` makes one.
    """
    if num_ibs == 0 and vm is not None:
        raise KernelError(errno.EINVAL, "a job without IBs")
    if adev.kernel.faults.alloc_armed:
        adev.kernel.faults.alloc(AllocSite.JOB)
    return AmdgpuJob(adev, vm, entity, owner)


def amdgpu_job_submit(job: AmdgpuJob) -> DmaFence:
    """Arm a job and push it to its entity; returns the fence that signals when it has finished."""
    job.arm()
    return job.push()


# -- a job has timed out ------------------------------------------------------------------------------------------


def amdgpu_job_timedout(ring: AmdgpuRing, job: AmdgpuJob) -> DrmGpuSchedStat:
    """Get the ring going again, with the least that helps.

    Leaves out: virtual functions, and (7.3) the soft reset of an IP block.
    """
    adev = ring.adev
    if adev.ddev.unplugged:
        adev.info(f"amdgpu_job_timedout - device unplugged skipping recovery on scheduler:{ring.name}")
        return DrmGpuSchedStat.ENODEV
    parent = job.s_fence.parent
    # Timers run before other work here. The kernel finds such a job off the list, or done in the soft recovery.
    if adev.in_reset or not isinstance(parent, AmdgpuFence) or parent.signaled or _is_only_slow(adev, job):
        return DrmGpuSchedStat.NO_HANG
    _amdgpu_job_core_dump(adev, job)
    supported = supported_resets(ring)
    if ResetType.SOFT_RESET in supported and amdgpu_ring_soft_recovery(ring, job.vmid, parent):
        adev.err(f"ring {ring.name} timeout, but soft recovered")
        return DrmGpuSchedStat.RESET
    adev.err(f"ring {ring.name} timeout, signaled seq={ring.fence_drv.last_seq}, emitted seq={ring.fence_drv.sync_seq}")
    amdgpu_vm_print_task_info(adev, job.vm)
    if adev.variant.ring_reset_cancels_ring:
        job.s_fence.set_error(-errno.ETIME)
    if ResetType.PER_QUEUE in supported and amdgpu_ring_reset(ring, job, parent):
        return DrmGpuSchedStat.RESET
    job.s_fence.set_error(-errno.ETIME)
    if ResetType.FULL in supported:
        amdgpu_device_gpu_recover(adev, job, ResetSource.JOB)
    else:
        adev.info("GPU recovery disabled.")
        ring.sched.suspend_timeout()
    return DrmGpuSchedStat.RESET


def _is_only_slow(adev: AmdgpuDevice, job: AmdgpuJob) -> bool:
    """Tell whether a job is late because the mock executes packets more slowly than hardware, on this ring or another.

    There is no such thing in the kernel. A few times over, for an endless loop of packets looks the same.
    """
    lag = max(ring.hw.lag() for ring in adev.rings)
    if job.forgiven >= _FORGIVEN_MAX or lag * _LAG_PART < (job.sched.timeout or 0) or not lag:
        return False
    job.forgiven += 1
    adev.info(f"ring {job.sched.name}: the mock is {lag / 1e9:.2f} s behind, so its job gets more time")
    return True


def _amdgpu_job_core_dump(adev: AmdgpuDevice, job: AmdgpuJob) -> None:
    """Make a dump of the GPU.

    Leaves out: the other GPUs of a hive, and reading the registers of the IP blocks.
    """
    adev.info("Dumping IP State")
    adev.info("Dumping IP State Completed")
    amdgpu_coredump(adev, True, False, job)


# -- what the scheduler calls -------------------------------------------------------------------------------------


class AmdgpuSchedOps(DrmSchedBackendOps):
    """`amdgpu_sched_ops`: what the scheduler of one ring calls."""

    __slots__ = ("ring",)

    def __init__(self, ring: AmdgpuRing) -> None:
        self.ring = ring

    def prepare_job(self, job: DrmSchedJob, entity: DrmSchedEntity) -> DmaFence | None:
        """Name what a job still needs before it can run: its gang's turn, a VMID (amdgpu_job_prepare_job)."""
        if not isinstance(job, AmdgpuJob):
            raise AssertionError("not an amdgpu job")
        if entity.error:
            # After a reset nothing of the same entity runs until user space has noticed.
            job.s_fence.set_error(entity.error)
            return None
        if job.gang_submit is not None:
            fence = amdgpu_device_switch_gang(job.adev, job.gang_submit)
            if fence is not None:
                return fence
        if job.vm is not None and not job.vmid:
            return amdgpu_vmid_grab(self.ring, job.vm, job)
        return None

    def run_job(self, job: DrmSchedJob) -> DmaFence | None:
        """Put a job on the ring; None when it is cancelled instead (amdgpu_job_run)."""
        if not isinstance(job, AmdgpuJob):
            raise AssertionError("not an amdgpu job")
        # Nothing runs in a VM whose page tables were lost, and a gang never runs twice.
        if job.generation != amdgpu_vm_generation(job.adev, job.vm) or (
            job.job_run_counter and job.gang_submit is not None
        ):
            job.s_fence.set_error(-errno.ECANCELED)
        job.job_run_counter += 1
        if job.s_fence.error:
            return None
        return amdgpu_ib_schedule(self.ring, job)

    def timedout_job(self, job: DrmSchedJob) -> DrmGpuSchedStat:
        """Get a ring going again that one job has held for too long."""
        if not isinstance(job, AmdgpuJob):
            raise AssertionError("not an amdgpu job")
        return amdgpu_job_timedout(self.ring, job)
