# SPDX-License-Identifier: MIT
"""Compute dispatches: which threads there are, and what they know."""

from __future__ import annotations

import pytest

from amdgpu_hw.gpu_model.faults import StopCause
from amdgpu_hw.gpu_model.ring import RingActivity
from amdgpu_hw.packets import Engine, compute
from amdgpu_hw.packets.compute import machine_code
from tests.mock.gpu_model.gpu_rig import DATA_VA, HOLE_VA, MS, UNMAPPED_VA
from tests.mock.gpu_model.shader.bench import CODE_VA, ShaderRig
from tests.mock.gpu_model.shader.shaders import SHADERS

FORCED = compute.SHADER_ENABLE | compute.FORCE_START_AT_000
NUMBERS = machine_code(SHADERS["numbers"]["gfx10"])
OUT = (DATA_VA & 0xFFFF_FFFF, DATA_VA >> 32)


@pytest.mark.parametrize("engine", [Engine.COMPUTE, Engine.GFX])
@pytest.mark.parametrize("name", ["polaris10", "vega10", "mi200", "mi300x", "navi10", "navi21", "navi31", "navi48"])
def test_our_copy_shader_copies_on_every_generation(name: str, engine: Engine) -> None:
    """The one of tests/hw; what lies around is left alone."""
    rig = ShaderRig(name)
    pm4 = rig.pm4(engine)
    code = compute.copy_shader(rig.gpu.gc_version)
    assert code is not None
    rig.load(code)
    data = bytes(range(256)) * 3
    rig.put(0, data)
    source, target = DATA_VA, DATA_VA + 0x10_0000
    arguments = [source & 0xFFFF_FFFF, source >> 32, target & 0xFFFF_FFFF, target >> 32]
    done = rig.submit(rig.ring(engine), pm4.pad(pm4.dispatch(3, compute.COPY_THREADS, CODE_VA, arguments)))
    rig.run()
    assert done == [0], rig.stopped
    assert rig.bytes_at(0x10_0000 - 8, len(data) + 16) == bytes(8) + data + bytes(8)
    rig.close()


@pytest.mark.parametrize("version", [(7, 0, 0), (12, 1, 0), (13, 0, 0)])
def test_gpus_that_nobody_knows_have_no_copy_shader(version: tuple[int, int, int]) -> None:
    """Whoever needs one says that it cannot be tested there."""
    assert compute.copy_shader(version) is None


@pytest.mark.parametrize(("name", "generation"), [("navi21", "gfx10"), ("navi31", "gfx11"), ("navi48", "gfx12")])
def test_threads_know_their_numbers(name: str, generation: str) -> None:
    """In registers of their own, packed, and the workgroup's in scalar ones, of the trap handler on GFX12."""
    rig = ShaderRig(name)
    three_dimensions = 2 << 1 | 7 << compute.GROUP_ID_X_BIT | 2 << 11
    code = machine_code(SHADERS["ids"][generation])
    assert rig.dispatch(code, OUT, (2, 2, 2), (2, 2, 2), resources=three_dimensions) == [0], rig.stopped
    expected = []
    for group in range(8):
        for thread in range(8):
            expected += [number & 1 | (number & 2) << 7 | (number & 4) << 14 for number in (thread, group)]
    assert rig.dwords(0, len(expected) + 2) == [*expected, 0, 0]
    rig.close()


@pytest.fixture
def rig() -> ShaderRig:
    """A Navi21."""
    return ShaderRig()


@pytest.mark.parametrize("initiator", [FORCED, FORCED | compute.WAVE32])
@pytest.mark.parametrize("threads", [1, 31, 32, 33, 64])
def test_lanes_beyond_the_workgroup_do_nothing(rig: ShaderRig, threads: int, initiator: int) -> None:
    """Waves of 32 or 64 lanes, the last one partly empty. The shader counts 64 threads for each workgroup."""
    assert rig.dispatch(NUMBERS, OUT, (2, 1, 1), (threads, 1, 1), initiator=initiator) == [0], rig.stopped
    row = [*range(threads), *[0] * (64 - threads)]
    assert rig.dwords(0, 192) == [
        *row,
        *(number + 64 if number or not index else 0 for index, number in enumerate(row)),
        *[0] * 64,
    ]


def test_a_dispatch_begins_and_ends_where_it_says(rig: ShaderRig) -> None:
    """The packet has the number behind the last workgroup; FORCE_START_AT_000 leaves the first one out."""
    assert rig.dispatch(NUMBERS, OUT, (3, 1, 1), start=(2, 0, 0), initiator=compute.SHADER_ENABLE) == [0]
    assert rig.dwords(0, 256) == [0] * 128 + [*range(128, 192)] + [0] * 64
    assert rig.dispatch(NUMBERS, OUT, (1, 1, 1), start=(2, 0, 0)) == [0]
    assert rig.dwords(0, 64) == [*range(64)]


def test_the_last_workgroup_may_be_smaller(rig: ShaderRig) -> None:
    """By the upper half of COMPUTE_NUM_THREAD_X, or because the packet counts threads."""
    partial = FORCED | compute.PARTIAL_GROUPS
    assert rig.dispatch(NUMBERS, OUT, (2, 1, 1), (64 | 5 << 16, 1, 1), initiator=partial) == [0], rig.stopped
    assert rig.dwords(0, 128) == [*range(69), *[0] * 59]
    rig.put(0, bytes(512))
    by_threads = FORCED | compute.THREAD_DIMENSIONS
    assert rig.dispatch(NUMBERS, OUT, (70, 1, 1), (64, 1, 1), initiator=by_threads) == [0], rig.stopped
    assert rig.dwords(0, 128) == [*range(70), *[0] * 58]


