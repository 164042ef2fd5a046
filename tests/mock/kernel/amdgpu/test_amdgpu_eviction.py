# SPDX-License-Identifier: MIT
"""More buffers than memory: what is evicted, what comes back, and that nobody loses a byte or sees it too early."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.gpu_model.page_table import EntryKind
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ttm import amdgpu_ttm_evict_resources
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.drm import drm_exec
from amdgpu_hw.mock.kernel.ttm.ttm_bo.validate import ttm_bo_validate
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TTM_PL_TT, TTM_PL_VRAM, TtmPlace
from amdgpu_hw.mock.kernel.ttm.types import TtmOperationCtx
from amdgpu_hw.mock.kernel.wait import Blocking, Task
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.amdgpu_client import COMPUTE, PAGE, SDMA, Client, boot_gpu
from tests.mock.kernel.errnos import IB_AREA
from tests.mock.kernel.fake_caller import Call, IoctlError, settle

VRAM, GTT, CPU = drm.AMDGPU_GEM_DOMAIN_VRAM, drm.AMDGPU_GEM_DOMAIN_GTT, drm.AMDGPU_GEM_DOMAIN_CPU
ALWAYS_VALID = drm.AMDGPU_GEM_CREATE_VM_ALWAYS_VALID
MIB, GIB = 1 << 20, 1 << 30
A, B, C = 0x1_0000_0000, 0x10_0000_0000, 0x20_0000_0000
BO_LIST = drm.AMDGPU_CHUNK_ID_BO_HANDLES


def counter(client: Client, query: int) -> int:
    """An INFO counter."""
    return int.from_bytes(client.info(query, 8), "little")


def free_vram(client: Client) -> int:
    """Bytes of VRAM that buffers of clients can still get."""
    vram = client.adev.mman.vram
    return vram.size - vram.reserved - vram.usage


def fill_vram(client: Client, leave: int = 0) -> int:
    """A buffer that takes all VRAM but ``leave`` bytes."""
    return client.bo(free_vram(client) - leave, VRAM)


def use(client: Client, *handles: int) -> int:
    """A submission that lists buffers."""
    return client.submit(SDMA, None, (BO_LIST, client.bo_handles_chunk(*handles, client._ib_bo)))


def copy_word(client: Client, va: int, target: int, *handles: int) -> int:
    """What the GPU reads at an address: a copy into a mapped buffer ``target``, with a list of the others."""
    copied = client.packets(SDMA).copy(va, C, 4)
    client.submit(SDMA, copied, (BO_LIST, client.bo_handles_chunk(target, *handles, client._ib_bo)))
    client.settle()
    return int.from_bytes(client.read(target, 4), "little")


@pytest.fixture
def client() -> Client:
    """A client of a navi31 that has a small buffer mapped at C."""
    return Client(boot_gpu("navi31", "series-fixed"))


def target_of(client: Client) -> int:
    """A buffer for results."""
    handle = client.bo()
    client.map(handle, C)
    return handle


def no_bad_access(adev: AmdgpuDevice) -> None:
    """Nothing went through an entry that had outlived its memory."""
    assert adev.kernel.kasan.count == 0, adev.kernel.log.text()
    assert adev.kernel.oopses == 0


# -- over-commit ----------------------------------------------------------------------------------------------------


def test_vram_can_be_overcommitted(client: Client) -> None:
    """IGT: several buffers of max_allocation, each as large as three quarters of VRAM, and all keep what is in them."""
    size = free_vram(client) * 3 // 4 // PAGE * PAGE
    handles = [client.bo(size, VRAM) for _ in range(4)]
    for number, handle in enumerate(handles):
        client.write(handle, bytes([number + 1]) * 8, size - 8)
        use(client, handle)
    assert [client.read(handle, 8, size - 8) for handle in handles] == [bytes([n]) * 8 for n in (1, 2, 3, 4)]
    vram = client.adev.mman.vram
    assert vram.usage <= vram.size
    assert counter(client, info.AMDGPU_INFO_NUM_EVICTIONS) > 0
    assert counter(client, info.AMDGPU_INFO_NUM_BYTES_MOVED) >= 3 * size
    no_bad_access(client.adev)


def test_the_least_recently_used_buffer_goes_first(client: Client) -> None:
    """A submission makes its buffers the last to go; to GTT, where their addresses are others."""
    first, second = client.bo(GIB, VRAM), client.bo(GIB, VRAM)
    fill_vram(client)
    use(client, first)
    before = client.object(first).address, client.object(second).address
    client.bo(MIB, VRAM)
    assert [client.object(handle).domain for handle in (first, second)] == [VRAM, GTT]
    assert client.object(first).address == before[0]
    assert client.object(second).address != before[1]


def test_what_is_discardable_goes_before_everything_else(client: Client) -> None:
    """Its content is not saved: it reads 0 afterwards."""
    old = client.bo(GIB, VRAM)
    discardable = client.bo(GIB, VRAM, drm.AMDGPU_GEM_CREATE_DISCARDABLE)
    client.write(discardable, b"x" * 8)
    moved = client.adev.num_bytes_moved
    fill_vram(client)
    client.bo(MIB, VRAM)
    assert client.object(old).domain == VRAM
    assert client.object(discardable).domain == CPU
    assert client.adev.num_bytes_moved == moved
    memory = client.adev.gpu.memory.host
    assert memory.map[client.object(discardable).host] == 0


def test_page_tables_follow_a_buffer_that_has_moved(client: Client) -> None:
    """The next submission that lists it finds it in GTT, with what was in it; and in VRAM when there is room again."""
    target, bo = target_of(client), client.bo(GIB, VRAM)
    client.map(bo, A, GIB)
    client.write(bo, b"data")
    assert copy_word(client, A, target, bo) == int.from_bytes(b"data", "little")
    big = fill_vram(client)
    evictor = client.bo(GIB - MIB, VRAM)
    assert client.object(bo).domain == GTT
    assert copy_word(client, A, target, bo) == int.from_bytes(b"data", "little")
    assert client.object(bo).domain == GTT, "it came back although there is no room"
    for handle in (big, evictor):
        client.ioctl(core.IOCTL_GEM_CLOSE, handle=handle)
    client.settle()
    assert copy_word(client, A, target, bo) == int.from_bytes(b"data", "little")
    assert client.object(bo).domain == VRAM, "it stayed away although there is room"
    no_bad_access(client.adev)


@pytest.mark.parametrize("variant", ["6.12", "6.18", "base", "series-fixed"])
def test_always_valid_buffers_come_back_without_being_listed(variant: str) -> None:
    """Moves of always-valid buffers are for the VM's next submission to find; it runs when all is in place."""
    client = Client(boot_gpu("navi31", variant))
    target, bo = target_of(client), client.bo(GIB, VRAM, ALWAYS_VALID)
    client.map(bo, A, GIB)
    client.write(bo, b"mine")
    client.settle()
    other = Client(client.adev)
    fill_vram(other)
    other.bo(MIB, VRAM)
    assert client.object(bo).domain == GTT
    assert copy_word(client, A, target) == int.from_bytes(b"mine", "little")
    no_bad_access(client.adev)


