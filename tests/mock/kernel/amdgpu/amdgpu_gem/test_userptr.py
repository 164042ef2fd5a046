# SPDX-License-Identifier: MIT
"""Buffers made of a client's own memory: GEM_USERPTR, and what may not be done with them (KERNEL.md 2.4)."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.mock.kernel.file import Vma
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import GFX, PAGE, SDMA, Client, boot_gpu
from tests.mock.kernel.fake_caller import MEMORY_BASE, MEMORY_SIZE, IoctlError

USERPTR = drm.IOCTL_AMDGPU_GEM_USERPTR
READONLY, ANONONLY = drm.AMDGPU_GEM_USERPTR_READONLY, drm.AMDGPU_GEM_USERPTR_ANONONLY
VALIDATE, REGISTER = drm.AMDGPU_GEM_USERPTR_VALIDATE, drm.AMDGPU_GEM_USERPTR_REGISTER
BO_HANDLES = drm.AMDGPU_CHUNK_ID_BO_HANDLES
USER = MEMORY_BASE + MEMORY_SIZE // 2
"""Pages of the client that nothing else is in."""
VA = 0x400000
PATTERN = 0x1234ABCD


@pytest.fixture
def client() -> Client:
    """A client on navi31 whose page tables are idle."""
    client = Client()
    client.settle()
    return client


def userptr(client: Client, size: int = PAGE, flags: int = REGISTER | VALIDATE, addr: int = USER) -> int:
    """A BO of the client's pages."""
    return int(client.ioctl(USERPTR, addr=addr, size=size, flags=flags)["handle"])


def fill(client: Client, va: int, size: int, *bos: int) -> None:
    """Have the GPU fill memory with `PATTERN`, and wait."""
    dwords = client.packets(SDMA).fill(va, PATTERN, size)
    client.wait(SDMA, client.submit(SDMA, dwords, (BO_HANDLES, client.bo_handles_chunk(*bos))))


def user_memory(client: Client, size: int = PAGE) -> bytes:
    """The client's pages as it sees them."""
    return client.caller.copy_from_user(USER, size)


@pytest.mark.parametrize(
    ("addr", "size", "flags", "error"),
    [
        (USER + 1, PAGE, REGISTER, errno.EINVAL),
        (USER, PAGE + 1, REGISTER, errno.EINVAL),
        (USER, PAGE, REGISTER | 1 << 4, errno.EINVAL),
        (USER, PAGE, ANONONLY | VALIDATE, errno.EACCES),
        (0xFFFF_FFFF_FFFF_0000, 0x1000_0000, READONLY, errno.EOVERFLOW),
        (PAGE, PAGE, READONLY | VALIDATE, errno.EFAULT),
        (MEMORY_BASE + MEMORY_SIZE - PAGE, 2 * PAGE, REGISTER | VALIDATE, errno.EFAULT),
        (PAGE, PAGE, READONLY, 0),
        (USER, 2 * PAGE, REGISTER | ANONONLY | VALIDATE, 0),
    ],
)
def test_which_requests_are_refused(client: Client, addr: int, size: int, flags: int, error: int) -> None:
    """Arguments first, then the range; the pages are looked at with VALIDATE only."""
    assert client.fails(USERPTR, addr=addr, size=size, flags=flags) == error


@pytest.mark.parametrize(
    ("areas", "flags", "error"),
    [
        ([(0, 1, False, False, False)], READONLY, errno.EFAULT),
        ([(0, 1, True, False, False)], REGISTER, errno.EPERM),
        ([(0, 1, True, False, False)], READONLY, 0),
        ([(0, 1, True, True, True)], REGISTER | ANONONLY, errno.EPERM),
        ([(0, 1, True, True, True)], REGISTER, 0),
        ([(0, 1, True, True, False), (2, 3, True, True, False)], REGISTER, errno.EFAULT),
        ([(0, 1, True, True, False), (1, 3, True, True, False)], REGISTER, 0),
    ],
)
def test_pages_need_the_right_protection(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    areas: list[tuple[int, int, bool, bool, bool]],
    flags: int,
    error: int,
) -> None:
    """EFAULT for gaps and PROT_NONE, EPERM for read-only memory that is to be written and for files with ANONONLY."""
    vmas = [Vma(USER + first * PAGE, USER + last * PAGE, *rights) for first, last, *rights in areas]
    monkeypatch.setattr(client.caller, "find_vmas", lambda _addr, _length: vmas)
    size = 3 * PAGE if len(areas) > 1 else PAGE
    assert client.fails(USERPTR, addr=USER, size=size, flags=flags | VALIDATE) == error


