# SPDX-License-Identifier: MIT
"""Buffers: creating, mapping, waiting, describing and listing them (KERNEL.md 2.3, 2.4)."""

from __future__ import annotations

import errno
import os
import time

import pytest

from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.vm_fixture import BASE, GTT, MAP, MIB, PAGE, PRT, RW, UNMAP, VRAM, Client, Machine, new_gate

ALL = ["6.12", "6.18", "base", "series-v1", "series-fixed"]


@pytest.fixture(params=ALL)
def client(request: pytest.FixtureRequest) -> Client:
    """A client on each kernel."""
    return Machine(request.param).client()


def create_errno(client: Client, size: int = PAGE, domains: int = GTT, flags: int = 0) -> int:
    """The errno of GEM_CREATE."""
    request = {"bo_size": size, "domains": domains, "domain_flags": flags}
    return client.fails(client.fd, drm.IOCTL_AMDGPU_GEM_CREATE, **request)


# -- GEM_CREATE -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domains", "flags", "error"),
    [
        (GTT, drm.AMDGPU_GEM_CREATE_VRAM_CONTIGUOUS, errno.EINVAL),
        (GTT, drm.AMDGPU_GEM_CREATE_CP_MQD_GFX9, errno.EINVAL),
        (GTT, drm.AMDGPU_GEM_CREATE_PREEMPTIBLE, errno.EINVAL),
        (GTT, 1 << 17, errno.EINVAL),
        (0x100, 0, errno.EINVAL),
        (drm.AMDGPU_GEM_DOMAIN_MMIO_REMAP, 0, errno.EINVAL),
        (drm.AMDGPU_GEM_DOMAIN_GDS, drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID, errno.EINVAL),
        (drm.AMDGPU_GEM_DOMAIN_GDS, 0, 0),
        (drm.AMDGPU_GEM_DOMAIN_GWS, 0, 0),
        (drm.AMDGPU_GEM_DOMAIN_OA, 0, 0),
        (drm.AMDGPU_GEM_DOMAIN_CPU, 0, 0),
        (GTT | VRAM, drm.AMDGPU_GEM_CREATE_EXPLICIT_SYNC | drm.AMDGPU_GEM_CREATE_DISCARDABLE, 0),
    ],
)
def test_which_requests_are_refused(client: Client, domains: int, flags: int, error: int) -> None:
    """2.3 steps 1 to 5."""
    size = 1 if domains & 0x38 else PAGE
    assert create_errno(client, size, domains, flags) == error


def test_doorbell_buffers_came_with_6_16(client: Client) -> None:
    """Before that user space had no use for them."""
    wanted = errno.EINVAL if client.adev.variant.name == "6.12" else 0
    assert create_errno(client, domains=drm.AMDGPU_GEM_DOMAIN_DOORBELL) == wanted


@pytest.mark.parametrize("domain", [VRAM, GTT, VRAM | GTT])
def test_what_can_never_fit_is_enomem(client: Client, domain: int) -> None:
    """IGT insists on ENOMEM for an impossible size."""
    assert create_errno(client, size=1 << 45, domains=domain) == errno.ENOMEM


def test_vram_spills_into_gtt_when_nothing_can_be_evicted(client: Client) -> None:
    """2.3 step 7: the second try of a buffer that wants VRAM may use GTT, and is content there."""
    vram = client.adev.mman.vram
    vram.pinned += vram.size - vram.usage  # the driver itself has taken all
    bo = client.object(client.bo(MIB, VRAM))
    assert bo.domain == GTT
    assert bo.in_preferred_domain


def test_sizes_are_rounded_up_and_the_answer_is_clean(client: Client) -> None:
    """A page is the least; the union of the argument is zeroed behind the handle."""
    argument = drm.GEM_CREATE_IN.pack(bo_size=1, alignment=7, domains=GTT)
    error, answer = client.raw(client.fd, drm.IOCTL_AMDGPU_GEM_CREATE.request, argument)
    assert error == 0
    handle = int.from_bytes(answer[:4], "little")
    assert answer[4:] == bytes(28)
    assert client.object(handle).size == PAGE