def test_an_always_valid_buffer_that_stays_away_is_written_once(client: Client) -> None:
    """Each submission tries to bring it back; where that fails its entries are right (amdgpu_vm_bo_update, `moved`)."""
    target, bo = target_of(client), client.bo(64 * MIB, VRAM, ALWAYS_VALID)
    client.map(bo, A, 64 * MIB)
    copy_word(client, A, target)
    fill_vram(client)
    client.bo(48 * MIB, VRAM)  # from here on submissions have moved all that they may
    copy_word(client, A, target)
    assert client.object(bo).domain == GTT
    before = client.fpriv.vm.last_update
    copy_word(client, A, target)
    assert client.fpriv.vm.last_update is before, "page-table jobs for a buffer that has not moved"


@pytest.mark.parametrize(("variant", "skips"), [("6.12", True), ("6.18", True), ("base", False), ("series-v1", False)])
def test_an_evicted_always_valid_buffer_stops_gem_va_up_to_7_0(variant: str, skips: bool) -> None:
    """E11: the VM is not ready until the next submission; base looks at page tables only."""
    client = Client(boot_gpu("navi31", variant))
    client.bo(GIB, VRAM, ALWAYS_VALID)
    other = Client(client.adev)
    fill_vram(other)
    other.bo(MIB, VRAM)
    scratch = client.bo()
    client.map(scratch, A)
    client.settle()
    written = client.fpriv.vm.page_table.walk(A).kind is EntryKind.VALID
    assert written is not skips
    client.submit(COMPUTE, None, (BO_LIST, client.bo_handles_chunk(scratch)))
    client.settle()
    assert client.fpriv.vm.page_table.walk(A).kind is EntryKind.VALID


