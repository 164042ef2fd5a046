# SPDX-License-Identifier: MIT
"""A program for the guest: `python hang.py ENGINE` hangs it with a job; `python hang.py` asks every engine for a fence.

It says in one line on standard output how that ended; the driver's own timeout and reset have to end it.
"""

from __future__ import annotations

import sys
import time

from amdgpu_hw.errors import DrmError
from amdgpu_hw.gpu import Gpu, open_gpu
from amdgpu_hw.memory import PAGE_SIZE
from amdgpu_hw.packets import Engine, Pm4

WAIT_S = 120
GOOD = 0x1234


def hang(gpu: Gpu, engine: Engine) -> str:
    """Wait on the GPU for a flag that nobody writes."""
    flag = gpu.alloc(PAGE_SIZE, domain="gtt")
    flag.fill(0)
    at = gpu.reserve(PAGE_SIZE)
    at.map(flag)
    queue = gpu.new_context().queue(engine)
    packets = queue.packets
    wait = packets.wait_reg_mem(at.va, 1) if isinstance(packets, Pm4) else packets.poll_regmem(at.va, 1)
    job = queue.submit(wait, buffers=[flag])
    begin = time.monotonic()
    try:
        ended = "with success" if job.wait(WAIT_S * 1_000_000_000) else "never"
    except DrmError as error:
        ended = f"with errno {error.errno}"
    return f"{engine.name} ended {ended} after {time.monotonic() - begin:.0f} s"


def work(gpu: Gpu) -> str:
    """Have every engine write a number."""
    memory = gpu.alloc(PAGE_SIZE, domain="gtt")
    memory.fill(0)
    at = gpu.reserve(PAGE_SIZE)
    at.map(memory)
    good = []
    engines = [engine for engine, info in gpu.capabilities.rings.items() if info.rings]
    for number, engine in enumerate(engines):
        queue = gpu.new_context().queue(engine)
        packets, va = queue.packets, at.va + 64 * number
        write = packets.write_data(va, [GOOD]) if isinstance(packets, Pm4) else packets.fence(va, GOOD)
        if queue.submit(write, buffers=[memory]).wait(WAIT_S * 1_000_000_000):
            good.append(engine.name if memory.read_u32(64 * number) == GOOD else f"not {engine.name}")
    return f"these work: {' '.join(sorted(good))}"


def main() -> None:
    """Hang an engine, or use all of them."""
    with open_gpu("0000:00:10.0") as gpu:
        print(hang(gpu, Engine[sys.argv[1]]) if len(sys.argv) > 1 else work(gpu), flush=True)


if __name__ == "__main__":
    main()
