# SPDX-License-Identifier: MIT
"""A program for a mock machine: explicit updates and submissions without end, while the GPU is reset under them.

It uses the device layer as a test of real hardware would; nothing here knows of the mock. It prints ``ready``,
and, when told on stdin that it is enough, what its calls ended with, and whether it can go on.
"""

from __future__ import annotations

import errno
import sys
import threading
import time

from amdgpu_hw import open_gpu
from amdgpu_hw.errors import DrmError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.packets import Engine, Sdma

TILE = 65536
WAIT_NS = 20_000_000_000


def main() -> None:
    """Update and submit in two threads, so that the reset finds both in any state."""
    told = threading.Event()
    with open_gpu() as gpu:
        updates: set[str] = set()
        updating = threading.Thread(target=lambda: updates.update(update(gpu, told)))
        updating.start()
        jobs = submit(gpu, told)
        updating.join()
        print("updates", *sorted(updates))
        print("jobs", *sorted(jobs))
        print("afterwards", afterwards(gpu))


def afterwards(gpu: Gpu) -> str:
    """What a job of a new context writes; one made while the last reset went on is cancelled like the others."""
    end = time.monotonic_ns() + WAIT_NS
    while True:
        try:
            with gpu.new_context() as context, gpu.alloc(TILE) as buffer, gpu.reserve(TILE) as tile:
                tile.map(buffer).wait()
                queue = context.queue(Engine.SDMA)
                assert isinstance(queue.packets, Sdma)
                job = queue.submit(queue.packets.fill(tile.va, 0x600DDA7A, TILE), buffers=[buffer])
                return hex(buffer.read_u32()) if job.wait(WAIT_NS) else "not done"
        except DrmError as error:
            if error.errno != errno.ECANCELED or time.monotonic_ns() > end:
                raise


def update(gpu: Gpu, told: threading.Event) -> set[str]:
    """Explicit REPLACEs by PRT and by memory; what they ended with."""
    ends = set()
    memory = gpu.alloc(TILE, always_valid=True)
    tile = gpu.reserve(TILE)
    tile.map(memory)
    while not told.is_set():
        for change in (tile.replace_prt, lambda **sync: tile.replace(memory, **sync)):
            try:
                ends.add("done" if change(explicit_sync=True).wait(WAIT_NS) else "never done")
            except DrmError as error:
                ends.add(errno.errorcode[error.errno or 0])
    return ends


def submit(gpu: Gpu, told: threading.Event) -> set[str]:
    """Jobs one after the other until somebody says that it is enough; what they ended with."""
    ends = set()
    queue = gpu.new_context().queue(Engine.COMPUTE)

    def listen() -> None:
        sys.stdin.readline()
        told.set()

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    while not told.is_set():
        try:
            ends.add("done" if queue.submit(queue.packets.nop()).wait(WAIT_NS) else "never done")
        except DrmError as error:
            ends.add(errno.errorcode[error.errno or 0])
            # The kernel takes no more from a context that was there when the GPU was reset.
            queue = gpu.new_context().queue(Engine.COMPUTE)
    return ends


if __name__ == "__main__":
    main()
