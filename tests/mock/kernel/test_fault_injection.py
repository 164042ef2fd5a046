# SPDX-License-Identifier: MIT
"""Faults on demand: allocations that fail, fences that are lost or late; afterwards nothing is left over."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable

import pytest

from amdgpu_hw.mock.kernel.audit import audit
from amdgpu_hw.mock.kernel.fault_injection import AllocSite, FenceFault
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, Client, boot_gpu
from tests.mock.kernel.fake_caller import IoctlError
from tests.mock.kernel.hang_fixture import MSEC, TIMEOUT_NS, boot_impatient, error_of, ring_of

DATA_VA = 0x500000

SITES: dict[AllocSite, Callable[[Client], object]] = {
    AllocSite.BO: lambda client: client.bo(),
    AllocSite.MAPPING: lambda client: client.map(client.bo(), DATA_VA),
    AllocSite.JOB: lambda client: client.submit(COMPUTE),
    AllocSite.CS: lambda client: client.submit(COMPUTE),
    AllocSite.CTX: lambda client: client.new_ctx(),
    AllocSite.BO_LIST: lambda client: client.submit(
        COMPUTE, None, (drm.AMDGPU_CHUNK_ID_BO_HANDLES, client.bo_handles_chunk(client.bo()))
    ),
    AllocSite.SYNCOBJ: lambda client: client.syncobj(),
}


@pytest.mark.parametrize("site", SITES)
def test_an_allocation_fails_once_and_leaves_nothing(site: AllocSite) -> None:
    """ENOMEM, then the same call works; when the client has gone, nothing is left of either."""
    adev = boot_gpu()
    client = Client(adev)
    adev.kernel.faults.fail_alloc(1, site=site)
    with pytest.raises(IoctlError) as caught:
        SITES[site](client)
    assert caught.value.errno == errno.ENOMEM
    SITES[site](client)
    assert f"in {site.value}" in client.log()
    client.caller.close(client.fd).wait()
    client.settle()
    assert not {name: count for name, count in audit(adev.kernel).items() if count}
    assert adev.kernel.oopses == 0


def test_open_fails_for_want_of_memory() -> None:
    """ENOMEM from open() itself."""
    client = Client()
    client.adev.kernel.faults.fail_alloc(1, site=AllocSite.DRM_OPEN)
    with pytest.raises(OSError, match="ENOMEM"):
        client.caller.open("/dev/dri/renderD128")
    client.caller.open("/dev/dri/renderD128")


def test_every_allocation_of_a_small_program_can_fail() -> None:
    """Whatever allocation fails, the program gets ENOMEM or never knows, and the mock kernel has no oops and no leak.

    GEM_VA hides the failure of its page-table jobs (KERNEL.md 3.7).
    """
    failures: list[int | None] = []
    for nth in range(1, 40):
        adev = boot_gpu()
        client = Client(adev)
        adev.kernel.faults.fail_alloc(nth)
        try:
            target = client.bo()
            client.map(target, DATA_VA)
            ctx = client.new_ctx()
            client.submit(COMPUTE, client.packets(COMPUTE).write_data(DATA_VA, [1]), ctx=ctx)
            client.va_op(drm.AMDGPU_VA_OP_UNMAP, target, DATA_VA, 4096)
            client.syncobj()
        except IoctlError as error:
            failures.append(error.errno)
        client.caller.close(client.fd).wait()
        client.settle()
        assert adev.kernel.oopses == 0, f"allocation {nth}: {adev.kernel.log.text()}"
        assert not {name: count for name, count in audit(adev.kernel).items() if count}, f"allocation {nth} leaks"
    assert failures == [errno.ENOMEM] * len(failures)
    assert len(failures) >= 6, "hardly anything was made to fail"


def test_counting_and_clearing() -> None:
    """The second and third occasion fail; a cleared fault does not happen."""
    client = Client()
    faults = client.adev.kernel.faults
    faults.fail_alloc(2, times=2, site=AllocSite.BO)
    client.bo()
    for _ in range(2):
        with pytest.raises(IoctlError):
            client.bo()
    client.bo()
    faults.fail_alloc(1)
    assert faults.pending() == {"enomem": "any allocation: 1 times from occasion 1 on"}
    faults.clear()
    client.bo()
    assert faults.pending() == {}


# -- fences -------------------------------------------------------------------------------------------------------


def test_a_lost_fence_times_out_although_the_job_has_run() -> None:
    """The data is there, nobody hears of it, and the timeout blames the job."""
    adev = boot_impatient()
    client = Client(adev)
    target = client.bo()
    client.map(target, DATA_VA)
    client.wait(GFX, client.submit(GFX))
    ring = ring_of(client, GFX)
    ring.fence_drv.fault = FenceFault(adev.kernel, None)
    sequence = client.submit(GFX, client.packets(GFX).write_data(DATA_VA, [5]))
    assert client.read(target, 4) == struct.pack("<I", 5)
    assert client.busy(GFX, sequence)
    assert error_of(client, GFX, sequence) == errno.ETIME
    assert f"Ring {ring.name} reset succeeded" in client.log()
    other = Client(adev)
    other.wait(GFX, other.submit(GFX))


def test_the_next_fence_makes_up_for_a_lost_one() -> None:
    """Fences are numbers that only grow: a later one says that the earlier job is done as well."""
    adev = boot_impatient()
    client = Client(adev)
    client.wait(GFX, client.submit(GFX))
    ring_of(client, GFX).fence_drv.fault = FenceFault(adev.kernel, None)
    first = client.submit(GFX)
    assert client.busy(GFX, first)
    second = client.submit(GFX)
    assert not client.busy(GFX, second)
    assert not client.busy(GFX, first)


def test_a_late_fence_is_late() -> None:
    """Not signalled at once, signalled after the delay, without any reset."""
    adev = boot_impatient()
    client = Client(adev)
    client.wait(GFX, client.submit(GFX))
    delay = TIMEOUT_NS // 3
    ring_of(client, GFX).fence_drv.fault = FenceFault(adev.kernel, delay)
    start = adev.kernel.now()
    sequence = client.submit(GFX)
    assert client.busy(GFX, sequence)
    client.wait(GFX, sequence)
    assert adev.kernel.now() - start >= delay
    assert adev.gpu_reset_counter == 0


def test_a_fence_that_is_too_late_finds_its_job_gone() -> None:
    """The timeout came first; the late word changes nothing."""
    adev = boot_impatient()
    client = Client(adev)
    client.wait(GFX, client.submit(GFX))
    ring_of(client, GFX).fence_drv.fault = FenceFault(adev.kernel, 2 * TIMEOUT_NS)
    assert error_of(client, GFX, client.submit(GFX)) == errno.ETIME
    end = adev.kernel.now() + 2 * TIMEOUT_NS + 5 * MSEC
    while adev.kernel.now() < end:
        adev.kernel.run_pending()
    assert adev.kernel.oopses == 0
