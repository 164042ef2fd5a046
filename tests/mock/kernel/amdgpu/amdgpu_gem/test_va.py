# SPDX-License-Identifier: MIT
"""GEM_VA without jobs in the way: the order of its checks, the mapping tree, the page tables that follow it."""

from __future__ import annotations

import errno

import pytest

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.uapi import amdgpu_drm as drm
from amdgpu_hw.uapi import drm as core
from tests.mock.kernel.vm_fixture import (
    BASE,
    CLEAR,
    DELAY,
    MAP,
    MIB,
    PAGE,
    PRT,
    REPLACE,
    RW,
    UNMAP,
    Client,
    E,
    Machine,
    new_gate,
)

ALL = ["6.12", "6.18", "base", "series-v1", "series-fixed"]
all_kernels = pytest.mark.parametrize("kernel", ALL)

LIMIT = (1 << 48) - 0x402000
"""First byte of the reserved top, in the 48 bits of the page tables."""
HIGH = 0xFFFF << 48
"""Makes an address of the upper half canonical."""


@pytest.fixture(params=ALL)
def client(request: pytest.FixtureRequest) -> Client:
    """A client on each kernel."""
    return Machine(request.param).client()


# -- checks (KERNEL.md 3.2) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("va", [0, 0xF000, 0x8000_0000_0000, 0xFFFF_7FFF_FFFF_F000, HIGH | LIMIT])
def test_t04_addresses_outside_the_user_range(client: Client, va: int) -> None:
    """T04: below the reserved bottom, in the hole, in the reserved top: EINVAL."""
    assert client.errno(MAP, va, flags=PRT) == errno.EINVAL


@pytest.mark.parametrize("va", [0x10000, None, 0xFFFF_8000_0000_0000], ids=["first", "last", "upper half"])
def test_t04_first_last_and_high_addresses(client: Client, va: int | None) -> None:
    """T04: the ends of the range, and the canonical form of the upper half."""
    if va is None:
        va = HIGH | ((1 << 48) - client.adev.variant.va_reserved_top - PAGE)
    assert client.errno(MAP, va, flags=PRT) == 0
    assert client.errno(UNMAP, va, flags=PRT, size=0) == 0


def test_t04_the_size_of_an_unmap_is_checked_too(client: Client) -> None:
    """Step 3 looks at map_size although UNMAP has no use for it."""
    assert client.errno(MAP, BASE, flags=PRT) == 0
    assert client.errno(UNMAP, BASE, flags=PRT, size=LIMIT) == errno.EINVAL
    assert client.errno(UNMAP, BASE, flags=PRT, size=1) == 0


@pytest.mark.parametrize(("kernel", "unmapped"), [("6.18", True), ("base", False)])
def test_a_size_that_wraps_around(kernel: str, unmapped: bool) -> None:
    """3.6: only base adds without overflow; before, the wrapped sum was small enough."""
    client = Machine(kernel).client()
    client.do(MAP, BASE, flags=PRT)
    error = client.errno(UNMAP, BASE, flags=PRT, size=(1 << 64) - PAGE)
    assert error == (0 if unmapped else errno.EINVAL)


@pytest.mark.parametrize(
    ("flags", "legal"),
    [
        (0, True),
        (RW | DELAY, True),
        (0x3EF, True),
        (0xF << 5, True),
        (PRT, True),
        (PRT | DELAY, True),
        (PRT | drm.AMDGPU_VM_PAGE_READABLE, False),
        (PRT | drm.AMDGPU_VM_MTYPE_UC, False),
        (PRT | drm.AMDGPU_VM_PAGE_NOALLOC, False),
        (1 << 11, False),
        (1 << 31, False),
    ],
)
def test_b02_b03_flag_words_without_the_new_bit(client: Client, flags: int, legal: bool) -> None:
    """A word is legal if it is a subset of the flags for BOs or of those for PRT; the new bit changes nothing else."""
    assert client.errno(CLEAR, BASE, flags=flags) == (0 if legal else errno.EINVAL)
    has_bit = client.adev.variant.has_explicit_sync
    assert client.errno(CLEAR, BASE, flags=flags | E) == (0 if legal and has_bit else errno.EINVAL)


