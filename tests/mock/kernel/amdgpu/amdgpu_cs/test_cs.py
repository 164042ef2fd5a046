# SPDX-License-Identifier: MIT
"""The CS ioctl: what is refused and in which order, what a submission waits for, and which fences it leaves."""

from __future__ import annotations

import errno
import struct

import pytest

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_FENCE_OWNER_UNDEFINED
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ, DMA_RESV_USAGE_WRITE
from amdgpu_hw.mock.kernel.scheduler.sched_main import to_drm_sched_fence
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, PAGE, SDMA, Client, boot_gpu

IB, FENCE, BO_HANDLES = drm.AMDGPU_CHUNK_ID_IB, drm.AMDGPU_CHUNK_ID_FENCE, drm.AMDGPU_CHUNK_ID_BO_HANDLES
DEPENDENCIES, SCHEDULED = drm.AMDGPU_CHUNK_ID_DEPENDENCIES, drm.AMDGPU_CHUNK_ID_SCHEDULED_DEPENDENCIES
SYNCOBJ_IN, SYNCOBJ_OUT = drm.AMDGPU_CHUNK_ID_SYNCOBJ_IN, drm.AMDGPU_CHUNK_ID_SYNCOBJ_OUT
TIMELINE_WAIT = drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_WAIT
TIMELINE_SIGNAL = drm.AMDGPU_CHUNK_ID_SYNCOBJ_TIMELINE_SIGNAL
SHADOW = drm.AMDGPU_CHUNK_ID_CP_GFX_SHADOW
VA = 0x400000


@pytest.fixture
def client() -> Client:
    """A client on navi31 whose page tables are idle."""
    client = Client()
    client.settle()
    return client


def ib(client: Client, ip: int = SDMA, ring: int = 0, flags: int = 0) -> tuple[int, bytes]:
    """An IB chunk that does nothing."""
    return IB, client.ib_chunk(ip, None, ring, flags)


def sem(handle: int) -> bytes:
    """Data of a SYNCOBJ_IN or _OUT chunk."""
    return drm.CS_CHUNK_SEM.pack(handle=handle)


def point(handle: int, at: int, flags: int = 0) -> bytes:
    """Data of a timeline chunk."""
    return drm.CS_CHUNK_SYNCOBJ.pack(handle=handle, point=at, flags=flags)


def dep(client: Client, sequence: int, ip: int = SDMA, ring: int = 0, ctx: int | None = None) -> bytes:
    """Data of a dependency chunk."""
    return drm.CS_CHUNK_DEP.pack(ip_type=ip, ring=ring, ctx_id=client.ctx if ctx is None else ctx, handle=sequence)


# -- refused ------------------------------------------------------------------------------------------------------


def test_no_chunks_unknown_context_and_guilty_context(client: Client) -> None:
    """EINVAL, EINVAL, ECANCELED, and without acceleration EBUSY before all of them."""
    assert client.cs_fails() == errno.EINVAL
    assert client.cs_fails(ib(client), ctx=99) == errno.EINVAL
    client.ctx_object().guilty.value = True
    assert client.cs_fails(ib(client)) == errno.ECANCELED
    client.adev.accel_working = False
    assert client.cs_fails() == errno.EBUSY


def test_pointers_that_cannot_be_read_are_efault(client: Client) -> None:
    """The array, a chunk, its data."""
    cs = drm.IOCTL_AMDGPU_CS
    assert client.fails(cs, ctx_id=1, num_chunks=1, chunks=0x10) == errno.EFAULT
    assert client.fails(cs, ctx_id=1, num_chunks=1, chunks=client.caller.u64s(0x10)) == errno.EFAULT
    chunk = client.caller.alloc(drm.CS_CHUNK.pack(chunk_id=IB, length_dw=8, chunk_data=0x10))
    assert client.fails(cs, ctx_id=1, num_chunks=1, chunks=client.caller.u64s(chunk)) == errno.EFAULT


def test_absurd_sizes_are_enomem_not_a_crash(client: Client) -> None:
    """2^32 chunks, or a chunk of 16 GiB."""
    cs = drm.IOCTL_AMDGPU_CS
    assert client.fails(cs, ctx_id=1, num_chunks=0xFFFFFFFF, chunks=0x10) == errno.ENOMEM
    chunk = client.caller.alloc(drm.CS_CHUNK.pack(chunk_id=IB, length_dw=0xFFFFFFFF, chunk_data=0x10))
    assert client.fails(cs, ctx_id=1, num_chunks=1, chunks=client.caller.u64s(chunk)) == errno.ENOMEM


