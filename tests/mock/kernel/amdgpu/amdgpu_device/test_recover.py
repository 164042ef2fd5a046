# SPDX-License-Identifier: MIT
"""Resets of the whole GPU: who is cancelled, what is lost, what contexts learn, and how it goes on."""

from __future__ import annotations

import errno
import struct

import pytest

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.recover import amdgpu_device_gpu_recover
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_reset import ResetSource
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, SDMA, Client
from tests.mock.kernel.fake_caller import IoctlError
from tests.mock.kernel.hang_fixture import boot_impatient, error_of, hang, query2, sysfs_of

DATA_VA = 0x500000
GRBM_STATUS = 0x2004

RESET = drm.AMDGPU_CTX_QUERY2_FLAGS_RESET
VRAMLOST = drm.AMDGPU_CTX_QUERY2_FLAGS_VRAMLOST
GUILTY = drm.AMDGPU_CTX_QUERY2_FLAGS_GUILTY
IN_PROGRESS = drm.AMDGPU_CTX_QUERY2_FLAGS_RESET_IN_PROGRESS


def reset_by_user(adev: AmdgpuDevice) -> None:
    """What reading amdgpu_gpu_recover does."""
    amdgpu_device_gpu_recover(adev, None, ResetSource.USER)


def test_a_full_reset_loses_vram_and_contexts() -> None:
    """Without ring resets: the guilty context is marked, every other one is too old, new files work."""
    adev = boot_impatient(ring_reset=False)
    client, other = Client(adev), Client(adev)
    assert error_of(client, GFX, hang(client, GFX)) == errno.ECANCELED
    assert query2(client) == RESET | VRAMLOST | GUILTY
    assert query2(other) == RESET | VRAMLOST
    for victim in (client, other):
        for ip in (GFX, SDMA):
            assert victim.cs_fails((drm.AMDGPU_CHUNK_ID_IB, victim.ib_chunk(ip))) == errno.ECANCELED
    lines = ["GPU reset begin!. Source:  1", "VRAM is lost due to GPU reset!", "GPU reset(1) succeeded!"]
    log = client.log()
    assert [line for line in lines if line in log] == lines
    assert log.index(lines[0]) < log.index(lines[1]) < log.index(lines[2])
    fresh = Client(adev)
    fresh.wait(SDMA, fresh.submit(SDMA))


def test_jobs_on_all_rings_are_cancelled_queued_ones_of_new_generations_are_not() -> None:
    """What was on any ring ends with ECANCELED; so does what was queued, as its address space is older than VRAM."""
    client = Client(boot_impatient(ring_reset=False))
    compute = hang(client, COMPUTE)
    gate, fence = client.gate()
    queued = client.submit(SDMA, None, gate)
    gfx = hang(client, GFX)
    assert error_of(client, GFX, gfx) == errno.ECANCELED
    assert error_of(client, COMPUTE, compute) == errno.ECANCELED
    client.open_gate(fence)
    assert error_of(client, SDMA, queued) == errno.ECANCELED


def test_vram_comes_back_empty_and_gtt_does_not() -> None:
    """Buffers stay where they are; what was in VRAM is gone, what was in system memory is not."""
    adev = boot_impatient(ring_reset=False)
    client = Client(adev)
    vram, gtt = (client.bo(domain=domain) for domain in (drm.AMDGPU_GEM_DOMAIN_VRAM, drm.AMDGPU_GEM_DOMAIN_GTT))
    for bo in (vram, gtt):
        client.write(bo, b"data")
    reset_by_user(adev)
    assert client.read(vram, 4) == bytes(4)
    assert client.read(gtt, 4) == b"data"


def test_on_an_apu_nothing_is_lost() -> None:
    """Its VRAM is system memory: contexts go on, only the counter tells."""
    adev = boot_impatient("renoir", ring_reset=False)
    client = Client(adev)
    vram = client.bo(domain=drm.AMDGPU_GEM_DOMAIN_VRAM)
    client.write(vram, b"data")
    reset_by_user(adev)
    assert client.read(vram, 4) == b"data"
    assert query2(client) == RESET
    client.wait(SDMA, client.submit(SDMA))


def test_a_new_context_of_an_old_file_works_with_its_old_mappings() -> None:
    """The page tables were lost and are written anew for the first submission."""
    adev = boot_impatient(ring_reset=False)
    client = Client(adev)
    target = client.bo()
    client.map(target, DATA_VA)
    reset_by_user(adev)
    assert client.fpriv.vm.page_table.walk(DATA_VA).address == 0, "the page tables survived the loss of VRAM"
    ctx = client.new_ctx()
    words = client.packets(COMPUTE).write_data(DATA_VA, [0xC0FFEE])
    client.wait(COMPUTE, client.submit(COMPUTE, words, ctx=ctx), ctx=ctx)
    assert client.read(target, 4) == struct.pack("<I", 0xC0FFEE)
    assert query2(client, ctx) == 0


