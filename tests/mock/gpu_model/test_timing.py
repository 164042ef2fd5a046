# SPDX-License-Identifier: MIT
"""Modelled GPU time: when work is done, what timestamps say; it costs nothing where the mock is slow anyway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amdgpu_hw.gpu_model.ring import RingActivity
from amdgpu_hw.gpu_model.timing import DriverOperation, timing_for
from amdgpu_hw.gpu_model.work import CallWork
from amdgpu_hw.packets import Engine
from tests.mock.gpu_model.gpu_rig import DATA_VA, MIB, VERSIONS, Rig

GFX, COMPUTE, SDMA = Engine.GFX, Engine.COMPUTE, Engine.SDMA
LONG_NS = 10_000_000


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A Navi31 whose work takes its time."""
    rig = Rig(time_factor=1)
    yield rig
    rig.close()


def elapsed_until(rig: Rig, done: list[int]) -> int:
    """Let time pass from timer to timer until a job is done; how long that was, in ns."""
    start = rig.time
    rig.run()
    while not done:
        deadline = rig.timers.next_deadline()
        assert deadline is not None, "the job never ends"
        assert deadline - start < LONG_NS, "the job takes too long"
        rig.wait(deadline - rig.time)
    return rig.time - start


def test_a_job_of_nothing_takes_a_few_microseconds(rig: Rig) -> None:
    """It is reported as done then, neither at once nor much later."""
    for engine, nop in ((GFX, rig.pm4().nop()), (COMPUTE, rig.pm4(COMPUTE).nop()), (SDMA, rig.sdma.nop())):
        took = elapsed_until(rig, rig.submit(rig.ring(engine), nop))
        assert 1_000 <= took <= 8_000, f"{engine.name}: {took} ns"
    assert rig.timers.next_deadline() is None, "a timer was left behind"


