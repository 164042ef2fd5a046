# SPDX-License-Identifier: MIT
"""Modelled GPU time: what each kind of work costs on each generation.

The numbers are of the right order and keep the proportions between engines and generations; they are not
measurements, and every time that comes out of them is to be labelled simulated. A ring does not begin a packet, and
does not report a job as done, before the time of what it did earlier is over (`Ring.front`). Where the mock needs
longer than the hardware would, the modelled time is over already and costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType

from amdgpu_hw.packets import Engine, Version

__all__ = ("DriverOperation", "EngineTiming", "Timing", "timing_for")


class DriverOperation(IntEnum):
    """What a job does that the kernel builds itself."""

    OTHER = 0
    """Nothing that takes time."""
    PT_ENTRIES = 1
    """Writes entries of page tables; the amount is how many."""
    FILL = 2
    """Fills memory; the amount is in bytes."""
    COPY = 3
    """Copies memory; the amount is in bytes."""


@dataclass(frozen=True, slots=True)
class EngineTiming:
    """One kind of engine; times in ns, rates in bytes per ns (GB/s)."""

    begin: int
    """From the doorbell to the first packet of a job."""
    end: int
    """From the last packet to the interrupt: flush of the caches, write of the fence."""
    packet: int
    """A packet that is not in `packets`, without the data it moves."""
    filler: float
    """A dword of padding."""
    copy: float
    """Rate of copies."""
    fill: float
    """Rate of fills."""
    packets: Mapping[str, int]
    """Packets that take longer, by name."""

    def scaled(self, factor: float) -> EngineTiming:
        """Return the same with every time multiplied by ``factor``."""
        return EngineTiming(
            begin=round(self.begin * factor),
            end=round(self.end * factor),
            packet=round(self.packet * factor),
            filler=self.filler * factor,
            copy=self.copy / factor,
            fill=self.fill / factor,
            packets=MappingProxyType({name: round(time * factor) for name, time in self.packets.items()}),
        )


@dataclass(frozen=True, slots=True)
class Timing:
    """One GPU; times in ns."""

    engines: Mapping[Engine, EngineTiming]
    vm_switch: int
    """A ring goes on with a job of another address space."""
    vm_flush: int
    """The TLB entries of a VMID are thrown away before a job."""
    pt_job: int
    """A job that writes page tables, whatever its size."""
    pt_entry: float
    """An entry of a page table."""
    gpu_reset: int
    """A reset of the whole GPU, until jobs run again."""

    def scaled(self, factor: float) -> Timing:
        """Return the same with every time multiplied by ``factor``, which is positive."""
        return Timing(
            engines=MappingProxyType({engine: timing.scaled(factor) for engine, timing in self.engines.items()}),
            vm_switch=round(self.vm_switch * factor),
            vm_flush=round(self.vm_flush * factor),
            pt_job=round(self.pt_job * factor),
            pt_entry=self.pt_entry * factor,
            gpu_reset=round(self.gpu_reset * factor),
        )

    def operations(self, engine: Engine) -> tuple[tuple[int, float], ...]:
        """Return what a whole job of each `DriverOperation` takes on an engine, in order: ns, and ns per amount."""
        timing = self.engines[engine]
        job = timing.begin + timing.end
        return (
            (job, 0),
            (job + self.pt_job, self.pt_entry),
            (job + timing.packet, 1 / timing.fill),
            (job + timing.packet, 1 / timing.copy),
        )


_CP_PACKETS: Mapping[str, int] = MappingProxyType(
    {
        # Flushes and invalidations of caches, and what waits for the pipeline to drain.
        "ACQUIRE_MEM": 500,
        "SURFACE_SYNC": 500,
        "EVENT_WRITE_EOP": 800,
        "RELEASE_MEM": 800,
        "CP_DMA": 400,
        "DISPATCH_DIRECT": 1000,
        "DISPATCH_INDIRECT": 1200,
        "DMA_DATA": 400,
        "INDIRECT_BUFFER": 300,
    }
)
_SDMA_PACKETS: Mapping[str, int] = MappingProxyType({"COPY_LINEAR": 300, "CONST_FILL": 300, "FENCE": 200})

_GFX = EngineTiming(begin=1500, end=1500, packet=80, filler=0.5, copy=16, fill=32, packets=_CP_PACKETS)
_COMPUTE = replace(_GFX, begin=1200, end=1000)
_SDMA = EngineTiming(begin=800, end=600, packet=120, filler=1.0, copy=24, fill=48, packets=_SDMA_PACKETS)

# First version and the one after the last; rates of CP DMA, then times of jobs relative to GFX11.
_CP: tuple[tuple[Version, Version, float, float], ...] = (
    ((6,), (9,), 8, 1.6),
    ((9,), (9, 4, 3), 10, 1.3),
    ((9, 4, 3), (10,), 20, 1.3),
    ((10,), (11,), 14, 1.1),
    ((11,), (12,), 16, 1.0),
    ((12,), (99,), 20, 0.9),
)

# The same for the copy engines.
_COPY_ENGINES: tuple[tuple[Version, Version, float, float], ...] = (
    ((1,), (4,), 8, 1.6),
    ((4,), (4, 4), 16, 1.3),
    ((4, 4), (5,), 40, 1.3),
    ((5,), (6,), 20, 1.1),
    ((6,), (7,), 24, 1.0),
    ((7,), (99,), 32, 0.9),
)


def _row(table: tuple[tuple[Version, Version, float, float], ...], version: Version) -> tuple[float, float]:
    return next((rate, factor) for since, before, rate, factor in table if since <= version < before)


def timing_for(gc_version: Version, sdma_version: Version) -> Timing:
    """Return the times of a GPU."""
    cp_rate, cp_factor = _row(_CP, gc_version)
    sdma_rate, sdma_factor = _row(_COPY_ENGINES, sdma_version)
    return Timing(
        engines=MappingProxyType(
            {
                Engine.GFX: replace(_GFX.scaled(cp_factor), copy=cp_rate, fill=2 * cp_rate),
                Engine.COMPUTE: replace(_COMPUTE.scaled(cp_factor), copy=cp_rate, fill=2 * cp_rate),
                Engine.SDMA: replace(_SDMA.scaled(sdma_factor), copy=sdma_rate, fill=2 * sdma_rate),
            }
        ),
        vm_switch=round(300 * cp_factor),
        vm_flush=round(1500 * cp_factor),
        pt_job=round(500 * sdma_factor),
        pt_entry=0.5 * sdma_factor,
        gpu_reset=50_000_000,
    )