def test_new_memory_reads_zero(client: Client) -> None:
    """VRAM is cleared by a job, GTT has fresh pages; what the last owner wrote is gone."""
    memory = client.adev.gpu.memory
    for domain in (VRAM, GTT):
        handle = client.bo(4 * PAGE, domain)
        where = client.object(handle).host
        memory.write(client.object(handle).address, b"secret")
        client.close_bo(handle)
        client.settle()
        again = client.object(client.bo(4 * PAGE, domain))
        client.settle()
        assert again.host == where, "the test wants the same memory again"
        assert memory.read(again.address, 6) == bytes(6)


def test_clears_of_one_process_stall_behind_a_gate_of_another() -> None:
    """E2: all clears of the device go through one queue."""
    machine = Machine("base")
    client, other = machine.client(), machine.client()
    bo = client.bo(always_valid=True, domain=VRAM)
    client.do(MAP, BASE, bo)
    gate = new_gate()
    client.submit(gate)
    client.close_bo(bo)
    fresh = other.bo(domain=VRAM)
    out = other.op(MAP, BASE, fresh)
    assert out.waits, "a clear behind a gated wipe went ahead of it"
    client.open_gate(gate)
    assert out.signals


def test_pages_known_to_be_clear_need_no_job() -> None:
    """The knob that makes O8 signal."""
    client = Machine("series-fixed").client()
    client.adev.mman.pages_known_clear = True
    gate = new_gate()
    client.submit(gate)
    fresh = client.bo(domain=VRAM, always_valid=True)
    assert client.op(MAP, BASE, fresh).signals
    client.open_gate(gate)


# -- handles --------------------------------------------------------------------------------------------------------


def test_an_always_valid_bo_belongs_to_its_address_space(client: Client) -> None:
    """2.3: it cannot be exported, nor opened by another file."""
    bo = client.bo(always_valid=True)
    assert client.fails(client.fd, core.IOCTL_PRIME_HANDLE_TO_FD, handle=bo) == errno.EPERM
    assert client.object(bo).is_always_valid(client.vm)
    assert client.object(bo).resv is client.vm.root_resv


def test_a_shared_bo_is_attached_once_to_each_address_space(client: Client) -> None:
    """Two files, one buffer: each has its own mappings."""
    other = client.machine.client()
    bo = client.bo()
    fd = client.ioctl(client.fd, core.IOCTL_PRIME_HANDLE_TO_FD, handle=bo, flags=2)["fd"]
    theirs = other.ioctl(other.fd, core.IOCTL_PRIME_FD_TO_HANDLE, fd=client.share(fd, other))["handle"]
    client.do(MAP, BASE, bo)
    other.do(MAP, BASE + PAGE, theirs)
    assert client.mappings() == [(BASE, BASE + PAGE, 0)]
    assert other.mappings() == [(BASE + PAGE, BASE + 2 * PAGE, 0)]
    assert other.object(theirs) is client.object(bo)
    client.close_bo(bo)
    assert other.sees(BASE + PAGE, theirs)


# -- GEM_MMAP, GEM_WAIT_IDLE, GEM_METADATA --------------------------------------------------------------------------


def test_mmap_offsets(client: Client) -> None:
    """2.4: ENOENT, EPERM without CPU access; the offset leads to the buffer's memory, for this file only."""
    bo = client.bo(2 * PAGE, VRAM)
    offset = client.ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_MMAP, handle=bo)
    address = offset["handle"] | offset["_pad"] << 32
    file = client.file(client.fd)
    fd, start = file.mmap(client, address, 2 * PAGE, 3, 1)
    client.adev.gpu.memory.write(client.object(bo).address + PAGE, b"gpu")
    assert os.pread(fd, 3, start + PAGE) == b"gpu"
    assert os.fstat(fd).st_size == 2 * PAGE, "the descriptor reaches more than the buffer"
    assert client.fails(client.fd, drm.IOCTL_AMDGPU_GEM_MMAP, handle=999) == errno.ENOENT
    hidden = client.bo(flags=drm.AMDGPU_GEM_CREATE_NO_CPU_ACCESS)
    assert client.fails(client.fd, drm.IOCTL_AMDGPU_GEM_MMAP, handle=hidden) == errno.EPERM