def test_query_state_tells_each_reset_once() -> None:
    """The old query: UNKNOWN_RESET after a reset, then NO_RESET until the next."""
    adev = boot_impatient()
    client = Client(adev)

    def state() -> int:
        return int.from_bytes(
            client.ioctl(drm.IOCTL_AMDGPU_CTX, op=drm.AMDGPU_CTX_OP_QUERY_STATE, ctx_id=client.ctx)[
                "priority"
            ].to_bytes(4, "little", signed=True),
            "little",
        )

    found = [state()]
    for _ in range(2):
        reset_by_user(adev)
        found += [state(), state()]
    assert found == [0, 3, 0, 3, 0], "AMDGPU_CTX_UNKNOWN_RESET is 3"


def test_a_kernel_job_that_hangs_makes_nobody_guilty() -> None:
    """Page-table updates belong to no context; the reset is the same."""
    adev = boot_impatient(ring_reset=False)
    client = Client(adev)
    for ring in adev.rings:
        ring.hw.hold()
    client.va_op(drm.AMDGPU_VA_OP_MAP, client.bo(), DATA_VA, 4096)
    deadline = adev.kernel.now() + 2_000_000_000
    while not adev.gpu_reset_counter:
        adev.kernel.run_pending()
        assert adev.kernel.now() < deadline, "the update never timed out"
    for ring in adev.rings:
        ring.hw.release()
    client.settle()
    assert query2(client) == RESET | VRAMLOST


def test_a_reset_takes_time_and_can_be_seen() -> None:
    """While it lasts: RESET_IN_PROGRESS, registers cannot be read, and submissions wait."""
    adev = boot_impatient("renoir", ring_reset=False, gpu_time=1)
    client = Client(adev)
    reset_by_user(adev)
    assert query2(client) == RESET | IN_PROGRESS
    assert client.info_fails(info.AMDGPU_INFO_READ_MMR_REG, 4, GRBM_STATUS, 1, 0xFFFFFFFF) == errno.ENOENT
    sequence = client.submit(SDMA)
    assert client.busy(SDMA, sequence)
    client.wait(SDMA, sequence)
    assert query2(client) == RESET
    assert not adev.in_reset


def test_a_second_reset_during_the_first_does_nothing() -> None:
    """One begins, one ends."""
    adev = boot_impatient(gpu_time=1)
    client = Client(adev)
    reset_by_user(adev)
    reset_by_user(adev)
    deadline = adev.kernel.now() + 30_000_000_000
    while adev.in_reset:
        adev.kernel.run_pending()
        assert adev.kernel.now() < deadline, "the reset does not end"
    assert client.log().count("GPU reset begin!") == client.log().count("succeeded!") == 1


def test_a_reset_is_reported_by_a_uevent() -> None:
    """WEDGED=none, with the process where there is one to blame."""
    adev = boot_impatient(ring_reset=False)
    client = Client(adev)
    error_of(client, GFX, hang(client, GFX))
    reset_by_user(adev)
    events = [environment for _, action, environment in sysfs_of(adev).events if action == "change"]
    assert events == [{"WEDGED": "none", "PID": str(client.caller.pid), "TASK": "client"}, {"WEDGED": "none"}]


# -- unplug -------------------------------------------------------------------------------------------------------


def test_after_unplug_everything_is_enodev() -> None:
    """Open files answer ENODEV, the nodes are gone, and udev hears of card, render node and PCI device."""
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv import drv as amdgpu_drv

    adev = boot_impatient()
    client = Client(adev)
    amdgpu_drv.remove(adev)
    amdgpu_drv.remove(adev)
    with pytest.raises(IoctlError) as caught:
        client.new_ctx()
    assert caught.value.errno == errno.ENODEV
    with pytest.raises(FileNotFoundError):
        Client(adev)
    removed = [path.removeprefix(adev.syspath) for path, action, _ in sysfs_of(adev).events if action == "remove"]
    assert sorted(removed) == ["", "/drm/card0", "/drm/renderD128"]
    assert sorted(sysfs_of(adev).removed) == sorted(adev.syspath + path for path in removed)


def test_unplug_ends_jobs_and_lets_files_close() -> None:
    """Jobs on the rings end with ECANCELED, queued ones fail when it is their turn, nothing is left of the file."""
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_drv import drv as amdgpu_drv

    adev = boot_impatient()
    client = Client(adev)
    hung, (gate, fence) = hang(client), client.gate()
    gated = client.submit(SDMA, None, gate)
    entities = client.ctx_object().entities
    fences = [entities[COMPUTE, 0].fences[hung], entities[SDMA, 0].fences[gated]]
    amdgpu_drv.remove(adev)
    client.open_gate(fence)
    assert [job and job.error for job in fences] == [-errno.ECANCELED, -errno.EINVAL]
    client.caller.close(client.fd).wait()
    client.settle()
    assert not adev.vms
    assert adev.kernel.oopses == 0