@pytest.mark.parametrize("chunk_id", [IB, FENCE, BO_HANDLES])
def test_a_short_chunk_is_einval(client: Client, chunk_id: int) -> None:
    """Where the kernel checks sizes: IB, user fence, BO handles."""
    assert client.cs_fails(ib(client), (chunk_id, bytes(4))) == errno.EINVAL


def test_an_unknown_chunk_is_einval(client: Client) -> None:
    """Beyond the last known id, and 0."""
    assert client.cs_fails(ib(client), (0x0B, b"")) == errno.EINVAL
    assert client.cs_fails(ib(client), (0, b"")) == errno.EINVAL


def test_a_submission_without_ib_is_einval(client: Client) -> None:
    """Syncobjs alone cannot be submitted."""
    handle = client.syncobj()
    assert client.cs_fails((SYNCOBJ_OUT, sem(handle))) == errno.EINVAL
    assert client.syncobj_fence(handle) is None


def test_rings_that_do_not_exist(client: Client) -> None:
    """EINVAL for a wrong IP, instance and ring, for an absent engine, and for graphics on a GPU that has none."""
    for ip, instance, ring in ((10, 0, 0), (SDMA, 1, 0), (SDMA, 0, 2), (drm.AMDGPU_HW_IP_VCN_DEC, 0, 0)):
        chunk = drm.CS_CHUNK_IB.pack(va_start=VA, ib_bytes=4, ip_type=ip, ip_instance=instance, ring=ring)
        assert client.cs_fails((IB, chunk)) == errno.EINVAL, f"IP {ip} instance {instance} ring {ring}"
    mi300x = Client(boot_gpu("mi300x"))
    assert mi300x.cs_fails((IB, drm.CS_CHUNK_IB.pack(va_start=VA, ib_bytes=4, ip_type=GFX))) == errno.EINVAL


def test_too_many_ibs(client: Client) -> None:
    """49 on an SDMA ring; the 50th is EINVAL."""
    one = ib(client)
    client.cs(*[one] * 49)
    assert client.cs_fails(*[one] * 50) == errno.EINVAL


def test_a_gang_has_at_most_four_members(client: Client) -> None:
    """The fifth ring in one submission is EINVAL."""
    members = [ib(client, GFX), ib(client, COMPUTE, 0), ib(client, COMPUTE, 1), ib(client, COMPUTE, 2)]
    client.cs(*members)
    assert client.cs_fails(*members, ib(client, SDMA)) == errno.EINVAL


def test_the_user_fence_is_checked(client: Client) -> None:
    """EINVAL for an unknown handle, another size than a page, an offset that leaves no 8 bytes."""
    page, large = client.bo(), client.bo(2 * PAGE)
    for handle, offset in ((99, 0), (large, 0), (page, PAGE - 4)):
        data = drm.CS_CHUNK_FENCE.pack(handle=handle, offset=offset)
        assert client.cs_fails(ib(client), (FENCE, data)) == errno.EINVAL, f"handle {handle} offset {offset}"
    assert client.object(page).refcount == 1, "a refused submission keeps a reference"


def test_constant_engine_ibs_are_blocked(client: Client) -> None:
    """EINVAL and a line in the log; the debug option lets them through."""
    chunk = ib(client, GFX, flags=drm.AMDGPU_IB_FLAG_CE)
    assert client.cs_fails(chunk) == errno.EINVAL
    assert "CE CS is blocked" in client.log()
    client.adev.debug_enable_ce_cs = True
    assert client.cs_fails(chunk) == 0


def test_constant_engine_ibs_run_beside_the_drawing_engine_up_to_6_17() -> None:
    """One IB sets the counters and counts up, the other one waits for that."""
    client = Client(boot_gpu("navi21", "6.12"))
    packets = client.packets(GFX)
    count = [*packets.packet("SET_CE_DE_COUNTERS", [0]), *packets.packet("INCREMENT_CE_COUNTER", [1])]
    wait = packets.packet("WAIT_ON_CE_COUNTER", [1])
    sequence = client.cs(
        (IB, client.ib_chunk(GFX, count, flags=drm.AMDGPU_IB_FLAG_CE)), (IB, client.ib_chunk(GFX, wait))
    )
    client.wait(GFX, sequence)


