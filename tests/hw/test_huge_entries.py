# SPDX-License-Identifier: MIT
"""Huge page-table entries under explicit sync: taking away a part must not disturb jobs that use the rest.

A large mapping is one entry of a page directory. To change a part of it the kernel puts a new, empty table in its
place. What the table must hold for the rest is written by the next submission only: jobs that were submitted before
would find nothing there (F7). Implicit sync hid that, as no job was in flight then.
"""

from __future__ import annotations

import pytest

from amdgpu_hw.address_space import SyncOptions
from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, GiB, KiB, MiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.units import ms

TILE = 64 * KiB
HUGE = 2 * MiB
EXPLICIT = ("explicit_sync", "update_fence")
RULE = "What is not taken away belongs to the jobs in flight."
F7 = (
    "F7: the directory is switched to the new table before what is left of the mapping has been written into it; that "
    "happens with the next submission (patch 2)."
)

take_a_page = pytest.mark.parametrize("by_prt", [False, True], ids=["CLEAR", "REPLACE by PRT"])


@take_a_page
@behaviour(
    "B36c", "a job in flight keeps its part of a 2 MiB mapping when another part is taken away", needs="page_table_jobs"
)
def test_job_keeps_its_part_of_a_huge_mapping(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, by_prt: bool
) -> None:
    """B36's control: without the flag the page tables change after the job."""
    job_reads_beside_what_goes(gpu, shut_gate, must, gpu_view, by_prt=by_prt, explicit=False, shift=0)


@take_a_page
@behaviour(
    "B36",
    "a job in flight keeps its part of a 2 MiB mapping when another part is taken away explicitly",
    control=("B07", "B36c"),
    needs=EXPLICIT,
    rule=RULE,
    finding=F7,
    faults=True,
)
def test_job_keeps_its_part_of_a_huge_mapping_explicitly(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, by_prt: bool
) -> None:
    """Unbinding one tile of a resource that was bound at once, while frames are in flight."""
    if gpu.identity.gc_version < (9, 0, 0):
        raise NotTestable("no page-table entry is huge before GFX9: there is nothing to split", missing="huge_entries")
    job_reads_beside_what_goes(gpu, shut_gate, must, gpu_view, by_prt=by_prt, explicit=True, shift=0)


@take_a_page
@behaviour(
    "O10",
    "a job in flight keeps its part of a mapping of small pages when another part is taken away explicitly",
    control=("B07", "B36c"),
    needs=EXPLICIT,
    rule=RULE,
)
def test_job_keeps_its_part_of_a_mapping_of_small_pages(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, by_prt: bool
) -> None:
    """One page off the alignment that huge entries need: there is nothing to split."""
    job_reads_beside_what_goes(gpu, shut_gate, must, gpu_view, by_prt=by_prt, explicit=True, shift=PAGE_SIZE)


