# SPDX-License-Identifier: MIT
"""Known, finite GPU work without shaders: copies on a ring, as many as take a wanted time, found out by trying.

Each job is one IB of copies (DMA_DATA on gfx and compute rings, COPY_LINEAR on SDMA) between two halves of a buffer of
its own, so it ends by itself whatever happens to the rest of the program.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from amdgpu_hw.errors import DrmError, HarnessError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm import sampling
from amdgpu_hw.libdrm.sampling import Beat, Call, Stop
from amdgpu_hw.measure.calls import IbMemory, NumberedContext
from amdgpu_hw.memory import KiB, MiB
from amdgpu_hw.packets import Engine, Sdma, codec_for

__all__ = ("LONGEST_JOB_NS", "Job", "nop_job")

LONGEST_JOB_NS = 250_000_000
"""Far below the shortest job timeout, 2 s (KERNEL.md 4.7)."""

IB_BYTES = 64 * KiB
SMALLEST_PIECE = 64 * KiB
LARGEST_PIECE = 4 * MiB
PIECES = 64
"""About how many copies a job should have: few enough for a short IB, enough to set its length finely."""

# Calibration: how often to try, how near is near enough; how long, and in how many jobs, the shortest is looked for.
_TRIALS = 6
_TOLERANCE = 0.15
_TRIAL_NS = 50_000_000
_TRIAL_JOBS = (5, 40)
_FIRST_BYTES = 512 * KiB
_IB_MULTIPLE = 16


class Job:
    """A job that can be submitted again and again; ``call`` submits it, its end signals ``fence``."""

    def __init__(self, gpu: Gpu, context: NumberedContext, engine: Engine, ring: int = 0) -> None:
        self.engine = engine
        self.ring = ring
        self.fence = gpu.syncobj()
        self.measured_ns = 0
        """How long one job took, from submission to fence, when it was last calibrated."""
        self._gpu = gpu
        self._context = context
        self._codec = codec_for(engine, gpu.identity.gc_version, gpu.identity.sdma_version)
        self._ib = IbMemory(gpu, IB_BYTES)
        self._data = gpu.alloc(2 * LARGEST_PIECE, "vram", always_valid=True, cpu_access=False)
        self._range = gpu.reserve(2 * LARGEST_PIECE)
        self._range.map(self._data).wait()
        self._bytes = self._written = 0

    @property
    def call(self) -> Call:
        """Submits the job."""
        if not self._written:
            raise ValueError("the job has no length yet: call calibrate first")
        return self._context.submission(self.engine, self.ring, self._ib.va, self._written, self.fence)

    def calibrate(self, wanted_ns: int) -> None:
        """Make the job last about ``wanted_ns`` on a GPU that does nothing else. Raises `HarnessError`, `DrmError`."""
        if not 0 < wanted_ns <= LONGEST_JOB_NS:
            raise HarnessError(f"a job may last up to {LONGEST_JOB_NS / 1e6:g} ms, not {wanted_ns / 1e6:g} ms")
        count = min(max(_TRIAL_NS // wanted_ns, _TRIAL_JOBS[0]), _TRIAL_JOBS[1])
        self._resize(_FIRST_BYTES)
        for _ in range(_TRIALS):
            self.measured_ns = self._time(count)
            if abs(self.measured_ns - wanted_ns) <= _TOLERANCE * wanted_ns:
                return
            # What a job takes at least is no copying; a step of 16 at most keeps a wrong guess from lasting seconds.
            factor = min(max(wanted_ns / self.measured_ns, 1 / 16), 16)
            if not self._resize(round(self._bytes * factor)):
                self.measured_ns = self._time(count)
                return

    def _resize(self, size: int) -> bool:
        """Copy this many bytes; False if nothing changed, because it is the most or the least that is possible."""
        piece = SMALLEST_PIECE
        while piece < LARGEST_PIECE and piece * PIECES < size:
            piece *= 2
        copy = self._copy(piece)
        most = IB_BYTES // 4 // len(copy) - _IB_MULTIPLE
        count = min(max(size // piece, 1), most)
        if count * piece == self._bytes:
            return False
        self._bytes = count * piece
        self._written = self._ib.write(self._codec.pad(copy * count, _IB_MULTIPLE))
        return True

    def _copy(self, size: int) -> list[int]:
        source, target = self._range.va, self._range.va + LARGEST_PIECE
        if isinstance(self._codec, Sdma):
            return self._codec.copy(source, target, size)
        return self._codec.dma_data_copy(source, target, size)

    def _time(self, count: int) -> int:
        beat = Beat(self._gpu.fileno(), [self.call], self.fence.handle)
        times = sampling.repeat(beat, count, Stop())
        if times.outcome.error:
            raise DrmError(times.outcome.error, f"a {self.engine.name.lower()} job of {self._bytes} bytes of copies")
        # The least: whatever else the machine does only adds to it.
        return int(np.min(times.end_ns - times.start_ns))

    def close(self) -> None:
        """Give everything back; the job must not be in flight."""
        self._range.close()
        self._data.close()
        self._ib.close()
        self.fence.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __str__(self) -> str:
        return f"{self.engine.name.lower()}{self.ring} job of {self.measured_ns / 1e6:.2f} ms"


def nop_job(gpu: Gpu, ib: IbMemory, engine: Engine) -> int:
    """Write the shortest job that an engine takes to ``ib``; returns the IB's bytes."""
    codec = codec_for(engine, gpu.identity.gc_version, gpu.identity.sdma_version)
    return ib.write(codec.pad(codec.nop(), _IB_MULTIPLE))
