# SPDX-License-Identifier: MIT
"""Buffers that somebody else moves: their entries are cleared or written again by the next submission."""

from __future__ import annotations

import os
import time

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB, MiB
from amdgpu_hw.proof.absence import Absence
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.another_file import another_file
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.neighbour import Neighbour
from amdgpu_hw.proof.placement import place
from amdgpu_hw.proof.units import ms, size
from amdgpu_hw.proof.usage import vram_usage
from amdgpu_hw.sync import BackgroundCall
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import drm as core

TILE = 64 * KiB
DATA = 0x0B0FF3E7

MUCH = 32 * MiB
"""So much more than what other programs may allocate and free meanwhile, that the usage of all tells ours."""
GONE_S = 1.0
"""By then the old place of what has moved is free."""


@pytest.mark.parametrize("explicit", [False, True], ids=["plain", "created with EXPLICIT_SYNC"])
@behaviour(
    "O13",
    "what a buffer has left behind that has moved is cleared only after work in flight",
    control="B16",
    needs="update_fence",
    rule=(
        "A submission clears the entries of a moved buffer that it cannot lock (amdgpu_vm_handle_moved), implicitly, "
        "whatever flags the buffer was made with: jobs in flight may still use them."
    ),
    stalls=True,
)
def test_clearing_what_has_moved_waits_for_work_in_flight(
    gpu: Gpu, shut_gate: ShutGate, must: Must, neighbour: Neighbour, explicit: bool
) -> None:
    """The next update queues up behind the clear, so its fence tells whether that waits; by itself it does not."""
    buffer = gpu.alloc(TILE, "vram|gtt", explicit_sync=explicit)
    gpu.reserve(TILE).map(buffer)
    other = gpu.reserve(TILE)
    with shut_gate(gpu.compute) as job:
        neighbour.lock(buffer, job.gate, gpu)
        must.did("another process moves a mapped BO and keeps it locked; a submission")
        gpu.sdma.submit(gpu.sdma.packets.nop())
        update = other.map_prt()
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "O13",
    "a moved buffer whose entries were cleared is there again for the next submission that lists it",
    needs="update_fence",
    rule="Cleared entries are written anew although nothing has moved since (bo_va->cleared, amdgpu_vm_bo_update).",
    stalls=True,
    faults=True,
)
def test_a_cleared_buffer_is_there_again(
    gpu: Gpu, shut_gate: ShutGate, must: Must, neighbour: Neighbour, gpu_view: GpuView
) -> None:
    """It could not be locked when the submission before came by, so that its entries were zeroed."""
    buffer = gpu.alloc(TILE, "vram|gtt")
    buffer.fill(DATA)
    tile, other = gpu.reserve(TILE), gpu.reserve(TILE)
    tile.map(buffer)
    with shut_gate(gpu.compute) as job:
        neighbour.lock(buffer, job.gate, gpu)
        gpu.sdma.submit(gpu.sdma.packets.nop())
        update = other.map_prt()
    must.signal(update, after=job)
    must.did("another process moved a mapped BO and kept it locked during a submission; then one that lists it")
    must.equal(gpu_view.sample([tile.va], [buffer]), [DATA], "through its mapping the GPU read")


@behaviour(
    "O13",
    "a moved buffer whose entries were written anew is left alone by a submission that cannot lock it",
    control="B16",
    needs="update_fence",
    rule="Its update takes it off the list of what has moved (amdgpu_vm_bo_done); what is on that is cleared, behind "
    "all work in flight.",
    stalls=True,
)
def test_what_was_written_anew_is_left_alone(gpu: Gpu, shut_gate: ShutGate, must: Must, neighbour: Neighbour) -> None:
    """An update after that submission would queue up behind the clear."""
    buffer = gpu.alloc(TILE, "vram|gtt")
    gpu.reserve(TILE).map(buffer)
    other = gpu.reserve(TILE)
    execute(gpu, buffer)
    neighbour.move(buffer)
    execute(gpu, buffer)
    with shut_gate(gpu.compute) as job:
        neighbour.lock(buffer, job.gate, gpu)
        must.did(
            "another process moved a BO, a submission listed it; now it keeps the BO locked, and one lists nothing"
        )
        gpu.sdma.submit(gpu.sdma.packets.nop())
        must.signal(other.map_prt(), within=ms(500), while_pending=job)


