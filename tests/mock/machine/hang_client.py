# SPDX-License-Identifier: MIT
"""A program for a mock machine: jobs that wait for memory that never changes, on one kind of ring.

It uses the device layer as a test of real hardware would; nothing here knows of the mock.
usage: hang_client.py gfx|compute|sdma
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyudev

from amdgpu_hw import open_gpu
from amdgpu_hw.errors import DrmError
from amdgpu_hw.packets import Engine, Sdma
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_CTX_QUERY2_FLAGS_RESET

WAIT_NS = 20_000_000_000


def main() -> None:
    """Hang the ring, and print what became of it, of the context, and of a new one."""
    engine = Engine[sys.argv[1].upper()]
    monitor = pyudev.Monitor.from_netlink(pyudev.Context())
    monitor.filter_by("drm")
    monitor.start()
    with open_gpu() as gpu, gpu.alloc(4096) as buffer, gpu.reserve(4096) as place:
        place.map(buffer).wait()
        context = gpu.new_context()
        queue = context.queue(engine)
        packets = queue.packets
        wait = packets.poll_regmem if isinstance(packets, Sdma) else packets.wait_reg_mem
        job = queue.submit(wait(place.va, 1))
        try:
            print("job done" if job.wait(WAIT_NS) else "job still runs")
        except DrmError as error:
            print("job", error.errno_name)
        print("reset" if context.reset_flags() & AMDGPU_CTX_QUERY2_FLAGS_RESET else "no reset")
    with open_gpu() as gpu:
        queue = gpu.new_context().queue(engine)
        print("afterwards", "done" if queue.submit(queue.packets.nop()).wait(WAIT_NS) else "not done")
    device = monitor.poll(5)
    print(
        "uevent", device and (device.action, device.device_node, device.properties["WEDGED"], device.properties["TASK"])
    )
    for dump in pyudev.Context().list_devices(subsystem="devcoredump"):
        data = Path(dump.sys_path) / "data"
        print(dump.sys_name, data.read_text(encoding="utf-8").splitlines()[0], oct(os.stat(data).st_mode & 0o777))
        data.write_text("0", encoding="utf-8")


if __name__ == "__main__":
    main()
