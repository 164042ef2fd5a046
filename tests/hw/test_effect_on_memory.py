# SPDX-License-Identifier: MIT
"""What updates do to what the GPU reads: the fence says when they have taken effect, memory says that they have.

The explicit ones are looked at by a second job while J is in flight, which is when they have to be in effect.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amdgpu_hw.address_space import Range, Update
from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.held import HeldJob
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms

TILE = 64 * KiB
EXPLICIT = ("explicit_sync", "update_fence")
DATA = 0x600DDA7A


def read_beside(gpu_view: GpuView, must: Must, job: HeldJob, va: int) -> set[int]:
    """The dwords that a second job reads from a tile while ``job`` is in flight."""
    gpu_view.forget()
    must.signal(gpu_view.queue.submit(gpu_view.copy_ib(va, TILE)), within=ms(500), while_pending=job)
    return set(memoryview(gpu_view.landed(TILE)).cast("I"))


def be_without_fault(gpu: Gpu, must: Must) -> None:
    """Nothing that was mapped all the time may have faulted."""
    fault = vm_fault(gpu)
    must.be(fault is None, seen="no VM fault", otherwise=f"reading it raised a {fault}", kind="note")


@behaviour("B08c", "after REPLACE of PRT by an always-valid BO the GPU reads the BO", needs="update_fence")
def test_replace_of_prt_by_memory_shows_the_memory(
    gpu: Gpu, must: Must, gpu_view: GpuView, always_valid: Buffer
) -> None:
    """First what was there goes, then the new comes: not the other way round."""
    always_valid.fill(DATA)
    tile = gpu.reserve(TILE)
    tile.map_prt()
    must.signal(tile.replace(always_valid))
    must.equal(set(memoryview(gpu_view.read(tile.va, TILE)).cast("I")), {DATA}, "the GPU read only")
    be_without_fault(gpu, must)


@behaviour(
    "B08",
    "after explicit REPLACE of PRT by an always-valid BO the GPU reads the BO, with work in flight",
    control="B08c",
    needs=EXPLICIT,
)
def test_explicit_replace_of_prt_by_memory_shows_the_memory(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, always_valid: Buffer
) -> None:
    """Streaming: what was bound is what the next frame sees, although older frames are still queued."""
    always_valid.fill(DATA)
    tile = gpu.reserve(TILE)
    tile.map_prt()
    with shut_gate(gpu.compute) as job:
        must.signal(tile.replace(always_valid, explicit_sync=True), within=ms(500), while_pending=job)
        must.equal(read_beside(gpu_view, must, job, tile.va), {DATA}, "the GPU read only")
    be_without_fault(gpu, must)


@behaviour(
    "B06",
    "after explicit REPLACE of an always-valid BO by PRT the GPU reads zeros, with work in flight",
    control="B05",
    needs=EXPLICIT,
)
def test_explicit_replace_of_memory_by_prt_shows_zeros(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, always_valid: Buffer
) -> None:
    """And does not fault: PRT is there, not just nothing."""
    gpu_view.require_prt_access()
    always_valid.fill(DATA)
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        must.signal(tile.replace_prt(explicit_sync=True), within=ms(500), while_pending=job)
        must.equal(read_beside(gpu_view, must, job, tile.va), {0}, "the GPU read only")
    be_without_fault(gpu, must)


@pytest.mark.parametrize(
    "take_away",
    [
        pytest.param(lambda tile, buffer: tile.unmap(buffer, explicit_sync=True), id="UNMAP"),
        pytest.param(lambda tile, buffer: tile.clear(explicit_sync=True), id="CLEAR"),
    ],
)
@behaviour(
    "B07",
    "what was taken away explicitly is out of the GPU's reach, with work in flight",
    control="B07c",
    needs=EXPLICIT,
    faults=True,
)
def test_explicit_unmap_takes_memory_out_of_reach(
    gpu: Gpu,
    shut_gate: ShutGate,
    must: Must,
    gpu_view: GpuView,
    always_valid: Buffer,
    take_away: Callable[[Range, Buffer], Update],
) -> None:
    """A fence that signals early because nothing was done would look the same as one that did not have to wait."""
    always_valid.fill(DATA)
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate(gpu.compute) as job:
        must.signal(take_away(tile, always_valid), within=ms(500), while_pending=job)
        got = read_beside(gpu_view, must, job, tile.va)
        must.be(DATA not in got, seen="the GPU did not read the old data", otherwise="the GPU still read the old data")
    # Not on every GPU: before GFX9 no access faults while any process has a PRT mapping (KERNEL.md E10).
    must.note(vm_fault(gpu) or "no VM fault")
