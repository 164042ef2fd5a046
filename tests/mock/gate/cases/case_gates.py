# SPDX-License-Identifier: MIT
"""Gates of every kind, on the machine that this runs on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from amdgpu_hw.errors import GateError
from amdgpu_hw.gate import GATE_NAMES, GateMaker, choose, makers, open_all, shut_gates
from amdgpu_hw.gate.base import WATCHDOG
from amdgpu_hw.gpu import Gpu, open_gpu

NODE = "/dev/dri/renderD128"
SECOND = 1_000_000_000


@pytest.fixture(params=GATE_NAMES)
def maker(request: pytest.FixtureRequest) -> Iterator[GateMaker]:
    """A maker of each kind."""
    made = {one.name: one for one in makers(NODE)}
    maker = made[request.param]
    assert maker.why_not() is None
    yield maker
    maker.close()


@pytest.fixture
def gpu(maker: GateMaker) -> Iterator[Gpu]:
    """The GPU, opened after the maker: a process must not be started while work is gated."""
    with open_gpu(NODE) as gpu:
        yield gpu


def test_a_shut_gate_holds_a_job_until_it_is_opened(maker: GateMaker, gpu: Gpu) -> None:
    """In flight while shut, done at once when open."""
    with maker.shut("a job", SECOND) as gate:
        job = gpu.compute.submit(gpu.compute.packets.nop(), wait=[gate.fence(gpu)])
        assert not job.wait(20_000_000)
        assert gate.is_shut
        gate.open()
        assert job.wait(SECOND)
        assert not gate.is_shut
        assert gate.opened_by == "the test"


def test_other_work_is_not_held(maker: GateMaker, gpu: Gpu) -> None:
    """Not even on the same ring of the same context's neighbour."""
    with maker.shut("a job", SECOND) as gate:
        held = gpu.compute.submit(gpu.compute.packets.nop(), wait=[gate.fence(gpu)])
        other = gpu.new_context().queue(gpu.compute.engine)
        assert other.submit(other.packets.nop()).wait(SECOND)
        assert not held.signaled()
        gate.open()
        assert held.wait(SECOND)


def test_two_gates_are_independent(maker: GateMaker, gpu: Gpu) -> None:
    """Opening one leaves the other shut."""
    with maker.shut("first", SECOND) as first, maker.shut("second", SECOND) as second:
        first.open()
        assert first.fence(gpu).wait(SECOND)
        assert second.is_shut
        assert not second.fence(gpu).signaled()


def test_the_watchdog_opens_what_is_left_shut(maker: GateMaker, gpu: Gpu) -> None:
    """At the latest when its time is over; the gate remembers who it was."""
    with maker.shut("too long", 50_000_000) as gate:
        assert gate.fence(gpu).wait(SECOND)
        deadline = time.monotonic() + 1
        while gate.opened_by is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert gate.opened_by == WATCHDOG
        assert "the watchdog opened the" in gate.why_open


def test_leaving_the_block_opens(maker: GateMaker, gpu: Gpu) -> None:
    """Also by an exception."""
    try:
        with maker.shut("a job", SECOND) as gate:
            job = gpu.compute.submit(gpu.compute.packets.nop(), wait=[gate.fence(gpu)])
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert job.wait(SECOND)


def test_all_can_be_opened_at_once(maker: GateMaker, gpu: Gpu) -> None:
    """Which is what every way out does."""
    with maker.shut("one", SECOND) as one, maker.shut("two", SECOND) as two:
        assert shut_gates() == [one, two]
        assert open_all("the end") == [one, two]
        assert shut_gates() == []
        assert one.opened_by == two.opened_by == "the end"
        assert two.fence(gpu).wait(SECOND)


def test_opening_twice_is_harmless(maker: GateMaker) -> None:
    """The first one counts."""
    with maker.shut("a job", SECOND) as gate:
        gate.open("first")
        gate.open("second")
        assert gate.opened_by == "first"


def test_gpu_wait_gates_end_where_the_spare_rings_do() -> None:
    """With a sentence, and one that is opened makes room."""
    with_rings = {one.name: one for one in makers(NODE)}["gpu-wait"]
    try:
        gates = [with_rings.shut(f"job {n}", SECOND) for n in range(3)]
        with pytest.raises(GateError, match="all 3 spare compute rings hold a gate"):
            with_rings.shut("one more", SECOND)
        gates[0].close()
        gates.append(with_rings.shut("one more", SECOND))
        for gate in gates[1:]:
            gate.close()
    finally:
        with_rings.close()


def test_the_safest_is_chosen() -> None:
    """vgem, which taints nothing and is bounded by the kernel."""
    choice = choose(NODE)
    assert choice.name == "vgem"
    assert choice.why_not == {"vgem": None}


def test_a_kind_can_be_forced() -> None:
    """And an unknown one is refused with the known."""
    assert choose(NODE, "sw_sync").name == "sw_sync"
    with pytest.raises(GateError, match="choose one of vgem, sw_sync, gpu-wait"):
        choose(NODE, "portcullis")