@behaviour(
    "O60",
    "an update of a buffer that another process keeps locked waits for the lock, and takes effect then",
    needs="update_fence",
    rule="It locks the buffer and the root directory (amdgpu_gem_va_ioctl): one that moves has no address.",
    stalls=True,
)
def test_an_update_waits_for_the_lock_of_its_buffer(
    gpu: Gpu, shut_gate: ShutGate, must: Must, neighbour: Neighbour, gpu_view: GpuView
) -> None:
    """The other process moves it in a submission that sleeps."""
    buffer = gpu.alloc(TILE, "vram|gtt")
    buffer.fill(DATA)
    tile = gpu.reserve(TILE)
    with shut_gate(gpu.compute) as job:
        neighbour.lock(buffer, job.gate, gpu)
        must.did("another process moves a BO and keeps it locked; MAP of it")
        call = BackgroundCall(lambda: tile.map(buffer))
        must.not_signal(call, while_pending=job)
    must.signal(call, after=job)
    must.equal(gpu_view.sample([tile.va], [buffer]), [DATA], "through its mapping the GPU read")


@behaviour(
    "O60",
    "closing a buffer that another process keeps locked takes its mappings out",
    rule="GEM_CLOSE locks the buffer and the root directory, however long that takes (amdgpu_gem_object_close).",
    stalls=True,
)
def test_closing_waits_for_the_lock_of_the_buffer(
    gpu: Gpu, shut_gate: ShutGate, must: Must, neighbour: Neighbour
) -> None:
    """The call waits; what counts is that nothing is mapped there afterwards, and something else can be."""
    buffer = gpu.alloc(TILE, "vram|gtt")
    buffer.fill(DATA)
    tile = gpu.reserve(TILE)
    tile.map(buffer)
    with shut_gate(gpu.compute) as job:
        neighbour.lock(buffer, job.gate, gpu)
        call = BackgroundCall(buffer.close)
        returned = call.wait(ms(30))
        must.did("another process moves a mapped BO and keeps it locked; GEM_CLOSE of it, then MAP PRT in its place")
        must.note(f"with the lock held GEM_CLOSE {'returned' if returned else 'waits'}")
    call.result()
    must.accept("MAP PRT where the closed BO was mapped", lambda: tile.map_prt())


@behaviour(
    "O83",
    "a job in flight reads what is in a buffer that goes out of the GPU's reach meanwhile",
    rule="What moves a buffer out of GTT waits until it is idle (amdgpu_bo_move).",
    faults=True,
    stalls=True,
)
def test_a_job_reads_what_leaves_its_reach(
    gpu: Gpu, shut_gate: ShutGate, must: Must, gpu_view: GpuView, ordinary: Buffer
) -> None:
    """A submission that lists it moves it to where its owner wants it: to memory of the CPU alone."""
    ordinary.fill(DATA)
    tile = gpu.reserve(TILE)
    tile.map(ordinary)
    gpu_view.forget()
    with shut_gate(gpu_view.queue, gpu_view.copy_ib(tile.va, TILE), buffers=[ordinary]) as job:
        place(gpu, ordinary, uapi.AMDGPU_GEM_DOMAIN_CPU)
        queue = gpu.compute
        call = BackgroundCall(lambda: queue.submit(queue.packets.nop(), buffers=[ordinary]))
        must.did(f"{job.words} copies from a BO; SET_PLACEMENT to CPU and a submission that lists it")
        returned = call.wait(ms(30))
        must.note(f"that submission {'came back at once' if returned else 'waits'}")
    must.signal(call, after=job)
    read = set(memoryview(gpu_view.landed(TILE)).cast("I"))
    must.equal(read, {DATA}, f"from the BO that was moved meanwhile {job.words} read only")


