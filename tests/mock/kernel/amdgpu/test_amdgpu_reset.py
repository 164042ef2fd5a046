# SPDX-License-Identifier: MIT
"""Jobs that never end: timeout, reset of the ring or of the GPU, and what contexts learn about it."""

from __future__ import annotations

import errno
import struct

import pytest

from amdgpu_hw.gpu_model.ring import Hang
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_reset import reset_masks
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, SDMA, Client, boot_gpu
from tests.mock.kernel.errnos import IB_VA
from tests.mock.kernel.hang_fixture import (
    RESET_ERRORS,
    TIMEOUT_NS,
    boot_impatient,
    error_of,
    hang,
    query2,
    ring_of,
    sysfs_of,
)

MSEC = 1_000_000


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


@pytest.mark.parametrize("variant", ["6.12", "base"])
def test_the_wedged_line_is_as_old_as_the_uevent(variant: str) -> None:
    """drm_dev_wedged_event exists since 6.15; it names the process that was to blame."""
    adev = boot_impatient("navi31", variant)
    client = Client(adev)
    error_of(client, GFX, client.submit(GFX, [0xC0009900, 0]))
    wedged = [(path, environment) for path, action, environment in sysfs_of(adev).events if "WEDGED" in environment]
    has_event = variant == "base"
    assert ("[drm] device wedged, but recovered through reset" in client.log()) == has_event
    card = f"{adev.syspath}/drm/card0"
    expected = {"WEDGED": "none", "PID": str(client.caller.pid), "TASK": "client"}
    assert wedged == ([(card, expected)] if has_event else [])


# -- soft recovery ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gpu", "variant"), [("mi300x", "base"), ("vega10", "base"), ("navi31", "6.12")])
def test_a_shader_that_hangs_is_killed(gpu: str, variant: str) -> None:
    """Soft recovery: ENODATA, the reset counter goes up, nothing else is lost and nobody is told by a uevent."""
    adev = boot_impatient(gpu, variant)
    client = Client(adev)
    sequence = hang(client)
    ring = ring_of(client, COMPUTE)
    ring.hw.hang(Hang.WAVE)
    behind = client.submit(COMPUTE)
    assert error_of(client, COMPUTE, sequence) == errno.ENODATA
    assert error_of(client, COMPUTE, behind) in (0, errno.ENODATA), "the context's next job was cancelled"
    assert f"ring {ring.name} timeout, but soft recovered" in client.log()
    assert "ring reset" not in client.log()
    assert (adev.gpu_reset_counter, adev.vram_lost_counter) == (1, 0)
    assert query2(client) == drm.AMDGPU_CTX_QUERY2_FLAGS_RESET
    assert not [event for event in sysfs_of(adev).events if "WEDGED" in event[2]]


@pytest.mark.parametrize(("gpu", "variant"), [("mi300x", "base"), ("navi31", "6.12")])
def test_a_packet_that_waits_is_no_shader(gpu: str, variant: str) -> None:
    """Soft recovery is tried in vain; the error it had set gives way to that of the ring reset."""
    client = Client(boot_impatient(gpu, variant))
    assert error_of(client, COMPUTE, hang(client)) in (errno.ETIME, errno.ECANCELED)
    assert "soft recovered" not in client.log()


def test_rdna_has_no_soft_recovery_any_more() -> None:
    """Not even a shader can be killed on GFX10 and later from 6.17 on."""
    client = Client(boot_impatient("navi31", "base"))
    sequence = hang(client)
    ring_of(client, COMPUTE).hw.hang(Hang.WAVE)
    assert error_of(client, COMPUTE, sequence) == errno.ETIME
    assert "soft recovered" not in client.log()


def test_debug_mask_switches_recoveries_off() -> None:
    """debug_mask=4: no soft recovery; debug_mask=0x40: no ring reset."""
    adev = boot_impatient("mi300x")
    adev.debug_disable_soft_recovery = True
    client = Client(adev)
    sequence = hang(client)
    ring_of(client, COMPUTE).hw.hang(Hang.WAVE)
    assert error_of(client, COMPUTE, sequence) == errno.ETIME
    adev = boot_impatient("navi31")
    adev.debug_disable_gpu_ring_reset = True
    client = Client(adev)
    assert error_of(client, COMPUTE, hang(client)) == errno.ECANCELED
    assert "GPU reset begin!" in client.log()


def test_without_gpu_recovery_a_hung_job_stays() -> None:
    """gpu_recovery=0: a dump is made and that is all; the timeout is not tried again."""
    adev = boot_impatient(ring_reset=False)
    adev.gpu_recovery = False
    client = Client(adev)
    sequence = hang(client)
    fence = client.ctx_object().entities[COMPUTE, 0].fences[sequence]
    end = adev.kernel.now() + 4 * TIMEOUT_NS
    while adev.kernel.now() < end:
        adev.kernel.run_pending()
    assert not fence.signaled
    assert client.log().count("timeout, signaled seq") == 1
    assert "GPU recovery disabled." in client.log()
    assert adev.gpu_reset_counter == 0
    assert error_of(client, COMPUTE, sequence) == errno.ETIME, "the entity's last job is said to have failed already"


