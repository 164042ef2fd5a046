# SPDX-License-Identifier: MIT
"""One sample taken in four ways: ``python -m bench.sampling`` runs on the machine, prints ns per sample as JSON.

All ways make the same seven ioctls: forget two fences, CLEAR a page of PRT, submit the victim, wait for the first of
the two, wait for the other, MAP the page again, wait. They take turns, in another order each time, so that what the
machine does meanwhile hits all of them alike.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cffi import FFI

import amdgpu_hw
from amdgpu_hw import Gpu, open_gpu
from amdgpu_hw.address_space import Operation
from amdgpu_hw.libdrm import sampling
from amdgpu_hw.libdrm.abi import compile_flags
from amdgpu_hw.libdrm.calls import ffi
from amdgpu_hw.libdrm.core import syncobj_wait
from amdgpu_hw.libdrm.sampling import SamplePlan
from amdgpu_hw.measure.calls import IbMemory, NumberedContext, update_call
from amdgpu_hw.measure.load import nop_job
from amdgpu_hw.memory import PAGE_SIZE
from amdgpu_hw.packets import Engine
from amdgpu_hw.uapi import drm

__all__ = ("BARE", "main")

BARE = "bare C loop"
_HERE = Path(__file__).resolve().parent
_LIBDRM = Path(amdgpu_hw.__file__).resolve().parent / "libdrm"
_TIMEOUT_NS = 5_000_000_000


class Ways:
    """The ways of taking samples; each method takes ``count`` of them."""

    def __init__(self, gpu: Gpu, context: NumberedContext, directory: Path) -> None:
        fd = gpu.fileno()
        self._page = gpu.reserve(PAGE_SIZE)
        self._page.map_prt().wait()
        self._ib = IbMemory(gpu, PAGE_SIZE)
        self._update, self._victim, self._restored = gpu.syncobj(), gpu.syncobj(), gpu.syncobj()
        self._queue, self._dwords = gpu.compute, gpu.compute.packets.nop()
        victim = context.submission(
            Engine.COMPUTE, 0, self._ib.va, nop_job(gpu, self._ib, Engine.COMPUTE), self._victim
        )
        self._plan = SamplePlan(
            fd=fd,
            operation=update_call(Operation.CLEAR, self._page.va, PAGE_SIZE, self._update),
            update_fence=self._update.handle,
            victim=victim,
            victim_fence=self._victim.handle,
            restore=update_call(Operation.MAP, self._page.va, PAGE_SIZE, self._restored),
            restore_fence=self._restored.handle,
            timeout_ns=_TIMEOUT_NS,
        )
        self._fd = fd
        self._bare_ffi, self._bare = _build(directory)
        self._drm = ctypes.CDLL("libdrm.so.2", use_errno=True)
        self._drm.drmIoctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]

    def all(self) -> dict[str, Callable[[int], None]]:
        """By name, the yardstick first."""
        return {
            BARE: self.bare,
            "sampling in C": self.sampled,
            "Python, the device layer": self.device_layer,
            "Python, ctypes": self.ctypes,
        }

    def bare(self, count: int) -> None:
        """The same ioctls and nothing else."""
        plan, keep = sampling.describe(self._plan)
        error = self._bare.bare_loop(self._bare_ffi.cast("void *", int(ffi.cast("uintptr_t", plan))), count)
        keep.clear()
        if error:
            raise OSError(error, os.strerror(error))

    def sampled(self, count: int) -> None:
        """What the measurements use."""
        outcome = sampling.run(self._plan, count).outcome
        if outcome.error:
            raise OSError(outcome.error, f"{os.strerror(outcome.error)} at {outcome.stage.name}")

    def device_layer(self, count: int) -> None:
        """Methods of this package's objects, and Python's clock."""
        samples = []
        for _ in range(count):
            self._update.reset()
            self._victim.reset()
            start = time.perf_counter_ns()
            self._page.clear(out=self._update)
            returned = time.perf_counter_ns()
            self._queue.submit(self._dwords, signal=[self._victim])
            deadline = time.monotonic_ns() + _TIMEOUT_NS
            syncobj_wait(self._fd, [self._update.handle, self._victim.handle], [0, 0], deadline, 0)
            fence = time.perf_counter_ns()
            self._victim.wait()
            samples.append((returned - start, fence - start, time.perf_counter_ns() - start))
            self._page.map_prt(out=self._restored)
            self._restored.wait()

    def ctypes(self, count: int) -> None:
        """The ioctls of the plan through ctypes, and Python's clock."""
        plan = self._plan
        assert plan.victim is not None
        assert plan.restore is not None
        both = (ctypes.c_uint32 * 2)(plan.update_fence, plan.victim_fence)
        samples = []
        for _ in range(count):
            forget = drm.SYNCOBJ_ARRAY.pack(handles=ctypes.addressof(both), count_handles=2)
            self._ctypes_call(drm.IOCTL_SYNCOBJ_RESET.request, forget)
            start = time.perf_counter_ns()
            self._ctypes_call(plan.operation.ioctl.request, plan.operation.argument)
            returned = time.perf_counter_ns()
            self._ctypes_call(plan.victim.ioctl.request, plan.victim.argument)
            self._ctypes_wait(ctypes.addressof(both), 2)
            fence = time.perf_counter_ns()
            self._ctypes_wait(ctypes.addressof(both) + 4, 1)
            samples.append((returned - start, fence - start, time.perf_counter_ns() - start))
            self._ctypes_call(plan.restore.ioctl.request, plan.restore.argument)
            restored = ctypes.c_uint32(plan.restore_fence)
            self._ctypes_wait(ctypes.addressof(restored), 1)

    def _ctypes_wait(self, handles: int, count: int) -> None:
        argument = drm.SYNCOBJ_WAIT.pack(
            handles=handles, count_handles=count, timeout_nsec=time.monotonic_ns() + _TIMEOUT_NS
        )
        self._ctypes_call(drm.IOCTL_SYNCOBJ_WAIT.request, argument)

    def _ctypes_call(self, request: int, argument: bytes) -> None:
        if self._drm.drmIoctl(self._fd, request, ctypes.create_string_buffer(argument)):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _build(directory: Path) -> tuple[FFI, Any]:
    library = directory / "bare_loop.so"
    command = ["cc", "-O2", "-shared", "-fPIC", f"-I{_LIBDRM}", *compile_flags(), str(_HERE / "bare_loop.c")]
    subprocess.run([*command, "-o", str(library), "-ldrm"], check=True)
    loader = FFI()
    loader.cdef("int bare_loop(void *plan, uint32_t count);")
    return loader, loader.dlopen(str(library))


def _measure(ways: dict[str, Callable[[int], None]], samples: int, repetitions: int) -> dict[str, list[float]]:
    """Nanoseconds per sample of every repetition, by way."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    order = list(ways)
    for repetition in range(-1, repetitions):
        for name in order:
            start = time.perf_counter_ns()
            ways[name](samples)
            if repetition >= 0:  # the first one warms up
                taken[name].append((time.perf_counter_ns() - start) / samples)
        order.append(order.pop(0))
        if repetition % 2:
            order.reverse()
    return taken


def main() -> None:
    """Print the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--repetitions", type=int, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, open_gpu() as gpu, NumberedContext(gpu) as context:
        ways = Ways(gpu, context, Path(directory)).all()
        json.dump(_measure(ways, options.samples, options.repetitions), sys.stdout)


if __name__ == "__main__":
    main()
