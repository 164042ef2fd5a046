# SPDX-License-Identifier: MIT
"""PM4 on the mock GPU: every packet has its effect on memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amdgpu_hw.gpu_model.atomics import atomic_result
from amdgpu_hw.gpu_model.faults import StopCause
from amdgpu_hw.gpu_model.page_table import Entry, EntryKind
from amdgpu_hw.gpu_model.ring import IbWork, PlacedIb, RingActivity
from amdgpu_hw.packets import ATOMIC_OPERATIONS, Engine, Pm4, atomic_code
from tests.mock.gpu_model.gpu_rig import DATA_VA, HOLE_VA, IB_VA, MIB, MS, UNMAPPED_VA, Rig

GFX, COMPUTE = Engine.GFX, Engine.COMPUTE
ON_BOTH = pytest.mark.parametrize(
    ("name", "engine"),
    [("navi31", GFX), ("navi31", COMPUTE), ("navi21", GFX), ("mi300x", COMPUTE), ("polaris10", COMPUTE)],
)


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The GPU named by the test, or a Navi31."""
    params = getattr(request.node, "callspec", None)
    rig = Rig(params.params.get("name", "navi31") if params else "navi31")
    yield rig
    rig.close()


def run(rig: Rig, dwords: list[int], engine: Engine = GFX) -> None:
    """Run one IB to its end."""
    done = rig.submit(rig.ring(engine), rig.pm4(engine).pad(dwords))
    rig.run()
    assert done == [0], f"the job did not finish: {rig.stopped}"


def test_a_protected_fence_is_for_rings_of_user_queues_alone(rig: Rig) -> None:
    """It tells the queue's driver how far it is; in a job of the kernel's, or in an IB, it is an illegal opcode."""
    pm4 = rig.pm4(COMPUTE)
    ib = rig.ib([*pm4.nop(), *pm4.protected_fence_signal(), *pm4.nop()])
    told: list[int] = []
    rig.ring(COMPUTE).submit(IbWork([ib], rig.table, 1, told.append, on_protected_fence=told.append))
    rig.run()
    assert told == [ib.va + 12, 0]
    caller = rig.ib(pm4.indirect_buffer(ib.va, ib.size_dw))
    for index, (job, listens) in enumerate(((ib, False), (caller, True)), start=1):
        ring = rig.ring(COMPUTE, index)
        ring.submit(IbWork([job], rig.table, 1, told.append, on_protected_fence=told.append if listens else None))
        rig.run()
        assert ring.state is RingActivity.HUNG
    assert told == [ib.va + 12, 0]


def fence_wait_multi(*fences: tuple[int, int]) -> list[int]:
    """The packet, dword by dword: address and number of each fence."""
    words = [word for va, value in fences for word in (va & 0xFFFFFFFF, va >> 32, value & 0xFFFFFFFF, value >> 32)]
    return [0xC000D100 | len(words) << 16, 0, *words]


def test_fence_wait_multi_waits_for_every_fence(rig: Rig) -> None:
    """64 bits, equal or beyond; a fence that has been reached before is none that is waited for."""
    done = rig.submit(rig.ring(COMPUTE), fence_wait_multi((DATA_VA, 3), (DATA_VA + 8, 1 << 32)))
    rig.run()
    assert not done
    rig.set_word(7)
    rig.wait(MS)
    assert not done
    rig.set_word(1, 12)
    rig.wait(MS)
    assert done == [0]


def test_fence_wait_multi_of_half_a_fence_is_illegal(rig: Rig) -> None:
    """Four dwords each; before GFX11 nobody knows the packet."""
    ring = rig.ring(COMPUTE)
    rig.submit(ring, [0xC000D100 | 5 << 16, 0, 0, 0, 0, 0, 0])
    rig.run()
    assert ring.state is RingActivity.HUNG


@ON_BOTH
def test_write_data(rig: Rig, name: str, engine: Engine) -> None:
    """Dwords are written in order; with one_address only the last stays."""
    pm4 = rig.pm4(engine)
    run(rig, pm4.write_data(DATA_VA, [1, 2, 3]) + pm4.write_data(DATA_VA + 16, [4, 5], one_address=True), engine)
    assert [rig.word(offset) for offset in (0, 4, 8, 12, 16, 20)] == [1, 2, 3, 0, 5, 0]