def test_the_first_failing_check_wins(client: Client) -> None:
    """3.2: address before flags, flags before operation, operation before handle, handle before parameters."""
    assert client.errno(9, 0, 999, flags=1 << 11) == errno.EINVAL
    assert client.errno(9, BASE, 999, flags=RW) == errno.EINVAL
    assert client.errno(MAP, BASE, 999, size=3, flags=RW) == errno.ENOENT
    assert client.errno(MAP, BASE, client.bo(), size=3, flags=RW) == errno.EINVAL


def test_t10_an_unknown_out_syncobj_leaves_the_tree_alone(client: Client) -> None:
    """Step 11 comes before the operation; up to 6.15 nobody looks."""
    error = client.errno(MAP, BASE, flags=PRT, vm_timeline_syncobj_out=999)
    assert error == (0 if client.adev.variant.name == "6.12" else errno.ENOENT)
    assert bool(client.mappings()) == (error == 0)


def test_t11_the_40_byte_struct(client: Client) -> None:
    """What follows map_size is 0 for user space that does not know it."""
    short = drm.GEM_VA.pack(operation=MAP, flags=PRT, va_address=BASE, map_size=PAGE)[: drm.GEM_VA_OLD_SIZE]
    error, _ = client.raw(client.fd, 0xC0286448, short)
    assert error == 0
    assert client.mappings() == [(BASE, BASE + PAGE, 0)]


# -- the tree (KERNEL.md 3.4) -------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [(0, 4), (0, 1), (3, 1), (1, 2), (3, 4)])
def test_t01_map_over_an_existing_mapping(client: Client, where: tuple[int, int]) -> None:
    """T01: exact, head, tail, inner and beyond: EINVAL, a line in the log, the old mapping intact."""
    bo = client.bo(size=4 * PAGE)
    client.do(MAP, BASE, bo, size=4 * PAGE)
    va, size = BASE + where[0] * PAGE, where[1] * PAGE
    assert client.errno(MAP, va, bo, size=size) == errno.EINVAL
    assert client.errno(MAP, va, size=size, flags=PRT) == errno.EINVAL
    assert client.mappings() == [(BASE, BASE + 4 * PAGE, 0)]
    assert any("conflict with" in str(line) for line in client.kernel.log.lines)


def test_t02_unmap_needs_the_exact_start_and_takes_everything(client: Client) -> None:
    """T02: inner address, other BO, twice: ENOENT; any map_size removes the whole mapping."""
    bo, other = client.bo(size=4 * PAGE), client.bo()
    client.do(MAP, BASE, bo, size=4 * PAGE)
    assert client.errno(UNMAP, BASE + PAGE, bo) == errno.ENOENT
    assert client.errno(UNMAP, BASE, other) == errno.ENOENT
    assert client.errno(UNMAP, BASE, flags=PRT) == errno.ENOENT
    assert client.errno(UNMAP, BASE + 17, bo, size=3) == 0, "an unaligned address is rounded down"
    assert client.errno(UNMAP, BASE, bo) == errno.ENOENT
    assert client.mappings() == []
    assert client.sees(BASE + 3 * PAGE)


@pytest.mark.parametrize("operation", [MAP, REPLACE])
def test_t03_parameters(client: Client, operation: int) -> None:
    """T03: unaligned, empty, beyond the BO, wrapping: EINVAL and nothing changed."""
    bo = client.bo(size=4 * PAGE)
    for va, size, offset in [
        (BASE + 1, PAGE, 0),
        (BASE, PAGE + 1, 0),
        (BASE, PAGE, 1),
        (BASE, 0, 0),
        (BASE, PAGE, 4 * PAGE),
        (BASE, 5 * PAGE, 0),
        (BASE, 2 * PAGE, (1 << 64) - PAGE),
    ]:
        assert client.errno(operation, va, bo, size=size, offset_in_bo=offset) == errno.EINVAL, (va, size, offset)
    assert client.errno(CLEAR, BASE, size=0) == errno.EINVAL
    assert client.errno(CLEAR, BASE + 1) == errno.EINVAL
    assert client.mappings() == []


def test_t05_a_replace_that_fails_changes_nothing(client: Client) -> None:
    """T05: parameters are checked before the old mapping goes."""
    bo = client.bo()
    client.do(MAP, BASE, bo)
    assert client.errno(REPLACE, BASE, bo, offset_in_bo=PAGE) == errno.EINVAL
    assert client.mappings() == [(BASE, BASE + PAGE, 0)]
    assert client.sees(BASE, bo)


