# SPDX-License-Identifier: MIT
"""Rings: order, waiting, fairness, holding, aborting."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from amdgpu_hw.gpu_model.faults import StopCause
from amdgpu_hw.gpu_model.page_table import Entry, EntryKind, PageTable
from amdgpu_hw.gpu_model.ring import Hang, IbWork, PlacedIb, RingActivity
from amdgpu_hw.packets import Engine
from tests.mock.gpu_model.gpu_rig import DATA_VA, IB_VA, MIB, MS, UNMAPPED_VA, Rig

GFX, COMPUTE, SDMA = Engine.GFX, Engine.COMPUTE, Engine.SDMA


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A Navi31."""
    rig = Rig()
    yield rig
    rig.close()


def test_work_begins_from_the_work_queue_only(rig: Rig) -> None:
    """submit() itself does nothing: what the driver does after it comes first."""
    done = rig.submit(rig.ring(), rig.pm4().write_data(DATA_VA, [7]))
    called = rig.call(rig.ring(SDMA))
    assert rig.word() == 0
    assert not done
    assert not called
    rig.run()
    assert rig.word() == 7
    assert (done, called) == ([0], [0])


def test_a_ring_does_its_work_in_order(rig: Rig) -> None:
    """Jobs and the kernel's own work finish in the order they were submitted."""
    order: list[str] = []
    ring = rig.ring(SDMA)

    def note(name: str) -> Callable[[int], None]:
        return lambda _error: order.append(name)

    for name in "abc":
        ring.submit(IbWork([rig.ib(rig.sdma.nop())], rig.table, 1, note(name)))
        rig.call(ring, lambda name=name: order.append(name.upper()))
    rig.run()
    assert order == ["a", "A", "b", "B", "c", "C"]


def test_several_ibs_of_a_job_run_one_after_the_other(rig: Rig) -> None:
    """The last IB's write stays."""
    pm4 = rig.pm4()
    done = rig.submit(rig.ring(), *(pm4.pad(pm4.write_data(DATA_VA, [value])) for value in (1, 2, 3)))
    rig.run()
    assert rig.word() == 3
    assert done == [0]


def test_empty_job_is_done(rig: Rig) -> None:
    """A job without IBs, or with an empty one, just finishes."""
    done: list[int] = []
    rig.ring().submit(IbWork([], rig.table, 1, done.append))
    rig.ring().submit(IbWork([PlacedIb(IB_VA, 0)], rig.table, 1, done.append))
    rig.run()
    assert done == [0, 0]


def test_waiting_ring_rests_and_polls_ever_less_often(rig: Rig) -> None:
    """An unsatisfied wait leaves no work behind; polls come after 50 us, then at growing distance up to 1 ms."""
    done = rig.submit(rig.ring(), rig.pm4().wait_reg_mem(DATA_VA, 1))
    rig.run()
    assert rig.ring().state is RingActivity.WAITING
    polls = []
    for _ in range(8):
        deadline = rig.timers.next_deadline()
        assert deadline is not None
        polls.append(deadline - rig.time)
        rig.wait(deadline - rig.time)
    assert polls == [50_000, 100_000, 200_000, 400_000, 800_000, 1_000_000, 1_000_000, 1_000_000]
    assert not done
    rig.set_word(1)
    rig.run()
    assert not done, "nobody told the ring about the CPU's write: it polls"
    rig.wait(1 * MS)
    assert done == [0]
    assert rig.timers.next_deadline() is None, "a timer was left behind"


def test_write_of_another_ring_ends_a_wait_at_once(rig: Rig) -> None:
    """Graphics waits for compute, compute for SDMA, without time passing."""
    gfx = rig.submit(rig.ring(GFX), rig.pm4().wait_reg_mem(DATA_VA, 2))
    compute = rig.submit(
        rig.ring(COMPUTE), rig.pm4(COMPUTE).wait_reg_mem(DATA_VA, 1) + rig.pm4(COMPUTE).write_data(DATA_VA, [2])
    )
    rig.run()
    assert not gfx
    assert not compute
    sdma = rig.submit(rig.ring(SDMA), rig.sdma.write(DATA_VA, [1]))
    rig.run()
    assert (gfx, compute, sdma) == ([0], [0], [0])


def test_page_table_update_ends_a_wait(rig: Rig) -> None:
    """A wait at an unmapped address goes on when the kernel's work maps it."""
    done = rig.submit(rig.ring(), rig.pm4().wait_reg_mem(UNMAPPED_VA, 5))
    rig.run()
    rig.set_word(5)
    rig.call(rig.ring(SDMA), lambda: rig.map(UNMAPPED_VA, 4096, Entry(EntryKind.VALID, rig.data, 0x60)))
    rig.run()
    assert done == [0]


