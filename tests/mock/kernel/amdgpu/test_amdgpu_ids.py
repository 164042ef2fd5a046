# SPDX-License-Identifier: MIT
"""VMIDs: how many address spaces can be on the GPU at a time, and the VM ioctl that reserves one."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from amdgpu_hw.gpu_model.work import IbWork, Work
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ids import AMDGPU_GFXHUB
from amdgpu_hw.uapi import amdgpu_drm as drm
from tests.mock.kernel.amdgpu_client import COMPUTE, GFX, SDMA, Client, boot_gpu

RESERVE, UNRESERVE = drm.AMDGPU_VM_OP_RESERVE_VMID, drm.AMDGPU_VM_OP_UNRESERVE_VMID
VA = 0x400000


def hang_on(client: Client, ip: int) -> tuple[int, int]:
    """A job that waits on the ring for a flag; returns its sequence number and the flag's buffer."""
    flag = client.bo()
    client.map(flag, VA)
    return client.submit(ip, client.packets(ip).wait_reg_mem(VA, 1)), flag


def vmids_in_use(adev: AmdgpuDevice) -> int:
    """How many ids of the graphics hub jobs use."""
    return sum(vmid.active_fence() is not None for vmid in adev.id_mgr[AMDGPU_GFXHUB].ids_lru)


@pytest.mark.parametrize(("gpu", "count"), [("navi31", 7), ("mi300x", 2)])
def test_user_jobs_have_the_ids_below_kfds(gpu: str, count: int) -> None:
    """1 to 7 usually, only 1 and 2 on MI300X (KERNEL.md 4.6)."""
    adev = boot_gpu(gpu)
    assert [vmid.number for vmid in adev.id_mgr[AMDGPU_GFXHUB].ids_lru] == list(range(1, count + 1))


def test_one_vm_uses_one_id_on_all_rings() -> None:
    """Jobs of one address space on two rings share its VMID."""
    client = Client()
    hang_on(client, COMPUTE)
    client.submit(COMPUTE, client.packets(COMPUTE).wait_reg_mem(VA, 1), ring=1)
    assert vmids_in_use(client.adev) == 1


def test_more_address_spaces_than_ids_take_turns() -> None:
    """With both ids of MI300X busy a third VM's job stays off the ring until one is free."""
    adev = boot_gpu("mi300x")
    clients = [Client(adev) for _ in range(3)]
    jobs = [hang_on(client, COMPUTE) for client in clients[:2]]
    assert vmids_in_use(adev) == 2
    sequence = clients[2].submit(COMPUTE)
    assert clients[2].busy(COMPUTE, sequence), "the job ran without a VMID"
    clients[0].write(jobs[0][1], b"\1")
    clients[0].wait(COMPUTE, jobs[0][0])
    clients[2].wait(COMPUTE, sequence)
    clients[1].write(jobs[1][1], b"\1")
    clients[1].wait(COMPUTE, jobs[1][0])


@pytest.mark.timeout(20)
def test_a_job_can_wait_for_an_id_that_its_own_ring_uses() -> None:
    """There is room on the ring, and the id used longest ago is that of its first job: that job has to end."""
    adev = boot_gpu()
    first, *others, last = (Client(adev) for _ in range(8))
    job, flag = hang_on(first, GFX)
    for client in others:
        hang_on(client, COMPUTE)
    assert vmids_in_use(adev) == 7
    sequence = last.submit(GFX)
    assert last.busy(GFX, sequence), "the job ran without a VMID"
    first.write(flag, b"\1")
    first.wait(GFX, job)
    last.wait(GFX, sequence)


def test_reserve_and_unreserve() -> None:
    """Twice is fine, another VM gets ENOENT until it is given back; giving back what one has not is fine."""
    mine = Client()
    other = Client(mine.adev)
    vm = drm.IOCTL_AMDGPU_VM
    assert [mine.fails(vm, op=RESERVE), mine.fails(vm, op=RESERVE)] == [0, 0]
    assert other.fails(vm, op=RESERVE) == errno.ENOENT
    assert other.fails(vm, op=UNRESERVE) == 0
    mine.wait(COMPUTE, mine.submit(COMPUTE))
    other.wait(COMPUTE, other.submit(COMPUTE))
    assert mine.fails(vm, op=UNRESERVE) == 0
    assert other.fails(vm, op=RESERVE) == 0