def test_t06_b38_clear_leaves_remnants_with_the_right_offset(client: Client) -> None:
    """T06, B38: head and tail of the outer mappings stay, the one between goes."""
    bo = client.bo(size=8 * PAGE, always_valid=True)
    client.do(MAP, BASE, bo, size=4 * PAGE, offset_in_bo=2 * PAGE)
    client.do(MAP, BASE + 4 * PAGE, flags=PRT)
    client.do(MAP, BASE + 5 * PAGE, bo, size=4 * PAGE, offset_in_bo=4 * PAGE)
    client.do(CLEAR, BASE + PAGE, size=6 * PAGE)
    assert client.mappings() == [
        (BASE, BASE + PAGE, 2 * PAGE),
        (BASE + 7 * PAGE, BASE + 9 * PAGE, 6 * PAGE),
    ]
    client.submit()
    client.settle()
    assert client.sees(BASE, bo, 2 * PAGE)
    assert client.sees(BASE + PAGE)
    assert client.sees(BASE + 6 * PAGE)
    assert client.sees(BASE + 7 * PAGE, bo, 6 * PAGE)
    assert client.errno(MAP, BASE + PAGE, bo, size=6 * PAGE) == 0


def test_t07_replace_in_the_middle_of_a_mapping(client: Client) -> None:
    """T07: three live parts."""
    bo, tile = client.bo(size=4 * PAGE), client.bo()
    client.do(MAP, BASE, bo, size=4 * PAGE)
    client.do(REPLACE, BASE + PAGE, tile)
    client.submit(bos=(bo,))
    client.settle()
    assert client.sees(BASE, bo)
    assert client.sees(BASE + PAGE, tile)
    assert client.sees(BASE + 2 * PAGE, bo, 2 * PAGE)


def test_t08_prt_mappings_ignore_the_handle(client: Client) -> None:
    """T08: any handle will do with the PRT flag; without it a BO is needed."""
    assert client.errno(MAP, BASE, 999, flags=PRT) == 0
    assert client.walk(BASE).kind.name == "PRT"
    assert client.errno(UNMAP, BASE) == errno.ENOENT
    assert client.errno(UNMAP, BASE, 4711, flags=PRT) == 0
    assert client.sees(BASE)


def test_e6_a_remnant_unmapped_before_it_is_rewritten_leaves_its_entries_live(client: Client) -> None:
    """E6, F18, O9: the kernel takes a remnant for never written. The mended series has rewritten it already."""
    bo = client.bo(size=3 * PAGE)
    client.do(MAP, BASE, bo, size=3 * PAGE)
    client.do(CLEAR, BASE + PAGE)
    client.do(UNMAP, BASE, bo)
    assert client.mappings() == [(BASE + 2 * PAGE, BASE + 3 * PAGE, 2 * PAGE)]
    if client.adev.variant.rewrites_remnants_first:
        assert client.sees(BASE)
    else:
        assert client.sees(BASE, bo), "the page table entry of the remnant was cleared"


def test_delayed_operations_reach_the_page_tables_with_a_submission(client: Client) -> None:
    """T12: DELAY_UPDATE changes the tree only; M20, M23."""
    bo = client.bo(always_valid=True)
    client.do(MAP, BASE, bo, flags=RW | DELAY)
    assert client.sees(BASE)
    client.submit()
    client.settle()
    assert client.sees(BASE, bo)
    client.do(UNMAP, BASE, bo, flags=DELAY)
    assert client.mappings() == []
    assert client.sees(BASE, bo)
    client.submit()
    client.settle()
    assert client.sees(BASE)


