# SPDX-License-Identifier: MIT
"""WAIT_CS, WAIT_FENCES and FENCE_TO_HANDLE."""

from __future__ import annotations

import errno
import time

import pytest

from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import COMPUTE, FOREVER, GFX, SDMA, Client
from tests.mock.kernel.fake_caller import IoctlError

LATEST = (1 << 64) - 1


@pytest.fixture
def client() -> Client:
    """A client on navi31."""
    return Client()


def fences(client: Client, *records: tuple[int, int]) -> dict[str, int]:
    """Fields of WAIT_FENCES for (ip, sequence) pairs of the client's context."""
    data = b"".join(drm.FENCE.pack(ctx_id=client.ctx, ip_type=ip, seq_no=sequence) for ip, sequence in records)
    return {"fences": client.caller.alloc(data), "fence_count": len(records)}


def wait_fences(client: Client, *records: tuple[int, int], wait_all: bool, timeout: int = 0) -> tuple[int, int]:
    """Status and first_signaled."""
    fields = fences(client, *records) | {"wait_all": int(wait_all), "timeout_ns": timeout}
    reply = client.ioctl(drm.IOCTL_AMDGPU_WAIT_FENCES, **fields)["fences"]
    return int(reply) & 0xFFFFFFFF, int(reply) >> 32


# -- WAIT_CS ------------------------------------------------------------------------------------------------------


def test_wait_cs_times_out_with_status_1(client: Client) -> None:
    """The timeout is absolute: a past one polls, a later one sleeps until then; negative waits for ever."""
    gate, fence = client.gate()
    sequence = client.submit(SDMA, None, gate)
    fields = client.fence_fields(SDMA, sequence)
    assert client.ioctl(drm.IOCTL_AMDGPU_WAIT_CS, **fields, timeout=0)["handle"] == 1
    deadline = time.monotonic_ns() + 20_000_000
    assert client.ioctl(drm.IOCTL_AMDGPU_WAIT_CS, **fields, timeout=deadline)["handle"] == 1
    assert time.monotonic_ns() >= deadline
    call, read = client.caller.start_ioctl(client.fd, drm.IOCTL_AMDGPU_WAIT_CS, **fields, timeout=LATEST)
    client.settle()
    assert not call.done
    client.open_gate(fence)
    assert call.done
    assert read()["handle"] == 0


def test_wait_cs_knows_the_latest_and_forgets_the_old(client: Client) -> None:
    """~0 is the last submission; one more than 32 back is done by definition; one not made is EINVAL."""
    for _ in range(40):
        client.submit(SDMA)
    gate, fence = client.gate()
    client.submit(SDMA, None, gate)
    assert client.busy(SDMA, LATEST)
    assert not client.busy(SDMA, 1)
    assert client.fails(drm.IOCTL_AMDGPU_WAIT_CS, **client.fence_fields(SDMA, 42)) == errno.EINVAL
    client.open_gate(fence)


def test_wait_cs_on_an_unused_ring(client: Client) -> None:
    """Sequence 0 is the one before the first: nothing to wait for."""
    assert not client.busy(COMPUTE, 0)
    assert client.fails(drm.IOCTL_AMDGPU_WAIT_CS, **client.fence_fields(COMPUTE, 1)) == errno.EINVAL


def test_wait_cs_errors(client: Client) -> None:
    """EINVAL for context, IP and ring."""
    for fields in ({"ctx_id": 99}, {"ip_type": 10}, {"ring": 4}):
        wrong = client.fence_fields(COMPUTE, 1) | fields
        assert client.fails(drm.IOCTL_AMDGPU_WAIT_CS, **wrong) == errno.EINVAL, f"WAIT_CS {fields}"


def test_a_signal_interrupts_wait_cs(client: Client) -> None:
    """The wait is interruptible."""
    gate, fence = client.gate()
    fields = client.fence_fields(SDMA, client.submit(SDMA, None, gate))
    call, _ = client.caller.start_ioctl(client.fd, drm.IOCTL_AMDGPU_WAIT_CS, **fields, timeout=FOREVER)
    assert call.interrupt().error == 512
    client.open_gate(fence)


def test_wait_cs_returns_the_jobs_error(client: Client) -> None:
    """A submission that was cut off makes the wait fail with its error."""
    gate, fence = client.gate()
    sequence = client.submit(SDMA, None, gate)
    fields = client.fence_fields(SDMA, sequence)
    call, _ = client.caller.start_ioctl(client.fd, drm.IOCTL_AMDGPU_WAIT_CS, **fields, timeout=FOREVER)
    client.ctx_object().guilty.value = True
    client.open_gate(fence)
    assert call.error == errno.ECANCELED
    with pytest.raises(IoctlError, match="ECANCELED"):
        client.wait(SDMA, sequence)


# -- WAIT_FENCES --------------------------------------------------------------------------------------------------