@ON_BOTH
def test_dma_data_copies_and_fills(rig: Rig, name: str, engine: Engine) -> None:
    """Copy and fill move bytes, on every generation's command dword."""
    pm4 = rig.pm4(engine)
    rig.put(0, b"0123456789")
    run(
        rig,
        pm4.dma_data_copy(DATA_VA + 1, DATA_VA + 0x101, 8) + pm4.dma_data_fill(DATA_VA + 0x200, 0xA1B2C3D4, 12),
        engine,
    )
    assert rig.bytes_at(0x100, 10) == b"\x0012345678\0"
    assert rig.bytes_at(0x200, 16) == bytes.fromhex("d4c3b2a1") * 3 + bytes(4)


@ON_BOTH
def test_release_mem_writes_values_and_clock(rig: Rig, name: str, engine: Engine) -> None:
    """32 and 64 bits and the counter, through the generation's own packet."""
    pm4 = rig.pm4(engine)
    run(
        rig,
        pm4.release_mem(DATA_VA, 0xDEADBEEF)
        + pm4.release_mem(DATA_VA + 8, 0x1122334455667788, bits=64)
        + pm4.release_mem_clock(DATA_VA + 16),
        engine,
    )
    assert rig.bytes_at(0, 8) == bytes.fromhex("efbeadde00000000")
    assert int.from_bytes(rig.bytes_at(8, 8), "little") == 0x1122334455667788
    assert int.from_bytes(rig.bytes_at(16, 8), "little") == rig.gpu.counter()


@ON_BOTH
def test_cache_packets_and_events_pass(rig: Rig, name: str, engine: Engine) -> None:
    """ACQUIRE_MEM (or SURFACE_SYNC) and events have no effect and do not stop anything."""
    pm4 = rig.pm4(engine)
    run(rig, pm4.acquire_mem() + pm4.cs_partial_flush() + pm4.write_data(DATA_VA, [1]), engine)
    assert rig.word() == 1


def test_polaris_graphics_ring_has_eop_and_surface_sync() -> None:
    """EVENT_WRITE_EOP writes like RELEASE_MEM; two in a row to one address are normal (PACKETS.md 2.6)."""
    rig = Rig("polaris10")
    pm4 = rig.pm4()
    run(rig, pm4.acquire_mem() + pm4.release_mem(DATA_VA, 4) + pm4.release_mem(DATA_VA, 5))
    assert rig.word() == 5
    rig.close()


def test_copy_data_sources(rig: Rig) -> None:
    """Memory, immediate, clock and the value an atomic found."""
    pm4 = rig.pm4()
    rig.put(0, bytes(range(1, 17)))
    run(
        rig,
        pm4.copy_data(DATA_VA, DATA_VA + 0x20)
        + pm4.copy_data(DATA_VA, DATA_VA + 0x28, bits=64)
        + pm4.copy_data_immediate(0xCAFE, DATA_VA + 0x30)
        + pm4.copy_data_clock(DATA_VA + 0x38)
        + pm4.atomic_mem("add", DATA_VA + 0x40, 5, returns=True)
        + pm4.atomic_mem("add", DATA_VA + 0x40, 5, returns=True)
        + pm4.packet("COPY_DATA", src_sel="atomic_return", dst_sel="memory", dst=DATA_VA + 0x48),
    )
    assert rig.bytes_at(0x20, 8) == bytes([1, 2, 3, 4, 0, 0, 0, 0])
    assert rig.bytes_at(0x28, 8) == bytes(range(1, 9))
    assert rig.word(0x30) == 0xCAFE
    assert int.from_bytes(rig.bytes_at(0x38, 8), "little") == rig.gpu.counter()
    assert (rig.word(0x40), rig.word(0x48)) == (10, 5)


@pytest.mark.parametrize(
    ("function", "mask", "value", "reference", "holds"),
    [
        ("always", 0xFFFFFFFF, 0, 1, True),
        ("<", 0xFFFFFFFF, 4, 5, True),
        ("<", 0xFFFFFFFF, 5, 5, False),
        ("<=", 0xFFFFFFFF, 5, 5, True),
        ("==", 0xFF, 0x1205, 5, True),
        ("==", 0xFFFFFFFF, 0x1205, 5, False),
        ("!=", 0xFFFFFFFF, 4, 5, True),
        (">=", 0xFFFFFFFF, 0x80000000, 5, True),
        (">", 0xFFFFFFFF, 5, 5, False),
    ],
)
def test_wait_reg_mem_compares_unsigned_under_the_mask(
    rig: Rig, function: str, mask: int, value: int, reference: int, holds: bool
) -> None:
    """Memory and mask are on the left side; the compare is unsigned."""
    rig.set_word(value)
    done = rig.submit(rig.ring(), rig.pm4().wait_reg_mem(DATA_VA, reference, function=function, mask=mask))
    rig.run()
    assert done == ([0] if holds else [])