# -- which rings can be reset -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpu", "variant", "masks"),
    [
        ("navi31", "base", {"gfx": "queue full \n", "compute": "queue full \n", "sdma": "queue full \n"}),
        ("vega10", "base", {"gfx": "soft full \n", "compute": "soft queue full \n", "sdma": "full \n"}),
        ("mi300x", "base", {"compute": "soft queue full \n", "sdma": "queue full \n"}),
        ("polaris10", "base", {"gfx": "soft full \n", "compute": "soft full \n", "sdma": "full \n"}),
        ("navi31", "6.12", {}),
        ("vega10", "7.2", {"gfx": "soft queue full \n", "compute": "soft queue full \n", "sdma": "full \n"}),
        (
            "vega10",
            "7.3",
            {"gfx": "soft_recovery queue full \n", "compute": "soft_recovery queue full \n", "sdma": "full \n"},
        ),
        (
            "polaris10",
            "7.3",
            {"gfx": "soft_recovery full \n", "compute": "soft_recovery full \n", "sdma": "full \n"},
        ),
    ],
)
def test_reset_masks(gpu: str, variant: str, masks: dict[str, str]) -> None:
    """The files *_reset_mask say what can be reset, in the driver's words; before 6.13 there are none."""
    expected = {f"{name}_reset_mask": text for name, text in masks.items()}
    assert reset_masks(boot_gpu(gpu, variant)) == expected


@pytest.mark.parametrize("gpu", ["polaris10", "vega10", "navi10", "navi21", "navi31", "navi48", "mi300x", "renoir"])
def test_every_ring_of_every_generation_comes_back(gpu: str) -> None:
    """A job that waits for ever on each kind of ring ends with one of the three errors, and the GPU works again."""
    adev = boot_impatient(gpu)
    kinds = [ip for ip, count in enumerate((adev.identity.rings.gfx, adev.identity.rings.compute, 1)) if count]
    for ip in kinds:
        client = Client(adev)
        assert error_of(client, ip, hang(client, ip)) in RESET_ERRORS
        fresh = Client(adev)
        for other in kinds:
            assert error_of(fresh, other, fresh.submit(other)) == 0, f"ring {other} is dead after a hang of {ip}"


# -- ring resets --------------------------------------------------------------------------------------------------


def test_on_6_12_a_ring_reset_cancels_everybody() -> None:
    """The jobs of other contexts on the ring are lost too, without a word in the log."""
    client = Client(boot_impatient("navi31", "6.12"))
    innocent = client.new_ctx()
    first = hang(client, GFX)
    second = client.submit(GFX, ctx=innocent)
    assert error_of(client, GFX, first) == errno.ECANCELED
    assert error_of(client, GFX, second, ctx=innocent) == errno.ECANCELED
    assert "ring reset" not in client.log()
    assert query2(client, innocent) == drm.AMDGPU_CTX_QUERY2_FLAGS_RESET


@pytest.mark.parametrize(
    ("variant", "error"), [("6.18", errno.ETIME), ("base", errno.ECANCELED), ("7.2", errno.ETIME), ("7.3", errno.ETIME)]
)
def test_a_second_hang_behind_the_first(variant: str, error: int) -> None:
    """A job that survived one reset of its ring and hangs itself: ETIME; in base everything is cancelled then."""
    client = Client(boot_impatient("navi31", variant))
    innocent = client.new_ctx()
    first, second = hang(client, GFX), hang(client, GFX, ctx=innocent)
    assert error_of(client, GFX, first) == errno.ETIME
    assert error_of(client, GFX, second, ctx=innocent) == error
    assert client.log().count("ring reset") == 2


def test_a_ring_reset_that_fails_is_followed_by_a_full_one() -> None:
    """The log tells both; VRAM is lost."""
    adev = boot_impatient()
    adev.kernel.faults.failing_ring_resets = 1
    client = Client(adev)
    assert error_of(client, COMPUTE, hang(client)) == errno.ECANCELED
    ring = ring_of(client, COMPUTE).name
    for line in (f"Starting {ring} ring reset", f"Ring {ring} reset failed", "GPU reset begin!. Source:  1"):
        assert line in client.log()
    assert adev.vram_lost_counter == 1


def test_a_stopped_machine_does_not_blame_its_jobs() -> None:
    """A timer that runs out much too late tells of the mock kernel's own sleep: the job gets its time again."""
    adev = boot_impatient()
    client = Client(adev)
    sequence = hang(client)
    sched = ring_of(client, COMPUTE).sched
    late = adev.kernel.now() - 1000 * MSEC
    sched._arm_timeout(late)
    adev.kernel.run_pending()
    assert client.busy(COMPUTE, sequence)
    assert "timeout" not in client.log()


def test_a_job_that_the_mock_executes_slowly_is_not_hung() -> None:
    """With modelled time: an endless loop gets some patience, as the mock may just be slow; a waiting job gets none."""
    adev = boot_impatient(gpu_time=1)
    client = Client(adev)
    assert error_of(client, GFX, hang(client, GFX)) == errno.ETIME
    assert "gets more time" not in client.log()
    client = Client(adev)
    client._ib_used = 0
    loop = client.packets(GFX).indirect_buffer(IB_VA, 4, chain=True)
    assert error_of(client, GFX, client.submit(GFX, loop)) == errno.ETIME
    assert client.log().count("gets more time") == 4