def test_wait_all(client: Client) -> None:
    """Status 1 when all are done, the opposite sense of WAIT_CS."""
    gate, fence = client.gate()
    pending, done = client.submit(SDMA, None, gate), client.submit(COMPUTE)
    assert wait_fences(client, (COMPUTE, done), (SDMA, pending), wait_all=True) == (0, 0)
    client.open_gate(fence)
    assert wait_fences(client, (COMPUTE, done), (SDMA, pending), wait_all=True) == (1, 0)


def test_wait_any(client: Client) -> None:
    """Status 1 and the index of the first that is done; 0 and all ones when none is."""
    gate, fence = client.gate()
    pending, done = client.submit(SDMA, None, gate), client.submit(COMPUTE)
    assert wait_fences(client, (SDMA, pending), (COMPUTE, done), wait_all=False) == (1, 1)
    assert wait_fences(client, (SDMA, pending), wait_all=False) == (0, 0xFFFFFFFF)
    client.open_gate(fence)
    assert wait_fences(client, (SDMA, pending), (COMPUTE, done), wait_all=False) == (1, 0)


def test_wait_any_sleeps_until_the_first(client: Client) -> None:
    """One of two gates is enough."""
    (gate_a, fence_a), (gate_b, fence_b) = client.gate(), client.gate()
    records = (SDMA, client.submit(SDMA, None, gate_a)), (GFX, client.submit(GFX, None, gate_b))
    fields = fences(client, *records) | {"timeout_ns": FOREVER}
    call, read = client.caller.start_ioctl(client.fd, drm.IOCTL_AMDGPU_WAIT_FENCES, **fields)
    client.settle()
    assert not call.done
    client.open_gate(fence_b)
    assert call.done
    assert int(read()["fences"]) == 1 | 1 << 32
    client.open_gate(fence_a)


def test_wait_fences_errors(client: Client) -> None:
    """EFAULT for the array, EINVAL for a fence as in WAIT_CS, ENOMEM for an absurd count."""
    wait = drm.IOCTL_AMDGPU_WAIT_FENCES
    assert client.fails(wait, fences=0x10, fence_count=1) == errno.EFAULT
    assert client.fails(wait, **fences(client, (SDMA, 5))) == errno.EINVAL
    assert client.fails(wait, fences=0x10, fence_count=0xFFFFFFFF) == errno.ENOMEM
    assert client.fails(wait, fence_count=0, wait_all=1) == 0
    assert client.fails(wait, fence_count=0, wait_all=0) == errno.EINVAL


# -- FENCE_TO_HANDLE ----------------------------------------------------------------------------------------------


def to_handle(client: Client, what: int, sequence: int) -> int:
    """The handle or descriptor the ioctl returns."""
    fields = {"ctx_id": client.ctx, "ip_type": SDMA, "seq_no": sequence, "what": what}
    return int(client.ioctl(drm.IOCTL_AMDGPU_FENCE_TO_HANDLE, **fields)["ctx_id"])


def test_a_fence_as_syncobj(client: Client) -> None:
    """The syncobj holds the submission's fence."""
    gate, fence = client.gate()
    handle = to_handle(client, drm.AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ, client.submit(SDMA, None, gate))
    out = client.syncobj_fence(handle)
    assert out is not None
    assert not out.signaled
    client.open_gate(fence)
    assert out.signaled


def test_a_fence_as_descriptors(client: Client) -> None:
    """A descriptor of a syncobj that can be imported, and a sync file that becomes readable."""
    gate, fence = client.gate()
    sequence = client.submit(SDMA, None, gate)
    fd = to_handle(client, drm.AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ_FD, sequence)
    imported = client.ioctl(core.IOCTL_SYNCOBJ_FD_TO_HANDLE, fd=fd)["handle"]
    file = client.caller.file(to_handle(client, drm.AMDGPU_FENCE_TO_HANDLE_GET_SYNC_FILE_FD, sequence))
    assert file.name == "anon_inode:sync_file"
    assert not file.readable
    client.open_gate(fence)
    assert file.readable
    out = client.syncobj_fence(imported)
    assert out is not None
    assert out.signaled


def test_a_very_old_fence_is_a_signalled_one(client: Client) -> None:
    """More than 32 submissions back: the stub."""
    for _ in range(40):
        client.submit(SDMA)
    out = client.syncobj_fence(to_handle(client, drm.AMDGPU_FENCE_TO_HANDLE_GET_SYNCOBJ, 1))
    assert out is not None
    assert out.signaled


def test_fence_to_handle_errors(client: Client) -> None:
    """The fence is looked up first; then an unknown `what` is EINVAL."""
    ioctl = drm.IOCTL_AMDGPU_FENCE_TO_HANDLE
    client.submit(SDMA)
    assert client.fails(ioctl, ctx_id=1, ip_type=SDMA, seq_no=9, what=0) == errno.EINVAL
    assert client.fails(ioctl, ctx_id=1, ip_type=SDMA, seq_no=1, what=3) == errno.EINVAL
    assert client.fails(ioctl, ctx_id=9, ip_type=SDMA, seq_no=1, what=0) == errno.EINVAL
