# SPDX-License-Identifier: MIT
"""A driver that does nonsense: the device goes on, and touches no memory that was not given to it."""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Iterator

import pytest

from amdgpu_hw.guest.device.function import REGISTERS_SIZE

from .rig import DATA_AT, IB_AT, RAM, RAM_AT, RW, SYSTEM, TABLES_AT, Rig, a_rig, lo_hi, mc

SEEDS = range(6)
CANARY = b"\xa5" * mmap.PAGESIZE


@pytest.fixture
def guarded(rig: Rig) -> Iterator[Rig]:
    """A rig whose RAM lies in a larger file, between canaries that nothing may touch."""
    fd = os.memfd_create("guarded")
    os.ftruncate(fd, 3 * mmap.PAGESIZE)
    for at in (0, 2 * mmap.PAGESIZE):
        os.pwrite(fd, CANARY, at)
    rig.gpu.memory.dma.map(RAM_AT + RAM + (16 << 20), mmap.PAGESIZE, fd, mmap.PAGESIZE, True)
    yield rig
    assert os.pread(fd, mmap.PAGESIZE, 0) == os.pread(fd, mmap.PAGESIZE, 2 * mmap.PAGESIZE) == CANARY
    os.close(fd)


def works(rig: Rig) -> None:
    """Reset the GPU, and have an engine execute a packet."""
    rig.gpu.reset()
    rig.gpu.memory.bus_master = True
    rig.enable_hubs()
    rig.forget("sdma")
    rig.start_sdma()
    rig.submit("sdma", [5, *lo_hi(mc(DATA_AT)), 0xA11])
    assert rig.u32(DATA_AT) == 0xA11


