# SPDX-License-Identifier: MIT
"""SDMA on the mock GPU: every packet has its effect on memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amdgpu_hw.gpu_model.page_table import Entry, EntryKind
from amdgpu_hw.gpu_model.ring import IbWork, PlacedIb, RingActivity
from amdgpu_hw.packets import Engine, Sdma
from tests.mock.gpu_model.gpu_rig import DATA_VA, HOLE_VA, IB_VA, MIB, MS, UNMAPPED_VA, VERSIONS, Rig

SDMA = Engine.SDMA
ON_ALL = pytest.mark.parametrize("name", list(VERSIONS))


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The GPU named by the test, or a Navi31."""
    params = getattr(request.node, "callspec", None)
    rig = Rig(params.params.get("name", "navi31") if params else "navi31")
    yield rig
    rig.close()


def run(rig: Rig, dwords: list[int]) -> None:
    """Run one IB to its end."""
    done = rig.submit(rig.ring(SDMA), rig.sdma.pad(dwords))
    rig.run()
    assert done == [0], f"the job did not finish: {rig.stopped}"


@ON_ALL
def test_write_copy_fill_fence_timestamp(rig: Rig, name: str) -> None:
    """The plain packets, whatever the version counts (N or N-1)."""
    sdma = rig.sdma
    rig.put(0, b"0123456789")
    run(
        rig,
        sdma.write(DATA_VA + 0x100, [1, 2, 3])
        + sdma.copy(DATA_VA + 1, DATA_VA + 0x201, 7)
        + sdma.fill(DATA_VA + 0x300, 0x0A0B0C0D, 12)
        + sdma.fill_bytes(DATA_VA + 0x401, 0xEE, 5)
        + sdma.fence(DATA_VA + 0x500, 0xFE)
        + sdma.timestamp(DATA_VA + 0x600)
        + sdma.trap()
        + sdma.nop(5),
    )
    assert rig.bytes_at(0x100, 16) == bytes([1, 0, 0, 0, 2, 0, 0, 0, 3] + [0] * 7)
    assert rig.bytes_at(0x200, 9) == b"\x001234567\0"
    assert rig.bytes_at(0x300, 16) == bytes.fromhex("0d0c0b0a") * 3 + bytes(4)
    assert rig.bytes_at(0x400, 7) == b"\0" + b"\xee" * 5 + b"\0"
    assert rig.word(0x500) == 0xFE
    assert int.from_bytes(rig.bytes_at(0x600, 8), "little") == rig.gpu.counter()


@ON_ALL
def test_poll_waits_and_goes_on(rig: Rig, name: str) -> None:
    """An unbounded poll waits for ever and then continues with the next packet."""
    done = rig.submit(rig.ring(SDMA), rig.sdma.poll_regmem(DATA_VA, 1) + rig.sdma.write(DATA_VA + 4, [2]))
    rig.wait(5000 * MS)
    assert rig.ring(SDMA).state is RingActivity.WAITING
    rig.set_word(1)
    rig.wait(MS)
    assert (done, rig.word(4)) == ([0], 2)


def test_bounded_poll_gives_up_after_its_retries(rig: Rig) -> None:
    """16 retries of 10 x 16 clocks; the job goes on, and a note says that hardware may do otherwise."""
    done = rig.submit(rig.ring(SDMA), rig.sdma.poll_regmem(DATA_VA, 1, retries=16) + rig.sdma.write(DATA_VA + 4, [2]))
    rig.run()
    assert not done
    rig.wait(16 * 160 - 1)
    assert not done
    rig.wait(1)
    assert (done, rig.word(4)) == ([0], 2)
    assert "gave up after 16 retries" in rig.notes[0]


def test_bounded_poll_that_is_satisfied_says_nothing(rig: Rig) -> None:
    """A bound that is not needed has no effect."""
    done = rig.submit(rig.ring(SDMA), rig.sdma.poll_regmem(DATA_VA, 1, retries=4000, interval=0xFFFF))
    rig.wait(MS)
    rig.set_word(1)
    rig.wait(MS)
    assert done == [0]
    assert not rig.notes


def test_cond_exe_runs_only_on_equality(rig: Rig) -> None:
    """The reference decides, other than on CIK."""
    sdma = rig.sdma
    rig.set_word(5, 0x40)
    write = sdma.write(DATA_VA, [1])
    other = sdma.write(DATA_VA + 4, [2])
    run(
        rig, sdma.cond_exe(DATA_VA + 0x40, 5, len(write)) + write + sdma.cond_exe(DATA_VA + 0x40, 6, len(other)) + other
    )
    assert (rig.word(0), rig.word(4)) == (1, 0)


def test_atomics(rig: Rig) -> None:
    """Add, and a looping compare-and-swap that waits."""
    sdma = rig.sdma
    rig.set_word(3)
    run(rig, sdma.atomic("add", DATA_VA, 4))
    assert rig.word() == 7
    done = rig.submit(rig.ring(SDMA), sdma.atomic("cmpswap", DATA_VA, 9, compare=8, loop_interval=1))
    rig.run()
    assert not done
    rig.set_word(8)
    rig.wait(MS)
    assert (done, rig.word()) == ([0], 9)


def test_broadcast_copy_writes_twice(rig: Rig) -> None:
    """Two destinations get the same bytes."""
    rig.put(0, b"abcd")
    run(
        rig,
        rig.sdma.packet("COPY_BROADCAST", byte_count=4, src=DATA_VA, dst=DATA_VA + 16, dst2=DATA_VA + 32),
    )
    assert rig.bytes_at(16, 4) == rig.bytes_at(32, 4) == b"abcd"


