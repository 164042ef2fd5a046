# SPDX-License-Identifier: MIT
"""MES of Navi31, asked as mes_v11_0.c asks it: its ring is mapped by the KIQ, each frame ends in a fence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amdgpu_hw.packets import Engine, Mes, MesQueueType, kernel_codec_for

from .rig import COMPUTE_AT, DATA_AT, FB_BASE, GFX_AT, MQD_AT, RING_DWORDS, RPTR_AT, Rig, a_rig, lo_hi, mc

FENCE_AT, VALUE_AT, MES_AT, MES_MQD_AT = DATA_AT + 0x800, DATA_AT, 0x9_0000, 0x9_8000
SCHEDULER, KIQ, QUEUE_WPTR_AT = 0x16, 0x18, DATA_AT + 0x900
WRITE, MEMORY = 0xC003_3700, 5 << 8
SIZE = (RING_DWORDS // 2).bit_length() - 1
FOREVER = [0xC005_3C00, 3 | 1 << 4, *lo_hi(mc(DATA_AT + 0xA00)), 1, 0xFFFF_FFFF, 4]
"""WAIT_REG_MEM for what nobody writes."""
ACTIVE, HALT = 3 << 26, 1 << 30


class Scheduler:
    """A Navi31 whose scheduler's ring is mapped."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.codec = Mes((11, 0, 0))
        self.put = {"mes": 0, "kiq": 0}
        self.fences = 0
        rig.write("GC", "CP_MES_CNTL", ACTIVE)
        rig.select(3, 1, 0)
        for name, value in rig.queue_registers(0x4_0000, "kiq", 128).items():
            rig.write("GC", name, value)
        rig.write("GC", "CP_HQD_PQ_DOORBELL_CONTROL", KIQ << 2 | 1 << 30)
        rig.write("GC", "CP_HQD_ACTIVE", 1)
        rig.select(0, 0, 0)
        self.describe(MES_MQD_AT, MES_AT)
        pm4 = kernel_codec_for(Engine.COMPUTE, (11, 0, 0), (6, 0, 0))
        packet = pm4.packet("MAP_QUEUES", me=2, engine_sel=5, num_queues=1, doorbell=SCHEDULER, mqd=mc(MES_MQD_AT))
        rig.put(0x4_0000, packet)
        rig.gpu.ring_doorbell(KIQ, len(packet))
        rig.run()

    def describe(self, mqd: int, ring: int) -> None:
        """The fields that compute and graphics MQDs of v11_structs.h have at the same places."""
        words = [0] * 512
        words[136:138] = lo_hi(FB_BASE + ring >> 8)
        words[139:141] = lo_hi(mc(RPTR_AT + 256))
        words[145] = SIZE
        self.rig.put(mqd, words)

    def ask(self, name: str, **fields: int) -> bool:
        """Send a frame; returns whether its fence was written."""
        self.fences += 1
        frame = self.codec.packet(name, fence=mc(FENCE_AT), value=self.fences, **fields)
        for word in frame:
            self.rig.put(MES_AT + 4 * (self.put["mes"] % RING_DWORDS), [word])
            self.put["mes"] += 1
        self.rig.gpu.ring_doorbell(SCHEDULER, self.put["mes"])
        self.rig.run()
        return self.answered()

    def answered(self) -> bool:
        """Whether the last frame's fence was written."""
        return int.from_bytes(self.rig.vram(FENCE_AT, 8), "little") == self.fences

    def add(self, kind: MesQueueType, ring: int, doorbell: int) -> None:
        self.describe(MQD_AT, ring)
        assert self.ask(
            "ADD_QUEUE", map_legacy_kq=1, queue_type=kind, doorbell=doorbell, mqd=mc(MQD_AT), wptr=mc(QUEUE_WPTR_AT)
        )

    def execute(self, ring: int, doorbell: int, at: int, words: list[int]) -> None:
        """Put packets into a mapped queue at a dword, and ring."""
        self.rig.put(ring + 4 * at, words)
        self.rig.put(QUEUE_WPTR_AT, [at + len(words), 0])
        self.rig.gpu.ring_doorbell(doorbell, at + len(words))
        self.rig.run()


@pytest.fixture
def mes() -> Iterator[Scheduler]:
    """A scheduler that runs."""
    with a_rig("navi31") as rig:
        yield Scheduler(rig)


def store(value: int) -> list[int]:
    """WRITE_DATA."""
    return [WRITE, MEMORY, *lo_hi(mc(VALUE_AT)), value]


QUEUES = [(MesQueueType.COMPUTE, COMPUTE_AT, 0x6), (MesQueueType.GFX, GFX_AT, 0x116)]


@pytest.mark.parametrize("name", ["SET_HW_RSRC", "SET_HW_RSRC_1", "QUERY_SCHEDULER_STATUS", "SUSPEND", "RESUME"])
def test_every_frame_ends_in_its_fence(mes: Scheduler, name: str) -> None:
    """mes_v11_0_submit_pkt_and_poll_completion."""
    assert mes.ask(name)
    assert "not modelled" not in mes.rig.said()


def test_the_version_is_told_by_a_scheduler_that_runs() -> None:
    """mes_v11_0_get_fw_version: what the TOML file says, below the API's version."""
    with a_rig("navi31") as rig:
        rig.select(3, 0, 0)
        assert rig.read("GC", "CP_MES_GP3_LO") == 0
        rig.write("GC", "CP_MES_CNTL", ACTIVE)
        assert rig.read("GC", "CP_MES_GP3_LO") & 0xFFF == rig.identity.firmware["mes"][0]


