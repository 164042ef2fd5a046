# SPDX-License-Identifier: MIT
"""Jobs that never end: timeout, reset of the ring or of the GPU, and what contexts learn about it."""

from __future__ import annotations

import dataclasses
import errno
import struct

import pytest
from amdgpu_client import COMPUTE, GFX, SDMA, Client, boot_gpu
from fake_caller import IoctlError

from amdgpu_hw.mock.gpus import load_identity
from amdgpu_hw.mock.kernel import amdgpu_drv
from amdgpu_hw.mock.kernel.amdgpu_device import AmdgpuDevice
from amdgpu_hw.mock.kernel.kernel import Kernel
from amdgpu_hw.mock.variants import VARIANTS, Variant
from amdgpu_hw.uapi import amdgpu_drm as drm

VA = 0x400000
MSEC = 1_000_000


def boot_impatient(ring_reset: bool = True) -> AmdgpuDevice:
    """A navi31 whose jobs time out after 30 ms, with or without ring resets."""
    limits = {"lockup_timeout_ns": 30 * MSEC, "compute_lockup_timeout_ns": 30 * MSEC}
    variant: Variant = dataclasses.replace(VARIANTS["base"], **limits)
    identity = load_identity("navi31")
    identity = dataclasses.replace(identity, chip=dataclasses.replace(identity.chip, ring_reset=ring_reset))
    return amdgpu_drv.probe(Kernel(variant), identity, 0)


def hang(client: Client, ip: int = COMPUTE, **where: int) -> int:
    """A job that waits for memory that never changes."""
    if not client.fpriv.vm.va.starting_at(VA >> 12):
        client.map(client.bo(), VA)
    return client.submit(ip, client.packets(ip).wait_reg_mem(VA, 1), **where)


def error_of(client: Client, ip: int, sequence: int, **where: int) -> int:
    """What WAIT_CS ends with; waits as long as it takes."""
    try:
        client.wait(ip, sequence, **where)
    except IoctlError as error:
        return error.errno or 0
    return 0


def query2(client: Client, ctx: int | None = None) -> int:
    """Flags of QUERY_STATE2."""
    op = drm.AMDGPU_CTX_OP_QUERY_STATE2
    return int(client.ioctl(drm.IOCTL_AMDGPU_CTX, op=op, ctx_id=ctx or client.ctx)["op"])


def test_timeouts_of_the_variants() -> None:
    """10 s and 60 s for compute on 6.12, 10 s on 6.18, 2 s on base (KERNEL.md 0.3)."""
    found = {}
    for name in ("6.12", "6.18", "base"):
        scheds = boot_gpu("navi31", name).scheds
        found[name] = scheds[GFX, 0].timeout, scheds[COMPUTE, 0].timeout
    second = 1000 * MSEC
    assert found == {"6.12": (10 * second, 60 * second), "6.18": (10 * second,) * 2, "base": (2 * second,) * 2}


def test_a_hung_job_ends_with_etime() -> None:
    """The ring is reset alone: the job fails, the log has the kernel's lines, the next context works."""
    client = Client(boot_impatient())
    sequence = hang(client)
    assert client.busy(COMPUTE, sequence)
    assert error_of(client, COMPUTE, sequence) == errno.ETIME
    log = client.log()
    for line in ("ring comp_1.1.0 timeout, signaled seq=0, emitted seq=1", "Starting comp_1.1.0 ring reset"):
        assert line in log
    assert f"Process client pid {client.caller.pid}" in log
    assert "Ring comp_1.1.0 reset succeeded" in log
    assert query2(client) == drm.AMDGPU_CTX_QUERY2_FLAGS_RESET
    client.wait(COMPUTE, client.submit(COMPUTE, ctx=client.new_ctx()), ctx=2)