def test_wait_reg_mem64_looks_at_64_bits(rig: Rig) -> None:
    """The upper half counts."""
    done = rig.submit(rig.ring(), rig.pm4().wait_reg_mem(DATA_VA, 1 << 40, bits=64))
    rig.run()
    assert not done
    rig.set_word(1 << 8, 4)
    rig.wait(MS)
    assert done == [0]


@pytest.mark.parametrize(
    ("fields", "size", "expected"),
    [
        ({"src_fixed": 1}, 12, "010203040102030401020304"),
        ({"dst_fixed": 1}, 12, "090a0b0c"),
        ({"dst_sel": "nowhere"}, 12, ""),
        ({}, 0, ""),
    ],
)
def test_dma_data_special_forms(rig: Rig, fields: dict[str, int], size: int, expected: str) -> None:
    """Addresses that stay, a destination that is none, and a size of 0."""
    rig.put(0, bytes(range(1, 17)))
    words = rig.pm4().packet("DMA_DATA", src=DATA_VA, dst=DATA_VA + 0x100, byte_count=size, **fields)
    run(rig, words)
    want = bytes.fromhex(expected)
    assert rig.bytes_at(0x100, 16) == want + bytes(16 - len(want))


def test_indirect_buffer_calls_and_returns(rig: Rig) -> None:
    """A called IB returns behind the call; a chain does not."""
    pm4 = rig.pm4()
    callee = rig.ib(pm4.write_data(DATA_VA, [1]))
    target = rig.ib(pm4.write_data(DATA_VA + 8, [3]))
    run(
        rig,
        pm4.indirect_buffer(callee.va, callee.size_dw)
        + pm4.write_data(DATA_VA + 4, [2])
        + pm4.indirect_buffer(target.va, target.size_dw, chain=True)
        + pm4.write_data(DATA_VA + 12, [4]),
    )
    assert [rig.word(offset) for offset in (0, 4, 8, 12)] == [1, 2, 3, 0]


def test_third_level_of_indirect_buffers_stops_the_ring(rig: Rig) -> None:
    """Hardware has two levels."""
    pm4 = rig.pm4()
    inner = rig.ib(pm4.write_data(DATA_VA, [1]))
    middle = rig.ib(pm4.indirect_buffer(inner.va, inner.size_dw))
    rig.submit(rig.ring(), pm4.indirect_buffer(middle.va, middle.size_dw))
    rig.run()
    assert "INDIRECT_BUFFER in a called IB" in rig.stopped[0][2]


def test_cond_exec_skips_when_memory_is_zero(rig: Rig) -> None:
    """Zero leaves out the dwords; a count beyond the IB ends it."""
    pm4 = rig.pm4()
    rig.set_word(1, 0x40)
    run(
        rig,
        pm4.cond_exec(DATA_VA + 0x44, 5)
        + pm4.write_data(DATA_VA, [1])
        + pm4.cond_exec(DATA_VA + 0x40, 5)
        + pm4.write_data(DATA_VA + 4, [2])
        + pm4.cond_exec(DATA_VA + 0x44, 0x3FFF)
        + pm4.write_data(DATA_VA + 8, [3]),
    )
    assert [rig.word(offset) for offset in (0, 4, 8)] == [0, 2, 0]


def test_preamble_of_a_driver_passes(rig: Rig) -> None:
    """State packets as RADV sends them are accepted; a long NOP's body is skipped."""
    pm4 = rig.pm4()
    run(
        rig,
        pm4.packet("CONTEXT_CONTROL", [0x80000000, 0x80000000])
        + pm4.packet("CLEAR_STATE", [0])
        + pm4.packet("SET_SH_REG", [1, 2], reg_offset=0x12)
        + pm4.packet("SET_UCONFIG_REG", [1], reg_offset=0x12)
        + pm4.packet("SET_CONTEXT_REG_PAIRS_PACKED", [2, 0, 0, 0])
        + pm4.packet("PFP_SYNC_ME", [0])
        + pm4.packet("NOP", [0xC0007F00] * 100)
        + pm4.write_data(DATA_VA, [1]),
    )
    assert rig.word() == 1


