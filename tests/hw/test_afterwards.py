# SPDX-License-Identifier: MIT
"""What comes after an explicit update: submissions, updates, GEM_CLOSE, each with what the update has promised."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from amdgpu_hw.address_space import Update
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB, MiB
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.absence import Absence
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence, ShutGate, drain
from amdgpu_hw.proof.foreign import leave_foreign_fence
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.neighbour import Neighbour
from amdgpu_hw.proof.units import ms, size
from amdgpu_hw.proof.usage import gtt_usage
from amdgpu_hw.sync import BackgroundCall

TILE = 64 * KiB
MUCH = 32 * MiB
"""So much more than what other programs may allocate and free meanwhile, that the usage of all tells ours."""
FENCES = ("input_fence", "update_fence")
SERIES = ("explicit_sync", *FENCES)
NEW = 0x2E3DA7A0

TAKE_AWAY: dict[str, Callable[..., Update]] = {
    "UNMAP of an always-valid BO": lambda tiles, buffer, **sync: tiles.part(0, TILE).unmap(buffer, **sync),
    "UNMAP of PRT": lambda tiles, buffer, **sync: tiles.part(TILE, TILE).unmap_prt(**sync),
    "CLEAR of an always-valid BO": lambda tiles, buffer, **sync: tiles.part(0, TILE).clear(**sync),
    "CLEAR of PRT": lambda tiles, buffer, **sync: tiles.part(TILE, TILE).clear(**sync),
    "CLEAR of both": lambda tiles, buffer, **sync: tiles.clear(**sync),
    "CLEAR of a page": lambda tiles, buffer, **sync: tiles.part(PAGE_SIZE, PAGE_SIZE).clear(**sync),
}
"""Updates that map nothing, on two tiles: an always-valid BO, and PRT."""


@pytest.mark.parametrize("explicit", [False, True], ids=["plain", "explicit"])
@pytest.mark.parametrize("operation", TAKE_AWAY)
@behaviour(
    "O24",
    "a submission after an update that only takes away waits for the input fence of that",
    control=("B26", "O6"),
    needs=SERIES,
    rule="Clears are the last update of the address space too, which submissions wait for (amdgpu_cs_vm_handling).",
)
def test_submission_waits_for_the_input_fence_of_what_takes_away(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, operation: str, explicit: bool
) -> None:
    """B26 shows it of REPLACE, whose map part alone would do."""
    tiles = gpu.reserve(2 * TILE)
    tiles.part(0, TILE).map(always_valid)
    tiles.part(TILE, TILE).map_prt()
    queue = gpu.new_context().queue(Engine.COMPUTE)
    with shut_fence() as fence:
        call = BackgroundCall(
            lambda: TAKE_AWAY[operation](tiles, always_valid, explicit_sync=explicit, inputs=[fence.syncobj])
        )
        must.come_back(call, while_pending=fence)
        must.did(f"{'explicit ' if explicit else ''}{operation} with a pending input fence, then a submission")
        must.not_signal(queue.submit(queue.packets.nop()), at_most=ms(15), while_pending=fence)
    must.signal(call, after=fence)


@pytest.mark.parametrize("buffer_is", ["an always-valid BO", "an ordinary BO"])
@pytest.mark.parametrize("operation", ["MAP", "REPLACE", "REPLACE of a part", "MAP behind an update elsewhere"])
@behaviour(
    "O25",
    "what is mapped explicitly where a delayed UNMAP was stays when that is carried out",
    control="B33",
    needs="explicit_sync",
    rule="Updates of one address take effect in the order in which they were asked for, whatever their flags.",
    finding="F1: the next submission carries out the delayed unmap, and wipes out what was mapped meanwhile (patch 1).",
)
def test_explicit_map_over_a_delayed_unmap_stays(
    gpu: Gpu, must: Must, gpu_view: GpuView, always_valid: Buffer, operation: str, buffer_is: str
) -> None:
    """B33 and B34 with the flag: an update must not leave the backlog to come after it."""
    new = gpu.alloc(TILE, always_valid=buffer_is == "an always-valid BO")
    new.fill(NEW)
    listed = [] if new.always_valid else [new]
    tile, other = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(always_valid)
    other.map_prt()
    drain(gpu)
    tile.unmap(always_valid, delay=True)
    if operation == "MAP behind an update elsewhere":
        other.clear(explicit_sync=True)
    part = tile.part(PAGE_SIZE, PAGE_SIZE) if operation == "REPLACE of a part" else tile
    update = part.map(new, explicit_sync=True) if operation.startswith("MAP") else part.replace(new, explicit_sync=True)
    must.did(f"delayed UNMAP, then explicit {operation} of {buffer_is} there; two submissions")
    if update.fence is not None:
        must.signal(update)
    gpu_view.sample([part.va], listed)
    drain(gpu)
    must.equal(gpu_view.sample([part.va], listed), [NEW], "there the GPU read")


@pytest.mark.parametrize("after", ["UNMAP", "CLEAR", "REPLACE by PRT"])
@behaviour(
    "O26",
    "memory that was unmapped explicitly and then closed stays until work in flight is done",
    control="B39",
    needs=("explicit_sync", "update_fence"),
    rule=(
        "A job may use an always-valid BO without listing it: the fences of the address space that it belongs to keep "
        "its memory (ttm_bo_release), whether it is still mapped or not."
    ),
    stalls=True,
)
def test_memory_unmapped_explicitly_and_closed_stays(gpu: Gpu, shut_gate: ShutGate, must: Must, after: str) -> None:
    """That it may be unmapped under a job is because it cannot be freed under one."""
    # In GTT: wiping and moving VRAM has fences of its own.
    buffer = gpu.alloc(MUCH, always_valid=True)
    whole = gpu.reserve(MUCH)
    whole.map(buffer)
    take_away: dict[str, Callable[[], Update]] = {
        "UNMAP": lambda: whole.unmap(buffer, explicit_sync=True),
        "CLEAR": lambda: whole.clear(explicit_sync=True),
        "REPLACE by PRT": lambda: whole.replace_prt(explicit_sync=True),
    }
    before = gtt_usage(gpu)
    with shut_gate(gpu.compute) as job:
        must.signal(take_away[after](), within=ms(500), while_pending=job)
        call = BackgroundCall(buffer.close)
        must.come_back(call, what="GEM_CLOSE", while_pending=job)
        time.sleep(0.03)
        freed = before - gtt_usage(gpu)
        must.be(
            freed < MUCH // 2 and job.is_pending(),
            seen="the memory was still in use then",
            otherwise=f"{size(max(freed, 0))} were free again with {job.words} still pending, which may use them",
        )
    end = time.monotonic() + 2
    while before - gtt_usage(gpu) < MUCH // 2 and time.monotonic() < end:
        time.sleep(0.01)
    must.be(
        before - gtt_usage(gpu) >= MUCH // 2,
        seen="and was free afterwards",
        otherwise=f"2 s after {job.words} was done the memory of the closed BO is still in use",
    )


@pytest.mark.parametrize("old", ["always-valid BO", "PRT", "nothing"])
@behaviour(
    "O27",
    "the update fence of a REPLACE covers its map part as well: what another driver does with the new BO",
    control="O12",
    needs="update_fence",
    rule="An update fence says that the page tables have changed, all of them (amdgpu_gem_va_update_vm).",
)
def test_update_fence_of_replace_covers_the_map(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer, ordinary: Buffer, old: str
) -> None:
    """Its clear part has nothing to wait for, and takes less time."""
    tile = gpu.reserve(TILE)
    if old == "PRT":
        tile.map_prt()
    elif old != "nothing":
        tile.map(always_valid)
    with shut_fence() as fence:
        leave_foreign_fence(ordinary, fence, must)
        update = tile.replace(ordinary)
        must.not_signal(update, at_most=ms(50), while_pending=fence)
    must.signal(update, after=fence)


@behaviour(
    "O28",
    "a VM fault is told to the address space that it happened in, and to no other",
    rule="GPUVM_FAULT tells of the file that asks (amdgpu_vm_update_fault_cache looks it up by its PASID).",
    faults=True,
)
def test_faults_are_told_apart(gpu: Gpu, must: Must, gpu_view: GpuView, neighbour: Neighbour) -> None:
    """Two files of two processes; each faults once, and each is asked after either."""
    absence = Absence(gpu, gpu_view)
    nowhere = gpu.reserve(PAGE_SIZE)
    # Asked first: a kernel that tells somebody else of it does not tell us, and to wait for that is in vain.
    gpu_view.sample([nowhere.va])
    must.be(
        neighbour.last_fault() == 0,
        seen="no other process was told of a fault of ours",
        otherwise=f"another process was told of our fault at {nowhere.va:#_x}",
    )
    must.be(
        absence.is_absent(nowhere.va),
        seen="a fault of ours was told here",
        otherwise=f"a read of {nowhere.va:#_x}, where nothing is mapped, was told as {gpu.last_vm_fault()}",
    )
    ours = gpu.last_vm_fault()
    must.be(neighbour.last_fault() == 0, seen="and not there", otherwise="another process was told of our fault")
    read, told = neighbour.fault()
    must.equal(told, read, "of a fault in another process it was told the page", kind="note")
    must.equal(gpu.last_vm_fault(), ours, "and we still of ours:", kind="note")


@behaviour(
    "O28",
    "of several VM faults the one that is told has its status",
    rule="The status register has the first until it is read; those that find it empty say nothing "
    "(amdgpu_vm_update_fault_cache).",
    faults=True,
)
def test_the_told_fault_has_its_status(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """A tool that shows the fault tells from its status who did what."""
    told = gpu_view.provoke_fault()
    nowhere = gpu.reserve(PAGE_SIZE)
    for _ in range(3):
        gpu_view.sample([nowhere.va])
    must.did(f"after a {told} read another unmapped page, three times")
    fault = gpu.last_vm_fault() or {}
    must.be(
        bool(fault.get("status")),
        seen=f"the last fault is told with status {fault.get('status', 0):#x}",
        otherwise="the last fault is told with status 0: it took the place of one that has its status",
        kind="note",
    )
