# SPDX-License-Identifier: MIT
"""close() and the end of a process with work that has not been given to a ring (KERNEL.md 4.8, E16)."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.audit import audit
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, Client, boot_gpu
from tests.mock.kernel.fake_caller import Call

SEC = 1_000_000_000


def seconds_of(adev: AmdgpuDevice, call: Call) -> float:
    """Wait for a call; how long that took."""
    start = adev.kernel.now()
    call.wait()
    return (adev.kernel.now() - start) / SEC


@pytest.mark.parametrize("variant", ["6.12", "base"])
def test_close_waits_for_a_gated_submission(variant: str) -> None:
    """As long as it takes, and no longer."""
    client = Client(boot_gpu("navi31", variant))
    gate, fence = client.gate()
    client.submit(COMPUTE, None, gate)
    call = client.caller.close(client.fd)
    client.settle()
    assert not call.done
    client.open_gate(fence)
    assert call.done
    assert not call.error


@pytest.mark.parametrize("variant", ["6.12", "base"])
def test_a_process_that_ends_waits_for_one_second_only(variant: str) -> None:
    """Then its queued work is cancelled, as nobody is left to want it: ESRCH, once what it depends on is done."""
    adev = boot_gpu("navi31", variant)
    client = Client(adev)
    gate, fence = client.gate()
    sequence = client.submit(COMPUTE, None, gate)
    job = client.ctx_object().entities[COMPUTE, 0].fences[sequence]
    client.caller.exiting = True
    assert 0.9 < seconds_of(adev, client.caller.close(client.fd)) < 3
    client.settle()
    assert not job.signaled, "a cancelled job does not wait for its dependencies"
    client.open_gate(fence)
    assert job.error == -errno.ESRCH
    assert not {name: count for name, count in audit(adev.kernel).items() if count}


def test_before_6_17_close_waits_up_to_a_second_for_work_on_the_rings() -> None:
    """It waited for the root directory's fences, with a limit; later kernels look at the entities alone."""
    took = {}
    for variant in ("6.12", "base"):
        adev = boot_gpu("navi31", variant)
        client = Client(adev)
        client.map(client.bo(), 0x400000)
        client.submit(GFX, client.packets(GFX).wait_reg_mem(0x400000, 1))
        took[variant] = seconds_of(adev, client.caller.close(client.fd))
    assert took["base"] < 0.5
    assert 0.9 < took["6.12"] < 3