def test_one_preemptible_ib(client: Client) -> None:
    """A second one on the graphics ring is EINVAL; elsewhere the flag means nothing."""
    flag = drm.AMDGPU_IB_FLAG_PREEMPT
    client.cs(ib(client, GFX, flags=flag))
    assert client.cs_fails(ib(client, GFX, flags=flag), ib(client, GFX, flags=flag)) == errno.EINVAL
    client.cs(ib(client, COMPUTE, flags=flag), ib(client, COMPUTE, flags=flag))


def test_dependencies_are_checked(client: Client) -> None:
    """EINVAL for an unknown context, a ring there is not, a submission that was not made; an old one is done."""
    client.submit(SDMA)
    for data in (dep(client, 1, ctx=99), dep(client, 1, ip=10), dep(client, 2)):
        assert client.cs_fails(ib(client, COMPUTE), (DEPENDENCIES, data)) == errno.EINVAL
    for _ in range(40):
        client.submit(SDMA)
    client.cs(ib(client, COMPUTE), (DEPENDENCIES, dep(client, 1)))


def test_syncobjs_are_checked(client: Client) -> None:
    """IN: ENOENT unknown, EINVAL without fence. OUT: EINVAL unknown, EINVAL for two chunks of either kind."""
    empty = client.syncobj()
    one = ib(client)
    assert client.cs_fails(one, (SYNCOBJ_IN, sem(99))) == errno.ENOENT
    assert client.cs_fails(one, (SYNCOBJ_IN, sem(empty))) == errno.EINVAL
    assert client.cs_fails(one, (TIMELINE_WAIT, point(empty, 1))) == errno.EINVAL
    assert client.cs_fails(one, (TIMELINE_WAIT, point(empty, 1, 1))) == errno.EINVAL
    assert client.cs_fails(one, (SYNCOBJ_OUT, sem(99))) == errno.EINVAL
    assert client.cs_fails(one, (TIMELINE_SIGNAL, point(99, 1))) == errno.EINVAL
    out = (SYNCOBJ_OUT, sem(empty))
    assert client.cs_fails(one, out, out) == errno.EINVAL
    assert client.cs_fails(one, out, (TIMELINE_SIGNAL, point(empty, 1))) == errno.EINVAL
    assert client.syncobj_fence(empty) is None, "a refused submission left a fence"


def test_a_partial_record_at_the_end_is_ignored(client: Client) -> None:
    """The kernel divides the chunk's size by the record's and rounds down (E16)."""
    client.cs(ib(client), (TIMELINE_WAIT, bytes(12)))
    client.cs(ib(client), (DEPENDENCIES, bytes(20)))


def test_shadow_flags(client: Client) -> None:
    """An unknown flag is EINVAL; two shadow chunks are not (E16)."""
    good = (SHADOW, drm.CS_CHUNK_CP_GFX_SHADOW.pack(flags=1))
    bad = (SHADOW, drm.CS_CHUNK_CP_GFX_SHADOW.pack(flags=2))
    client.cs(ib(client, GFX), good, good)
    assert client.cs_fails(ib(client, GFX), bad) == errno.EINVAL


def test_bo_lists_are_checked(client: Client) -> None:
    """ENOENT for an unknown BO or list, EINVAL for two inline lists, and for one inline and one by handle."""
    handle = client.bo()
    inline = (BO_HANDLES, client.bo_handles_chunk(handle))
    assert client.cs_fails(ib(client), (BO_HANDLES, client.bo_handles_chunk(handle, 99))) == errno.ENOENT
    assert client.cs_fails(ib(client), inline, inline) == errno.EINVAL
    assert client.cs_fails(ib(client), inline, bo_list=1) == errno.EINVAL
    assert client.cs_fails(ib(client), bo_list=1) == errno.ENOENT
    assert client.object(handle).refcount == 1, "a refused submission keeps a reference"


def test_a_context_older_than_the_page_tables_is_ecanceled(client: Client) -> None:
    """VRAM was lost: the context has to be made anew."""
    client.adev.vram_lost_counter += 1
    assert client.cs_fails(ib(client)) == errno.ECANCELED


def test_a_vm_that_is_not_ready_is_einval(client: Client) -> None:
    """The entity that updates page tables has been killed."""
    client.fpriv.vm.delayed.stopped = True
    assert client.cs_fails(ib(client)) == errno.EINVAL
    assert not client.fpriv.vm.root_resv.locked, "the failed submission left the root directory locked"


