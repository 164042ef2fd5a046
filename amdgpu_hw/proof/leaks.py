# SPDX-License-Identifier: MIT
"""What a process holds of the kernel's resources, so that a test can see that it holds no more than before."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, KiB, MiB
from amdgpu_hw.proof.units import size as size_words
from amdgpu_hw.proof.usage import gtt_usage

__all__ = ("SLABS", "Holdings")

SLABS = ("amdgpu_sync_entry", "drm_sched_fence", "amdgpu_job", "dma_fence_array", "dma_fence_chain")
"""Slab caches in which leaked updates and submissions show (KERNEL.md F2, F10), where the kernel keeps them apart."""

_SLABINFO = Path("/proc/slabinfo")
_POLL_S = 0.02
_UNITS = {"": 1, "K": KiB, "M": MiB}


class Holdings:
    """What this process holds through one open GPU when the object is made, and what slab caches the kernel has.

    fdinfo tells memory by region; the lowest free GEM handle tells whether one was forgotten. What no descriptor
    shows any more is told by the system memory that all processes use on the GPU, and by the slab caches, which only
    root may read.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self.own = self._own()
        self.used = gtt_usage(gpu)
        self.slabs = _slabs()

    def more(self, rounds: int, size: int, settle_s: float = 5.0) -> list[str]:
        """What is held in addition now, after so many rounds with ``size`` bytes of system memory each, in words.

        Memory is freed when the last fence on it has signalled, and fences themselves a grace period of RCU later
        (dma_fence_free), so what is there is given some seconds to go. Of what all processes use only a leak in most
        rounds can be told from what others allocate meanwhile; in a slab cache one object per round from the noise of
        what CPUs keep at hand.
        """
        end = time.monotonic() + settle_s
        while (more := self._more(rounds, size)) and time.monotonic() < end:
            time.sleep(_POLL_S)
        return more

    def _more(self, rounds: int, size: int) -> list[str]:
        more = [
            f"{name} went from {self.own.get(name, 0)} to {number}"
            for name, number in self._own().items()
            if number > self.own.get(name, 0)
        ]
        used = gtt_usage(self._gpu)
        if used > self.used + rounds * size // 2:
            more.append(f"system memory in use went from {size_words(self.used)} to {size_words(used)}")
        for name, (objects, noise) in _slabs().items():
            grown = objects - self.slabs.get(name, (0, 0))[0]
            if rounds > noise and grown > rounds // 2 + noise:
                more.append(f"{grown} more objects of the slab cache {name}")
        return more

    @property
    def words(self) -> str:
        """What is looked at."""
        slabs = f", slab caches {', '.join(self.slabs)}" if self.slabs else ""
        return f"{len(self.own) - 1} counts of memory in fdinfo, GEM handles, system memory{slabs}"

    def _own(self) -> dict[str, int]:
        held = _memory(self._gpu.fdinfo())
        with self._gpu.alloc(PAGE_SIZE) as buffer:
            held["the next GEM handle"] = buffer.handle
        return held


def _memory(fdinfo: str) -> dict[str, int]:
    """Bytes by kind and region, as ``drm-total-gtt``."""
    found = re.findall(r"^(drm-(?:memory|total|shared)-\w+):\s*(\d+)(?: ([KM])iB)?$", fdinfo, re.MULTILINE)
    return {name: int(number) * _UNITS[unit] for name, number, unit in found}


def _slabs() -> dict[str, tuple[int, int]]:
    """Objects in each of `SLABS` that there is, and how far that number may be off; empty if nobody may know."""
    try:
        text = _SLABINFO.read_text(encoding="utf-8")
    except OSError:
        return {}
    found = {}
    for line in text.splitlines():
        fields = line.split()
        if fields and fields[0] in SLABS:
            # name, active objects, objects, object size, objects per slab: each CPU counts a slab of its own as active.
            found[fields[0]] = int(fields[1]), 2 * int(fields[4]) * (os.cpu_count() or 1)
    return found
