# SPDX-License-Identifier: MIT
"""Sparse memory without PRT: unbound tiles map a buffer of zeros, because scalar loads do not understand PRT.

Recent drivers keep such a second view of sparse buffers (KERNEL.md 3.10). Nothing in it is PRT, so whether an update
of it can be explicit depends on what the buffer of zeros is.
"""

from __future__ import annotations

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms

TILE = 64 * KiB
EXPLICIT = ("explicit_sync", "update_fence")


@behaviour(
    "B39b",
    "binding memory explicitly takes effect while work is in flight where the BO of zeros is always valid",
    control="B39c",
    needs=EXPLICIT,
    rule="Only what is taken away matters, and that is always valid.",
)
def test_explicit_bind_over_always_valid_zeros(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, ordinary: Buffer
) -> None:
    """What is put there may be anything."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        update = tile.replace(ordinary, explicit_sync=True)
        must.signal(update, within=ms(500), while_pending=job)


@behaviour(
    "B39c",
    "binding memory explicitly waits for work in flight where the BO of zeros is an ordinary one",
    control="B16",
    needs=EXPLICIT,
    rule="One ordinary BO of zeros makes every update of this view implicit.",
)
def test_explicit_bind_over_ordinary_zeros(
    gpu: Gpu, shut_gate: ShutGate, must: Must, always_valid: Buffer, ordinary: Buffer
) -> None:
    """Also when what is put there belongs to the address space."""
    tile = gpu.reserve(TILE)
    tile.map(ordinary)
    with shut_gate(gpu.compute) as job:
        update = tile.replace(always_valid, explicit_sync=True)
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)
