# SPDX-License-Identifier: MIT
"""Every packet of the driver's own rings, in its exact dwords, executed on the modelled GPU.

The dwords are written down twice: as the driver's functions put them into a ring (soc15d.h, vega10_sdma_pkt_open.h,
gfx_v9_0.c, sdma_v4_0.c), and as bit fields of another source (KFD's kfd_pm4_headers_ai.h; for SDMA the *_offset, _mask,
_shift triples of the packet headers). Both have to agree with each other, and with what our tables make of the fields.
"""

from __future__ import annotations

import struct

import pytest

from amdgpu_hw.packets import Engine, kernel_codec_for

from .rig import (
    COMPUTE_AT,
    DATA_AT,
    DOORBELLS,
    IB_AT,
    MQD_AT,
    RPTR_AT,
    RW,
    TABLES_AT,
    Rig,
    lo_hi,
    mc,
)

PM4 = kernel_codec_for(Engine.GFX, (9, 0, 1), (4, 0, 0))
MEC = kernel_codec_for(Engine.COMPUTE, (9, 0, 1), (4, 0, 0))
SDMA = kernel_codec_for(Engine.SDMA, (9, 0, 1), (4, 0, 0))
WB = mc(DATA_AT)


def packet3(opcode: int, count: int) -> int:
    """PACKET3(op, n) of soc15d.h."""
    return 3 << 30 | (count & 0x3FFF) << 16 | (opcode & 0xFF) << 8


def bit_fields(*fields: tuple[int, int]) -> int:
    """A dword from (value, width) pairs, the lowest first, as a C compiler lays out bit fields."""
    word, at = 0, 0
    for value, width in fields:
        assert value < 1 << width
        word |= value << at
        at += width
    assert at == 32
    return word


def test_write_data_reaches_registers_and_memory(rig: Rig) -> None:
    """WRITE_DATA with destination 0 writes registers, one after the other; with destination 5 memory."""
    rig.start_gfx()
    scratch = rig.at("GC", "SCRATCH_REG0")
    register = [packet3(0x37, 4), 0 << 8 | 1 << 20, scratch, 0, 0xCAFE, 0xBABE]
    assert register == PM4.packet("WRITE_DATA", [0xCAFE, 0xBABE], dst_sel="register", wr_confirm=1, addr=scratch)
    assert register[1] == bit_fields((0, 8), (0, 4), (0, 8), (1, 1), (0, 9), (0, 2))
    memory = [packet3(0x37, 3), 5 << 8 | 1 << 20, *lo_hi(WB), 0x1234]
    rig.submit("gfx", register + memory)
    assert rig.registers.read(scratch) == 0xCAFE
    assert rig.registers.read(scratch + 1) == 0xBABE
    assert rig.u32(DATA_AT) == 0x1234


def test_write_data_to_one_address_writes_one_register(rig: Rig) -> None:
    """The flag "one address" keeps the register's number (gfx_v9_0_write_data_to_reg, ring patching)."""
    rig.start_gfx()
    scratch = rig.at("GC", "SCRATCH_REG0")
    rig.submit("gfx", [packet3(0x37, 4), 1 << 16, scratch, 0, 1, 2])
    assert (rig.registers.read(scratch), rig.registers.read(scratch + 1)) == (2, 0)


def test_set_uconfig_reg_is_the_ring_test(rig: Rig) -> None:
    """gfx_v9_0_ring_test_ring: SET_UCONFIG_REG writes SCRATCH_REG0, from 0xc000 on."""
    rig.start_gfx()
    scratch = rig.at("GC", "SCRATCH_REG0")
    words = [packet3(0x79, 1), scratch - 0xC000, 0xDEADBEEF]
    assert words == PM4.packet("SET_UCONFIG_REG", [0xDEADBEEF], reg_offset=scratch - 0xC000)
    rig.submit("gfx", words)
    assert rig.registers.read(scratch) == 0xDEADBEEF


def test_wait_reg_mem_write_wait_flushes_a_tlb(rig: Rig) -> None:
    """gfx_v9_0_ring_emit_reg_write_reg_wait: the request is written, its acknowledgement waited for."""
    rig.start_gfx()
    request = rig.at("GC", "VM_INVALIDATE_ENG3_REQ")
    acknowledge = rig.at("GC", "VM_INVALIDATE_ENG3_ACK")
    value = 0b11111 << 18 | 1 << 5
    words = [packet3(0x3C, 5), 1 << 6 | 3, request, acknowledge, value, 1 << 5, 0x20]
    assert words[1] == bit_fields((3, 3), (0, 1), (0, 2), (1, 2), (0, 24))
    rig.submit("gfx", [*words, packet3(0x37, 3), 5 << 8, *lo_hi(WB), 1])
    assert rig.u32(DATA_AT) == 1
    assert rig.registers.get(request) == value