# -- dependencies -------------------------------------------------------------------------------------------------


def test_a_gated_submission_waits_and_then_runs(client: Client) -> None:
    """SYNCOBJ_IN: the ioctl returns, the job runs when the fence signals."""
    gate, fence = client.gate()
    sequence = client.submit(SDMA, None, gate)
    assert client.busy(SDMA, sequence)
    client.open_gate(fence)
    assert not client.busy(SDMA, sequence)


def test_dependencies_wait_for_the_other_ring(client: Client) -> None:
    """DEPENDENCIES: until the other submission is done."""
    gate, fence = client.gate()
    first = client.submit(SDMA, None, gate)
    second = client.submit(COMPUTE, None, (DEPENDENCIES, dep(client, first)))
    assert client.busy(COMPUTE, second)
    client.open_gate(fence)
    assert not client.busy(COMPUTE, second)


def test_scheduled_dependencies_wait_only_for_the_start(client: Client) -> None:
    """SCHEDULED_DEPENDENCIES: the other job need not end."""
    flag = client.bo()
    client.map(flag, VA)
    endless = client.submit(GFX, client.packets(GFX).wait_reg_mem(VA, 1))
    finished = client.submit(COMPUTE, None, (DEPENDENCIES, dep(client, endless, GFX)))
    started = client.submit(SDMA, None, (SCHEDULED, dep(client, endless, GFX)))
    assert client.busy(GFX, endless)
    assert client.busy(COMPUTE, finished)
    assert not client.busy(SDMA, started), "the job waited for the end of the other one"
    client.write(flag, struct.pack("<I", 1))
    client.wait(COMPUTE, finished)


def test_a_timeline_wait_for_submit_blocks_the_ioctl(client: Client) -> None:
    """TIMELINE_WAIT with FOR_SUBMIT sleeps until the point exists; the job then waits for its fence."""
    handle = client.syncobj()
    wait = (TIMELINE_WAIT, point(handle, 3, core.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT))
    call = client.start_cs([ib(client), wait])
    client.settle()
    assert not call.done, "the ioctl returned although nobody has submitted the point"
    gate, fence = client.gate()
    first = client.submit(COMPUTE, None, gate, (TIMELINE_SIGNAL, point(handle, 3)))
    assert call.done
    assert call.error == 0
    assert client.busy(SDMA, 1)
    client.open_gate(fence)
    assert not client.busy(SDMA, 1)
    assert first == 1


def test_a_sleeping_submission_survives_its_context(client: Client) -> None:
    """Another thread frees the context meanwhile: the submission still completes."""
    handle, ctx = client.syncobj(), client.new_ctx()
    wait = (TIMELINE_WAIT, point(handle, 1, core.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT))
    out = client.syncobj()
    call = client.start_cs([ib(client), wait, (SYNCOBJ_OUT, sem(out))], ctx=ctx)
    client.ioctl(drm.IOCTL_AMDGPU_CTX, op=drm.AMDGPU_CTX_OP_FREE_CTX, ctx_id=ctx)
    client.submit(COMPUTE, None, (TIMELINE_SIGNAL, point(handle, 1)))
    assert call.done
    assert call.error == 0
    fence = client.syncobj_fence(out)
    assert fence is not None
    assert fence.signaled


def test_out_syncobjs_have_a_fence_when_the_ioctl_returns(client: Client) -> None:
    """Binary: replaced. Timeline: a point is added."""
    binary, timeline = client.syncobj(), client.syncobj()
    gate, fence = client.gate()
    client.submit(SDMA, None, gate, (SYNCOBJ_OUT, sem(binary)))
    client.submit(SDMA, None, (TIMELINE_SIGNAL, point(timeline, 5)))
    for handle in (binary, timeline):
        out = client.syncobj_fence(handle)
        assert out is not None, f"syncobj {handle} has no fence"
        assert not out.signaled
    client.open_gate(fence)
    points = client.caller.alloc(8)
    handles = client.caller.u32s(timeline)
    client.ioctl(core.IOCTL_SYNCOBJ_QUERY, handles=handles, points=points, count_handles=1)
    assert client.caller.read_u64(points) == 5