def test_always_valid_buffers_of_a_vm_are_used_together(client: Client) -> None:
    """Any submission of the VM makes all of them the last to go (ttm_lru_bulk_move)."""
    mine = client.bo(GIB, VRAM, ALWAYS_VALID)
    other = Client(client.adev)
    theirs = other.bo(GIB, VRAM)
    fill_vram(other)
    client.submit(COMPUTE)
    other.bo(MIB, VRAM)
    assert client.object(mine).domain == VRAM
    assert other.object(theirs).domain == GTT


# -- order of events ------------------------------------------------------------------------------------------------


def test_an_eviction_waits_for_those_who_use_the_buffer(client: Client) -> None:
    """The blit behind a gated job, and whoever gets the memory behind the blit: KERNEL fences all along."""
    bo = client.bo(GIB, VRAM)
    client.map(bo, A, GIB)
    rest = fill_vram(client)
    chunk, gate = client.gate()
    client.submit(SDMA, client.packets(SDMA).fill(A, 0x600D600D, 4), chunk, (BO_LIST, client.bo_handles_chunk(bo)))
    use(client, rest)
    other = Client(client.adev)
    newcomer = other.bo(MIB, VRAM)
    assert client.object(bo).domain == GTT
    other.map(newcomer, A, MIB)
    job = other.submit(SDMA, other.packets(SDMA).fill(A, 0xBAD, 4), (BO_LIST, other.bo_handles_chunk(newcomer)))
    assert other.busy(SDMA, job), "a job runs in memory that is still being emptied"
    client.open_gate(gate)
    assert not other.busy(SDMA, job)
    assert client.read(bo, 4) == 0x600D600D.to_bytes(4, "little"), "the gated job wrote to where the buffer had been"
    no_bad_access(client.adev)


def test_a_buffer_that_a_sleeping_submission_has_locked_stays(client: Client) -> None:
    """With 32 jobs in front a CS sleeps with its buffers locked; others are evicted instead, or ENOMEM it is."""
    bo = client.bo(free_vram(client), VRAM)
    chunk, gate = client.gate()
    for _ in range(32):
        client.submit(SDMA, None, chunk)
    ib = (drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(SDMA))
    call = client.start_cs([ib, (BO_LIST, client.bo_handles_chunk(bo))]).settle()
    assert not call.done, "the 33rd submission was to sleep"
    other = Client(client.adev)
    assert other.object(other.bo(MIB, VRAM)).domain == GTT
    assert client.object(bo).domain == VRAM
    client.open_gate(gate)
    assert call.wait().error == 0


def sleeping_submission(client: Client, handle: int) -> tuple[Call, DmaFence]:
    """A submission that sleeps with a buffer locked, and the gate it waits for."""
    chunk, gate = client.gate()
    for _ in range(32):
        client.submit(SDMA, None, chunk)
    ib = (drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(SDMA))
    call = client.start_cs([ib, (BO_LIST, client.bo_handles_chunk(handle))]).settle()
    assert not call.done, "the 33rd submission was to sleep"
    return call, gate


def only_vram(client: Client, size: int) -> int:
    """A buffer that can be nowhere else, and is not in VRAM at present."""
    handle = client.bo(size, VRAM, drm.AMDGPU_GEM_CREATE_DISCARDABLE)
    filler = fill_vram(client)
    client.bo(MIB, VRAM)
    client.ioctl(core.IOCTL_GEM_CLOSE, handle=filler)
    client.settle()
    assert client.object(handle).domain == CPU
    return handle