@pytest.mark.parametrize("seed", SEEDS)
def test_nonsense_in_every_register(guarded: Rig, seed: int) -> None:
    """Every register of BAR5 is written and read, in random order, with values that may be addresses and enables."""
    draw = random.Random(seed)
    offsets = list(range(REGISTERS_SIZE // 4))
    draw.shuffle(offsets)
    for offset in offsets[:20000]:
        guarded.registers.write(offset, draw.choice((0, 0xFFFFFFFF, draw.getrandbits(32), 1 << draw.randrange(32))))
        guarded.registers.read(offset)
    for offset in (name for name in range(REGISTERS_SIZE // 4) if name in guarded.registers.table):
        guarded.registers.write(offset, draw.getrandbits(32))
        guarded.registers.read(offset)
    guarded.run(20)
    for _ in range(200):
        guarded.gpu.ring_doorbell(draw.randrange(1 << 19), draw.getrandbits(64))
    guarded.run(20)
    works(guarded)


@pytest.mark.parametrize("seed", SEEDS)
def test_nonsense_in_every_doorbell(guarded: Rig, seed: int) -> None:
    """With rings on, every doorbell gets random pointers: what is executed is garbage, and no more than a ring has."""
    draw = random.Random(seed)
    guarded.start_gfx()
    guarded.start_sdma()
    guarded.start_kiq()
    for at in range(0x2_0000, 0x6_0000, 4096):
        guarded.gpu.memory.write(at, draw.randbytes(4096))
    for index in [*range(0x600), *(draw.randrange(1 << 19) for _ in range(500))]:
        guarded.gpu.ring_doorbell(index, draw.choice((0, (1 << 64) - 1, draw.getrandbits(16), draw.getrandbits(64))))
    guarded.run(30)
    works(guarded)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_packets_of_the_kernels_rings(guarded: Rig, seed: int) -> None:
    """Valid opcodes with random fields, in rings that may do everything: registers, queues, memory."""
    draw = random.Random(seed)
    opcodes = (
        0x37,
        0x3C,
        0x40,
        0x49,
        0x79,
        0x68,
        0x3F,
        0x33,
        0xA0,
        0xA2,
        0xA3,
        0xA4,
        0x98,
        0x22,
        0x50,
        0x1E,
        0x8B,
        0x90,
    )
    for _ in range(60):
        guarded.forget("gfx")
        guarded.forget("kiq")
        guarded.write("GC", "CP_ME_CNTL", 0x1500_0000)
        guarded.write("GC", "CP_MEC_CNTL", 0x5000_0000)
        guarded.enable_hubs()
        guarded.start_gfx()
        guarded.start_kiq()
        words: list[int] = []
        for _ in range(8):
            count = draw.randrange(9)
            words += [3 << 30 | count << 16 | draw.choice(opcodes) << 8]
            words += [
                draw.choice((draw.getrandbits(32), draw.getrandbits(8), mc(0) >> 32, DATA_AT)) for _ in range(count + 1)
            ]
        guarded.submit(draw.choice(("gfx", "kiq")), words, run=False)
        guarded.run(4)
    works(guarded)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_sdma_packets(guarded: Rig, seed: int) -> None:
    """The same for the copy engine."""
    draw = random.Random(seed)
    for _ in range(80):
        guarded.enable_hubs()
        guarded.write("SDMA0", "SDMA0_GFX_RB_CNTL", 0)
        guarded.forget("sdma")
        guarded.start_sdma()
        words: list[int] = []
        for _ in range(6):
            words.append(draw.randrange(20) | draw.choice((0, 1, 2, 3)) << 8 | draw.getrandbits(16) << 16)
            words += [draw.choice((draw.getrandbits(32), mc(0) >> 32, DATA_AT, draw.getrandbits(6))) for _ in range(9)]
        guarded.submit("sdma", words, run=False)
        guarded.run(4)
    works(guarded)


@pytest.mark.parametrize("seed", SEEDS)
def test_wild_addresses_in_page_tables(guarded: Rig, seed: int) -> None:
    """Page tables full of random entries, and a client that copies through all of them."""
    draw = random.Random(seed)
    guarded.start_sdma()
    guarded.set_tables(3, TABLES_AT)
    for table in range(4):
        guarded.gpu.memory.write(TABLES_AT + 0x1000 * table, draw.randbytes(4096))
    guarded.map_page(0x40_0000, IB_AT | RW)
    for n in range(1, 200):
        guarded.map_page(0x40_0000 + 0x1000 * n, draw.getrandbits(48) & ~0xFFF | RW | draw.choice((0, SYSTEM)))
    words: list[int] = []
    for n in range(1, 150):
        words += [1, 0xFFF, 0, 0x40_0000 + 0x1000 * n, 0, 0x40_0000 + 0x1000 * (n + 40), 0]
    words += [0] * (-len(words) % 8)
    guarded.put(IB_AT, words[:1000])
    guarded.submit("sdma", [4 | 3 << 16, 0x40_0000, 0, min(len(words), 1000), 0, 0])
    guarded.run(20)
    assert "refused" in guarded.said()
    works(guarded)


def test_a_reset_in_the_middle_of_everything() -> None:
    """All engines at work, waiting, hung: a function level reset stops them, and they start again."""
    with a_rig() as rig:
        for _ in range(3):
            rig.start_gfx()
            rig.start_kiq()
            rig.start_sdma()
            rig.submit("gfx", [0xC005_3C00, 3 | 1 << 4, *lo_hi(mc(DATA_AT)), 1, 0xFFFFFFFF, 4])
            rig.submit("kiq", [0xC000_EE00, 0])
            rig.submit("sdma", [11 | 2 << 30, *lo_hi(mc(0x100_0000)), 7, (1 << 22) - 1] * 20, run=False)
            rig.gpu.work.run(3)
            rig.gpu.reset()
            assert rig.gpu.gfx.queues() == []
            assert rig.gpu.memory.read(0x100_0000, 4) == bytes(4), "VRAM is lost"
            assert rig.read("GC", "SCRATCH_REG0") == 0
            for queue in ("gfx", "kiq", "sdma"):
                rig.forget(queue)
            works(rig)
            rig.gpu.reset()
            rig.forget("sdma")
            rig.enable_hubs()
            rig.enable_interrupts()


def test_nobody_can_shorten_vram(rig: Rig) -> None:
    """QEMU has the descriptor: a shorter file would end the device with SIGBUS."""
    for size in (0, rig.gpu.memory.vram_size // 2, 2 * rig.gpu.memory.vram_size):
        with pytest.raises(PermissionError):
            os.ftruncate(rig.gpu.memory.fd, size)
    works(rig)
