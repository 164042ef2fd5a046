# SPDX-License-Identifier: MIT
"""Children that use the GPU in every way there is, and are killed after some milliseconds; runs on a machine.

Arguments: the seed, and how many are to be killed.
"""

import contextlib
import ctypes
import os
import random
import signal
import struct
import sys
import threading
import time

from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from tests.mock.hostile.gpu_client import COMPUTE, GFX, IB_VA, PAGE, SDMA, VGEM, GpuClient
from tests.mock.hostile.preloaded import Libc, spawn, wait_for

AT_A_TIME = 6
MEAN_LIFE_S = 0.02

calls = Libc()


def submit_gated(gpu: GpuClient) -> None:
    """Up to 39 submissions behind a gate of one's own: the 33rd sleeps."""
    _, gate = gpu.gate()
    engine = random.choice((GFX, COMPUTE, SDMA))
    codec = gpu.packets(engine)
    for _ in range(random.randrange(1, 40)):
        gpu.submit(engine, codec.pad(codec.nop()), gate)


def submit_endless(gpu: GpuClient) -> None:
    """A job that waits for memory that nobody changes."""
    words = gpu.packets(SDMA).packet(
        "POLL_REGMEM", addr=IB_VA + 0x800, mem_poll=1, function=3, reference=7, mask=0xFF, retry_count=0xFFF
    )
    gpu.submit(SDMA, words)


def map_gated(gpu: GpuClient) -> None:
    """Mappings whose page tables wait for a gate."""
    _, (_, syncobj) = gpu.gate()
    handles = ctypes.create_string_buffer(syncobj)
    for number in range(random.randrange(1, 20)):
        calls.ioctl(
            gpu.fd,
            drm.IOCTL_AMDGPU_GEM_VA,
            handle=gpu.ib_bo,
            operation=drm.AMDGPU_VA_OP_REPLACE,
            flags=drm.AMDGPU_VM_PAGE_READABLE,
            map_size=PAGE,
            va_address=0x4000_0000 + number * PAGE,
            num_syncobj_handles=1,
            input_fence_syncobj_handles=ctypes.addressof(handles),
        )


def wait_for_ever(gpu: GpuClient) -> None:
    """A wait for a fence that never comes."""
    syncobj = calls.ioctl(gpu.fd, core.IOCTL_SYNCOBJ_CREATE)["handle"]
    handles = ctypes.create_string_buffer(struct.pack("<I", syncobj))
    calls.ioctl(
        gpu.fd,
        core.IOCTL_SYNCOBJ_WAIT,
        handles=ctypes.addressof(handles),
        count_handles=1,
        flags=core.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT,
        timeout_nsec=(1 << 63) - 1,
    )


def wait_in_threads(gpu: GpuClient) -> None:
    """The same in several threads."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            wait_for_ever(gpu)

    for _ in range(6):
        threading.Thread(target=wait, daemon=True).start()


def wait_idle(gpu: GpuClient) -> None:
    """A wait for a buffer that is never idle."""
    submit_gated(gpu)
    calls.ioctl(gpu.fd, drm.IOCTL_AMDGPU_GEM_WAIT_IDLE, handle=gpu.ib_bo, timeout=(1 << 64) - 1)


def share(gpu: GpuClient) -> None:
    """Buffers that are exported, imported and mapped."""
    domains = (drm.AMDGPU_GEM_DOMAIN_GTT, drm.AMDGPU_GEM_DOMAIN_VRAM)
    for bo in [gpu.bo(PAGE * random.randrange(1, 600), random.choice(domains)) for _ in range(8)]:
        fd = calls.ioctl(gpu.fd, core.IOCTL_PRIME_HANDLE_TO_FD, handle=bo, flags=core.DRM_RDWR)["fd"]
        calls.ioctl(gpu.fd, core.IOCTL_PRIME_FD_TO_HANDLE, fd=fd)
        gpu.cpu_map(bo)[:4] = b"mine"


def close_gated(gpu: GpuClient) -> None:
    """A close() that sleeps until a gate opens."""
    submit_gated(gpu)
    os.close(gpu.fd)


def use_vgem(_gpu: GpuClient) -> None:
    """Buffers of another driver."""
    vgem = calls.open(VGEM)
    for _ in range(10):
        handle = calls.ioctl(vgem, core.IOCTL_MODE_CREATE_DUMB, width=64, height=64, bpp=32)["handle"]
        calls.ioctl(vgem, core.IOCTL_PRIME_HANDLE_TO_FD, handle=handle)


WAYS = (
    submit_gated,
    submit_endless,
    map_gated,
    wait_for_ever,
    wait_in_threads,
    wait_idle,
    share,
    close_gated,
    use_vgem,
)


def live(seed: float) -> None:
    """Use the GPU until the end."""
    random.seed(seed)
    while True:
        gpu = GpuClient(calls)
        for _ in range(4):
            with contextlib.suppress(OSError):
                random.choice(WAYS)(gpu)


def main() -> None:
    """Make children, and kill them."""
    random.seed(int(sys.argv[1]))
    children: list[tuple[float, int]] = []
    for _ in range(int(sys.argv[2])):
        child = spawn(live, random.random())
        children.append((time.monotonic() + random.expovariate(1 / MEAN_LIFE_S), child))
        if len(children) == AT_A_TIME:
            _kill(*children.pop(0))
    for when, child in children:
        _kill(when, child)
    print("all killed")


def _kill(when: float, child: int) -> None:
    time.sleep(max(0.0, when - time.monotonic()))
    os.kill(child, signal.SIGKILL)
    codes = wait_for(child)
    assert codes == {-signal.SIGKILL}, f"a client ended by itself: {codes}"


main()