def test_an_older_submission_waits_for_a_younger_ones_buffer(client: Client) -> None:
    """Who has locked the directory first may sleep for the lock of a buffer that is in the way (wait-die)."""
    other = Client(client.adev)
    wanted = only_vram(client, free_vram(client) // 2 // PAGE * PAGE)
    in_the_way = other.bo(free_vram(client), VRAM)
    ticket = next(drm_exec._tickets)  # as if it had begun before
    sleeper, gate = sleeping_submission(other, in_the_way)
    ctx = TtmOperationCtx(resv=client.object(wanted).resv, ticket=ticket)
    moved: list[BaseException | None] = []
    Task(
        ttm_bo_validate(client.object(wanted), [TtmPlace(TTM_PL_VRAM)], ctx),
        client.adev.kernel.timers,
        client.adev.kernel.work,
        lambda _, error: moved.append(error),
    ).start()
    client.settle()
    assert moved == []
    other.open_gate(gate)
    assert sleeper.wait().error == 0
    client.settle()
    assert moved == [None]
    assert client.object(wanted).domain == VRAM
    assert other.object(in_the_way).domain != VRAM


def test_a_younger_submission_does_not_wait_for_an_older_one(client: Client) -> None:
    """It could wait for ever: ENOMEM."""
    other = Client(client.adev)
    wanted = only_vram(client, free_vram(client) // 2 // PAGE * PAGE)
    in_the_way = other.bo(free_vram(client), VRAM)
    sleeper, gate = sleeping_submission(other, in_the_way)
    ib = (drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(SDMA))
    listed = (BO_LIST, client.bo_handles_chunk(wanted))
    assert client.cs_fails(ib, listed) == errno.ENOMEM
    other.open_gate(gate)
    assert sleeper.wait().error == 0
    client.cs(ib, listed)
    assert client.object(wanted).domain == VRAM


def test_memory_of_dead_buffers_is_waited_for(client: Client) -> None:
    """What a gated job keeps alive is neither free nor evictable: GEM_CREATE sleeps until it is gone."""
    client.adev.mman.gtt.pinned = client.adev.mman.gtt.size
    client.adev.mman.system.pinned = client.adev.mman.system.size  # nothing can be evicted to anywhere
    bo = client.bo(free_vram(client), VRAM)
    chunk, gate = client.gate()
    client.submit(SDMA, None, chunk, (BO_LIST, client.bo_handles_chunk(bo)))
    client.ioctl(core.IOCTL_GEM_CLOSE, handle=bo)
    other = client.caller
    call, read = other.start_ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_CREATE, bo_size=GIB, domains=VRAM)
    assert not call.settle().done
    client.open_gate(gate)
    assert call.wait().error == 0
    assert client.object(read()["bo_size"] & 0xFFFFFFFF).domain == VRAM


def test_a_signal_ends_the_wait(client: Client) -> None:
    """GEM_CREATE sleeps interruptibly, and leaves nothing behind."""
    bo = client.bo(free_vram(client), VRAM)
    client.adev.mman.gtt.pinned = client.adev.mman.gtt.size
    client.adev.mman.system.pinned = client.adev.mman.system.size
    chunk, gate = client.gate()
    client.submit(SDMA, None, chunk, (BO_LIST, client.bo_handles_chunk(bo)))
    client.ioctl(core.IOCTL_GEM_CLOSE, handle=bo)
    objects = client.adev.ddev.object_count
    call, _ = client.caller.start_ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_CREATE, bo_size=GIB, domains=VRAM)
    assert not call.settle().done
    assert call.interrupt().done
    assert call.error != 0
    assert client.adev.ddev.object_count == objects
    client.open_gate(gate)


# -- limits -----------------------------------------------------------------------------------------------------------


def test_a_list_that_cannot_fit_is_enomem(client: Client) -> None:
    """Two buffers that may only be in VRAM, and together are more; each alone works."""
    size = free_vram(client) * 3 // 4 // PAGE * PAGE
    handles = [client.bo(size, VRAM, drm.AMDGPU_GEM_CREATE_DISCARDABLE) for _ in range(2)]
    for handle in handles:
        use(client, handle)
    ib = (drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(SDMA))
    assert client.cs_fails(ib, (BO_LIST, client.bo_handles_chunk(*handles))) == errno.ENOMEM
    assert "Not enough memory for command submission!" in client.log()
    use(client, handles[0])
    no_bad_access(client.adev)


def test_full_gtt_goes_to_where_the_gpu_does_not_reach(client: Client) -> None:
    """A buffer in system pages has no entry in the page tables until a submission brings it back into GTT."""
    gtt = client.adev.mman.gtt
    target, bo = target_of(client), client.bo(GIB, GTT)
    client.map(bo, A, GIB)
    client.write(bo, b"swap")
    use(client, bo)
    half = (gtt.size - gtt.usage) // 2 // PAGE * PAGE + PAGE
    others = [client.bo(half, GTT) for _ in range(2)]
    assert [client.object(handle).domain for handle in (bo, *others)] == [CPU, GTT, GTT]
    assert copy_word(client, A, target, bo) == int.from_bytes(b"swap", "little")
    assert client.object(bo).domain == GTT
    assert gtt.usage <= gtt.size
    no_bad_access(client.adev)