def test_wait_reg_mem_waits_for_a_register(rig: Rig) -> None:
    """The ring stands until the register has the value, and goes on then."""
    rig.start_gfx()
    scratch = rig.at("GC", "SCRATCH_REG1")
    rig.submit("gfx", [packet3(0x3C, 5), 3, scratch, 0, 7, 0xFF, 0x20, packet3(0x37, 3), 5 << 8, *lo_hi(WB), 1])
    assert rig.u32(DATA_AT) == 0
    rig.registers.write(scratch, 0x107)
    rig.run()
    assert rig.u32(DATA_AT) == 1


def test_copy_data_reads_a_register(rig: Rig) -> None:
    """gfx_v9_0_ring_emit_rreg: COPY_DATA from a register to memory."""
    rig.start_gfx()
    scratch = rig.at("GC", "SCRATCH_REG2")
    rig.registers.write(scratch, 0x5A5A)
    words = [packet3(0x40, 4), 0 | 5 << 8 | 1 << 20, scratch, 0, *lo_hi(WB)]
    assert words == PM4.packet("COPY_DATA", src_sel="register", dst_sel="memory", wr_confirm=1, src=scratch, dst=WB)
    rig.submit("gfx", words)
    assert rig.u32(DATA_AT) == 0x5A5A


@pytest.mark.parametrize(("select", "expected"), [(5, 0x77), (1, 0x88)])
def test_copy_data_writes_a_register(rig: Rig, select: int, expected: int) -> None:
    """COPY_DATA to a register: of an immediate, of memory."""
    rig.start_gfx()
    scratch = rig.at("GC", "SCRATCH_REG2")
    rig.put(DATA_AT, [0x88])
    source = (0x77, 0) if select == 5 else lo_hi(WB)
    rig.submit("gfx", [packet3(0x40, 4), select, *source, scratch, 0])
    assert rig.registers.read(scratch) == expected


def test_release_mem_signals_a_fence_and_interrupts(rig: Rig) -> None:
    """gfx_v9_0_ring_emit_fence: the fence is in memory before the entry 181 is in the interrupt ring."""
    rig.start_gfx()
    control = 5 << 8 | 0x14 | 1 << 15 | 1 << 16 | 1 << 17 | 1 << 21
    select = 1 << 29 | 2 << 24
    words = [packet3(0x49, 6), control, select, *lo_hi(WB), 0x55, 0, 0]
    # PM4_MEC_RELEASE_MEM: event, index, cache actions; destination, interrupt and data selectors.
    assert words[2] == bit_fields((0, 16), (0, 2), (0, 6), (2, 3), (0, 2), (1, 3))
    rig.submit("gfx", words)
    assert rig.u32(DATA_AT) == 0x55
    (entry,) = rig.entries()
    assert entry[0] & 0xFFFF == 0x14 | 181 << 8
    assert rig.interrupts == 1


def test_release_mem_without_interrupt_is_silent(rig: Rig) -> None:
    """int_sel 0: the fence is written, nothing is told."""
    rig.start_gfx()
    rig.submit("gfx", [packet3(0x49, 6), 5 << 8 | 0x14, 2 << 29, *lo_hi(WB), 0x55, 0x66, 0])
    assert struct.unpack("<Q", rig.vram(DATA_AT, 8)) == (0x66_0000_0055,)
    assert rig.entries() == []


def test_an_indirect_buffer_runs_as_its_vmid(rig: Rig) -> None:
    """gfx_v9_0_ring_emit_ib_gfx: the buffer is fetched, and writes, through the page tables of the VMID it names."""
    rig.start_gfx()
    rig.set_tables(3, TABLES_AT)
    rig.map_page(0x40_0000, IB_AT | RW)
    rig.put(IB_AT, [packet3(0x37, 3), 5 << 8, 0x40_0800, 0, 0x99])
    words = [packet3(0x3F, 2), 0x40_0000, 0, 5 | 3 << 24]
    assert words == PM4.packet("INDIRECT_BUFFER", addr=0x40_0000, size=5, vmid=3)
    rig.submit("gfx", words)
    assert rig.u32(IB_AT + 0x800) == 0x99