def test_packets_across_the_fetch_window_are_whole(rig: Rig) -> None:
    """Packets of up to 64 KiB at any place of a long IB."""
    pm4 = rig.pm4()
    words: list[int] = pm4.nop(1021)
    offset = 0
    for length in (3, 5000, 16380, 1):
        words += pm4.write_data(DATA_VA + offset, [offset + index for index in range(length)])
        words += pm4.nop()
        offset += 4 * length
    run(rig, words)
    assert rig.word(offset - 4) == offset - 4
    assert rig.word(4 * (3 + 4999)) == 12 + 4999


def test_a_long_row_of_fillers_ends(rig: Rig) -> None:
    """IGT submits 256 Ki one-dword NOPs."""
    words = [0xFFFF1000] * (128 * 1024)
    done: list[int] = []
    rig.memory.write(rig.ibs, b"".join(word.to_bytes(4, "little") for word in words))
    rig.ring().submit(IbWork([PlacedIb(IB_VA, len(words))], rig.table, 1, done.append))
    rig.run()
    assert done == [0]


@pytest.mark.parametrize(
    ("build", "cause"),
    [
        (lambda p: p.packet("WRITE_DATA", [1], dst_sel="register", addr=0x1234), StopCause.REGISTER),
        (lambda p: p.packet("COPY_DATA", src_sel="register", dst_sel="memory", dst=DATA_VA), StopCause.REGISTER),
        (lambda p: p.packet("COPY_DATA", src_sel="memory", dst_sel="register", src=DATA_VA), StopCause.REGISTER),
        (lambda p: p.packet("WAIT_REG_MEM", space="register"), StopCause.REGISTER),
        (
            lambda p: p.packet("DMA_DATA", src=DATA_VA, dst=0x1234, byte_count=4, dst_register=1),
            StopCause.REGISTER,
        ),
        (lambda p: p.packet("DMA_DATA", src_sel="gds", dst=DATA_VA, byte_count=4), StopCause.REGISTER),
        (lambda p: p.packet("RELEASE_MEM", data_sel="gds", addr=DATA_VA), StopCause.REGISTER),
        (lambda p: p.packet("ATOMIC_MEM", atomic=127, addr=DATA_VA), StopCause.OPCODE),
        (lambda p: [0x00000000], StopCause.OPCODE),
        (lambda p: [0x40000000], StopCause.OPCODE),
        (lambda p: [0xC0001500, 0], StopCause.OPCODE),
        (lambda p: [0xC0012D00, 3, 2], StopCause.OPCODE),
        (lambda p: p.write_data(DATA_VA, [1, 2])[:-1], StopCause.HANG),
    ],
)
def test_illegal_packets_stop_the_ring(rig: Rig, build: Callable[[Pm4], list[int]], cause: StopCause) -> None:
    """Protected registers, unknown opcodes (a draw is one), a dispatch of one dword; a cut packet is waited for."""
    done = rig.submit(rig.ring(), build(rig.pm4()))
    rig.wait(10 * MS)
    assert not done
    assert rig.ring().state is RingActivity.HUNG
    assert rig.stopped[0][1] is cause


@pytest.mark.parametrize(("va", "page"), [(UNMAPPED_VA, "not mapped"), (HOLE_VA, "PRT"), (IB_VA, None)])
def test_an_ib_of_zeros_tells_whether_it_was_mapped(rig: Rig, va: int, page: str | None) -> None:
    """A page without memory reads as zeros, which are no packet; the report says that it was no client's zeros."""
    rig.ring().submit(IbWork([PlacedIb(va, 16)], rig.table, 1, lambda _error: None))
    rig.wait(10 * MS)
    [(_, _, text)] = rig.stopped
    where = f"(IB {va:#x} dword 0 of 16" + (f", on a page that is {page})" if page else ")")
    assert text.endswith(where), text


