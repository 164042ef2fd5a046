# SPDX-License-Identifier: MIT
"""What is measured: the grid of loads, operations, mappings and sizes, and the order of the rounds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from amdgpu_hw.address_space import Operation
from amdgpu_hw.capabilities import RingInfo
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.measure.load import LONGEST_JOB_NS
from amdgpu_hw.measure.model import Arm, Cell, Scalar
from amdgpu_hw.memory import PAGE_SIZE, GiB, KiB, MiB
from amdgpu_hw.packets import Engine

__all__ = (
    "MAPPINGS",
    "MOST_JOBS",
    "OPERATIONS",
    "QUICK",
    "LatencySettings",
    "Load",
    "Turn",
    "parse_load",
    "parse_size",
    "turns",
)

OPERATIONS = (Operation.UNMAP.name, Operation.CLEAR.name, Operation.REPLACE.name)
MAPPINGS = ("PRT", "always-valid", "ordinary")
"""What is taken away. With an ordinary buffer the flag must change nothing (KERNEL.md B10): it is the control."""

MOST_JOBS = 24
"""Jobs in flight; the 32nd of a context's queue would make CS sleep with the page directory locked (KERNEL.md 6.3)."""

LARGEST = 256 * GiB
"""More than any GPU has memory."""

_SIZE = re.compile(r"([0-9]{1,15})\s*(?:([KMG])(?:iB)?)?$")
_UNITS = {None: 1, "K": KiB, "M": MiB, "G": GiB}
_LOAD = re.compile(r"(gfx|compute|sdma)(?:\s?x\s?([0-9]{1,9}))?$")


@dataclass(frozen=True, slots=True)
class Load:
    """What the GPU is busy with when an operation starts: ``jobs`` jobs of one engine, or nothing."""

    engine: Engine | None = None
    jobs: int = 0

    def __str__(self) -> str:
        return "idle" if self.engine is None else f"{self.engine.name.lower()} x{self.jobs}"

    def possible(self, rings: Mapping[Engine, RingInfo]) -> bool:
        """Whether the GPU has the engine."""
        return self.engine is None or bool(rings[self.engine].rings)


def _busy(jobs: int) -> tuple[Load, ...]:
    return (Load(), *(Load(engine, jobs) for engine in Engine))


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySettings:
    """One run: the parts of the grid, how much of each, and what it stands on."""

    loads: tuple[Load, ...] = _busy(4)
    operations: tuple[str, ...] = OPERATIONS
    mappings: tuple[str, ...] = MAPPINGS
    sizes: tuple[int, ...] = (4 * KiB, 64 * KiB, 2 * MiB, 1 * GiB)
    blocks: int = 8
    """A block is four rounds, A B B A."""
    null_blocks: int = 6
    """Blocks of the A/A run of each cell."""
    samples: int = 20
    """Of each round."""
    warm_up: int = 5
    """Samples before the first round of a cell, which are not kept."""
    job_ns: int = 1_000_000
    """How long one job of the load should last."""
    timeout_ns: int = 5_000_000_000
    """Bound of each wait."""

    def __post_init__(self) -> None:
        problems = [name for name in ("blocks", "samples") if getattr(self, name) < 1]
        if problems or self.null_blocks < 0 or self.warm_up < 0:
            raise HarnessError("blocks and samples have to be 1 or more, null blocks and warm-up 0 or more")
        if not 0 < self.job_ns <= LONGEST_JOB_NS:
            raise HarnessError(f"a job of the load may last up to {LONGEST_JOB_NS / 1e6:g} ms")

    def cells(self, load: Load, mappings: tuple[str, ...]) -> tuple[Cell, ...]:
        """The part of the grid with this load, of these mappings."""
        return tuple(Cell(str(load), *place) for place in product(self.operations, mappings, self.sizes))

    @property
    def shape(self) -> dict[str, Scalar]:
        """What shapes a sample, for the result file."""
        return {"job_ns": self.job_ns, "samples": self.samples, "warm_up": self.warm_up}

    def round_ns(self, load: str) -> int:
        """About how long a round with that load takes, for the progress display."""
        return self.samples * (parse_load(load).jobs * self.job_ns + _IDLE_SAMPLE_NS)


_IDLE_SAMPLE_NS = 500_000

QUICK = LatencySettings(
    loads=(Load(), Load(Engine.COMPUTE, 4)),  # a ring that every GPU has
    operations=(Operation.UNMAP.name,),
    sizes=(64 * KiB,),
    blocks=6,
    null_blocks=6,
    samples=3,
    warm_up=2,
)
"""A first look, in a few seconds."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One round to take."""

    arm: Arm
    index: int
    """Of the block, counted apart for the A/A run."""
    order: int


def turns(blocks: int, null_blocks: int) -> Iterator[Turn]:
    """The rounds of one cell: blocks A B B A and B A A B by turns, so that a drift hits both arms alike.

    A block of the A/A run follows each block, until there are enough of either.
    """
    for index in range(max(blocks, null_blocks)):
        if index < blocks:
            yield from _block("explicit", "implicit", index)
        if index < null_blocks:
            yield from _block("null_a", "null_b", index)


def _block(a: Arm, b: Arm, index: int) -> Iterator[Turn]:
    if index % 2:
        a, b = b, a
    for order, arm in enumerate((a, b, b, a)):
        yield Turn(arm, index, order)


def parse_size(text: str) -> int:
    """``4K``, ``64KiB``, ``2M``, ``1G`` or bytes: a positive multiple of a page. Raises `HarnessError`."""
    match = _SIZE.match(text.strip())
    size = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < size <= LARGEST or size % PAGE_SIZE:
        raise HarnessError(
            f"a size is a multiple of {PAGE_SIZE} bytes such as 64K, 2M or 1G, up to {LARGEST // GiB}G, not '{text}'"
        )
    return size


def parse_load(text: str) -> Load:
    """``idle``, or an engine and how many jobs: ``gfx``, ``sdma x8``, ``computex2``. Raises `HarnessError`."""
    if text == "idle":
        return Load()
    match = _LOAD.match(text.strip().lower())
    jobs = int(match[2] or 4) if match else 0
    if match is None or not 1 <= jobs <= MOST_JOBS:
        raise HarnessError(f"a load is idle, or gfx, compute or sdma with 1 to {MOST_JOBS} jobs: gfx x4; not '{text}'")
    return Load(Engine[match[1].upper()], jobs)