def test_a_clients_buffer_may_not_write_registers(rig: Rig) -> None:
    """In a buffer of VMID 3 the same packet hangs the ring, and the driver is told (184, CP_PRIV_REG_FAULT)."""
    rig.start_gfx()
    rig.set_tables(3, TABLES_AT)
    rig.map_page(0x40_0000, IB_AT | RW)
    scratch = rig.at("GC", "SCRATCH_REG0")
    rig.put(IB_AT, [packet3(0x37, 3), 0, scratch, 0, 0x99])
    rig.submit("gfx", [packet3(0x3F, 2), 0x40_0000, 0, 5 | 3 << 24])
    assert rig.registers.read(scratch) == 0
    (entry,) = rig.entries()
    assert entry[0] >> 8 & 0xFF == 184


@pytest.mark.parametrize(
    "words",
    [
        [packet3(0xA2, 5), 0, 0, 0, 0, 0, 0],
        [packet3(0xA3, 4), 0, 0, 0, 0, 0],
        [packet3(0x98, 0), 0],
        [packet3(0x33, 2), 0, 0, 0],
    ],
)
def test_a_clients_buffer_may_not_manage_queues(rig: Rig, words: list[int]) -> None:
    """Packets for the firmware are unknown opcodes in a client's buffer (183, bad opcode)."""
    rig.start_gfx()
    rig.set_tables(3, TABLES_AT)
    rig.map_page(0x40_0000, IB_AT | RW)
    rig.put(IB_AT, words)
    rig.submit("gfx", [packet3(0x3F, 2), 0x40_0000, 0, len(words) | 3 << 24])
    (entry,) = rig.entries()
    assert entry[0] >> 8 & 0xFF == 183


def test_metadata_for_preemption_is_the_clients(rig: Rig) -> None:
    """gfx_v9_0_ring_emit_de_meta: WRITE_DATA with destination 8 goes to the address space of the buffer behind it."""
    rig.start_gfx()
    rig.set_tables(3, TABLES_AT)
    rig.map_page(0x40_0000, IB_AT | RW)
    rig.put(IB_AT, [0xFFFF1000])
    rig.submit(
        "gfx", [packet3(0x37, 3), 1 << 30 | 8 << 8, 0x40_0100, 0, 0x17, packet3(0x3F, 2), 0x40_0000, 0, 1 | 3 << 24]
    )
    assert rig.u32(IB_AT + 0x100) == 0x17
    rig.submit(
        "gfx", [packet3(0x37, 3), 1 << 30 | 8 << 8, 0x50_0000, 0, 1, packet3(0x3F, 2), 0x40_0000, 0, 1 | 3 << 24]
    )
    assert rig.entries() == [], "without preemption nothing is mapped there, and that is no fault"


# -- KIQ --------------------------------------------------------------------------------------------------------------


def map_words(rig: Rig) -> list[int]:
    """gfx_v9_0_kiq_map_queues for compute ring 1.0.0, by the macros of soc15d.h."""
    mqd, wptr = lo_hi(mc(MQD_AT)), lo_hi(mc(RPTR_AT + 0x400))
    return [packet3(0xA2, 5), 0 << 13 | 0 << 16 | 0 << 18 | 1 << 29, DOORBELLS["compute"] << 2, *mqd, *wptr]


def put_mqd(rig: Rig) -> None:
    """Describe compute ring 1.0.0 in memory (gfx_v9_0_mqd_init)."""
    first = rig.at("GC", "CP_MQD_BASE_ADDR")
    for name, value in rig.queue_registers(COMPUTE_AT, "compute", 192).items():
        rig.put(MQD_AT + 4 * (128 + rig.at("GC", name) - first), [value])


def test_map_queues_starts_a_compute_ring(rig: Rig) -> None:
    """MAP_QUEUES reads the MQD; from then on the queue's doorbell runs its ring, interrupts name its pipe."""
    rig.start_kiq()
    put_mqd(rig)
    words = map_words(rig)
    assert words[1] == bit_fields(
        (0, 4), (0, 2), (0, 2), (0, 5), (0, 3), (0, 2), (0, 2), (0, 1), (0, 3), (0, 2), (0, 3), (1, 3)
    )
    assert words == MEC.packet(
        "MAP_QUEUES", num_queues=1, doorbell=DOORBELLS["compute"], mqd=mc(MQD_AT), wptr=mc(RPTR_AT + 0x400)
    )
    rig.submit("kiq", words)
    rig.select(1, 0, 0)
    assert rig.read("GC", "CP_HQD_ACTIVE") == 1
    rig.submit("compute", [packet3(0x49, 6), 5 << 8 | 0x14, 1 << 29 | 2 << 24, *lo_hi(WB), 0x31, 0, 0])
    assert rig.u32(DATA_AT) == 0x31
    (entry,) = rig.entries()
    assert entry[0] >> 16 & 0xFF == 1 << 2
    assert rig.u32(RPTR_AT + 192) == 8