def test_job_behind_a_waiting_one_waits_too_but_other_rings_do_not(rig: Rig) -> None:
    """A ring is a queue; rings are independent."""
    first = rig.submit(rig.ring(COMPUTE, 0), rig.pm4(COMPUTE).wait_reg_mem(DATA_VA, 1))
    second = rig.submit(rig.ring(COMPUTE, 0), rig.pm4(COMPUTE).write_data(DATA_VA + 4, [9]))
    other = rig.submit(rig.ring(COMPUTE, 1), rig.pm4(COMPUTE).write_data(DATA_VA + 8, [9]))
    rig.wait(10 * MS)
    assert not first
    assert not second
    assert rig.word(4) == 0
    assert other == [0]


def test_long_jobs_of_two_rings_share_the_time(rig: Rig) -> None:
    """A job of thousands of packets does not keep a short one of another ring waiting for its end."""
    pm4 = rig.pm4()
    long = rig.submit(rig.ring(GFX), [word for value in range(3000) for word in pm4.write_data(DATA_VA, [value])])
    short = rig.submit(rig.ring(COMPUTE), rig.pm4(COMPUTE).write_data(DATA_VA + 4, [1]))
    while not short:
        assert rig.work.run(1), "nothing left to do, and the short job has not run"
    assert short == [0]
    assert not long
    rig.run()
    assert long == [0]


