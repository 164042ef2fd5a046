# SPDX-License-Identifier: MIT
"""What a process holds of the kernel's resources, so that a test can see that it holds no more than before."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator

from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.evidence.slabinfo import SlabCache
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, KiB, MiB
from amdgpu_hw.proof.units import size as size_words
from amdgpu_hw.proof.usage import gtt_usage

__all__ = ("SLABS", "SYNC_ENTRIES", "Holdings")

SYNC_ENTRIES = ("amdgpu_sync_entry", "amdgpu_sync")
"""The slab cache with one object for every fence that a `struct amdgpu_sync` refers to; the latter in 6.1."""

SLABS = (SYNC_ENTRIES, ("drm_sched_fence",), ("amdgpu_job",), ("dma_fence_array",), ("dma_fence_chain",))
"""Slab caches in which leaked updates and submissions show (KERNEL.md F2, F10), where the kernel keeps them apart."""

_KEPT_FENCES = 2048
"""Fences of jobs long done that the driver keeps: freed memory of its IB pools stays with the job's fence until the
pool has come round (drm_suballoc_free). Two pools of 1 MiB (AMDGPU_IB_POOL_SIZE), 1 KiB for a job at least."""

_POLL_S = 0.1
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
        self._slabs = [(cache, cache.active()) for cache in _slabs()]

    def more(self, rounds: int, size: int, settle_s: float = 5.0) -> list[str]:
        """What is held in addition now, after so many rounds with ``size`` bytes of system memory each, in words.

        Memory is freed when the last fence on it has signalled, and fences themselves a grace period of RCU later
        (dma_fence_free), so what is there is given some seconds to go. Of what all processes use only a leak in most
        rounds can be told from what others allocate meanwhile; a slab cache is looked at where so many rounds with an
        object each stand out from its grain.
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
        for cache, before in self._telling(rounds):
            grown = cache.active() - before
            if grown > rounds // 2:
                more.append(f"{grown} more objects of the slab cache {cache.name}")
        return more

    def words(self, rounds: int) -> str:
        """What is looked at after so many rounds."""
        names = ", ".join(cache.name for cache, _ in self._telling(rounds))
        slabs = f", slab caches {names}" if names else ""
        return f"{len(self.own) - 1} counts of memory in fdinfo, GEM handles, system memory{slabs}"

    def _telling(self, rounds: int) -> list[tuple[SlabCache, int]]:
        """The caches in which an object for each of so many rounds stands out."""
        kept = {"drm_sched_fence": _KEPT_FENCES}
        return [
            (cache, before) for cache, before in self._slabs if cache.rounds + 2 * kept.get(cache.name, 0) <= rounds
        ]

    def _own(self) -> dict[str, int]:
        held = _memory(self._gpu.fdinfo())
        with self._gpu.alloc(PAGE_SIZE) as buffer:
            held["the next GEM handle"] = buffer.handle
        return held


def _memory(fdinfo: str) -> dict[str, int]:
    """Bytes by kind and region, as ``drm-total-gtt``."""
    found = re.findall(r"^(drm-(?:memory|total|shared)-\w+):\s*(\d+)(?: ([KM])iB)?$", fdinfo, re.MULTILINE)
    return {name: int(number) * _UNITS[unit] for name, number, unit in found}


def _slabs() -> Iterator[SlabCache]:
    """Those of `SLABS` that there are, and that we may know of."""
    for names in SLABS:
        with contextlib.suppress(FeatureMissing):
            yield SlabCache.find(*names)
