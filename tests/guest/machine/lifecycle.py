# SPDX-License-Identifier: MIT
"""What tests/guest/machine/test_lifecycle.py has done in its guest: `python lifecycle.py WHAT PCI_ADDRESS...`.

Each is one start of Python, which is what takes the time on emulated processors; further processes are forked.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from amdgpu_hw.address_space import Range
from amdgpu_hw.errors import DrmError
from amdgpu_hw.gpu import Gpu, open_gpu
from amdgpu_hw.guest.device.registers import load_table
from amdgpu_hw.memory import PAGE_SIZE, Buffer, MiB
from amdgpu_hw.packets import Pm4, Sdma
from amdgpu_hw.submit import Submission

DEBUGFS = Path("/sys/kernel/debug/dri")
DRIVER = Path("/sys/bus/pci/drivers/amdgpu")
HALF = 2 * MiB
"""More than that no packet of GFX9's engines fills."""
ENDS_S = 200
FORK = multiprocessing.get_context("fork")


def sdma(gpu: Gpu) -> Sdma:
    """Return the packets of the copy engines."""
    assert isinstance(gpu.sdma.packets, Sdma)
    return gpu.sdma.packets


class Copies:
    """4 MiB of RAM and of VRAM, each mapped two pages behind a multiple of 2 MiB.

    The driver gives such a buffer pages of 2 MiB where it can, which begin anywhere in memory.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._buffers: list[Buffer] = [gpu.alloc(2 * HALF, domain) for domain in ("gtt", "vram")]
        self._ranges: list[Range] = [gpu.reserve(8 * MiB, 2 * MiB).part(2 * PAGE_SIZE, 2 * HALF) for _ in self._buffers]
        for buffer, place in zip(self._buffers, self._ranges, strict=True):
            place.map(buffer)

    def begin(self, byte: int) -> Submission:
        """Fill one, and copy it to the other."""
        (first, second), packets = self._ranges, sdma(self._gpu)
        words: list[int] = []
        for at in (0, HALF):
            words += packets.fill(first.va + at, 0x0101_0101 * byte, HALF)
        for at in (0, HALF):
            words += packets.copy(first.va + at, second.va + at, HALF)
        return self._gpu.sdma.submit(words)

    def check(self, byte: int) -> None:
        """Compare every byte of both."""
        for buffer in self._buffers:
            assert buffer.read(0, 2 * HALF) == bytes([byte]) * (2 * HALF), f"wrong bytes on {self._gpu}"


def read_all_interrupts(address: str) -> bool:
    """Whether the driver comes to have read all that is in a GPU's interrupt ring.

    The GPU interrupts again only when the driver has read, so one that is lost is the last one. The driver would go on,
    since it looks for fences by a timer as well (amdgpu_fence_fallback).
    """
    registers = load_table("vega10")
    at = [4 * registers.offset("OSSSYS", name) for name in ("IH_RB_RPTR", "IH_RB_WPTR")]
    deadline = time.monotonic() + ENDS_S
    with (DEBUGFS / address / "amdgpu_regs").open("rb", buffering=0) as file:
        while time.monotonic() < deadline:
            read, written = (os.pread(file.fileno(), 4, offset) for offset in at)
            if read == written:
                return written != bytes(4)
            time.sleep(0.05)
    return False


def use(*addresses: str) -> None:
    """Have all these GPUs work at the same time."""
    with contextlib.ExitStack() as stack:
        each = [Copies(stack.enter_context(open_gpu(address))) for address in addresses]
        jobs = [copies.begin(byte) for byte, copies in enumerate(each, 1)]
        assert all(job.wait(ENDS_S * 1_000_000_000) for job in jobs), "a copy did not end"
        for byte, copies in enumerate(each, 1):
            copies.check(byte)
    for address in addresses:
        assert read_all_interrupts(address), f"an interrupt of {address} was lost"
    print(f"used: {' '.join(addresses)}", flush=True)


def hang(address: str, tell: Callable[[str], None]) -> None:
    """Have compute wait for what never comes, and a copy engine copy, until the GPU is reset."""
    gpu: Gpu = open_gpu(address)
    copies = Copies(gpu)
    at = gpu.reserve(PAGE_SIZE)
    at.map(gpu.alloc(PAGE_SIZE, "gtt"))
    packets = gpu.compute.packets
    assert isinstance(packets, Pm4)
    job = gpu.compute.submit(packets.wait_reg_mem(at.va, 1))
    copies.begin(1)
    tell("in flight")
    try:
        deadline = time.monotonic() + ENDS_S
        while time.monotonic() < deadline:
            copies.begin(2).wait()
            if job.wait(1_000_000):
                break
    except DrmError as error:
        tell(f"lost: {error.errno_name}")
        return
    tell("the job ended without an error, or not at all")


def hanging(address: str) -> Callable[[], str]:
    """Start a process that hangs; returns what waits for its next word."""
    ours, theirs = FORK.Pipe()
    FORK.Process(target=hang, args=(address, theirs.send)).start()
    theirs.close()

    def hear() -> str:
        assert ours.poll(ENDS_S), "nothing was heard of a process"
        return str(ours.recv())

    assert hear() == "in flight"
    return hear


def leave(address: str) -> None:
    """Leave a process behind that has jobs in flight."""
    hanging(address)
    print(f"in flight: {address}", flush=True)
    os._exit(0)


def reset(address: str, *others: str) -> None:
    """Reset the whole GPU while two processes have jobs in flight: both hear of it, and a third goes on."""
    both = [hanging(address) for _ in range(2)]
    (DEBUGFS / address / "amdgpu_gpu_recover").read_text()
    print(*sorted(hear() for hear in both), sep="\n")
    use(address, *others)


def rebind(address: str, *others: str) -> None:
    """Take the driver off, reset the function as the bus does, and let the driver have it again."""
    (DRIVER / "unbind").write_text(address)
    function = Path("/sys/bus/pci/devices") / address
    assert (function / "reset_method").read_text() == "flr\n"
    (function / "reset").write_text("1")
    (DRIVER / "bind").write_text(address)
    use(address, *others)


if __name__ == "__main__":
    what: dict[str, Callable[..., None]] = {"use": use, "leave": leave, "reset": reset, "rebind": rebind}
    what[sys.argv[1]](*sys.argv[2:])
