# SPDX-License-Identifier: MIT
"""Contexts: ids, priorities, entities, reset state, stable pstates; and SCHED, which changes them from outside."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.mock.kernel.amdgpu import amdgpu_ctx
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, SDMA, Client, boot_gpu
from tests.mock.kernel.fake_caller import IoctlError

CTX = drm.IOCTL_AMDGPU_CTX
ALLOC, FREE = drm.AMDGPU_CTX_OP_ALLOC_CTX, drm.AMDGPU_CTX_OP_FREE_CTX
QUERY, QUERY2 = drm.AMDGPU_CTX_OP_QUERY_STATE, drm.AMDGPU_CTX_OP_QUERY_STATE2
GET_PSTATE, SET_PSTATE = drm.AMDGPU_CTX_OP_GET_STABLE_PSTATE, drm.AMDGPU_CTX_OP_SET_STABLE_PSTATE


@pytest.fixture
def client() -> Client:
    """A client with one context, id 1."""
    return Client()


# -- the ioctl ----------------------------------------------------------------------------------------------------


def test_ids_are_given_out_from_1_lowest_free_first(client: Client) -> None:
    """A freed id is the next one to be used."""
    assert [client.new_ctx(), client.new_ctx()] == [2, 3]
    client.ioctl(CTX, op=FREE, ctx_id=2)
    assert [client.new_ctx(), client.new_ctx()] == [2, 4]


def test_ids_end_at_4095(client: Client) -> None:
    """ENOSPC for the next one."""
    mgr = client.fpriv.ctx_mgr
    for _ in range(4094):
        mgr.contexts.alloc(client.ctx_object())
    assert client.fails(CTX, op=ALLOC) == errno.ENOSPC


@pytest.mark.parametrize("op", [ALLOC, FREE, QUERY, QUERY2, GET_PSTATE])
def test_flags_are_only_for_pstates(client: Client, op: int) -> None:
    """Any flag is EINVAL for the other operations."""
    assert client.fails(CTX, op=op, flags=1, ctx_id=1) == errno.EINVAL


@pytest.mark.parametrize("op", [FREE, QUERY, QUERY2, GET_PSTATE, SET_PSTATE])
def test_an_unknown_id_is_einval(client: Client, op: int) -> None:
    """For each operation that takes an id."""
    assert client.fails(CTX, op=op, ctx_id=77) == errno.EINVAL


@pytest.mark.parametrize("op", [0, 7, 0xFFFFFFFF])
def test_an_unknown_operation_is_einval(client: Client, op: int) -> None:
    """Below, above and far above the known ones."""
    assert client.fails(CTX, op=op, ctx_id=1) == errno.EINVAL


@pytest.mark.parametrize("priority", [1, -1, 0x7FFFFFFF, drm.AMDGPU_CTX_PRIORITY_UNSET])
def test_garbage_priorities_become_normal(client: Client, priority: int) -> None:
    """Old user space leaves anything in the field."""
    ctx = client.ctx_object(client.new_ctx(priority))
    assert ctx.priority == drm.AMDGPU_CTX_PRIORITY_NORMAL


@pytest.mark.parametrize("priority", [drm.AMDGPU_CTX_PRIORITY_HIGH, drm.AMDGPU_CTX_PRIORITY_VERY_HIGH])
def test_a_high_priority_needs_a_right(client: Client, priority: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """EACCES without CAP_SYS_NICE and mastership; low priorities are for everybody."""
    monkeypatch.setattr(amdgpu_ctx, "capable", lambda caller: False)
    assert client.fails(CTX, op=ALLOC, priority=priority) == errno.EACCES
    assert client.fails(CTX, op=ALLOC, priority=drm.AMDGPU_CTX_PRIORITY_VERY_LOW) == 0
    monkeypatch.setattr(amdgpu_ctx, "capable", lambda caller: True)
    assert client.fails(CTX, op=ALLOC, priority=priority) == 0


# -- entities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ip", "instance", "ring"),
    [(10, 0, 0), (GFX, 1, 0), (GFX, 0, 1), (COMPUTE, 0, 4), (SDMA, 0, 2), (SDMA, 1, 0)],
)
def test_rings_there_cannot_be_are_einval(client: Client, ip: int, instance: int, ring: int) -> None:
    """IP beyond the last, instance other than 0, ring beyond what a context has."""
    client.submit(SDMA)
    fields = {"handle": 1, "ip_type": ip, "ip_instance": instance, "ring": ring, "ctx_id": 1}
    assert client.fails(drm.IOCTL_AMDGPU_WAIT_CS, **fields) == errno.EINVAL


def test_each_ring_numbers_its_submissions_from_1(client: Client) -> None:
    """Sequence numbers belong to one ring of one context."""
    assert [client.submit(SDMA), client.submit(SDMA), client.submit(SDMA, ring=1), client.submit(COMPUTE)] == [
        1,
        2,
        1,
        1,
    ]
    assert client.submit(SDMA, ctx=client.new_ctx()) == 1


def test_high_priority_compute_has_a_ring_of_its_own(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first kernel compute queue is reserved for contexts above normal priority."""
    monkeypatch.setattr(amdgpu_ctx, "capable", lambda caller: True)
    high = client.new_ctx(drm.AMDGPU_CTX_PRIORITY_HIGH)
    client.submit(COMPUTE, ctx=high)
    client.submit(COMPUTE)
    used = [ring.name for ring in client.adev.rings if ring.hw_ip == COMPUTE and ring.fence_drv.sync_seq]
    assert used[0] == "comp_1.0.0"
    assert len(used) == 2