def test_unmapped_access_faults_and_the_job_goes_on(rig: Rig) -> None:
    """Reads give 0, writes are dropped, each is a fault (PACKETS.md 5.6)."""
    pm4 = rig.pm4()
    rig.set_word(0xFFFFFFFF)
    run(rig, pm4.write_data(UNMAPPED_VA + 8, [1]) + pm4.copy_data(UNMAPPED_VA + 16, DATA_VA))
    assert rig.word() == 0
    assert [(fault.va, fault.write, fault.client) for fault in rig.faults] == [
        (UNMAPPED_VA + 8, True, "CP"),
        (UNMAPPED_VA + 16, False, "COPY_DATA"),
    ]
    assert {fault.vmid for fault in rig.faults} == {1}
    assert {fault.ring for fault in rig.faults} == {rig.ring()}


def test_unmapped_high_address_is_reported_canonical(rig: Rig) -> None:
    """Addresses of the high half keep their upper bits in the report."""
    run(rig, rig.pm4().write_data(0xFFFF_8000_0000_0000, [1]))
    assert rig.faults[0].va == 0xFFFF_8000_0000_0000


def test_write_to_a_read_only_page_faults(rig: Rig) -> None:
    """Permissions of the entry count: no WRITEABLE, no write; the read is fine."""
    rig.map(UNMAPPED_VA, 4096, Entry(EntryKind.VALID, rig.data, 0x20))
    rig.set_word(3)
    run(rig, rig.pm4().write_data(UNMAPPED_VA, [9]) + rig.pm4().copy_data(UNMAPPED_VA, DATA_VA + 4))
    assert (rig.word(), rig.word(4)) == (3, 3)
    assert [(fault.va, fault.write) for fault in rig.faults] == [(UNMAPPED_VA, True)]


def test_accesses_cross_pages_of_different_kinds(rig: Rig) -> None:
    """One write over memory and an unmapped page: the memory's part is written, the rest is one fault."""
    end = 8 * MIB
    run(rig, rig.pm4().write_data(DATA_VA + end - 8, [1, 2, 3, 4]))
    assert rig.bytes_at(end - 8, 8) == bytes([1, 0, 0, 0, 2, 0, 0, 0])
    assert [fault.va for fault in rig.faults] == [DATA_VA + end]


@pytest.mark.parametrize(("name", "engine"), [("navi21", GFX), ("navi31", GFX), ("navi31", COMPUTE)])
def test_cp_dma_on_a_hole_reads_zero_and_drops_from_gfx10_on(rig: Rig, name: str, engine: Engine) -> None:
    """PACKETS.md 5.5, Mesa's cp_dma_supports_sparse: nothing is reported."""
    pm4 = rig.pm4(engine)
    rig.put(0, b"x" * 256)
    run(rig, pm4.dma_data_copy(HOLE_VA, DATA_VA, 64, through_l2=True) + pm4.dma_data_fill(HOLE_VA, 7, 4096), engine)
    assert rig.bytes_at(0, 128) == bytes(64) + b"x" * 64
    assert not rig.faults
    assert not rig.notes


@pytest.mark.parametrize(
    ("name", "engine", "build"),
    [
        ("mi300x", COMPUTE, lambda p: p.dma_data_copy(HOLE_VA, DATA_VA, 64)),
        ("polaris10", GFX, lambda p: p.dma_data_fill(HOLE_VA, 0, 64)),
        ("navi10", GFX, lambda p: p.copy_data(HOLE_VA, DATA_VA)),
    ],
)
def test_holes_that_hang_the_command_processor(
    rig: Rig, name: str, engine: Engine, build: Callable[[Pm4], list[int]]
) -> None:
    """CP DMA before GFX10, COPY_DATA on GFX10.1: the job stops, and the text says why."""
    done = rig.submit(rig.ring(engine), build(rig.pm4(engine)))
    rig.run()
    assert not done
    [(_, cause, text)] = rig.stopped
    assert cause is StopCause.HANG, "nothing notices"
    assert "a PRT hole" in text
    assert "hangs this generation" in text


def test_unverified_hole_accesses_are_noted_once(rig: Rig) -> None:
    """WRITE_DATA on a hole works here, but the machine's log says that nobody knows about hardware."""
    pm4 = rig.pm4()
    run(rig, pm4.write_data(HOLE_VA, [1]) + pm4.write_data(HOLE_VA, [2]))
    assert not rig.faults
    [note] = rig.notes
    assert "CP writes to a PRT hole" in note