def test_a_copy_takes_as_long_as_its_bytes(rig: Rig) -> None:
    """The rate of the engine's table, plus what each job takes; data is there when the job is done."""
    rig.put(0, b"data" * (MIB // 4))
    rate = timing_for(*VERSIONS["navi31"]).engines[SDMA].copy
    one = elapsed_until(rig, rig.submit(rig.ring(SDMA), rig.sdma.copy(DATA_VA, DATA_VA + 4 * MIB, MIB)))
    four = elapsed_until(rig, rig.submit(rig.ring(SDMA), rig.sdma.copy(DATA_VA, DATA_VA + 4 * MIB, 4 * MIB)))
    assert four - one == pytest.approx(3 * MIB / rate, rel=0.01)
    assert rig.bytes_at(4 * MIB, 8) == b"datadata"


def test_rings_are_busy_side_by_side(rig: Rig) -> None:
    """Two copies on two rings take as long as one; on one ring, twice as long."""
    copy = rig.sdma.copy(DATA_VA, DATA_VA + 4 * MIB, MIB)
    alone = elapsed_until(rig, rig.submit(rig.ring(SDMA, 0), copy))
    rig.submit(rig.ring(SDMA, 0), copy)
    both = elapsed_until(rig, rig.submit(rig.ring(SDMA, 1), copy))
    assert both == pytest.approx(alone, rel=0.05)
    rig.wait(LONG_NS)
    rig.submit(rig.ring(SDMA, 0), copy)
    assert elapsed_until(rig, rig.submit(rig.ring(SDMA, 0), copy)) == pytest.approx(2 * alone, rel=0.05)


def test_what_comes_behind_a_copy_happens_after_it(rig: Rig) -> None:
    """A fence that a packet writes does not show before the time of the packets in front of it is over."""
    done = rig.submit(
        rig.ring(SDMA), rig.sdma.copy(DATA_VA, DATA_VA + 4 * MIB, MIB) + rig.sdma.write(DATA_VA + 3 * MIB, [7])
    )
    rig.run()
    rig.wait(10_000)
    assert rig.word(3 * MIB) == 0, "1 MiB was copied in 10 us"
    assert rig.ring(SDMA).state is RingActivity.RUNNING
    elapsed_until(rig, done)
    assert rig.word(3 * MIB) == 7


def test_no_waiting_where_the_mock_is_slower_than_hardware(rig: Rig) -> None:
    """Time that passed since the job was put on the ring counts: no timer is needed then."""
    done = rig.submit(rig.ring(), rig.pm4().nop())
    rig.time += LONG_NS
    rig.run()
    assert done == [0]
    assert rig.timers.next_deadline() is None


def test_timestamps_tell_the_modelled_time(rig: Rig) -> None:
    """They are between submission and completion, strictly increasing, and as far apart as the work between them."""
    stamp = [rig.sdma.timestamp(DATA_VA + 4 * MIB + 8 * i) for i in range(3)]
    before = rig.gpu.counter()
    done = rig.submit(rig.ring(SDMA), stamp[0] + rig.sdma.copy(DATA_VA, DATA_VA + 5 * MIB, MIB) + stamp[1] + stamp[2])
    elapsed_until(rig, done)
    first, second, third = (int.from_bytes(rig.bytes_at(4 * MIB + 8 * i, 8), "little") for i in range(3))
    assert before < first < second < third <= rig.gpu.counter()
    rate = timing_for(*VERSIONS["navi31"]).engines[SDMA].copy
    assert (second - first) * 10 == pytest.approx(MIB / rate, rel=0.05), "ticks are of 10 ns"


def test_a_wait_for_memory_costs_the_time_it_waits(rig: Rig) -> None:
    """The packets behind it begin when it ends, not when it began."""
    done = rig.submit(rig.ring(), rig.pm4().wait_reg_mem(DATA_VA, 1) + rig.pm4().release_mem_clock(DATA_VA + 8))
    rig.wait(3_000_000)
    assert not done
    before = rig.gpu.counter()
    elapsed_until(rig, rig.submit(rig.ring(SDMA), rig.sdma.write(DATA_VA, [1])))
    elapsed_until(rig, done)
    assert before <= int.from_bytes(rig.bytes_at(8, 8), "little") <= rig.gpu.counter()


def test_the_kernels_own_work_costs_by_what_it_is(rig: Rig) -> None:
    """A large page-table update takes longer than a small one, and a fill as long as its bytes."""

    def took(operation: DriverOperation, amount: int) -> int:
        done: list[int] = []
        rig.ring(SDMA).submit(CallWork(lambda: None, done.append, operation, amount))
        return elapsed_until(rig, done)

    timing = timing_for(*VERSIONS["navi31"])
    small, large = took(DriverOperation.PT_ENTRIES, 1), took(DriverOperation.PT_ENTRIES, 100_000)
    assert large - small == pytest.approx(99_999 * timing.pt_entry, abs=2)
    assert took(DriverOperation.FILL, 16 * MIB) == pytest.approx(16 * MIB / timing.engines[SDMA].fill, rel=0.02)
    assert took(DriverOperation.OTHER, 0) < small


def test_another_address_space_and_a_flush_cost_time(rig: Rig) -> None:
    """The first job of an address space pays for the switch, a job with a flush for that."""
    nop = rig.pm4().nop()
    first, second = (elapsed_until(rig, rig.submit(rig.ring(), nop)) for _ in range(2))
    timing = timing_for(*VERSIONS["navi31"])
    assert first - second == timing.vm_switch


def test_abort_does_not_wait_for_the_time_of_what_was_executed(rig: Rig) -> None:
    """A reset ends a job at once, and the next one begins then."""
    ring = rig.ring(SDMA)
    long = rig.submit(ring, rig.sdma.copy(DATA_VA, DATA_VA + 4 * MIB, 4 * MIB))
    short = rig.submit(ring, rig.sdma.nop())
    rig.run()
    assert ring.abort_current(-62)
    assert long == [-62]
    assert elapsed_until(rig, short) < 5_000


def test_a_held_ring_steps_without_time(rig: Rig) -> None:
    """step() does one packet, however busy the ring is; release() goes on with modelled time."""
    ring = rig.ring(SDMA)
    ring.hold()
    done = rig.submit(ring, [word for value in (1, 2, 3) for word in rig.sdma.write(DATA_VA, [value])])
    rig.run()
    for value in (0, 1, 2):
        assert rig.word() == value
        while rig.word() == value:
            assert ring.step()
    ring.release()
    elapsed_until(rig, done)


def test_the_factor_stretches_time() -> None:
    """Ten times the factor, ten times the time; 0 switches it off."""
    took = {}
    for factor in (1, 10):
        rig = Rig(time_factor=factor)
        took[factor] = elapsed_until(rig, rig.submit(rig.ring(), rig.pm4().nop()))
        rig.close()
    assert took[10] == pytest.approx(10 * took[1], rel=0.01)
    rig = Rig()
    done = rig.submit(rig.ring(), rig.pm4().nop())
    rig.run()
    assert done == [0]
    rig.close()


@pytest.mark.parametrize("name", VERSIONS)
def test_every_generation_has_its_times(name: str) -> None:
    """All positive, and older engines not faster than younger ones of their kind."""
    timing = timing_for(*VERSIONS[name])
    for engine in timing.engines.values():
        assert min(engine.begin, engine.end, engine.packet, engine.filler, engine.copy, engine.fill) > 0
    assert timing.engines[SDMA].copy >= timing_for((8, 0, 0), (3, 0, 0)).engines[SDMA].copy