def test_the_last_jobs_error_sticks_to_the_ring(client: Client) -> None:
    """As long as the last job of an entity failed, every use of the entity gives its error; other rings do not care."""
    client.submit(COMPUTE)
    centity = client.ctx_object().entities[COMPUTE, 0]
    centity.entity.last_scheduled.error = -errno.ENODATA
    with pytest.raises(IoctlError, match="ENODATA"):
        client.wait(COMPUTE, 1)
    assert client.cs_fails((drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(COMPUTE))) == errno.ENODATA
    client.submit(COMPUTE, ring=1)


def test_freeing_a_context_waits_for_what_it_has_queued(client: Client) -> None:
    """However long: the jobs run, and signals do not end the wait (drm_sched_entity_flush)."""
    ctx = client.new_ctx()
    gate, fence = client.gate()
    client.submit(SDMA, None, gate, ctx=ctx)
    finished = client.ctx_object(ctx).entities[SDMA, 0].fences[1]
    call, _ = client.caller.start_ioctl(client.fd, CTX, op=FREE, ctx_id=ctx)
    assert not call.interrupt().done
    assert client.fails(CTX, op=FREE, ctx_id=ctx) == errno.EINVAL, "the id is gone at once"
    client.open_gate(fence)
    assert call.done
    assert call.error == 0
    assert finished.signaled
    assert not finished.error


def test_freeing_a_context_does_not_wait_for_jobs_on_the_ring(client: Client) -> None:
    """Queued is what counts: a job that runs already goes on."""
    ctx = client.new_ctx()
    client.submit(SDMA, ctx=ctx)
    call, _ = client.caller.start_ioctl(client.fd, CTX, op=FREE, ctx_id=ctx)
    assert call.done


def test_what_is_queued_is_cancelled_when_the_waiter_is_killed(client: Client) -> None:
    """SIGKILL while FREE sleeps: the fence of a gated submission ends with an error instead of never."""
    ctx = client.new_ctx()
    gate, fence = client.gate()
    client.submit(SDMA, None, gate, ctx=ctx)
    finished = client.ctx_object(ctx).entities[SDMA, 0].fences[1]
    call, _ = client.caller.start_ioctl(client.fd, CTX, op=FREE, ctx_id=ctx)
    assert not call.settle().done
    assert call.kill()
    client.open_gate(fence)
    assert finished.signaled
    assert finished.error == -errno.ESRCH


# -- resets -------------------------------------------------------------------------------------------------------


def state(client: Client, op: int) -> tuple[int, int]:
    """Flags and reset status as the ioctl leaves them."""
    reply = client.ioctl(CTX, op=op, ctx_id=client.ctx)
    return int(reply["op"]), int(reply["priority"]) & 0xFFFFFFFF


def test_query_state_tells_of_a_reset_once(client: Client) -> None:
    """UNKNOWN_RESET for the first question after a reset, NO_RESET for the next."""
    assert state(client, QUERY) == (0, drm.AMDGPU_CTX_NO_RESET)
    client.adev.gpu_reset_counter += 1
    assert state(client, QUERY) == (0, drm.AMDGPU_CTX_UNKNOWN_RESET)
    assert state(client, QUERY) == (0, drm.AMDGPU_CTX_NO_RESET)


