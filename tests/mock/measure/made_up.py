# SPDX-License-Identifier: MIT
"""Results that no GPU produced, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from amdgpu_hw.measure.analysis import ARMS, NULL_ARMS
from amdgpu_hw.measure.results import Arm, Cell, Conditions, Frames, LatencyResult, OverlapResult, Round, Samples

CELL = Cell("gfx x1", "UNMAP", "PRT", 65536)

SHORT_NS, LONG_NS = 30_000, 4_000_000
"""An update that does not wait, and one that does."""


def conditions(**changes: Any) -> Conditions:
    """Conditions of a run on a mock machine."""
    values: dict[str, Any] = {
        "simulated": True,
        "mock_kernel": "series-fixed",
        "kernel_release": "6.1.0",
        "kernel_version": "#1 SMP",
        "driver": "amdgpu",
        "driver_version": (3, 65),
        "gpu_name": "AMD Radeon RX 7900 XTX",
        "pci_address": "0000:03:00.0",
        "gc_version": (11, 0, 0),
        "firmware": {"ME": "0x1"},
        "libdrm": "2.4.114",
        "module_parameters": {"vm_update_mode": "-1"},
        "governors": {"cpu0": "performance"},
        "pinned_cpu": 0,
        "pstate": "standard",
        "load_average": (0.5, 0.5, 0.5),
        "python": "3.11.7",
        "options": {"samples": 20, "in flight": 1},
        "started": "2026-11-20T15:00:00+00:00",
    }
    return Conditions(**values | changes)


def samples(values: Iterable[float]) -> Samples:
    """Values as an array of nanoseconds."""
    return np.asarray([round(value) for value in values], dtype=np.int64)


def block(cell: Cell, index: int, arms: tuple[Arm, Arm], fence_ns: Sequence[float], count: int = 20) -> list[Round]:
    """A B B A, with the given median per arm and one percent between the lowest and the highest sample."""
    spread = np.linspace(0.995, 1.005, count)
    return [
        Round(
            cell=cell,
            index=index,
            arm=arms[which],
            order=order,
            ioctl_ns=samples(5000 * spread),
            fence_ns=samples(fence_ns[which] * spread * (1 + 0.0004 * ((7 * index + order) % 5 - 2))),
            victim_ns=samples((fence_ns[which] + 9000) * spread),
            clocks_before=(2400, 1250),
            clocks_after=(2400, 1250),
            load_before=0.5,
            load_after=0.5,
        )
        for order, which in enumerate((0, 1, 1, 0))
    ]


def latency(
    cells: Sequence[Cell] = (CELL,),
    implicit_ns: float = LONG_NS,
    explicit_ns: float = SHORT_NS,
    blocks: int = 8,
    **changes: Any,
) -> LatencyResult:
    """A run over `cells`, the A/A run included."""
    rounds: list[Round] = []
    for cell in cells:
        for index in range(blocks):
            rounds += block(cell, index, ("implicit", "explicit"), (implicit_ns, explicit_ns))
            rounds += block(cell, index, ("null_a", "null_b"), (implicit_ns, implicit_ns))
    return LatencyResult(
        conditions=conditions(**changes), cells=tuple(cells), rounds=tuple(rounds), complete=True, notes=()
    )


def frames(arm: Arm, index: int, order: int, stalled_ns: int, count: int = 60) -> Frames:
    """Frames of 8 ms with a budget of 16.7 ms, of which each tenth is longer by `stalled_ns`; unmaps at 10 Hz."""
    length = np.full(count, 8_000_000, np.int64)
    length[5::10] += stalled_ns
    start = np.concatenate([[0], np.cumsum(length)[:-1]])
    unmaps = start[5::10] + 100_000
    return Frames(
        arm=arm,
        rate_hz=10.0,
        frame_gpu_ns=8_000_000,
        budget_ns=16_700_000,
        frame_start_ns=start,
        frame_end_ns=start + length,
        unmap_start_ns=unmaps,
        unmap_effective_ns=unmaps + 40_000 + stalled_ns,
        index=index,
        order=order,
    )


def overlap(stalled_ns: int = 12_000_000, blocks: int = 8, **changes: Any) -> OverlapResult:
    """Frames with the flag that are never stalled, without it and in the A/A run always."""
    series: list[Frames] = []
    for index in range(blocks):
        for order, which in enumerate((0, 1, 1, 0)):
            series.append(frames(ARMS[which], index, order, 0 if which else stalled_ns))
            series.append(frames(NULL_ARMS[which], index, order, stalled_ns))
    return OverlapResult(conditions=conditions(**changes), series=tuple(series), complete=True)
