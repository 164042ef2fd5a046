# SPDX-License-Identifier: MIT
"""Large numbers: ``python -m bench.crowd`` runs on the machine and prints, as JSON, times and sizes.

How long GEM_VA takes with many live mappings in one address space and what they cost in the mock kernel's memory,
and what many threads of a client get done.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

from amdgpu_hw.uapi import amdgpu_drm
from bench.node import AmdgpuNode

__all__ = ("main",)

PAGE = amdgpu_drm.AMDGPU_GPU_PAGE_SIZE
FIRST = 4 << 32
BUFFER_PAGES = 1 << 16
FIRST_COUNT = 1000
SAMPLES = 1000

_MAP, _UNMAP = amdgpu_drm.AMDGPU_VA_OP_MAP, amdgpu_drm.AMDGPU_VA_OP_UNMAP
_REQUEST = amdgpu_drm.IOCTL_AMDGPU_GEM_VA.request


class Mappings:
    """Single pages of one buffer at every other page of the address space."""

    def __init__(self, server: int) -> None:
        self.server = server
        self.node = AmdgpuNode()
        self.handle = self.node.buffer(BUFFER_PAGES * PAGE)
        self.count = 0

    def grow(self, most: int) -> list[dict[str, float]]:
        """Take samples at 1000, 10000, ... up to ``most`` live mappings."""
        before = resident_bytes(self.server)
        rows = []
        step = FIRST_COUNT
        while step <= most:
            while self.count < step:
                self.node.timed(_REQUEST, self._argument(_MAP, self.count))
                self.count += 1
            used = resident_bytes(self.server) - before
            rows.append({"count": step, "bytes": used / step} | self._sample())
            step *= 10
        return rows

    def _sample(self) -> dict[str, float]:
        """Take mappings away and put them back."""
        unmapped, mapped = [], []
        picks = random.Random(self.count).sample(range(self.count), min(SAMPLES, self.count))
        for index in picks:
            unmapped.append(self.node.timed(_REQUEST, self._argument(_UNMAP, index)))
            mapped.append(self.node.timed(_REQUEST, self._argument(_MAP, index)))
        return {"map": statistics.median(mapped), "unmap": statistics.median(unmapped)}

    def _argument(self, operation: int, index: int) -> bytearray:
        offset = index % BUFFER_PAGES * PAGE
        return self.node.gem_va(operation, self.handle, FIRST + 2 * index * PAGE, PAGE, offset)


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM (VmRSS)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def threads_at_once(count: int, seconds: float) -> dict[str, float]:
    """Let threads map and unmap, each at its own address; GEM_VA per second of all, and us per call of each."""
    node = AmdgpuNode()
    handle = node.buffer(PAGE)
    samples: list[list[float]] = [[] for _ in range(count)]
    begin = threading.Barrier(count + 1)
    end = threading.Event()

    def work(number: int) -> None:
        arguments = [node.gem_va(operation, handle, FIRST + number * PAGE, PAGE) for operation in (_MAP, _UNMAP)]
        begin.wait()
        while not end.is_set():
            samples[number] += [node.timed(_REQUEST, argument) for argument in arguments]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    begin.wait()
    start = time.monotonic()
    end.wait(seconds)
    end.set()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - start
    flat = [sample for each in samples for sample in each]
    counts = [len(each) for each in samples]
    return {
        "threads": count,
        "per second": len(flat) / elapsed,
        "median": statistics.median(flat),
        "p90": statistics.quantiles(flat, n=10)[8],
        "least of a thread": min(counts) / elapsed,
        "most of a thread": max(counts) / elapsed,
    }


def main() -> None:
    """Print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=int, required=True, help="process id of the mock kernel")
    parser.add_argument("--mappings", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--cpu", type=int, required=True, help="pin the client there")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.cpu})
    result: dict[str, Any] = {
        "threads": [threads_at_once(count, options.seconds) for count in (1, options.threads)],
        "mappings": Mappings(options.server).grow(options.mappings),
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