def test_query_state2_flags(client: Client) -> None:
    """RESET since creation, VRAMLOST, GUILTY, IN_PROGRESS: each by itself."""
    assert state(client, QUERY2)[0] == 0
    client.adev.gpu_reset_counter += 1
    assert state(client, QUERY2)[0] == drm.AMDGPU_CTX_QUERY2_FLAGS_RESET
    assert state(client, QUERY2)[0] == drm.AMDGPU_CTX_QUERY2_FLAGS_RESET, "the flag is not for one question only"
    client.adev.gpu_reset_counter -= 1
    client.ctx_object().guilty.value = True
    assert state(client, QUERY2)[0] == drm.AMDGPU_CTX_QUERY2_FLAGS_GUILTY
    client.ctx_object().guilty.value = False
    client.adev.vram_lost_counter += 1
    assert state(client, QUERY2)[0] == drm.AMDGPU_CTX_QUERY2_FLAGS_VRAMLOST
    client.adev.vram_lost_counter -= 1
    client.adev.in_reset = True
    assert state(client, QUERY2)[0] == drm.AMDGPU_CTX_QUERY2_FLAGS_RESET_IN_PROGRESS


# -- stable pstates -----------------------------------------------------------------------------------------------


def test_pstate_of_a_context(client: Client) -> None:
    """NONE at first; what was set is read back; a second context gets EBUSY until the first has let go."""
    other = client.new_ctx()
    assert client.ioctl(CTX, op=GET_PSTATE, ctx_id=1)["op"] == drm.AMDGPU_CTX_STABLE_PSTATE_NONE
    client.ioctl(CTX, op=SET_PSTATE, ctx_id=1, flags=drm.AMDGPU_CTX_STABLE_PSTATE_PEAK)
    assert client.ioctl(CTX, op=GET_PSTATE, ctx_id=other)["op"] == drm.AMDGPU_CTX_STABLE_PSTATE_PEAK
    peak = {"op": SET_PSTATE, "ctx_id": other, "flags": drm.AMDGPU_CTX_STABLE_PSTATE_STANDARD}
    assert client.fails(CTX, **peak) == errno.EBUSY
    client.ioctl(CTX, op=FREE, ctx_id=1)
    assert client.fails(CTX, **peak) == 0


@pytest.mark.parametrize("flags", [5, 0x10])
def test_unknown_pstates_are_einval(client: Client, flags: int) -> None:
    """Beyond PEAK, and beyond the mask."""
    assert client.fails(CTX, op=SET_PSTATE, ctx_id=1, flags=flags) == errno.EINVAL


# -- SCHED --------------------------------------------------------------------------------------------------------


def test_sched_is_for_the_master_only(client: Client) -> None:
    """EACCES on a render node (the ioctl wants DRM_MASTER)."""
    assert client.fails(drm.IOCTL_AMDGPU_SCHED, op=1, fd=client.fd) == errno.EACCES


def test_sched_overrides_priorities() -> None:
    """A master changes one context, or all contexts of a file."""
    master = Client(path="/dev/dri/card0")
    other = Client(master.adev, pid=master.caller.pid)
    fd = other.caller.share(other.fd, master.caller)
    second = other.new_ctx()
    one = {"op": drm.AMDGPU_SCHED_OP_CONTEXT_PRIORITY_OVERRIDE, "fd": fd, "ctx_id": second}
    master.ioctl(drm.IOCTL_AMDGPU_SCHED, **one, priority=drm.AMDGPU_CTX_PRIORITY_HIGH)
    assert (other.ctx_object().priority, other.ctx_object(second).priority) == (0, 512)
    everything = {"op": drm.AMDGPU_SCHED_OP_PROCESS_PRIORITY_OVERRIDE, "fd": fd}
    master.ioctl(drm.IOCTL_AMDGPU_SCHED, **everything, priority=drm.AMDGPU_CTX_PRIORITY_LOW)
    assert (other.ctx_object().priority, other.ctx_object(second).priority) == (-512, -512)


def test_sched_errors() -> None:
    """EINVAL for operation, priority, descriptor and context, in this order."""
    master = Client(boot_gpu(), path="/dev/dri/card0")
    sched = drm.IOCTL_AMDGPU_SCHED
    for fields in (
        {"op": 3, "fd": master.fd},
        {"op": 1, "fd": master.fd, "priority": 1},
        {"op": 1, "fd": 99},
        {"op": 2, "fd": master.fd, "ctx_id": 99},
    ):
        assert master.fails(sched, **fields) == errno.EINVAL, f"SCHED {fields}"