@pytest.mark.parametrize(("kernel", "stored"), [("6.18", True), ("series-v1", True), ("series-fixed", False)])
def test_b40_request_bits_in_the_mapping_flags(kernel: str, stored: bool) -> None:
    """B40, F11: DELAY (and EXPLICIT_SYNC) show in GET_MAPPING_INFO, except on the mended series."""
    client = Machine(kernel).client()
    bo = client.bo(always_valid=True)
    wanted = RW | DELAY | (E if client.adev.variant.has_explicit_sync else 0)
    client.do(MAP, BASE, bo, flags=wanted)
    where = client.alloc(drm.GEM_VM_ENTRY.size)
    reply = client.ioctl(client.fd, drm.IOCTL_AMDGPU_GEM_OP, handle=bo, op=2, value=where, num_entries=1)
    entry = drm.GEM_VM_ENTRY.as_dict(client.copy_from_user(where, drm.GEM_VM_ENTRY.size))
    assert reply["num_entries"] == 1
    assert entry == {"addr": BASE, "size": PAGE, "offset": 0, "flags": wanted if stored else RW}


# -- out fences (KERNEL.md 3.5, E8) -------------------------------------------------------------------------------


def test_e8_out_fence_of_an_operation_that_did_nothing() -> None:
    """An empty CLEAR: a stub up to 7.0, vm->last_update since base, which may be pending."""
    for kernel, signals in (("6.18", True), ("base", False)):
        client = Machine(kernel).client()
        bo = client.bo(always_valid=True)
        client.do(MAP, BASE, bo)
        gate = new_gate()
        client.submit(gate)
        client.do(UNMAP, BASE, bo)
        out = client.op(CLEAR, BASE + 16 * PAGE)
        assert out.signals is signals, kernel
        client.open_gate(gate)
        assert out.signals


def test_t10_timeline_points_and_binary_syncobjs(client: Client) -> None:
    """T10: point 0 replaces the fence, a point adds a node, a lower point is taken."""
    if client.adev.variant.name == "6.12":
        return
    syncobj = client.syncobj()
    for point in (0, 5, 3):
        client.do(REPLACE, BASE, flags=PRT, vm_timeline_syncobj_out=syncobj, vm_timeline_point=point)
        fence = client.syncobj_fence(syncobj)
        assert fence is not None
        assert fence.signaled
        if point:
            assert fence.driver_name == "dma_fence_chain"
            assert fence.seqno == 5