def test_the_user_fence_is_written_behind_the_job(client: Client) -> None:
    """The 64-bit sequence number, at the offset, not before the job is done."""
    page = client.bo()
    gate, fence = client.gate()
    client.submit(SDMA)
    data = drm.CS_CHUNK_FENCE.pack(handle=page, offset=16)
    sequence = client.submit(SDMA, None, gate, (FENCE, data))
    assert client.read(page, 8, 16) == bytes(8)
    client.open_gate(fence)
    assert client.read(page, 8, 16) == sequence.to_bytes(8, "little")
    assert sequence == 2


# -- implicit synchronisation -------------------------------------------------------------------------------------


def test_a_submission_is_write_on_every_locked_buffer(client: Client) -> None:
    """Listed BO, user fence's BO and root directory get the job's fence with WRITE usage; others do not."""
    listed, uf, unlisted = client.bo(), client.bo(), client.bo()
    gate, fence = client.gate()
    more = (BO_HANDLES, client.bo_handles_chunk(listed)), (FENCE, drm.CS_CHUNK_FENCE.pack(handle=uf, offset=0))
    client.submit(SDMA, None, gate, *more)
    job = client.ctx_object().entities[SDMA, 0].fences[1]
    for resv in (client.object(listed).resv, client.object(uf).resv, client.fpriv.vm.root_resv):
        assert (job, DMA_RESV_USAGE_WRITE) in resv.entries(DMA_RESV_USAGE_READ)
    assert client.object(unlisted).resv.test_signaled(DMA_RESV_USAGE_READ)
    s_fence = to_drm_sched_fence(job)
    assert s_fence is not None
    assert s_fence.owner is client.fpriv.vm
    client.open_gate(fence)


def test_submissions_of_one_vm_do_not_wait_for_each_other(client: Client) -> None:
    """NE_OWNER: the same VM on another ring is not waited for, although both list the buffer."""
    shared = client.bo()
    gate, fence = client.gate()
    handles = (BO_HANDLES, client.bo_handles_chunk(shared))
    client.submit(SDMA, None, gate, handles)
    assert not client.busy(COMPUTE, client.submit(COMPUTE, None, handles))
    client.open_gate(fence)


@pytest.mark.parametrize("flags", [0, drm.AMDGPU_GEM_CREATE_EXPLICIT_SYNC])
def test_another_vm_waits_unless_the_buffer_is_explicit(client: Client, flags: int) -> None:
    """A shared buffer orders submissions of two VMs; one created with EXPLICIT_SYNC does not."""
    other = Client(client.adev, pid=client.caller.pid)
    shared = client.bo(flags=flags)
    fd = client.ioctl(core.IOCTL_PRIME_HANDLE_TO_FD, handle=shared)["fd"]
    fd = client.caller.share(fd, other.caller)
    imported = other.ioctl(core.IOCTL_PRIME_FD_TO_HANDLE, fd=fd)["handle"]
    gate, fence = client.gate()
    client.submit(SDMA, None, gate, (BO_HANDLES, client.bo_handles_chunk(shared)))
    sequence = other.submit(COMPUTE, None, (BO_HANDLES, other.bo_handles_chunk(imported)))
    assert other.busy(COMPUTE, sequence) == (not flags)
    client.open_gate(fence)
    assert not other.busy(COMPUTE, sequence)


def test_everybody_waits_for_moves_and_clears(client: Client) -> None:
    """A fence without owner on a listed buffer holds up even an explicit one (row 1 of KERNEL.md 4.2)."""
    buffer = client.bo(flags=drm.AMDGPU_GEM_CREATE_EXPLICIT_SYNC)
    move = DmaFence(dma_fence_context_alloc(), 1, "test", "move")
    client.object(buffer).resv.add_fence(move, DMA_RESV_USAGE_WRITE)
    sequence = client.submit(SDMA, None, (BO_HANDLES, client.bo_handles_chunk(buffer)))
    assert AMDGPU_FENCE_OWNER_UNDEFINED == 0
    assert client.busy(SDMA, sequence)
    client.open_gate(move)
    assert not client.busy(SDMA, sequence)


def test_a_submission_waits_for_the_mapping_of_a_listed_buffer(client: Client) -> None:
    """DELAY_UPDATE leaves the page tables to the next CS that lists the buffer, which waits for them."""
    target = client.bo()
    flags = drm.AMDGPU_VM_DELAY_UPDATE | drm.AMDGPU_VM_PAGE_READABLE | drm.AMDGPU_VM_PAGE_WRITEABLE
    client.va_op(drm.AMDGPU_VA_OP_MAP, target, VA, PAGE, flags)
    words = client.packets(SDMA).write(VA, [5])
    client.wait(SDMA, client.submit(SDMA, words, (BO_HANDLES, client.bo_handles_chunk(target))))
    assert client.read(target, 4) == struct.pack("<I", 5)