@pytest.mark.parametrize("name", ["vega10", "mi300x", "navi21", "navi31"])
def test_holes_read_zero_and_drop_from_sdma_4_on(rig: Rig, name: str) -> None:
    """PACKETS.md 5.5, Mesa's sdma_supports_sparse: the safe way to touch PRT."""
    sdma = rig.sdma
    rig.put(0, b"x" * 64)
    run(rig, sdma.copy(HOLE_VA, DATA_VA, 32) + sdma.fill(HOLE_VA, 1, 2 * MIB) + sdma.copy(DATA_VA, HOLE_VA, 64))
    assert rig.bytes_at(0, 64) == bytes(32) + b"x" * 32
    assert not rig.faults
    assert not rig.notes


def test_holes_fault_before_sdma_4() -> None:
    """Older engines cannot ignore PRT faults."""
    rig = Rig("polaris10")
    run(rig, rig.sdma.fill(HOLE_VA, 1, 4096))
    assert [(fault.va, fault.write, fault.client) for fault in rig.faults] == [(HOLE_VA, True, "SDMA")]
    rig.close()


def test_copy_across_memory_hole_and_unmapped_page(rig: Rig) -> None:
    """Each part gets its own treatment, and the unmapped part is one fault."""
    rig.map(UNMAPPED_VA, 4096, Entry(EntryKind.VALID, rig.data, 0x60))
    rig.map(UNMAPPED_VA + 4096, 4096, Entry(EntryKind.PRT))
    rig.put(0, b"m" * 4096)
    rig.put(0x10000, b"?" * 0x4000)
    run(rig, rig.sdma.copy(UNMAPPED_VA, DATA_VA + 0x10000, 0x3000))
    assert rig.bytes_at(0x10000, 0x4000) == b"m" * 0x1000 + bytes(0x2000) + b"?" * 0x1000
    assert [fault.va for fault in rig.faults] == [UNMAPPED_VA + 0x2000]


def test_page_tables_may_change_in_the_middle_of_a_copy(rig: Rig) -> None:
    """Between slices addresses are translated anew: an unmap takes effect on the rest."""
    rig.put(0, b"y" * (4 * MIB))
    done = rig.submit(rig.ring(SDMA), rig.sdma.copy(DATA_VA, DATA_VA + 4 * MIB, 4 * MIB))
    rig.work.run(1)
    moved = rig.bytes_at(4 * MIB, 4 * MIB).count(b"y")
    assert 0 < moved < 4 * MIB
    rig.map(DATA_VA, 4 * MIB, Entry(EntryKind.NONE))
    rig.run()
    assert done == [0]
    assert rig.bytes_at(4 * MIB, 4 * MIB).count(b"y") == moved
    assert rig.faults[0].va == DATA_VA + moved


@pytest.mark.parametrize(
    "build",
    [
        lambda s: [0x77],
        lambda s: [0x0101, 0, 0, 0, 0, 0, 0],
        lambda s: s.packet("SRBM_WRITE", reg=1, value=2),
        lambda s: s.indirect(IB_VA, 8),
        lambda s: s.packet("POLL_REGMEM", mem_poll="register"),
        lambda s: s.packet("GPUVM_INV"),
        lambda s: s.packet("ATOMIC", atomic=0, addr=DATA_VA),
        lambda s: s.write(DATA_VA, [1, 2])[:-1],
    ],
)
def test_illegal_packets_stop_the_ring(rig: Rig, build: Callable[[Sdma], list[int]]) -> None:
    """Unknown and privileged packets, register accesses, and cut packets."""
    done = rig.submit(rig.ring(SDMA), build(rig.sdma))
    rig.wait(10 * MS)
    assert not done
    assert rig.ring(SDMA).state is RingActivity.HUNG
    assert len(rig.stopped) == 1


def test_ib_address_is_cut_to_32_bytes(rig: Rig) -> None:
    """SDMA runs the IB at the address below (PACKETS.md section 0 item 7)."""
    ib = rig.ib(rig.sdma.write(DATA_VA, [1]))
    done: list[int] = []
    rig.ring(SDMA).submit(IbWork([PlacedIb(ib.va + 4, ib.size_dw)], rig.table, 1, done.append))
    rig.run()
    assert (done, rig.word()) == ([0], 1)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    src=st.integers(0, 0x4000),
    dst=st.integers(0x8000, 0xC000),
    size=st.integers(1, 0x3000),
    data=st.binary(min_size=16, max_size=16),
)
def test_copies_of_any_alignment_are_exact(rig: Rig, src: int, dst: int, size: int, data: bytes) -> None:
    """Every byte of the range and none beside it."""
    rig.put(0, (data * 0x1000)[:0x8000])
    rig.put(0x8000, bytes(0x8000))
    rig._next_ib = IB_VA
    run(rig, rig.sdma.copy(DATA_VA + src, DATA_VA + dst, size))
    image = bytearray(0x8000)
    image[dst - 0x8000 : dst - 0x8000 + size] = rig.bytes_at(src, size)
    assert rig.bytes_at(0x8000, 0x8000) == bytes(image)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=40), opcode=st.integers(0, 33))
def test_any_words_end_in_done_hung_or_waiting(rig: Rig, words: list[int], opcode: int) -> None:
    """Hostile IBs cannot break the model: the ring finishes, hangs or waits, and works again after an abort."""
    ring = rig.ring(SDMA)
    rig._next_ib = IB_VA
    done = rig.submit(ring, [opcode, *words])
    rig.work.run(3000)
    if not done:
        assert ring.abort_current(-62)
    rig.run()
    assert len(done) == 1
