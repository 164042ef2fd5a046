# SPDX-License-Identifier: MIT
"""What an operation is measured in: a load in flight, and a victim, which has nothing to do with either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm.sampling import Call
from amdgpu_hw.measure.calls import IbMemory, NumberedContext
from amdgpu_hw.measure.grid import Load
from amdgpu_hw.measure.load import Job, nop_job
from amdgpu_hw.memory import PAGE_SIZE
from amdgpu_hw.packets import Engine

__all__ = ("Scene", "free_ring", "require_update_fences", "set_scene")


@dataclass(frozen=True, slots=True)
class Scene:
    """A load and a victim; the load's job is None when the GPU is idle."""

    load: Load
    job: Job | None
    victim: Call
    victim_fence: int


def require_update_fences(gpu: Gpu) -> None:
    """Raise `FeatureMissing` on kernels that do not tell when an update has become effective."""
    probe = gpu.capabilities.update_fence
    if not probe:
        raise FeatureMissing(f"{probe.why}, so nobody can see when an update takes effect: measure on 6.16 or newer")


def free_ring(gpu: Gpu, busy: Engine | None) -> tuple[Engine, int]:
    """An engine and ring beside a busy one: what is submitted there waits for nothing but page tables.

    Not an SDMA ring, on which the kernel's own page-table jobs may run (KERNEL.md 4.4). Raises `FeatureMissing`.
    """
    rings = gpu.capabilities.rings
    compute = rings[Engine.COMPUTE].rings
    if busy is not Engine.COMPUTE and compute:
        return Engine.COMPUTE, compute[-1]
    if rings[Engine.GFX].rings and busy is not Engine.GFX:
        return Engine.GFX, rings[Engine.GFX].rings[0]
    if len(compute) > 1:
        return Engine.COMPUTE, compute[-1]
    raise FeatureMissing(f"the GPU has no ring beside a busy {busy.name.lower() if busy else 'one'} to submit to")


@contextmanager
def set_scene(gpu: Gpu, load: Load, job_ns: int) -> Iterator[Scene]:
    """Make load and victim, in contexts of their own. Raises `DrmError`, `HarnessError`."""
    engine, ring = free_ring(gpu, load.engine)
    # The victim's fence and IB are given back after the contexts that use them.
    with gpu.syncobj() as fence, IbMemory(gpu, PAGE_SIZE) as ib, NumberedContext(gpu) as context:
        victim = context.submission(engine, ring, ib.va, nop_job(gpu, ib, engine), fence)
        if load.engine is None:
            yield Scene(load, None, victim, fence.handle)
            return
        with NumberedContext(gpu) as busy, Job(gpu, busy, load.engine) as job:
            job.calibrate(job_ns)
            yield Scene(load, job, victim, fence.handle)