# -- gangs --------------------------------------------------------------------------------------------------------


def test_a_gang_runs_together(client: Client) -> None:
    """The leader (last IB) waits for what another member writes; only the leader's fence is WRITE."""
    flag = client.bo()
    client.map(flag, VA)
    write = (IB, client.ib_chunk(COMPUTE, client.packets(COMPUTE).write_data(VA, [1])))
    wait = (IB, client.ib_chunk(GFX, client.packets(GFX).wait_reg_mem(VA, 1)))
    gate, fence = client.gate()
    handles = (BO_HANDLES, client.bo_handles_chunk(flag))
    sequence = client.cs(write, wait, handles, gate)
    usages = sorted(usage for _, usage in client.object(flag).resv.entries(DMA_RESV_USAGE_READ))
    assert usages == [DMA_RESV_USAGE_WRITE, DMA_RESV_USAGE_READ]
    assert not client.ctx_object().entities[COMPUTE, 0].fences[1], "a member was numbered as a submission"
    client.open_gate(fence)
    client.wait(GFX, sequence)


def test_two_gangs_take_turns(client: Client) -> None:
    """The second gang starts only when the first one is on its rings, whatever order their members become ready in."""
    gate, fence = client.gate()
    first = client.cs(ib(client, COMPUTE), ib(client, GFX), gate)
    second = client.cs(ib(client, COMPUTE, 1), ib(client, COMPUTE, 2))
    client.open_gate(fence)
    client.wait(GFX, first)
    client.wait(COMPUTE, second, ring=2)


# -- the 33rd job -------------------------------------------------------------------------------------------------


def test_the_33rd_job_blocks_with_the_root_directory_locked(client: Client) -> None:
    """32 unfinished submissions of one ring: the next ioctl sleeps, and with it whoever needs the page tables."""
    gate, fence = client.gate()
    first = client.submit(SDMA, None, gate)
    for _ in range(31):
        client.submit(SDMA)
    call = client.start_cs([ib(client)])
    assert not call.done, "the 33rd submission did not wait"
    assert client.fpriv.vm.root_resv.locked
    assert first == 1
    page = client.bo()
    fields = {"handle": page, "operation": drm.AMDGPU_VA_OP_MAP, "flags": 2, "va_address": VA, "map_size": PAGE}
    update, _ = client.caller.start_ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_VA, **fields)
    client.settle()
    assert not update.done, "GEM_VA did not wait for the lock"
    client.open_gate(fence)
    assert call.done
    assert call.error == 0
    assert update.done
    assert update.error == 0


def test_a_signal_ends_the_wait_of_the_33rd_job(client: Client) -> None:
    """The sleep is interruptible, and gives all locks and references back."""
    buffer = client.bo()
    gate, fence = client.gate()
    for i in range(32):
        client.submit(SDMA, None, *([gate] if i == 0 else []))
    call = client.start_cs([ib(client), (BO_HANDLES, client.bo_handles_chunk(buffer))])
    assert client.object(buffer).resv.locked
    call.interrupt()
    assert call.done
    assert call.error == 512, "not ERESTARTSYS"
    assert not client.fpriv.vm.root_resv.locked
    assert not client.object(buffer).resv.locked
    assert client.object(buffer).refcount == 1
    client.open_gate(fence)


def test_a_killed_client_gives_its_locks_back(client: Client) -> None:
    """SIGKILL in the middle of the wait unwinds the submission."""
    gate, fence = client.gate()
    for i in range(32):
        client.submit(SDMA, None, *([gate] if i == 0 else []))
    call = client.start_cs([ib(client)])
    assert call.kill()
    assert not client.fpriv.vm.root_resv.locked
    client.open_gate(fence)


def test_other_rings_and_contexts_are_not_affected(client: Client) -> None:
    """The limit is per ring of a context."""
    gate, fence = client.gate()
    for i in range(32):
        client.submit(SDMA, None, *([gate] if i == 0 else []))
    assert client.submit(SDMA, ring=1) == 1
    assert client.submit(SDMA, ctx=client.new_ctx()) == 1
    client.open_gate(fence)