def test_everything_is_full_in_the_end(client: Client) -> None:
    """VRAM, GTT and what can be swapped out: then ENOMEM, and every buffer can still be used and freed."""
    size = free_vram(client) * 3 // 4 // PAGE * PAGE
    handles: list[int] = []
    failure = 0
    while not failure:
        assert len(handles) < 1000, "there is no end of memory"
        try:
            handles.append(client.bo(size, VRAM))
        except IoctlError as error:
            failure = error.errno or 0
    assert failure == errno.ENOMEM
    assert len(handles) > 3
    use(client, handles[0])
    for handle in handles:
        client.ioctl(core.IOCTL_GEM_CLOSE, handle=handle)
    client.settle()
    mman = client.adev.mman
    assert (mman.vram.used, mman.system.used + mman.gtt.used) == (0, IB_AREA)
    assert client.object(client.bo(size, VRAM)).domain == VRAM
    no_bad_access(client.adev)


def test_submissions_move_only_so_much(client: Client) -> None:
    """With VRAM nearly full a buffer comes back at 8 MB/s on average, not at once."""
    first, second = client.bo(64 * MIB, VRAM), client.bo(64 * MIB, VRAM)
    use(client, first, second)
    fill_vram(client)
    client.bo(96 * MIB, VRAM)
    assert [client.object(handle).domain for handle in (first, second)] == [GTT, GTT]
    use(client, first)
    assert client.object(first).domain == GTT, "making a buffer as large as VRAM has used up what may be moved"
    client.adev.mman.mm_stats.report_moved(-(32 << 30), 0)
    use(client, first)
    assert client.object(first).domain == VRAM


@pytest.mark.parametrize("gpu", ["vega10", "polaris10"])
def test_memory_on_the_chip_comes_with_the_submission(gpu: str) -> None:
    """GDS, GWS and OA are counted in units; a buffer gets its share when it is listed, more than there is is ENOMEM."""
    client = Client(boot_gpu(gpu, "base"))
    gds = client.adev.identity.gds
    for domain, amount in ((0x8, gds.size), (0x10, gds.gws), (0x20, gds.oa)):
        bo = client.bo(amount, domain)
        assert client.object(bo).domain == CPU
        use(client, bo)
        assert client.object(bo).domain == domain
        another = client.bo(4, domain)
        use(client, another)
        assert (client.object(bo).domain, client.object(another).domain) == (CPU, domain)
        ib = (drm.AMDGPU_CHUNK_ID_IB, client.ib_chunk(SDMA))
        assert client.cs_fails(ib, (BO_LIST, client.bo_handles_chunk(bo, another))) == errno.ENOMEM


def test_gem_op_can_move_a_buffer(client: Client) -> None:
    """SET_PLACEMENT says where it should be; the next submission that lists it moves it."""
    bo = client.bo(MIB, GTT)
    client.ioctl(drm.IOCTL_AMDGPU_GEM_OP, handle=bo, op=drm.AMDGPU_GEM_OP_SET_PLACEMENT, value=VRAM)
    assert client.object(bo).domain == GTT
    use(client, bo)
    assert client.object(bo).domain == VRAM


# -- by hand ----------------------------------------------------------------------------------------------------------


def run(adev: AmdgpuDevice, generator: Blocking[None]) -> None:
    """Run a thread of the kernel to its end."""
    adev.kernel.spawn("test", generator)
    settle(adev.kernel)


@pytest.mark.parametrize("variant", ["6.12", "base", "series-fixed"])
def test_page_tables_can_be_evicted(variant: str) -> None:
    """3.5 step 0: until the next submission brings them back, GEM_VA changes the tree and leaves the tables alone."""
    client = Client(boot_gpu("navi31", variant))
    bo, scratch = client.bo(MIB, VRAM), client.bo()
    client.map(bo, A, MIB)
    run(client.adev, amdgpu_ttm_evict_resources(client.adev, TTM_PL_VRAM))
    assert client.object(bo).domain == GTT
    client.map(scratch, B)
    client.settle()
    assert client.fpriv.vm.page_table.walk(B).kind is EntryKind.NONE
    client.submit(COMPUTE, None, (BO_LIST, client.bo_handles_chunk(scratch, bo)))
    client.settle()
    assert client.fpriv.vm.page_table.walk(B).kind is EntryKind.VALID
    assert client.fpriv.vm.page_table.walk(A).address == client.object(bo).address


def test_gtt_can_be_emptied(client: Client) -> None:
    """What is in GTT goes out of the GPU's reach; IBs come back with the submission that needs them."""
    target = target_of(client)
    run(client.adev, amdgpu_ttm_evict_resources(client.adev, TTM_PL_TT))
    assert client.adev.mman.gtt.used == 0
    assert client.object(target).domain == CPU
    use(client, target, client._ib_bo)
    assert client.object(target).domain == GTT
    no_bad_access(client.adev)
