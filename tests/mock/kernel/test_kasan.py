# SPDX-License-Identifier: MIT
"""Entries of page tables that outlive what they point to: found when the GPU goes through them, named in the log."""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu_model.page_table import Entry, EntryKind
from amdgpu_hw.mock.kernel.kasan import RetiredMemory
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import COMPUTE, PAGE, SDMA, Client, boot_gpu

A, C = 0x1_0000_0000, 0x2_0000_0000
CLEAR = drm.AMDGPU_VA_OP_CLEAR
VARIANTS = ["6.12", "6.18", "base", "series-v1", "series-fixed"]


@pytest.fixture(params=VARIANTS)
def client(request: pytest.FixtureRequest) -> Client:
    """A client on each kernel, with a small buffer mapped at C."""
    client = Client(boot_gpu("navi31", request.param))
    client.map(client.bo(), C)
    return client


def close(client: Client, handle: int) -> None:
    """GEM_CLOSE."""
    client.ioctl(core.IOCTL_GEM_CLOSE, handle=handle)
    client.settle()


def leave_remnant(client: Client, domain: int = drm.AMDGPU_GEM_DOMAIN_GTT) -> int:
    """F18: a buffer is gone and its first page still in the page tables; returns its number."""
    bo = client.bo(3 * PAGE, domain)
    client.map(bo, A, 3 * PAGE)
    client.settle()
    client.va_op(CLEAR, 0, A + PAGE, PAGE, 0)
    number = client.object(bo).label.number
    close(client, bo)
    return number


@pytest.mark.parametrize("domain", [drm.AMDGPU_GEM_DOMAIN_GTT, drm.AMDGPU_GEM_DOMAIN_VRAM])
def test_f18_is_found_when_a_job_uses_the_remnant(client: Client, domain: int) -> None:
    """E6: closing a buffer after a partial CLEAR leaves live entries on every kernel that does not mend F7."""
    number = leave_remnant(client, domain)
    client.write(2, b"\xff" * 4)
    client.submit(SDMA, client.packets(SDMA).copy(A + 16, C, 4))
    kasan = client.adev.kernel.kasan
    if client.adev.variant.rewrites_remnants_first:
        assert kasan.count == 0
        return
    assert client.read(2, 4) == bytes(4), "the job read memory that is not there"
    (report,) = kasan.reports
    assert (report.kind, report.offset, report.va, report.write) == ("use-after-free", 16, A + 16, False)
    assert report.label is not None
    assert report.label.number == number
    assert report.pid == client.caller.pid
    log = client.log()
    assert f"BUG: KASAN: use-after-free on ring {report.ring} at GPU address {A + 16:#x}" in log
    assert f"of BO {number} of 0x3000 bytes, created by client[{client.caller.pid}], freed" in log
    assert client.adev.kernel.oopses == 0


def test_the_next_owner_of_the_memory_is_safe() -> None:
    """On hardware the stale entry would reach the new buffer; here the write is dropped and reported."""
    client = Client(boot_gpu("navi31", "base"))
    leave_remnant(client)
    victim = client.bo(3 * PAGE)
    client.submit(SDMA, client.packets(SDMA).fill(A, 0xDEADBEEF, PAGE))
    assert client.read(victim, PAGE) == bytes(PAGE)
    (report,) = client.adev.kernel.kasan.reports
    assert report.write


def test_a_buffer_is_reported_once_and_counted_always() -> None:
    """A job that polls freed memory does not flood the log."""
    client = Client(boot_gpu("navi31", "base"))
    leave_remnant(client)
    for _ in range(5):
        client.submit(COMPUTE, client.packets(COMPUTE).write_data(A, [1]))
    kasan = client.adev.kernel.kasan
    assert len(kasan.reports) == 1
    assert kasan.count == 5
    assert client.log().count("BUG: KASAN") == 1


def test_an_access_to_where_a_buffer_was_is_told_from_one_to_a_dead_one() -> None:
    """An unlisted buffer was evicted behind the job's back: its bytes are elsewhere now."""
    client = Client(boot_gpu("navi31", "base"))
    vram = client.adev.mman.vram
    bo = client.bo(1 << 30, drm.AMDGPU_GEM_DOMAIN_VRAM)
    client.map(bo, A, 1 << 30)
    client.settle()
    chunk, gate = client.gate()
    client.submit(SDMA, client.packets(SDMA).fill(A, 1, 4), chunk)  # does not list it, which is the client's mistake
    client.bo(vram.size - vram.reserved - vram.usage, drm.AMDGPU_GEM_DOMAIN_VRAM)
    client.bo(PAGE, drm.AMDGPU_GEM_DOMAIN_VRAM)
    client.open_gate(gate)
    (report,) = client.adev.kernel.kasan.reports
    assert report.kind == "use-after-move"
    assert "moved away" in client.log()


def test_memory_that_is_not_there_yet_is_not_there() -> None:
    """A kernel that writes page tables for a move before the move is done, and lets a job run."""
    client = Client(boot_gpu("navi31", "base"))
    memory = client.adev.gpu.memory
    target = memory.reserve(PAGE)
    page = A >> 12
    table = client.fpriv.vm.page_table
    table.allocate(page, page)
    table.write(page, page, Entry(EntryKind.VALID, target, 0x60))
    table.update_pdes()
    client.submit(SDMA, client.packets(SDMA).fill(A, 1, 4))
    (report,) = client.adev.kernel.kasan.reports
    assert report.kind == "use-before-move"
    assert "still being moved to" in client.log()


def test_a_closed_buffer_that_a_job_lists_is_no_bug(client: Client) -> None:
    """Its memory waits for the job."""
    bo = client.bo(PAGE, drm.AMDGPU_GEM_DOMAIN_VRAM)
    client.map(bo, A)
    client.settle()
    chunk, gate = client.gate()
    listed = (drm.AMDGPU_CHUNK_ID_BO_HANDLES, client.bo_handles_chunk(bo))
    client.submit(SDMA, client.packets(SDMA).copy(A, C, 4), chunk, listed)
    client.ioctl(core.IOCTL_GEM_CLOSE, handle=bo)
    client.open_gate(gate)
    assert client.adev.kernel.kasan.count == 0


def test_what_was_freed_long_ago_has_lost_its_name() -> None:
    """Only the last few thousand addresses are remembered."""
    retired = RetiredMemory()
    for address in range(5000):
        retired.add(address, None, True, 0)
    assert retired.find(0) is None
    assert retired.find(4999) is not None