@pytest.mark.parametrize(("groups", "threads"), [((0, 1, 1), (64, 1, 1)), ((1, 1, 1), (0, 1, 1))])
def test_nothing_to_run_is_nothing(rig: ShaderRig, groups: tuple[int, int, int], threads: tuple[int, int, int]) -> None:
    """No workgroups, no threads, or COMPUTE_SHADER_EN not set."""
    assert rig.dispatch(NUMBERS, OUT, groups, threads) == [0]
    assert rig.dispatch(NUMBERS, OUT, initiator=0) == [0]
    assert rig.dwords(0, 64) == [0] * 64


@pytest.mark.parametrize("engine", [Engine.COMPUTE, Engine.GFX])
def test_an_indirect_dispatch_reads_its_size(rig: ShaderRig, engine: Engine) -> None:
    """On the graphics ring the address counts from SET_BASE."""
    rig.load(NUMBERS)
    at = DATA_VA + 0x1000
    rig.put(0x1000, b"".join(word.to_bytes(4, "little") for word in (2, 1, 1)))
    pm4 = rig.pm4(engine)
    setup = pm4.dispatch(0, 64, CODE_VA, OUT)
    if engine is Engine.GFX:
        indirect = pm4.packet("SET_BASE", [1, at - 64, 0]) + pm4.packet(
            "DISPATCH_INDIRECT", offset=64, initiator=FORCED
        )
    else:
        indirect = pm4.packet("DISPATCH_INDIRECT", addr=at, initiator=FORCED)
    done = rig.submit(rig.ring(engine), pm4.pad(setup + indirect))
    rig.run()
    assert done == [0], rig.stopped
    assert rig.dwords(0, 129) == [*range(128), 0]


@pytest.mark.parametrize("packet", ["SET_SH_REG_PAIRS", "SET_SH_REG_PAIRS_PACKED", "SET_SH_REG_PAIRS_PACKED_N"])
def test_registers_can_be_set_in_pairs(packet: str) -> None:
    """From GFX11 on: an offset for each value, or two in one dword; an odd one is set twice."""
    rig = ShaderRig("navi31")
    pm4 = rig.pm4(Engine.COMPUTE)
    code = compute.copy_shader((11,))
    assert code is not None
    rig.load(code)
    rig.put(0, b"pair")
    user_data = [(compute.USER_DATA_0 + index, value) for index, value in enumerate((DATA_VA, 0, DATA_VA + 256, 0))]
    if packet == "SET_SH_REG_PAIRS":
        body = [word for pair in user_data for word in pair]
    else:
        (one, first), (two, second), (three, third), (four, fourth) = user_data
        body = [4, one | two << 16, first, second, three | four << 16, third, fourth]
    ib = [
        *pm4.dispatch(0, 64, CODE_VA, [0] * 4),
        *pm4.packet(packet, body),
        *pm4.dispatch_direct((1, 1, 1), FORCED),
    ]
    done = rig.submit(rig.ring(Engine.COMPUTE), pm4.pad(ib))
    rig.run()
    assert done == [0], rig.stopped
    assert rig.bytes_at(256, 4) == b"pair"
    rig.close()


def test_a_shader_without_end_leaves_others_their_turn(rig: ShaderRig) -> None:
    """It keeps its ring running until its waves are killed, or the job is taken off."""
    done = rig.dispatch(machine_code(SHADERS["forever"]["gfx10"]), OUT, steps=10)
    other = rig.submit(rig.ring(Engine.COMPUTE, 1), rig.pm4(Engine.COMPUTE).write_data(DATA_VA, [7]))
    assert rig.work.run(1000)
    assert other == [0]
    assert rig.word() == 7
    ring = rig.ring(Engine.COMPUTE)
    assert not done
    assert ring.state is RingActivity.RUNNING
    assert not ring.kill_waves(2)
    assert ring.kill_waves(1)
    rig.run()
    assert done == [0]


def test_a_shader_that_goes_on_for_too_long_hangs(rig: ShaderRig) -> None:
    """Nothing notices but whoever waits for it; its waves can be killed."""
    done = rig.dispatch(machine_code(SHADERS["forever"]["gfx10"]), OUT)
    ring = rig.ring(Engine.COMPUTE)
    assert (done, ring.state) == ([], RingActivity.HUNG)
    [(_, cause, text)] = rig.stopped
    assert cause is StopCause.ENDLESS
    assert text.startswith("the shader at 0x20000000 does not end")
    assert ring.kill_waves(1)
    rig.run()
    assert done == [0]


@pytest.mark.parametrize(("va", "stop"), [(UNMAPPED_VA, "no code is mapped"), (HOLE_VA, "hangs this generation")])
def test_code_that_is_not_there_hangs(rig: ShaderRig, va: int, stop: str) -> None:
    """It would read as zeros, and zeros are an instruction."""
    assert not rig.dispatch(NUMBERS, OUT, code_va=va)
    rig.wait(MS)
    assert rig.ring(Engine.COMPUTE).state is RingActivity.HUNG
    assert stop in rig.stopped[0][2]
    assert [fault.client for fault in rig.faults] == (["SQC_INST"] if va == UNMAPPED_VA else [])


def test_a_huge_workgroup_is_refused(rig: ShaderRig) -> None:
    """And costs nothing."""
    assert not rig.dispatch(NUMBERS, OUT, threads=(0xFFFF, 0xFFFF, 0xFFFF))
    assert "a workgroup of 65535 x 65535 x 65535 threads" in rig.stopped[0][2]


def test_scratch_memory_is_refused(rig: ShaderRig) -> None:
    """There is none."""
    assert not rig.dispatch(NUMBERS, OUT, resources=2 << 1 | compute.SCRATCH)
    assert "a shader with scratch memory" in rig.stopped[0][2]