def test_a_failed_page_table_job_does_not_fail_the_ioctl(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """3.7: the tree keeps its new state and the log says what happened."""

    def fail(*_args: object, **_kwargs: object) -> None:
        raise KernelError(errno.ENOMEM)

    monkeypatch.setattr("amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.vm.amdgpu_vm_update_range", fail)
    assert client.errno(MAP, BASE, flags=PRT) == 0
    assert client.mappings() == [(BASE, BASE + PAGE, 0)]
    assert any("Couldn't update BO_VA" in str(line) for line in client.kernel.log.lines)


@pytest.mark.parametrize("kernel", ["base", "series-v1", "series-fixed"])
def test_a_vm_that_is_not_ready_gets_a_stub(kernel: str) -> None:
    """3.5 step 0."""
    client = Machine(kernel).client()
    client.vm.evicting = True
    assert client.op(MAP, BASE, flags=PRT).signals
    assert client.sees(BASE)


# -- GEM_CLOSE (KERNEL.md 3.8) ------------------------------------------------------------------------------------


@pytest.mark.parametrize("always_valid", [True, False])
def test_b39_memory_of_a_closed_bo_waits_for_jobs_in_flight(client: Client, always_valid: bool) -> None:
    """B39, E13: the call returns; VRAM is in use until the job is done and the wipe has run."""
    free = client.adev.mman.vram_usage
    bo = client.bo(size=MIB, domain=drm.AMDGPU_GEM_DOMAIN_VRAM, always_valid=always_valid)
    client.do(MAP, BASE, bo)
    gate = new_gate()
    client.submit(gate)
    client.close_bo(bo)
    assert client.mappings() == []
    assert client.adev.mman.vram_usage == free + MIB
    client.open_gate(gate)
    assert client.adev.mman.vram_usage == free
    assert client.sees(BASE)


@pytest.mark.parametrize(("kernel", "leaks"), [("base", 0), ("series-v1", 1), ("series-fixed", 0)])
def test_f2_close_leaks_the_update_context_on_the_posted_series(kernel: str, leaks: int) -> None:
    """F2: only when something was unmapped while a job was unfinished."""
    client = Machine(kernel).client()
    gate = new_gate()
    for held in (False, True):
        bo = client.bo(always_valid=True)
        client.do(MAP, BASE, bo)
        if held:
            client.submit(gate)
        client.close_bo(bo)
        assert len(client.adev.vm_manager.leaked_update_ctx) == (leaks if held else 0)
    client.open_gate(gate)


@pytest.mark.parametrize(("kernel", "leaks"), [("base", 0), ("series-v1", 1), ("series-fixed", 0)])
def test_f10_a_bad_input_fence_leaks_the_good_ones_on_the_posted_series(kernel: str, leaks: int) -> None:
    """F10: [valid, 0]."""
    client = Machine(kernel).client()
    gate = new_gate()
    call, _ = client.start(MAP, BASE, flags=PRT, inputs=(client.syncobj(gate), 0))
    client.open_gate(gate) if not call.done else None
    assert (call.done, call.error) == (True, errno.EINVAL)
    assert len(client.adev.vm_manager.leaked_update_ctx) == leaks


def test_closing_the_file_gives_everything_back(client: Client) -> None:
    """No VM, mapping or page of memory is left once the descriptor is closed and its jobs are done."""
    adev = client.adev
    other = client.machine.client()
    before = (adev.mman.vram_usage, adev.mman.gtt_usage, len(adev.vms))
    other.do(MAP, BASE, other.bo(size=MIB, domain=drm.AMDGPU_GEM_DOMAIN_VRAM), size=MIB)
    other.do(MAP, BASE + MIB, other.bo(always_valid=True))
    other.do(MAP, BASE + 2 * MIB, flags=PRT)
    vm: AmdgpuVm = other.vm
    other.submit()
    other.close(other.fd).wait()
    other.settle()
    assert len(vm.va) == 0
    assert vm.page_table.walk(BASE).kind.name == "NONE"
    after = (adev.mman.vram_usage, adev.mman.gtt_usage, len(adev.vms))
    assert after == (before[0], before[1] - PAGE, before[2] - 1), "the IB of the other client is gone, too"
    assert not any("still active bo" in str(line) for line in client.kernel.log.lines)
    assert client.kernel.oopses == 0


# -- locks and the IB pool ----------------------------------------------------------------------------------------


def test_a_locked_root_directory_holds_up_gem_va_interruptibly(client: Client) -> None:
    """Step 9: as behind a 33rd submission; a signal ends the wait and nothing has changed."""
    assert client.vm.root_resv.trylock()
    call, _ = client.start(MAP, BASE, flags=PRT)
    assert not call.done
    call.interrupt()
    assert call.done
    assert client.mappings() == []
    call, _ = client.start(MAP, BASE, flags=PRT)
    client.vm.root_resv.unlock()
    call.settle()
    assert (call.done, call.error) == (True, 0)
    assert not client.vm.root_resv.locked


@pytest.mark.parametrize("kernel", ["base", "series-fixed"])
def test_e15_a_full_ib_pool_blocks_updates_of_every_process(kernel: str) -> None:
    """E15, F14: some thousand jobs behind a gate, and another client's MAP sleeps until the gate opens."""
    machine = Machine(kernel)
    client, other = machine.client(), machine.client()
    bo = client.bo(always_valid=True)
    pool = machine.adev.mman.ib_pool
    for i in range(pool.units):
        client.do(MAP, BASE + i * PAGE, bo)
    gate = new_gate()
    client.submit(gate)
    client.do(CLEAR, BASE, size=pool.units * PAGE)
    assert pool.exhausted
    call, _ = other.start(MAP, BASE, flags=PRT)
    assert not call.done
    assert other.vm.root_resv.locked
    client.open_gate(gate)
    assert (call.done, call.error) == (True, 0)
    assert pool.used == 0


def test_t13_two_handles_of_one_bo(client: Client) -> None:
    """T13: an attachment lives as long as the last handle of the file."""
    bo = client.bo()
    client.do(MAP, BASE, bo)
    reply = client.ioctl(client.fd, core.IOCTL_PRIME_HANDLE_TO_FD, handle=bo, flags=2)
    again = client.ioctl(client.fd, core.IOCTL_PRIME_FD_TO_HANDLE, fd=reply["fd"])
    assert again["handle"] == bo, "the same buffer in the same file is the same handle"
    client.close_bo(bo)
    assert client.mappings() == []
    assert client.fails(client.fd, core.IOCTL_PRIME_HANDLE_TO_FD, handle=client.bo(always_valid=True)) == errno.EPERM