def test_wait_idle_waits_for_users_not_for_page_tables(client: Client) -> None:
    """2.4: an update behind a gate is BOOKKEEP; a submission that lists the buffer counts."""
    bo, listed = client.bo(), client.bo()
    client.do(MAP, BASE, bo)
    gate = new_gate()
    client.submit(gate, bos=(listed,))
    client.do(UNMAP, BASE, bo)

    def status(handle: int, timeout: int) -> int:
        reply = client.ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_WAIT_IDLE, handle=handle, timeout=timeout)
        return int(reply["handle"])

    assert status(bo, 0) == 0
    assert status(listed, 0) == 1
    assert status(listed, time.monotonic_ns() + 2_000_000) == 1
    call, _ = client.start_ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_WAIT_IDLE, handle=listed, timeout=(1 << 64) - 1)
    assert not call.done
    client.open_gate(gate)
    assert (call.done, call.error) == (True, 0)
    assert client.fails(client.fd, drm.IOCTL_AMDGPU_GEM_WAIT_IDLE, handle=999) == errno.ENOENT


def test_metadata_is_kept_and_dropped(client: Client) -> None:
    """2.4: SET stores, GET returns, size 0 drops, more than 256 bytes is EINVAL, another op does nothing."""
    bo = client.bo()
    ioctl = drm.IOCTL_AMDGPU_GEM_METADATA
    blob = bytes(range(16))
    client.ioctl(client.fd, ioctl, handle=bo, op=1, flags=3, tiling_info=7, data_size_bytes=16, data=blob)
    got = client.ioctl(client.fd, ioctl, handle=bo, op=2)
    assert (got["flags"], got["tiling_info"], got["data_size_bytes"], got["data"][:16]) == (3, 7, 16, blob)
    assert client.fails(client.fd, ioctl, handle=bo, op=1, data_size_bytes=257) == errno.EINVAL
    assert client.fails(client.fd, ioctl, handle=bo, op=77) == 0
    client.ioctl(client.fd, ioctl, handle=bo, op=1)
    assert client.ioctl(client.fd, ioctl, handle=bo, op=2)["data_size_bytes"] == 0
    assert client.fails(client.fd, ioctl, handle=999, op=2) == errno.ENOENT


# -- GEM_OP, GEM_LIST_HANDLES, GEM_USERPTR --------------------------------------------------------------------------


def test_gem_op_tells_how_a_buffer_was_created(client: Client) -> None:
    """2.4: with the flags the kernel added."""
    bo = client.bo(PAGE, VRAM, flags=drm.AMDGPU_GEM_CREATE_CPU_ACCESS_REQUIRED)
    where = client.alloc(drm.GEM_CREATE_IN.size)
    client.ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_OP, handle=bo, op=0, value=where)
    info = drm.GEM_CREATE_IN.as_dict(client.copy_from_user(where, drm.GEM_CREATE_IN.size))
    added = drm.AMDGPU_GEM_CREATE_VRAM_CLEARED | drm.AMDGPU_GEM_CREATE_VRAM_WIPE_ON_RELEASE
    assert info == {"bo_size": PAGE, "alignment": PAGE, "domains": VRAM, "domain_flags": added}
    assert client.fails(client.fd, drm.IOCTL_AMDGPU_GEM_OP, handle=bo, op=0, value=16) == errno.EFAULT
    assert client.fails(client.fd, drm.IOCTL_AMDGPU_GEM_OP, handle=999, op=0, value=where) == errno.ENOENT
    assert client.fails(client.fd, drm.IOCTL_AMDGPU_GEM_OP, handle=bo, op=9) == errno.EINVAL