def test_mapping_finds_what_was_put_into_the_ring_before(rig: Rig) -> None:
    """The write pointer is read from memory when the queue is mapped: work of before is not lost."""
    rig.start_kiq()
    put_mqd(rig)
    rig.put(COMPUTE_AT, [packet3(0x37, 3), 5 << 8, *lo_hi(WB), 0x32])
    rig.put(RPTR_AT + 0x400, [5, 0])
    rig.submit("kiq", map_words(rig))
    assert rig.u32(DATA_AT) == 0x32


@pytest.mark.parametrize("action", [0, 1, 2])
def test_unmap_queues_takes_a_ring_off(rig: Rig, action: int) -> None:
    """gfx_v9_0_kiq_unmap_queues: a queue that hangs is inactive and deaf afterwards, and can be mapped again."""
    rig.start_kiq()
    put_mqd(rig)
    rig.submit("kiq", map_words(rig))
    rig.submit("compute", [packet3(0xEE, 0), 0])
    assert "hqd1.0.0 hangs" in rig.said()
    words = [packet3(0xA3, 4), action | 1 << 29, DOORBELLS["compute"] << 2, 0, 0, 0]
    assert words == MEC.packet("UNMAP_QUEUES", action=action, num_queues=1, doorbell=DOORBELLS["compute"])
    assert words[1] == bit_fields((action, 2), (0, 2), (0, 2), (0, 20), (0, 3), (1, 3))
    rig.submit("kiq", words)
    rig.select(1, 0, 0)
    assert rig.read("GC", "CP_HQD_ACTIVE") == 0
    rig.forget("compute")
    rig.submit("compute", [packet3(0x37, 3), 5 << 8, *lo_hi(WB), 0x33])
    assert rig.u32(DATA_AT) == 0
    put_mqd(rig)
    rig.forget("compute")
    rig.submit("kiq", map_words(rig))
    rig.submit("compute", [packet3(0x37, 3), 5 << 8, *lo_hi(WB), 0x34])
    assert rig.u32(DATA_AT) == 0x34


def test_invalidate_tlbs_goes_by_the_process(rig: Rig) -> None:
    """gfx_v9_0_kiq_invalidate_tlbs: all VMIDs that the process (PASID) has forget their translations, others do not."""
    rig.start_kiq()
    for vmid, pasid in ((3, 0x8001), (4, 0x8002)):
        rig.write("OSSSYS", f"IH_VMID_{vmid}_LUT", pasid)
        rig.set_tables(vmid, TABLES_AT)
    rig.map_page(0x40_0000, DATA_AT | RW)
    spaces = [rig.gpu.gfxhub.spaces[vmid] for vmid in (3, 4)]
    assert [space.walk(0x40_0000).address for space in spaces] == [DATA_AT] * 2
    rig.map_page(0x40_0000, IB_AT | RW)
    words = [packet3(0x98, 0), 1 << 0 | 1 << 4 | 0x8001 << 5 | 0 << 29]
    assert words == MEC.packet("INVALIDATE_TLBS", dst_sel=1, all_hub=1, pasid=0x8001)
    rig.submit("kiq", words)
    assert [space.walk(0x40_0000).address for space in spaces] == [IB_AT, DATA_AT]


def test_query_status_and_set_resources(rig: Rig) -> None:
    """amdgpu_gfx_enable_kcq sends SET_RESOURCES first; QUERY_STATUS writes the fence that it names."""
    rig.start_kiq()
    resources = [packet3(0xA0, 6), 0 | 0 << 29, 0xFF, 0, 0, 0, 0, 0]
    assert resources == MEC.packet("SET_RESOURCES", queue_mask=0xFF)
    status = [packet3(0xA4, 5), 0, 0, *lo_hi(WB), 0x41, 0]
    rig.submit("kiq", resources + status)
    assert rig.u32(DATA_AT) == 0x41


# -- SDMA -------------------------------------------------------------------------------------------------------------


def test_sdma_indirect_runs_as_its_vmid(rig: Rig) -> None:
    """sdma_v4_0_ring_emit_ib: header with the VMID from bit 16 on, address, size, no CSA."""
    rig.start_sdma()
    rig.set_tables(2, TABLES_AT)
    rig.map_page(0x40_0000, IB_AT | RW)
    rig.put(IB_AT, [2, 0x40_0400, 0, 0, 0x61, 0, 0, 0])
    words = [4 | 2 << 16, 0x40_0000, 0, 8, 0, 0]
    assert words == SDMA.packet("INDIRECT", vmid=2, addr=0x40_0000, size=8)
    rig.submit("sdma", words)
    assert rig.u32(IB_AT + 0x400) == 0x61