@pytest.mark.parametrize(("kind", "ring", "doorbell"), QUEUES)
def test_it_maps_and_unmaps_queues(mes: Scheduler, kind: MesQueueType, ring: int, doorbell: int) -> None:
    """A mapped queue executes what its doorbell says, an unmapped one does not."""
    mes.add(kind, ring, doorbell)
    mes.execute(ring, doorbell, 0, store(1))
    assert mes.rig.u32(VALUE_AT) == 1
    assert mes.ask("REMOVE_QUEUE", unmap_legacy_queue=1, queue_type=kind, doorbell=doorbell)
    mes.execute(ring, doorbell, 5, store(2))
    assert mes.rig.u32(VALUE_AT) == 1
    assert mes.ask("REMOVE_QUEUE", unmap_legacy_queue=1, doorbell=doorbell), "off already: nothing to do"


@pytest.mark.parametrize(("kind", "ring", "doorbell"), QUEUES)
def test_a_reset_queue_drops_what_it_hangs_at_and_goes_on(
    mes: Scheduler, kind: MesQueueType, ring: int, doorbell: int
) -> None:
    """mes_v11_0_reset_hw_queue: graphics by its place, compute by its doorbell; what is behind is written anew."""
    mes.add(kind, ring, doorbell)
    mes.execute(ring, doorbell, 0, FOREVER + store(1))
    assert mes.rig.u32(VALUE_AT) == 0
    which = {"legacy_gfx": 1} if kind is MesQueueType.GFX else {"queue_only": 1, "doorbell": doorbell}
    assert mes.ask("RESET", queue_type=kind, **which)
    assert mes.rig.u32(VALUE_AT) == 0
    mes.execute(ring, doorbell, len(FOREVER) + 5, store(2))
    assert mes.rig.u32(VALUE_AT) == 2


def test_it_reads_and_writes_registers(mes: Scheduler) -> None:
    """MISC: WRITE_REG, READ_REG (amdgpu_mes_wreg, amdgpu_mes_rreg)."""
    scratch = mes.rig.at("GC", "SCRATCH_REG0")
    assert mes.ask("MISC", what=0, word0=scratch, word1=0xCAFE)
    assert mes.rig.read("GC", "SCRATCH_REG0") == 0xCAFE
    low, high = lo_hi(mc(VALUE_AT))
    assert mes.ask("MISC", what=3, word0=scratch, word1=low, word2=high)
    assert mes.rig.u32(VALUE_AT) == 0xCAFE


def test_it_waits_for_a_register(mes: Scheduler) -> None:
    """WAIT_REG_MEM: the fence is written when the masked bits are what was asked for."""
    scratch = mes.rig.at("GC", "SCRATCH_REG0")
    assert not mes.ask("MISC", what=4, word0=0, word1=0x10, word2=0xF0, word3=scratch)
    mes.rig.write("GC", "SCRATCH_REG0", 0x1F)
    mes.rig.run()
    assert mes.answered()


def test_it_flushes_translations(mes: Scheduler) -> None:
    """WR_WAIT_WR_REG: a request is written, its acknowledgement is waited for (gmc_v11_0_flush_gpu_tlb)."""
    dropped: list[int] = []
    mes.rig.gpu.gfxhub.on_invalidate = dropped.append
    request, acknowledged = (mes.rig.at("GC", f"GCVM_INVALIDATE_ENG17_{name}") for name in ("REQ", "ACK"))
    assert mes.ask(
        "MISC", what=4, word0=1, word1=0b11111 << 19 | 1 << 3, word2=1 << 3, word3=request, word4=acknowledged
    )
    assert dropped == [1 << 3]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("ADD_QUEUE", {"queue_type": 2}),
        ("ADD_QUEUE", {"queue_type": 77, "map_legacy_kq": 1}),
        ("REMOVE_QUEUE", {"preempt_legacy_gfx_queue": 1}),
        ("RESET", {"detect_only": 1}),
    ],
)
def test_what_is_not_modelled_is_said(mes: Scheduler, name: str, fields: dict[str, int]) -> None:
    """User queues, preemption, detection of hangs: answered, but nothing is done, and the log has the frame."""
    assert mes.ask(name, **fields)
    assert f"not modelled: MES {name}" in mes.rig.said()


@pytest.mark.parametrize("header", [0x0004_0002, 0x0004_0FF1, 0x0001_00E1])
def test_what_is_no_frame_stops_the_ring(mes: Scheduler, header: int) -> None:
    """Another type, opcode or size: it hangs, and the log says at what."""
    mes.rig.put(MES_AT, [header, *[0] * 63])
    mes.rig.gpu.ring_doorbell(SCHEDULER, 64)
    mes.rig.run()
    assert "hangs: " in mes.rig.said()
    assert f"{header:#010x}" in mes.rig.said()


def test_halting_it_takes_its_queues_off(mes: Scheduler) -> None:
    """mes_v11_0_enable: neither its ring nor the KIQ answers, until they are mapped again."""
    assert mes.ask("QUERY_SCHEDULER_STATUS")
    mes.rig.write("GC", "CP_MES_CNTL", HALT)
    assert not mes.ask("QUERY_SCHEDULER_STATUS")
    assert not mes.rig.gpu.gfx.queues()