def test_mapping_info_lists_valids_then_invalids_if_all_fit(client: Client) -> None:
    """2.4: since 6.18; num_entries always comes back as the real count."""
    bo = client.bo(4 * PAGE)
    client.do(MAP, BASE, bo)
    client.do(MAP, BASE + PAGE, bo, offset_in_bo=PAGE)
    client.do(MAP, BASE + 8 * PAGE, bo, flags=RW | 1)
    where = client.alloc(3 * drm.GEM_VM_ENTRY.size)
    request = {"handle": bo, "op": 2, "value": where}
    if not client.adev.variant.has_mapping_info:
        assert client.fails(client.fd, drm.IOCTL_AMDGPU_GEM_OP, **request, num_entries=3) == errno.EINVAL
        return
    assert client.ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_OP, **request, num_entries=2)["num_entries"] == 3
    assert client.read_u64(where) == 0, "two entries were written although there are three"
    assert client.ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_OP, **request, num_entries=3)["num_entries"] == 3
    addresses = [client.read_u64(where + i * drm.GEM_VM_ENTRY.size) for i in range(3)]
    assert addresses == [BASE + PAGE, BASE, BASE + 8 * PAGE]
    assert client.fails(client.fd, drm.IOCTL_AMDGPU_GEM_OP, **request, padding=1) == errno.EINVAL


def test_list_handles(client: Client) -> None:
    """2.4: the needed count if there is no room, else every buffer; from 6.18 on."""
    client.bo(2 * PAGE, VRAM)
    ioctl = drm.IOCTL_AMDGPU_GEM_LIST_HANDLES
    if not client.adev.variant.has_list_handles:
        assert client.fails(client.fd, ioctl) == errno.EINVAL
        return
    assert client.ioctl(client.fd, ioctl)["num_entries"] == 2
    where = client.alloc(2 * drm.GEM_LIST_HANDLES_ENTRY.size)
    assert client.ioctl(client.fd, ioctl, entries=where, num_entries=2)["num_entries"] == 2
    entry = drm.GEM_LIST_HANDLES_ENTRY.as_dict(
        client.copy_from_user(where + drm.GEM_LIST_HANDLES_ENTRY.size, drm.GEM_LIST_HANDLES_ENTRY.size)
    )
    assert (entry["gem_handle"], entry["size"], entry["preferred_domains"]) == (2, 2 * PAGE, VRAM)
    assert entry["alignment"] == 1
    assert client.fails(client.fd, ioctl, entries=16, num_entries=2) == errno.EFAULT


@pytest.mark.parametrize("kernel", ["7.2", "7.3"])
def test_list_handles_tells_alignments_in_bytes_from_7_2_on(kernel: str) -> None:
    """amdgpu_gem_list_handles_ioctl: page_alignment << PAGE_SHIFT."""
    client = Machine(kernel).client()
    handle = client.bo(2 * PAGE, VRAM)
    where = client.alloc(handle * drm.GEM_LIST_HANDLES_ENTRY.size)
    client.ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_LIST_HANDLES, entries=where, num_entries=handle)
    last = client.copy_from_user(
        where + (handle - 1) * drm.GEM_LIST_HANDLES_ENTRY.size, drm.GEM_LIST_HANDLES_ENTRY.size
    )
    assert drm.GEM_LIST_HANDLES_ENTRY.as_dict(last)["alignment"] == PAGE


def test_a_misplaced_always_valid_bo_makes_the_vm_unready_up_to_7_0(client: Client) -> None:
    """E11: GEM_VA skips its page-table work until the next submission; base does not care."""
    bo = client.bo(always_valid=True)
    client.ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_OP, handle=bo, op=1, value=VRAM)
    client.do(MAP, BASE, flags=PRT)
    written = client.walk(BASE).kind.name == "PRT"
    assert written is not client.adev.variant.always_valid_can_unready
    client.submit()
    client.settle()
    assert client.walk(BASE).kind.name == "PRT"
