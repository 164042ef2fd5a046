# SPDX-License-Identifier: MIT
"""Tracepoints: what the scheduler (gpu_scheduler_trace.h) and amdgpu (amdgpu_trace.h) tell whoever traces them.

An event is a line of text as the kernel's TP_printk makes it. Nothing is formatted while nobody listens.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVaMapping
    from amdgpu_hw.mock.kernel.file import Caller
    from amdgpu_hw.mock.kernel.scheduler.sched_entity import DrmSchedEntity
    from amdgpu_hw.mock.kernel.scheduler.sched_main import DrmSchedJob

__all__ = ("MAPPING_EVENTS", "SCHED_EVENTS", "TraceBuffer", "Tracing")

SCHED_EVENTS = ("gpu_scheduler/drm_sched_job_queue", "gpu_scheduler/drm_sched_job_add_dep")
"""Events of the scheduler, since Linux 6.17."""

MAPPING_EVENTS = ("amdgpu/amdgpu_vm_bo_map", "amdgpu/amdgpu_vm_bo_unmap")

_KWORKER = ("kworker/u8:1", 42)


class TraceBuffer(Protocol):
    """One instance of tracefs."""

    def is_enabled(self, event: str) -> bool:
        """Whether it wants an event (``system/name``)."""

    def write(self, line: str) -> None:
        """Take a line."""


class Tracing:
    """The tracepoints of one kernel, and who listens."""

    def __init__(self) -> None:
        self.buffers: list[TraceBuffer] = []
        self.current: Caller | None = None
        """Whose system call is running; None for work that the kernel does by itself."""

    def drm_sched_job_queue(self, job: DrmSchedJob, entity: DrmSchedEntity) -> None:
        """A job was pushed (drm_sched_entity_push_job): it, and everything that it waits for."""
        fence, sched = job.s_fence, job.sched
        name = f"fence={fence.context}:{fence.seqno}"
        self._emit(
            SCHED_EVENTS[0],
            f"dev={sched.device_name}, {name}, ring={sched.name}, job count:{len(entity.job_queue)}, "
            f"hw job count:{sched.credit_count}, client_id:{job.client_id}",
        )
        for dependency in job.dependencies:
            self._emit(SCHED_EVENTS[1], f"{name} depends on fence={dependency.context}:{dependency.seqno}")

    def amdgpu_vm_bo_map(self, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> None:
        """A mapping was made."""
        self._emit(MAPPING_EVENTS[0], _mapping(bo, mapping))

    def amdgpu_vm_bo_unmap(self, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> None:
        """A mapping was taken away; without the BO where it went by address."""
        self._emit(MAPPING_EVENTS[1], _mapping(bo, mapping))

    def _emit(self, event: str, text: str) -> None:
        comm, tid = (self.current.comm, self.current.tid) if self.current is not None else _KWORKER
        seconds, microseconds = divmod(time.monotonic_ns() // 1000, 1_000_000)
        name = event.rpartition("/")[2]
        line = f"{comm[:15]:>16}-{tid:<7} [000] ..... {seconds:5}.{microseconds:06}: {name}: {text}\n"
        for buffer in self.buffers:
            if buffer.is_enabled(event):
                buffer.write(line)


def _mapping(bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> str:
    # %p shows a hash of the pointer, 0 for NULL.
    pointer = hash(id(bo)) & 0xFFFF_FFFF if bo is not None else 0
    return (
        f"bo={pointer:016x}, start={mapping.start:x}, last={mapping.last:x}, offset={mapping.offset:010x}, "
        f"flags={mapping.flags:x}"
    )