def test_the_gpu_writes_and_reads_the_clients_memory(client: Client) -> None:
    """A fill arrives in the client's memory, and a copy out of it finds what the client has written meanwhile."""
    bo, plain = userptr(client, 2 * PAGE), client.bo(2 * PAGE)
    client.map(bo, VA, 2 * PAGE)
    client.map(plain, VA + 4 * PAGE, 2 * PAGE)
    fill(client, VA + 16, PAGE, bo)
    expected = bytes(16) + PATTERN.to_bytes(4, "little") * (PAGE // 4) + bytes(PAGE - 16)
    assert user_memory(client, 2 * PAGE) == expected
    client.caller.copy_to_user(USER + 8, b"from the CPU, unaligned")
    copy = client.packets(SDMA).copy(VA, VA + 4 * PAGE, 2 * PAGE)
    client.wait(SDMA, client.submit(SDMA, copy))
    assert client.read(plain, 2 * PAGE) == user_memory(client, 2 * PAGE)


def test_the_command_processor_reaches_user_pages(client: Client) -> None:
    """WRITE_DATA to one page boundary, and WAIT_REG_MEM on what the client writes."""
    bo = userptr(client, 2 * PAGE)
    client.map(bo, VA, 2 * PAGE)
    packets = client.packets(GFX)
    client.wait(GFX, client.submit(GFX, packets.write_data(VA + PAGE - 4, [1, 2])))
    assert client.caller.read_u64(USER + PAGE - 4) == 1 | 2 << 32
    waiting = client.submit(GFX, packets.wait_reg_mem(VA, 7))
    assert client.busy(GFX, waiting)
    client.caller.copy_to_user(USER, (7).to_bytes(4, "little"))
    client.wait(GFX, waiting)


def test_pages_that_were_not_validated_are_so_by_the_first_submission(client: Client) -> None:
    """Until a submission lists the BO the GPU does not reach it; GTT counts its pages from then on."""
    bo = userptr(client, PAGE, REGISTER)
    client.map(bo, VA)
    client.settle()
    used = client.adev.mman.gtt_usage
    assert client.object(bo).domain == drm.AMDGPU_GEM_DOMAIN_CPU
    fill(client, VA, PAGE, bo)
    assert user_memory(client) == PATTERN.to_bytes(4, "little") * (PAGE // 4)
    assert client.adev.mman.gtt_usage == used + PAGE
    client.ioctl(core.IOCTL_GEM_CLOSE, handle=bo)
    client.settle()
    assert client.adev.mman.gtt_usage == used


def test_a_submission_without_the_pages_is_refused(client: Client) -> None:
    """EFAULT when the client has unmapped what the list names."""
    bo = userptr(client, PAGE, REGISTER, addr=PAGE)
    handles = BO_HANDLES, client.bo_handles_chunk(bo)
    assert client.cs_fails((drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(SDMA)), handles) == errno.EFAULT


def test_read_only_pages_are_not_written(client: Client) -> None:
    """READONLY takes the right to write out of the page tables: a write faults."""
    bo = userptr(client, PAGE, READONLY | VALIDATE)
    client.map(bo, VA)
    fill(client, VA, PAGE, bo)
    assert user_memory(client) == bytes(PAGE)
    assert "page fault" in client.log()


def test_pages_that_vanish_under_a_job_read_0_and_are_reported(client: Client) -> None:
    """The model has no notifier that would make munmap() wait for the job; the log says so."""
    bo = userptr(client)
    client.map(bo, VA)
    client.settle()
    client.object(bo).user_pages.addr = PAGE  # type: ignore[union-attr]  # as if unmapped
    dwords = client.packets(SDMA).fill(VA, PATTERN, PAGE)
    client.wait(SDMA, client.submit(SDMA, dwords))
    client.wait(GFX, client.submit(GFX, client.packets(GFX).wait_reg_mem(VA, 0)))
    assert "a job writes user pages that are gone" in client.log()
    assert "a job reads user pages that are gone" in client.log()


def test_other_processes_are_kept_away(client: Client) -> None:
    """EPERM for another process: opening by name, a BO list, and, with a list of the first process, a submission."""
    bo = userptr(client)
    own = client.ioctl(drm.IOCTL_AMDGPU_BO_LIST, operation=drm.AMDGPU_BO_LIST_OP_CREATE, **_list_of(client, bo))
    client.caller.pid += 1  # the file was passed to a child
    assert client.fails(drm.IOCTL_AMDGPU_BO_LIST, operation=0, **_list_of(client, bo)) == errno.EPERM
    chunk = drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(SDMA)
    assert client.cs_fails(chunk, bo_list=int(own["operation"])) == errno.EPERM


def _list_of(client: Client, bo: int) -> dict[str, int]:
    entries = client.caller.alloc(drm.BO_LIST_ENTRY.pack(bo_handle=bo))
    return {"bo_number": 1, "bo_info_size": drm.BO_LIST_ENTRY.size, "bo_info_ptr": entries}


def test_user_pages_are_neither_mapped_nor_shared_nor_moved(client: Client) -> None:
    """EPERM for mmap, PRIME and a change of placement, EINVAL for a user fence."""
    bo = userptr(client)
    assert client.fails(drm.IOCTL_AMDGPU_GEM_MMAP, handle=bo) == errno.EPERM
    assert client.fails(core.IOCTL_PRIME_HANDLE_TO_FD, handle=bo) == errno.EPERM
    assert client.fails(drm.IOCTL_AMDGPU_GEM_OP, handle=bo, op=1, value=drm.AMDGPU_GEM_DOMAIN_GTT) == errno.EPERM
    fence = drm.AMDGPU_CHUNK_ID_FENCE, drm.CS_CHUNK_FENCE.pack(handle=bo, offset=0)
    assert client.cs_fails((drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(SDMA)), fence) == errno.EINVAL


def test_more_user_pages_than_gtt_are_enomem() -> None:
    """GTT bounds what the GPU reaches, whoever has the memory."""
    client = Client(boot_gpu("navi31"))
    client.adev.mman.gtt.pinned = client.adev.mman.gtt_size  # the driver itself has taken all
    with pytest.raises(IoctlError) as caught:
        userptr(client)
    assert caught.value.errno == errno.ENOMEM