def test_big_copy_is_cut_into_slices(rig: Rig) -> None:
    """4 MiB do not move in one go, and arrive whole."""
    data = bytes(range(256)) * (4 * MIB // 256)
    rig.put(0, data)
    done = rig.submit(rig.ring(SDMA), rig.sdma.copy(DATA_VA, DATA_VA + 4 * MIB, 4 * MIB))
    rig.work.run(1)
    assert not done
    rig.run()
    assert done == [0]
    assert rig.bytes_at(4 * MIB, 4 * MIB) == data


def test_endless_chain_keeps_yielding_until_aborted(rig: Rig) -> None:
    """An IB that chains to itself runs for ever in bounded slices; abort ends it."""
    ring = rig.ring()
    done: list[int] = []
    ib = rig.ib(rig.pm4().indirect_buffer(IB_VA, 4, chain=True))
    assert ib == PlacedIb(IB_VA, 4)
    ring.submit(IbWork([ib], rig.table, 1, done.append))
    assert rig.work.run(50), "the job ended by itself"
    meanwhile = ring.state
    assert meanwhile is RingActivity.RUNNING
    assert ring.abort_current(-62)
    assert done == [-62]
    rig.run()
    assert ring.state is RingActivity.IDLE


def test_abort_of_a_waiting_job_lets_the_next_one_run(rig: Rig) -> None:
    """What a queue reset does: the guilty job ends with the error, the ring goes on, no timer stays."""
    first = rig.submit(rig.ring(), rig.pm4().wait_reg_mem(DATA_VA, 1))
    second = rig.submit(rig.ring(), rig.pm4().write_data(DATA_VA + 4, [9]))
    rig.run()
    assert rig.ring().abort_current(-61)
    assert first == [-61]
    rig.run()
    assert second == [0]
    assert rig.word(4) == 9
    assert rig.timers.next_deadline() is None


def test_abort_takes_the_head_even_if_it_was_not_started(rig: Rig) -> None:
    """A full reset cancels queued jobs one by one."""
    done = [rig.submit(rig.ring(), rig.pm4().write_data(DATA_VA, [1])) for _ in range(3)]
    assert [rig.ring().abort_current(-125) for _ in range(4)] == [True, True, True, False]
    assert done == [[-125]] * 3
    rig.run()
    assert rig.word() == 0


def test_hung_ring_says_where_and_stays_until_aborted(rig: Rig) -> None:
    """An illegal packet stops the ring on that job; the text tells the packet, the IB and the dword."""
    ring = rig.ring()
    bad = rig.submit(ring, [*rig.pm4().nop(3), 0xC0007F00, 0])
    good = rig.submit(ring, rig.pm4().write_data(DATA_VA, [1]))
    rig.wait(100 * MS)
    assert ring.state is RingActivity.HUNG
    assert not bad
    assert not good
    [(where, cause, text)] = rig.stopped
    assert (where, cause) == (ring, StopCause.OPCODE)
    assert text.startswith("Illegal opcode in command stream")
    assert f"IB {IB_VA:#x} dword 3 of 5" in text
    assert ring.abort_current(-62)
    rig.run()
    assert (bad, good) == ([-62], [0])


def test_held_ring_steps_packet_by_packet(rig: Rig) -> None:
    """hold() stops before the next packet; step() does one; release() the rest."""
    ring = rig.ring()
    pm4 = rig.pm4()
    ring.hold()
    done = rig.submit(ring, [word for value in (1, 2, 3, 4) for word in pm4.write_data(DATA_VA, [value])])
    rig.run()
    assert rig.word() == 0
    assert ring.step()
    assert rig.word() == 1
    assert ring.step()
    assert rig.word() == 2
    rig.run()
    assert rig.word() == 2
    ring.release()
    rig.run()
    assert (rig.word(), done) == (4, [0])
    assert not ring.step(), "there was nothing left to step"


def test_holding_a_waiting_ring_and_stepping_it(rig: Rig) -> None:
    """A held ring does not notice that its wait is over; a step does."""
    ring = rig.ring()
    done = rig.submit(ring, rig.pm4().wait_reg_mem(DATA_VA, 1))
    rig.run()
    ring.hold()
    rig.set_word(1)
    rig.wait(10 * MS)
    assert not done
    ring.step()
    ring.step()
    assert done == [0]


@pytest.mark.parametrize("cause", list(Hang))
def test_a_ring_that_waits_can_hang_and_leaves_no_timer(rig: Rig, cause: Hang) -> None:
    """Hung comes before waiting: nobody polls any more, a write to its memory does not wake it, an abort does."""
    ring = rig.ring()
    first = rig.submit(ring, rig.pm4().wait_reg_mem(DATA_VA, 1))
    rig.run()
    assert rig.timers.next_deadline() is not None
    ring.hang(cause)
    assert ring.state is RingActivity.HUNG
    assert rig.timers.next_deadline() is None
    assert not rig.gpu.waiting
    second = rig.submit(ring, rig.pm4().write_data(DATA_VA + 4, [9]))
    rig.submit(rig.ring(SDMA), rig.sdma.write(DATA_VA, [1]))
    rig.wait(10 * MS)
    assert not first
    assert not second
    assert ring.kill_waves(1) is (cause is Hang.WAVE)
    ring.abort_current(-62)
    rig.run()
    assert (first, second) == (([0], [-62]) if cause is Hang.WAVE else ([-62], [0]))


def test_a_ring_that_hangs_before_its_turn_comes_takes_one_turn_after_the_abort(rig: Rig) -> None:
    """It is in the work queue once, however often it was stopped and went on: another ring gets every second slice."""
    ring = rig.ring()
    pm4 = rig.pm4()
    ib = rig.ib(pm4.indirect_buffer(IB_VA, 4, chain=True))
    done: list[int] = []
    for _ in range(2):
        ring.submit(IbWork([ib], rig.table, 1, done.append))
    rig.work.run(1)
    ring.hang(Hang.PROCESSOR)
    ring.abort_current(-62)
    ring.hold()
    ring.release()
    assert done == [-62]
    assert ring.state is RingActivity.RUNNING
    called: list[int] = []
    rig.gpu.work.queue(lambda: called.append(1))
    rig.work.run(1)
    assert not called, "the ring was behind what came later"
    rig.work.run(1)
    assert called, "the ring was in the queue twice"
    ring.abort_current(-62)


def test_oops_in_the_kernels_own_work_leaves_the_ring_stopped(rig: Rig) -> None:
    """An exception of the mock kernel comes out of the work queue; the ring hangs, as after an oops, until aborted."""

    def oops() -> None:
        raise ZeroDivisionError

    bad = rig.call(rig.ring(SDMA), oops)
    good = rig.call(rig.ring(SDMA))
    with pytest.raises(ZeroDivisionError):
        rig.run()
    rig.run()
    assert not bad
    assert not good
    rig.ring(SDMA).abort_current(-5)
    rig.run()
    assert (bad, good) == ([-5], [0])


def test_jobs_use_their_own_address_space(rig: Rig) -> None:
    """The same address is memory in one VM and unmapped in another."""
    empty = PageTable((11, 0, 0))
    done: list[int] = []
    rig.ring(SDMA).submit(IbWork([rig.ib(rig.sdma.nop())], empty, 5, done.append))
    rig.run()
    assert done == [0], "fetching zeros is a row of no-operations for SDMA"
    [fault] = rig.faults
    assert (fault.page_table, fault.vmid, fault.client, fault.write) == (empty, 5, "SDMA_FETCH", False)
    assert fault.va == IB_VA


def test_counter_is_the_clock_times_its_frequency(rig: Rig) -> None:
    """100 MHz: one tick per 10 ns."""
    before = rig.gpu.counter()
    rig.wait(5 * MS)
    assert rig.gpu.counter() - before == 500_000