@pytest.mark.parametrize("step", [0x1000, 0])
def test_sdma_ptepde_gen_writes_entries(rig: Rig, step: int) -> None:
    """sdma_v4_0_vm_set_pte_pde: destination, flags, first address, increment, count - 1."""
    rig.start_sdma()
    flags = RW | 9 << 7
    words = [12, *lo_hi(WB), *lo_hi(flags), 0x7000, 0, step, 0, 3]
    assert words == SDMA.packet("PTEPDE_GEN", addr=WB, mask=flags, value=0x7000, increment=step, count=4)
    rig.submit("sdma", words)
    expected = tuple(0x7000 + n * step | flags for n in range(4))
    assert struct.unpack("<4Q", rig.vram(DATA_AT, 32)) == expected


def test_sdma_srbm_write_reaches_registers(rig: Rig) -> None:
    """sdma_v4_0_ring_emit_wreg: byte enables in the header, the register's number in 18 bits."""
    rig.start_sdma()
    scratch = rig.at("GC", "SCRATCH_REG3")
    rig.submit("sdma", [14 | 0xF << 28, scratch, 0x71])
    assert rig.registers.read(scratch) == 0x71


def test_sdma_poll_regmem_waits_for_a_register(rig: Rig) -> None:
    """sdma_v4_0_wait_reg_mem with mem_space 0: the register's byte address is polled."""
    rig.start_sdma()
    scratch = rig.at("GC", "SCRATCH_REG3")
    words = [8 | 0 << 26 | 0 << 31 | 3 << 28, scratch << 2, 0, 0x10, 0xF0, 0xFFF << 16 | 10]
    rig.submit("sdma", [*words, 5, *lo_hi(WB), 0x72])
    assert rig.u32(DATA_AT) == 0
    rig.registers.write(scratch, 0x12)
    rig.run()
    assert rig.u32(DATA_AT) == 0x72


def test_sdma_poll_regmem_flushes_the_hdp(rig: Rig) -> None:
    """sdma_v4_0_ring_emit_hdp_flush: the reference goes to the request register, the done register is polled."""
    rig.start_sdma()
    nbio = rig.generation.nbio
    done, request = rig.at("NBIO", nbio.flush_done), rig.at("NBIO", nbio.flush_request)
    words = [8 | 1 << 26 | 0 << 31 | 3 << 28, done << 2, request << 2, 1 << 9, 1 << 9, 0xFFF << 16 | 10]
    rig.submit("sdma", [*words, 5, *lo_hi(WB), 0x73])
    assert rig.u32(DATA_AT) == 0x73
    assert rig.registers.get(request) == 1 << 9


def test_sdma_trap_interrupts(rig: Rig) -> None:
    """sdma_v4_0_process_trap_irq: client SDMA0, source 224, ring 0, the context in the first data."""
    rig.start_sdma()
    rig.submit("sdma", [5, *lo_hi(WB), 0x74, 6, 0x12])
    (entry,) = rig.entries()
    assert entry[0] & 0xFFFFFF == 0x08 | 224 << 8
    assert entry[4] == 0x12
    assert rig.u32(DATA_AT) == 0x74


@pytest.mark.parametrize("words", [[14 | 0xF << 28, 0xC040, 1], [12, 0, 0, 0, 0, 0, 0, 0, 0, 0], [4, 0, 0, 8, 0, 0]])
def test_sdma_a_clients_buffer_has_no_such_packets(rig: Rig, words: list[int]) -> None:
    """Register writes, page-table writes and calls hang the engine in a client's buffer."""
    rig.start_sdma()
    rig.set_tables(2, TABLES_AT)
    rig.map_page(0x40_0000, IB_AT | RW)
    rig.put(IB_AT, words)
    rig.submit("sdma", [4 | 2 << 16, 0x40_0000, 0, len(words), 0, 0, 5, *lo_hi(WB), 1])
    assert "sdma0 hangs" in rig.said()
    assert rig.u32(DATA_AT) == 0


def test_a_packet_may_go_round_the_end_of_the_ring(rig: Rig) -> None:
    """The driver writes dword by dword: a packet that begins at the end of the ring goes on at its start."""
    rig.start_gfx()
    rig.submit("gfx", [0xFFFF1000] * 1021)
    rig.submit("gfx", [packet3(0x37, 3), 5 << 8, *lo_hi(WB), 0x81])
    assert rig.u32(DATA_AT) == 0x81
    assert rig.u32(RPTR_AT) == 1021 + 5 - 1024
