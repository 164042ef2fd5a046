# SPDX-License-Identifier: MIT
"""Register accesses: ``python -m bench.registers`` runs in a guest, as root, and prints its samples (us) as JSON."""

from __future__ import annotations

import argparse
import json
import mmap
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

__all__ = ("main",)

DRIVER = Path("/sys/bus/pci/drivers/amdgpu")
DEBUGFS = Path("/sys/kernel/debug/dri")
BAR = 5
BLOCK = 16
"""Accesses between two looks at the clock: it is emulated, too."""
WARM_UP = 20

Samples = dict[str, list[float]]


def _samples(count: int, access: Callable[[], object]) -> list[float]:
    """Microseconds of one access, ``count`` times; those of the loop itself are in it."""
    samples = []
    for _ in range(WARM_UP + count):
        start = time.perf_counter_ns()
        for _ in range(BLOCK):
            access()
        samples.append((time.perf_counter_ns() - start) / 1000 / BLOCK)
    return samples[WARM_UP:]


def _through_the_bar(count: int, byte: int) -> Samples:
    """Loads and stores of a client that has mapped the BAR, beside those of ordinary memory."""
    function = next(entry for entry in DRIVER.iterdir() if ":" in entry.name)
    fd = os.open(function / f"resource{BAR}", os.O_RDWR | os.O_CLOEXEC)
    page, inside = byte & ~(mmap.PAGESIZE - 1), (byte & (mmap.PAGESIZE - 1)) // 4
    samples: Samples = {}
    try:
        places = {
            "memory, by the same loop": mmap.mmap(-1, mmap.PAGESIZE),
            "register, BAR5 mapped": mmap.mmap(fd, mmap.PAGESIZE, offset=page),
        }
    finally:
        os.close(fd)
    for name, place in places.items():
        with place, memoryview(place) as view, view.cast("I") as words:
            samples[f"{name}: read"] = _samples(count, partial(words.__getitem__, inside))
            samples[f"{name}: write"] = _samples(count, partial(words.__setitem__, inside, 1))
    return samples


def _through_the_driver(count: int, byte: int) -> Samples:
    """What umr does: reads of the driver's debugfs file."""
    found = sorted(DEBUGFS.glob("*/amdgpu_regs"))
    if not found:
        return {}
    fd = os.open(found[0], os.O_RDONLY | os.O_CLOEXEC)
    try:
        return {"register, debugfs amdgpu_regs: read": _samples(count, lambda: os.pread(fd, 4, byte))}
    finally:
        os.close(fd)


def main() -> None:
    """Print the samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--register", type=int, required=True, help="which, as the driver counts them: in dwords")
    parser.add_argument("--samples", type=int, required=True)
    options = parser.parse_args()
    byte = 4 * options.register
    samples = _through_the_bar(options.samples, byte) | _through_the_driver(options.samples, byte)
    json.dump(samples, sys.stdout)


if __name__ == "__main__":
    main()