def job_reads_beside_what_goes(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, *, by_prt: bool, explicit: bool, shift: int
) -> None:
    """A job copies the second tile of 2 MiB of VRAM; before it runs, the first page of them goes."""
    pattern = bytes(range(256)) * (TILE // 256)
    # Made before the gate is shut: the kernel clears new VRAM, for which every later update waits (KERNEL.md E2).
    buffer = gpu.alloc(HUGE, "vram", always_valid=True, alignment=HUGE)
    buffer.write(TILE, pattern)
    whole = gpu.reserve(2 * HUGE, alignment=HUGE).part(shift, HUGE)
    whole.map(buffer)
    first = whole.part(0, PAGE_SIZE)
    sync: SyncOptions = {"explicit_sync": True} if explicit else {}
    gpu_view.forget()
    with shut_gate(gpu_view.queue, gpu_view.copy_ib(whole.va + TILE, TILE)) as job:
        update = first.replace_prt(**sync) if by_prt else first.clear(**sync)
        if explicit:
            must.signal(update, within=ms(500), while_pending=job)
    must.did(f"opened the gate: {job.words} copies the second tile of the mapping")
    must.be(
        gpu_view.landed(TILE) == pattern,
        seen="the job read the right data",
        otherwise=f"{job.words} read wrong data from {whole.va + TILE:#_x}: only {first} was taken away",
    )
    fault = vm_fault(gpu)
    must.be(fault is None, seen="no VM fault", otherwise=f"{job.words} raised a {fault}", kind="note")


@take_a_page
@pytest.mark.parametrize("at", [HUGE // 2, HUGE - PAGE_SIZE], ids=["the middle", "the end"])
@pytest.mark.parametrize("prt", [False, True], ids=["VRAM", "PRT"])
@behaviour(
    "O20",
    "a job in flight keeps what is left on either side of a page that is explicitly taken out of a huge mapping",
    control=("B07", "B36c"),
    needs=EXPLICIT,
    rule=RULE,
    finding=F7,
    faults=True,
)
def test_job_keeps_both_sides_of_a_huge_mapping(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, always_valid: Buffer, prt: bool, at: int, by_prt: bool
) -> None:
    """B36 and B37 take the first page, which leaves one side only."""
    if gpu.identity.gc_version < (9, 0, 0):
        raise NotTestable("no page-table entry is huge before GFX9: there is nothing to split", missing="huge_entries")
    pattern = bytes(TILE) if prt else bytes(range(256)) * (TILE // 256)
    whole = gpu.reserve(HUGE, alignment=HUGE)
    if prt:
        whole.map_prt()
    else:
        buffer = gpu.alloc(HUGE, "vram", always_valid=True, alignment=HUGE)
        for offset in (TILE, HUGE - 2 * TILE):
            buffer.write(offset, pattern)
        whole.map(buffer)
    page = whole.part(at, PAGE_SIZE)
    gpu_view.forget()
    half = TILE // 2
    ib = [*gpu_view.copy_ib(whole.va + TILE, half), *gpu_view.copy_ib(whole.va + HUGE - 2 * TILE, half, half)]
    with shut_gate(gpu_view.queue, ib) as job:
        if prt:
            update = page.replace(always_valid, explicit_sync=True) if by_prt else page.clear(explicit_sync=True)
        else:
            update = page.replace_prt(explicit_sync=True) if by_prt else page.clear(explicit_sync=True)
        must.signal(update, within=ms(500), while_pending=job)
    must.did(f"opened the gate: {job.words} copies the second tile and the last but one")
    landed = gpu_view.landed(TILE)
    for side, got in (("below", landed[:half]), ("above", landed[half:])):
        must.be(
            got == pattern[:half],
            seen=f"{side} it the job read the right data",
            otherwise=f"{job.words} read wrong data {side} {page}, which alone was taken away",
        )
    fault = vm_fault(gpu)
    must.be(fault is None, seen="no VM fault", otherwise=f"{job.words} raised a {fault}", kind="note")


@pytest.mark.parametrize("inputs", [0, 1], ids=["at once", "behind an input fence"])
@behaviour(
    "O20",
    "a job in flight keeps what is left of two huge mappings between which pages are explicitly taken out",
    control=("B07", "B36c"),
    needs=EXPLICIT,
    rule=RULE,
    finding=F7,
    faults=True,
)
def test_job_keeps_what_is_left_of_two_huge_mappings(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, inputs: int
) -> None:
    """Of two BOs: each has a remnant, and each is written again by itself, with the address space locked or to lock."""
    if gpu.identity.gc_version < (9, 0, 0):
        raise NotTestable("no page-table entry is huge before GFX9: there is nothing to split", missing="huge_entries")
    pattern = bytes(range(256)) * (TILE // 256)
    half = TILE // 2
    whole = gpu.reserve(2 * HUGE, alignment=HUGE)
    for at, offset in ((0, HUGE - 2 * TILE), (HUGE, TILE)):
        buffer = gpu.alloc(HUGE, "vram", always_valid=True, alignment=HUGE)
        buffer.write(offset, pattern)
        whole.part(at, HUGE).map(buffer)
    pages = whole.part(HUGE - PAGE_SIZE, 2 * PAGE_SIZE)
    gpu_view.forget()
    ib = [*gpu_view.copy_ib(whole.va + HUGE - 2 * TILE, half), *gpu_view.copy_ib(whole.va + HUGE + TILE, half, half)]
    with shut_gate(gpu_view.queue, ib) as job:
        signalled = [gpu.syncobj(signaled=True) for _ in range(inputs)]
        must.signal(pages.clear(explicit_sync=True, inputs=signalled), within=ms(500), while_pending=job)
    must.did(f"opened the gate: {job.words} copies from either mapping")
    landed = gpu_view.landed(TILE)
    for mapping, got in (("first", landed[:half]), ("second", landed[half:])):
        must.be(
            got == pattern[:half],
            seen=f"from the {mapping} the job read the right data",
            otherwise=f"{job.words} read wrong data from the {mapping} mapping, of which only {pages} was taken away",
        )
    fault = vm_fault(gpu)
    must.be(fault is None, seen="no VM fault", otherwise=f"{job.words} raised a {fault}", kind="note")


@behaviour(
    "B37c",
    "a job in flight may read a large PRT mapping when a tile of it is explicitly replaced by PRT",
    control="B08",
    needs=EXPLICIT,
    rule=RULE,
    faults=True,
)
def test_prt_stays_prt_around_an_explicit_replace_by_prt(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView
) -> None:
    """All PRT mappings are written together, so this one leaves nothing to later."""
    job_reads_prt_beside(gpu, shut_gate, must, gpu_view, None)


@behaviour(
    "B37",
    "a job in flight may read a large PRT mapping when memory is explicitly put into a tile of it",
    control=("B08", "B37c"),
    needs=EXPLICIT,
    rule=RULE,
    finding=F7,
    faults=True,
)
def test_prt_stays_prt_around_an_explicit_replace_by_memory(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, always_valid: Buffer
) -> None:
    """Binding the first tile of a sparse resource while frames that sample the rest of it are in flight."""
    job_reads_prt_beside(gpu, shut_gate, must, gpu_view, always_valid)


def job_reads_prt_beside(gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, buffer: Buffer | None) -> None:
    """A job reads a far tile of 1 GiB of PRT; before it runs, the first tile is replaced."""
    gpu_view.require_prt_access()
    if gpu.identity.driver_version < (3, 55):
        raise FeatureMissing("the kernel does not tell about VM faults (driver version 3.55)", "fault_reports")
    earlier = gpu_view.provoke_fault()
    whole = gpu.reserve(GiB, alignment=GiB)
    whole.map_prt()
    far = whole.part(GiB // 2, TILE)
    tile = whole.part(0, TILE)
    gpu_view.forget()
    with shut_gate(gpu_view.queue, gpu_view.copy_ib(far.va, TILE)) as job:
        update = tile.replace(buffer, explicit_sync=True) if buffer else tile.replace_prt(explicit_sync=True)
        must.signal(update, within=ms(500), while_pending=job)
    must.did(f"opened the gate: {job.words} reads PRT half a GiB away")
    must.equal(set(gpu_view.landed(TILE)), {0}, "the job read only")
    fault = vm_fault(gpu)
    must.be(fault == earlier, seen="no VM fault", otherwise=f"{job.words} raised a {fault}: it is not PRT any more")