def test_ib_in_a_hole_hangs(rig: Rig) -> None:
    """Nothing can be executed from there."""
    rig.ring().submit(IbWork([PlacedIb(HOLE_VA, 8)], rig.table, 1, lambda _error: None))
    rig.run()
    assert rig.ring().state is RingActivity.HUNG


def test_unmapped_ib_faults_and_hangs(rig: Rig) -> None:
    """The fetch faults; what it reads, zeros, is no packet."""
    rig.ring().submit(IbWork([PlacedIb(UNMAPPED_VA, 8)], rig.table, 1, lambda _error: None))
    rig.run()
    assert rig.faults[0].client == "CP_FETCH"
    assert rig.ring().state is RingActivity.HUNG


def test_atomic_loop_waits_for_the_compare(rig: Rig) -> None:
    """A looping compare-and-swap is a lock: it waits until memory has the compare value."""
    pm4 = rig.pm4()
    rig.set_word(7)
    done = rig.submit(rig.ring(), pm4.atomic_mem("cmpswap", DATA_VA, 1, compare=0, returns=True, loop_interval=10))
    rig.run()
    assert (done, rig.word()) == ([], 7)
    rig.set_word(0)
    rig.wait(MS)
    assert (done, rig.word()) == ([0], 1)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    operation=st.sampled_from(sorted(ATOMIC_OPERATIONS)),
    bits=st.sampled_from([32, 64]),
    old=st.integers(0, (1 << 64) - 1),
    source=st.integers(0, (1 << 64) - 1),
    equal=st.booleans(),
)
def test_atomics_change_exactly_their_operand(
    rig: Rig, operation: str, bits: int, old: int, source: int, equal: bool
) -> None:
    """32-bit operations leave the upper half of the qword alone; results follow the arithmetic."""
    low = old & ((1 << bits) - 1)
    rig.put(0, old.to_bytes(8, "little"))
    compare = low if equal else low ^ 1
    words = rig.pm4().packet(
        "ATOMIC_MEM", atomic=atomic_code(operation, bits), addr=DATA_VA, source=source, compare=compare
    )
    run(rig, words)
    expected = atomic_result(operation, bits, low, source, compare)
    assert int.from_bytes(rig.bytes_at(0, bits // 8), "little") == expected
    if bits == 32:
        assert int.from_bytes(rig.bytes_at(4, 4), "little") == old >> 32


@pytest.mark.parametrize(
    ("operation", "old", "source", "compare", "result"),
    [
        ("swap", 1, 2, 0, 2),
        ("cmpswap", 1, 2, 1, 2),
        ("cmpswap", 1, 2, 0, 1),
        ("add", 0xFFFFFFFF, 2, 0, 1),
        ("sub", 0, 1, 0, 0xFFFFFFFF),
        ("smin", 0xFFFFFFFF, 1, 0, 0xFFFFFFFF),
        ("umin", 0xFFFFFFFF, 1, 0, 1),
        ("smax", 0x80000000, 1, 0, 1),
        ("umax", 0x80000000, 1, 0, 0x80000000),
        ("and", 6, 3, 0, 2),
        ("or", 6, 3, 0, 7),
        ("xor", 6, 3, 0, 5),
        ("inc", 3, 3, 0, 0),
        ("inc", 2, 3, 0, 3),
        ("dec", 0, 3, 0, 3),
        ("dec", 9, 3, 0, 3),
        ("dec", 2, 3, 0, 1),
    ],
)
def test_atomic_arithmetic(operation: str, old: int, source: int, compare: int, result: int) -> None:
    """Each operation by example, 32 bits."""
    assert atomic_result(operation, 32, old, source, compare) == result


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=40), opcode=st.integers(0, 255))
def test_any_words_end_in_done_hung_or_waiting(rig: Rig, words: list[int], opcode: int) -> None:
    """Hostile IBs cannot break the model: the ring finishes, hangs or waits, and works again after an abort."""
    ring = rig.ring()
    done = rig.submit(ring, [3 << 30 | (len(words) - 1) << 16 | opcode << 8, *words])
    rig.work.run(2000)
    if not done:
        assert ring.abort_current(-62)
    rig.run()
    assert len(done) == 1
    after = rig.submit(ring, rig.pm4().nop())
    rig.run()
    assert after == [0]
    rig._next_ib = IB_VA