@behaviour(
    "O88",
    "an address space that has a buffer mapped is told each time it moves, whoever else has not looked since",
    rule="An attachment that knows already is passed over, not those behind it (amdgpu_vm_bo_invalidate).",
    faults=True,
)
def test_all_address_spaces_are_told_of_a_move(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """Another one has it mapped, too, and submits nothing while the buffer goes to system memory and back."""
    buffer = gpu.alloc(TILE, "vram|gtt")
    buffer.fill(DATA)
    tile = gpu.reserve(TILE)
    tile.map(buffer)
    must.equal(gpu_view.sample([tile.va], [buffer]), [DATA], "before, the GPU read")
    with another_file(gpu) as other:
        descriptor = buffer.export()
        try:
            handle = ioctl(other, core.IOCTL_PRIME_FD_TO_HANDLE, fd=descriptor)["handle"]
        finally:
            os.close(descriptor)
        flags = uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_WRITEABLE
        ioctl(
            other,
            uapi.IOCTL_AMDGPU_GEM_VA,
            handle=handle,
            operation=uapi.AMDGPU_VA_OP_MAP,
            flags=flags,
            va_address=tile.va,
            map_size=TILE,
        )
        must.did("another open file has the BO mapped; submissions of ours move it to system memory, and back")
        for domain in (uapi.AMDGPU_GEM_DOMAIN_GTT, uapi.AMDGPU_GEM_DOMAIN_VRAM):
            place(gpu, buffer, domain)
            execute(gpu, buffer)
            must.equal(gpu_view.sample([tile.va], [buffer]), [DATA], "then the GPU read")


@behaviour(
    "O95",
    "nothing is mapped where a buffer is that the GPU does not reach, until it comes back",
    rule="Its entries are not valid (amdgpu_ttm_tt_pde_flags): they have no address of the GPU's to point to.",
    faults=True,
)
def test_what_is_out_of_reach_is_not_mapped(gpu: Gpu, must: Must, gpu_view: GpuView, ordinary: Buffer) -> None:
    """In memory of the CPU alone, where a submission has moved it that listed it; as one that lists it brings it back.

    Mapped before, and once more while it is there.
    """
    absence = Absence(gpu, gpu_view)
    ordinary.fill(DATA)
    tiles = gpu.reserve(2 * TILE)
    first, second = tiles.part(0, TILE), tiles.part(TILE, TILE)
    first.map(ordinary)
    must.equal(gpu_view.sample([first.va], [ordinary]), [DATA], "through its mapping the GPU read")
    place(gpu, ordinary, uapi.AMDGPU_GEM_DOMAIN_CPU)
    execute(gpu, ordinary)
    second.map(ordinary)
    must.did("SET_PLACEMENT of a mapped BO to CPU, a submission that lists it, a second MAP of it")
    for tile, words in ((first, "from before"), (second, "from afterwards")):
        must.be(
            absence.is_absent(tile.va),
            seen=f"the GPU faulted where its mapping {words} is",
            otherwise=f"the mapping {words} of a BO out of the GPU's reach shows the GPU something",
        )
    place(gpu, ordinary, uapi.AMDGPU_GEM_DOMAIN_GTT)
    execute(gpu, ordinary)
    must.did("SET_PLACEMENT to GTT, a submission that lists it")
    read = gpu_view.sample([first.va, second.va], [ordinary])
    must.equal(read, [DATA, DATA], "through both mappings the GPU read")


@behaviour(
    "O95",
    "a buffer that was out of the GPU's reach is back for the submission that writes its number to it",
    rule="It is brought back like those that are listed (amdgpu_cs_parser_bos: p->uf_bo).",
    faults=True,
)
def test_an_unreachable_user_fence_comes_back(gpu: Gpu, must: Must) -> None:
    """The submission does not list it."""
    page, queue = gpu.alloc(PAGE_SIZE), gpu.compute
    page.fill(0)
    place(gpu, page, uapi.AMDGPU_GEM_DOMAIN_CPU)
    execute(gpu, page)
    place(gpu, page, uapi.AMDGPU_GEM_DOMAIN_GTT)
    job = queue.submit(queue.packets.nop(), user_fence=page)
    job.wait()
    must.did(f"SET_PLACEMENT of a BO to CPU, a submission that lists it, SET_PLACEMENT to GTT, {job} with a user fence")
    must.be(page.wait_idle(ms(2000)), seen="the BO was idle then", otherwise="the BO of its user fence is never idle")
    must.equal(page.read_u32(), job.fence_seq, "its user fence was")


@behaviour(
    "O104",
    "an always-valid buffer goes where it is wanted with the next submission",
    rule="No list has it, so that the address space has to be told (amdgpu_gem_op_ioctl: amdgpu_vm_bo_invalidate).",
)
def test_an_always_valid_buffer_goes_where_it_is_wanted(gpu: Gpu, must: Must) -> None:
    """Out of VRAM: so much that it shows in what all programs use."""
    buffer = gpu.alloc(MUCH, "vram|gtt", always_valid=True, cpu_access=False)
    gpu.reserve(MUCH).map(buffer)
    queue = gpu.compute
    queue.submit(queue.packets.nop()).wait()
    before = vram_usage(gpu)
    place(gpu, buffer, uapi.AMDGPU_GEM_DOMAIN_GTT)
    queue.submit(queue.packets.nop()).wait()
    must.did(f"SET_PLACEMENT of an always-valid BO of {size(MUCH)} to GTT, and a submission")
    end = time.monotonic() + GONE_S
    while before - vram_usage(gpu) < MUCH // 2 and time.monotonic() < end:
        time.sleep(0.001)
    left = before - vram_usage(gpu)
    must.be(
        left >= MUCH // 2,
        seen=f"then {size(left)} less of VRAM were in use",
        otherwise=f"{GONE_S:g} s later {size(max(left, 0))} less of VRAM are in use",
    )


def execute(gpu: Gpu, buffer: Buffer) -> None:
    """Have a submission done that lists a buffer."""
    gpu.compute.submit(gpu.compute.packets.nop(), buffers=[buffer]).wait()