def test_waiting_for_a_dependency_never_times_out() -> None:
    """The clock starts when the job is on the ring."""
    client = Client(boot_impatient())
    gate, fence = client.gate()
    sequence = client.submit(COMPUTE, None, gate)
    gated = client.caller.start_ioctl(
        client.fd, drm.IOCTL_AMDGPU_WAIT_CS, **client.fence_fields(COMPUTE, sequence), timeout=1 << 62
    )[0]
    other = hang(client, GFX)
    assert error_of(client, GFX, other) == errno.ETIME
    assert not gated.done
    client.open_gate(fence)
    assert gated.done
    assert gated.error == 0


def test_jobs_of_the_same_context_are_cancelled_others_run() -> None:
    """Behind a hung job: the guilty context's next job is cancelled, that of another context runs after the reset."""
    client = Client(boot_impatient())
    target = client.bo()
    client.map(target, 0x500000)
    innocent = client.new_ctx()
    first = hang(client, GFX)
    second = client.submit(GFX)
    words = client.packets(GFX).write_data(0x500000, [3])
    third = client.submit(GFX, words, ctx=innocent)
    assert error_of(client, GFX, first) == errno.ETIME
    assert error_of(client, GFX, second) in (errno.ECANCELED, errno.ETIME)
    assert error_of(client, GFX, third, ctx=innocent) == 0
    assert client.read(target, 4) == struct.pack("<I", 3)
    assert query2(client, innocent) == drm.AMDGPU_CTX_QUERY2_FLAGS_RESET


def test_a_failed_ring_of_a_context_stays_failed() -> None:
    """The last job's error is what every later use of that ring gives; the other rings of the context work."""
    client = Client(boot_impatient())
    assert error_of(client, GFX, hang(client, GFX)) == errno.ETIME
    assert client.cs_fails((drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(GFX))) == errno.ETIME
    client.wait(SDMA, client.submit(SDMA))


def test_an_illegal_packet_is_a_hang_at_once() -> None:
    """The CP stops at it and says so: no need to wait for the timeout."""
    client = Client()
    assert error_of(client, GFX, client.submit(GFX, [0xC0009900, 0])) == errno.ETIME
    assert "Illegal opcode in command stream (gfx_0.0.0" in client.log()


def test_a_full_reset_loses_vram_and_contexts() -> None:
    """Without ring resets: the guilty context is marked, every other one is too old, new ones work."""
    adev = boot_impatient(ring_reset=False)
    client, other = Client(adev), Client(adev)
    busy = hang(client, GFX)
    assert error_of(client, GFX, busy) in (errno.ETIME, errno.ECANCELED)
    flags = query2(client)
    assert flags & drm.AMDGPU_CTX_QUERY2_FLAGS_VRAMLOST
    assert flags & drm.AMDGPU_CTX_QUERY2_FLAGS_RESET
    assert query2(other) & drm.AMDGPU_CTX_QUERY2_FLAGS_VRAMLOST
    assert not query2(other) & drm.AMDGPU_CTX_QUERY2_FLAGS_GUILTY
    assert other.cs_fails((drm.AMDGPU_CHUNK_ID_IB, other.ib_chunk(SDMA))) == errno.ECANCELED
    log = client.log()
    assert "GPU reset begin!. Source:  1" in log
    assert "GPU reset(1) succeeded!" in log
    fresh = Client(adev)
    fresh.wait(SDMA, fresh.submit(SDMA))


def test_the_guilty_context_cannot_submit_after_a_full_reset() -> None:
    """ECANCELED, and GUILTY in its state."""
    client = Client(boot_impatient(ring_reset=False))
    error_of(client, GFX, hang(client, GFX))
    assert query2(client) & drm.AMDGPU_CTX_QUERY2_FLAGS_GUILTY
    assert client.cs_fails((drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(SDMA))) == errno.ECANCELED


@pytest.mark.parametrize("variant", ["6.12", "base"])
def test_the_wedged_line_is_as_old_as_the_uevent(variant: str) -> None:
    """drm_dev_wedged_event exists since 6.15."""
    client = Client(boot_gpu("navi31", variant))
    error_of(client, GFX, client.submit(GFX, [0xC0009900, 0]))
    assert ("device wedged, but recovered through reset" in client.log()) == (variant == "base")