def test_6_1_refuses_a_second_reserved_id_with_einval() -> None:
    """amdgpu_vmid_alloc_reserved there: "Over limitation of reserved vmid"."""
    mine = Client(boot_gpu(variant="6.1"))
    other = Client(mine.adev)
    assert mine.fails(drm.IOCTL_AMDGPU_VM, op=RESERVE) == 0
    assert other.fails(drm.IOCTL_AMDGPU_VM, op=RESERVE) == errno.EINVAL


def test_6_12_shares_one_reserved_id_until_nobody_has_it() -> None:
    """All that ask get the same, one at a time on the GPU; the last to give it back puts it into the round robin."""
    mine = Client(boot_gpu(variant="6.12"))
    other = Client(mine.adev)
    manager = mine.adev.id_mgr[AMDGPU_GFXHUB]
    free = len(manager.ids_lru)
    for client in (mine, other):
        client.ioctl(drm.IOCTL_AMDGPU_VM, op=RESERVE)
    assert len(manager.ids_lru) == free - 1
    job, flag = hang_on(mine, COMPUTE)
    sequence = other.submit(COMPUTE)
    assert other.busy(COMPUTE, sequence), "two address spaces are on one VMID at a time"
    mine.write(flag, b"\1")
    mine.wait(COMPUTE, job)
    other.wait(COMPUTE, sequence)
    mine.ioctl(drm.IOCTL_AMDGPU_VM, op=UNRESERVE)
    assert len(manager.ids_lru) == free - 1
    other.ioctl(drm.IOCTL_AMDGPU_VM, op=UNRESERVE)
    assert len(manager.ids_lru) == free


def test_the_vm_ioctl_checks_flags_then_op() -> None:
    """EINVAL for both."""
    client = Client()
    assert client.fails(drm.IOCTL_AMDGPU_VM, op=RESERVE, flags=1) == errno.EINVAL
    assert client.fails(drm.IOCTL_AMDGPU_VM, op=3) == errno.EINVAL


def test_a_closed_file_gives_its_reserved_id_back() -> None:
    """Otherwise nobody could ever reserve one again."""
    adev = boot_gpu()
    first = Client(adev)
    first.ioctl(drm.IOCTL_AMDGPU_VM, op=RESERVE)
    first.caller.close(first.fd).wait()
    first.settle()
    assert Client(adev).fails(drm.IOCTL_AMDGPU_VM, op=RESERVE) == 0


def test_sdma_of_mi300x_has_ids_of_its_own() -> None:
    """Each hub has its own ids: a job on SDMA (mmhub) does not take one of the graphics hub."""
    client = Client(boot_gpu("mi300x"))
    flag = client.bo()
    client.map(flag, VA)
    client.submit(SDMA, client.packets(SDMA).poll_regmem(VA, 1))
    assert vmids_in_use(client.adev) == 0


def test_an_id_is_flushed_when_its_page_tables_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first job of a VM and the first one after an unmap flush; the others go on with what the TLB has."""
    client = Client()
    flushes: list[bool] = []
    for ring in client.adev.rings:
        submit = ring.hw.submit

        def record(work: Work, submit: Callable[[Work], None] = submit) -> None:
            if isinstance(work, IbWork):
                flushes.append(work.flush)
            submit(work)

        monkeypatch.setattr(ring.hw, "submit", record)
    bo = client.bo()
    client.map(bo, VA)
    for _ in range(2):
        client.wait(COMPUTE, client.submit(COMPUTE))
    client.va_op(drm.AMDGPU_VA_OP_UNMAP, bo, VA, 4096)
    for _ in range(2):
        client.wait(COMPUTE, client.submit(COMPUTE))
    assert flushes == [True, False, True, False]
