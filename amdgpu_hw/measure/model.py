# SPDX-License-Identifier: MIT
"""What a measurement is: its conditions, its rounds of samples, its frames.

Durations and times are whole nanoseconds of CLOCK_MONOTONIC_RAW in int64 arrays; clocks are MHz; sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = (
    "NOT_SEEN",
    "REPEATED",
    "Arm",
    "Cell",
    "Conditions",
    "Frames",
    "LatencyResult",
    "OverlapResult",
    "Result",
    "Round",
    "Samples",
)

Samples = NDArray[np.int64]
"""Nanoseconds."""

Arm = Literal["explicit", "implicit", "null_a", "null_b"]
"""Which half of a comparison: with the flag, without it, or one half of an A/A run in which both halves are equal."""

NOT_SEEN = -1
"""In place of a duration: it had not happened when the wait for it gave up."""

REPEATED = "repeated"
"""The one flag of a good round: it was taken again because its first taking was unstable."""

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Everything about machine, kernel, GPU and run that a figure may depend on."""

    simulated: bool
    """Time of a modelled GPU, on a mock machine or a guest; such a number is never shown without that word."""
    mock_kernel: str
    """The mock machine's kernel variant; empty on a real machine."""
    kernel_release: str
    """``uname -r``."""
    kernel_version: str
    """``uname -v``: which build of that release."""
    driver: str
    driver_version: tuple[int, int]
    """amdgpu's (major, minor)."""
    gpu_name: str
    pci_address: str
    gc_version: tuple[int, int, int]
    firmware: Mapping[str, str]
    """Version by name of the firmware."""
    libdrm: str
    module_parameters: Mapping[str, str]
    """The driver's module parameters, as sysfs tells them."""
    governors: Mapping[str, str]
    """Frequency governor by CPU (``cpu0``); empty where the machine has none."""
    pinned_cpu: int | None
    """The CPU that the sampling thread was pinned to; None: it was not pinned."""
    pstate: str
    """The stable power state that the context asked for and got; empty: none."""
    load_average: tuple[float, float, float]
    """Of the machine, before the run: 1, 5 and 15 minutes."""
    python: str
    gpu_time: float = 1.0
    """Factor on the mock's modelled durations; 1 on a real machine."""
    explicit_sync: bool = True
    """Whether the kernel has AMDGPU_VM_EXPLICIT_SYNC; without it both arms are the same implicit operation."""
    options: Mapping[str, Scalar] = field(default_factory=dict)
    """The run's options as far as they shape a sample (samples per round, jobs in flight), by name."""
    command: tuple[str, ...] = ()
    started: str = ""
    """ISO 8601, UTC."""

    @property
    def kernel(self) -> str:
        """The kernel that answered: the release, or the mock machine's variant."""
        return self.mock_kernel or self.kernel_release


@dataclass(frozen=True, slots=True)
class Cell:
    """One place in the grid of a latency measurement."""

    load: str
    """What the GPU was busy with: ``idle``, ``gfx x4``, ..."""
    operation: str
    """``UNMAP``, ``CLEAR`` or ``REPLACE``."""
    mapping: str
    """What was mapped before: ``PRT``, ``always-valid``, ``ordinary``."""
    size: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Round:
    """Samples of one arm of one cell, taken without a pause; four of them (A B B A) are a block.

    ``ioctl_ns``, ``fence_ns`` and ``victim_ns`` are durations from before the ioctl until it returned, until its update
    fence signalled, and until an unrelated submission made right after it was done. They are as long as each other;
    ``victim_ns`` is empty where no victim was submitted.
    """

    cell: Cell
    index: int
    """The block that this round belongs to; blocks of the A/A run are counted apart."""
    arm: Arm
    order: int
    """Position in the block, 0 to 3."""
    ioctl_ns: Samples
    fence_ns: Samples
    victim_ns: Samples
    clocks_before: tuple[int | None, int | None] = (None, None)
    """Shader and memory clock in MHz, None where the kernel does not tell."""
    clocks_after: tuple[int | None, int | None] = (None, None)
    load_before: float | None = None
    """Load average over the last minute."""
    load_after: float | None = None
    in_flight: tuple[float, float] | None = None
    """Share of the samples in which the load was in flight right before the operation, and right after both fences
    had been seen signalled; None without load. The second tells what really waited, whatever the times are."""
    flags: tuple[str, ...] = ()
    """Why the round must not be used (``unstable: ...``, ``reset``, ``gate never opened``), or `REPEATED`."""

    METRICS: ClassVar[tuple[str, ...]] = ("ioctl_ns", "fence_ns", "victim_ns")

    def __post_init__(self) -> None:
        if len(self.ioctl_ns) != len(self.fence_ns) or len(self.victim_ns) not in (0, len(self.ioctl_ns)):
            raise ValueError("ioctl_ns, fence_ns and victim_ns differ in length")

    @property
    def usable(self) -> bool:
        """Whether statistics may use it; those that they may not are kept and counted."""
        return all(flag == REPEATED for flag in self.flags)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """A stretch of frames rendered while another thread unmaps; times count from an origin common to the stretch."""

    arm: Arm
    rate_hz: float
    """Unmaps per second that were asked for."""
    frame_gpu_ns: int
    """GPU time of a frame that nothing disturbs."""
    budget_ns: int
    """A frame that takes longer is a stutter."""
    frame_start_ns: Samples
    frame_end_ns: Samples
    unmap_start_ns: Samples
    unmap_effective_ns: Samples
    """When the update fence signalled; `NOT_SEEN` if it never did."""
    index: int = 0
    """The block of stretches (A B B A) that this one belongs to."""
    order: int = 0
    """Position in the block, 0 to 3."""
    flags: tuple[str, ...] = ()
    """As in `Round`."""

    METRICS: ClassVar[tuple[str, ...]] = ("frame_start_ns", "frame_end_ns", "unmap_start_ns", "unmap_effective_ns")

    def __post_init__(self) -> None:
        if len(self.frame_start_ns) != len(self.frame_end_ns):
            raise ValueError("frame_start_ns and frame_end_ns differ in length")
        if len(self.unmap_start_ns) != len(self.unmap_effective_ns):
            raise ValueError("unmap_start_ns and unmap_effective_ns differ in length")

    @property
    def usable(self) -> bool:
        """As in `Round`."""
        return all(flag == REPEATED for flag in self.flags)

    @property
    def frame_ns(self) -> Samples:
        """How long each frame took."""
        return self.frame_end_ns - self.frame_start_ns


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatencyResult:
    """What ``amdgpu-hw latency`` measured."""

    conditions: Conditions
    cells: tuple[Cell, ...]
    """The grid as planned; an incomplete result has no rounds for some."""
    rounds: tuple[Round, ...]
    complete: bool
    notes: tuple[str, ...] = ()
    """Sentences for people: what was left out, what went wrong."""

    KIND: ClassVar[str] = "latency"

    @property
    def samples(self) -> int:
        """How many operations were sampled."""
        return sum(len(each.fence_ns) for each in self.rounds)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OverlapResult:
    """What ``amdgpu-hw overlap`` measured."""

    conditions: Conditions
    series: tuple[Frames, ...]
    """In the order in which they were taken."""
    complete: bool
    notes: tuple[str, ...] = ()

    KIND: ClassVar[str] = "overlap"

    @property
    def samples(self) -> int:
        """How many frames were rendered."""
        return sum(len(each.frame_end_ns) for each in self.series)


Result = LatencyResult | OverlapResult
