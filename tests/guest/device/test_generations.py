# SPDX-License-Identifier: MIT
"""What the generations after Vega10 do otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from amdgpu_hw.gpu_model.translation import EntryKind
from amdgpu_hw.guest.device.gpu import GENERATIONS

from .rig import DATA_AT, GFX_AT, MQD_AT, PDE_PTE, PRT, RPTR_AT, RW, TABLES_AT, VALID, Rig, a_rig, lo_hi, mc

WRITE, MEMORY = 0xC003_3700, 5 << 8
BFS_9 = 9 << 59
TF = 1 << 56
VA = 0x40_0000


@pytest.fixture
def mi300x() -> Iterator[Rig]:
    """An MI300X whose hubs and interrupts are on."""
    with a_rig("mi300x") as made:
        yield made


@pytest.fixture
def navi21() -> Iterator[Rig]:
    """A Navi21 whose hubs and interrupts are on."""
    with a_rig("navi21") as made:
        yield made


@pytest.mark.parametrize("gpu", sorted(GENERATIONS))
def test_every_engine_executes_and_interrupts(gpu: str) -> None:
    """Each copy engine writes a fence and raises its own interrupt; the KIQ writes memory."""
    with a_rig(gpu) as rig:
        clients = rig.generation.sdma.clients
        for index in range(rig.generation.engines):
            for engine in rig.gpu.sdma:
                engine.reset()
            rig.forget("sdma")
            rig.start_sdma(index)
            rig.submit("sdma", [5, *lo_hi(mc(DATA_AT)), index + 1, 6, 0])
            assert rig.u32(DATA_AT) == index + 1
            told = rig.entries()[-1][0]
            assert told & 0xFFFF == clients[index] | (49 if gpu == "navi31" else 224) << 8
            assert told >> 16 & 0xFF == (index << 4 if gpu == "navi31" else 0), "sdma_v6_0_process_trap_irq"
        rig.start_kiq()
        rig.submit("kiq", [WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 0x77])
        assert rig.u32(DATA_AT) == 0x77


# -- MI300X: one more table where a directory entry says so -----------------------------------------------------------


def further(rig: Rig, vmid: int = 1) -> None:
    """Two levels of directories, tables of 18 bits (gfxhub_v1_2_setup_vmid_config with translate_further)."""
    rig.set_tables(vmid, TABLES_AT)
    rig.write("GC", f"VM_CONTEXT{vmid}_CNTL", 1 | 2 << 1 | 9 << 3)
    rig.set_entry(TABLES_AT, 0, TABLES_AT + 0x1000 | VALID)
    rig.set_entry(TABLES_AT + 0x1000, 0, TABLES_AT + 0x2000 | VALID | BFS_9)


def test_a_table_may_translate_further(mi300x: Rig) -> None:
    """gmc_v9_0_get_vm_pde: the block fragment says 2 MiB an entry; with TF it points to single pages."""
    further(mi300x)
    mi300x.set_entry(TABLES_AT + 0x2000, VA >> 21, TABLES_AT + 0x3000 | VALID | TF)
    mi300x.set_entry(TABLES_AT + 0x3000, 5, DATA_AT | RW)
    found = mi300x.gpu.gfxhub.spaces[1].walk(VA + 0x5010)
    assert (found.kind, found.address, found.length) == (EntryKind.VALID, DATA_AT + 0x10, 0xFF0)
    assert mi300x.gpu.gfxhub.spaces[1].walk(VA + 0x6000).kind is EntryKind.NONE


@pytest.mark.parametrize(("entry", "kind"), [(0x20_0000 | RW, EntryKind.VALID), (PRT | 0x1000, EntryKind.PRT)])
def test_an_entry_without_further_is_a_huge_page(mi300x: Rig, entry: int, kind: EntryKind) -> None:
    """2 MiB of memory, or of a hole; the address bit that the driver sets in holes means nothing."""
    further(mi300x)
    mi300x.set_entry(TABLES_AT + 0x2000, VA >> 21, entry)
    found = mi300x.gpu.gfxhub.spaces[1].walk(VA + 0x5000)
    assert (found.kind, found.length) == (kind, 0x1F_B000)
    if kind is EntryKind.VALID:
        assert found.address == 0x20_5000


def test_the_further_table_is_kept_until_the_flush(mi300x: Rig) -> None:
    """A huge page in place of the table is seen after the flush."""
    further(mi300x)
    mi300x.set_entry(TABLES_AT + 0x2000, VA >> 21, TABLES_AT + 0x3000 | VALID | TF)
    mi300x.set_entry(TABLES_AT + 0x3000, 5, DATA_AT | RW)
    mi300x.set_entry(TABLES_AT + 0x3000, 6, DATA_AT + 0x1000 | RW)
    space = mi300x.gpu.gfxhub.spaces[1]
    space.walk(VA + 0x5000)
    mi300x.set_entry(TABLES_AT + 0x2000, VA >> 21, PRT)
    assert space.walk(VA + 0x6000).address == DATA_AT + 0x1000
    mi300x.flush(1)
    assert space.walk(VA + 0x6000).kind is EntryKind.PRT


def test_a_directory_entry_above_is_a_huge_page_as_ever(mi300x: Rig) -> None:
    """1 GiB by PDE_PTE."""
    further(mi300x)
    mi300x.set_entry(TABLES_AT + 0x1000, 1, RW | PDE_PTE)
    found = mi300x.gpu.gfxhub.spaces[1].walk((1 << 30) + 0x5000)
    assert (found.address, found.length) == (0x5000, (1 << 30) - 0x5000)


def test_the_first_complex_tells_its_node(mi300x: Rig) -> None:
    """gfx_v9_4_3_ih_to_xcc_inst: interrupts of graphics come from node 1, those of copy engines from node 0."""
    mi300x.start_kiq()
    mi300x.write("GC", "CP_ME2_PIPE1_INT_CNTL", 1 << 26)
    mi300x.submit("kiq", [0xC006_4900, 5 << 8 | 0x14, 1 << 29 | 2 << 24, *lo_hi(mc(DATA_AT)), 1, 0, 0])
    mi300x.start_sdma()
    mi300x.submit("sdma", [6, 0])
    assert [entry[3] >> 16 for entry in mi300x.entries()] == [1, 0]


def test_there_is_no_graphics_ring(mi300x: Rig) -> None:
    """Nonsense in the graphics ring's registers starts none."""
    mi300x.start_gfx()
    assert mi300x.gpu.gfx.ring is None


# -- Navi21: graphics rings are mapped by the KIQ ---------------------------------------------------------------------


def map_graphics(rig: Rig, pipe: int = 0) -> None:
    """gfx10_kiq_map_queues of a graphics ring, described as gfx_v10_0_gfx_mqd_init does."""
    base = mc(GFX_AT) >> 8
    for dword, value in (
        (130, 1), (136, base & 0xFFFFFFFF), (137, base >> 32), (138, 0), (139, mc(RPTR_AT) & 0xFFFFFFFF),
        (140, mc(RPTR_AT) >> 32), (143, 0x116 << 2 | 1 << 30), (145, 8),
    ):  # fmt: skip
        rig.put(MQD_AT + 4 * dword, [value])
    rig.submit(
        "kiq",
        [
            0xC005_A200,
            pipe << 16 | 1 << 18 | 4 << 26 | 1 << 29,
            0x116 << 2,
            *lo_hi(mc(MQD_AT)),
            *lo_hi(mc(RPTR_AT + 0x400)),
        ],
    )


def test_the_kiq_maps_a_graphics_ring(navi21: Rig) -> None:
    """engine_sel 4: the ring runs, its interrupts are those of its pipe."""
    navi21.start_kiq()
    map_graphics(navi21, pipe=1)
    navi21.write("GC", "CP_INT_CNTL_RING1", 1 << 26)
    navi21.submit("gfx", [0xC006_4900, 5 << 8 | 0x14, 1 << 29 | 2 << 24, *lo_hi(mc(DATA_AT)), 0x21, 0, 0])
    assert navi21.u32(DATA_AT) == 0x21
    (entry,) = navi21.entries()
    assert entry[0] >> 16 & 0xFF == 1


def test_a_reset_of_a_graphics_ring_takes_it_off(navi21: Rig) -> None:
    """gfx_v10_0_reset_kgq: CP_VMID_RESET makes the MQD say that the ring is inactive, and reads as 0 then."""
    navi21.start_kiq()
    map_graphics(navi21)
    navi21.submit("gfx", [0xC000_EE00, 0])
    register = navi21.at("GC", "CP_VMID_RESET")
    navi21.submit("kiq", [
        WRITE, 0, register, 0, 1 << 3 | 1 << 16,
        0xC005_3C00, 3 | 1 << 4, *lo_hi(mc(MQD_AT + 4 * 130)), 0, 1, 0x20,
        0xC005_3C00, 3, register, 0, 0, 0xFFFFFFFF, 0x20,
        WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 0x22,
    ])  # fmt: skip
    assert navi21.u32(DATA_AT) == 0x22
    navi21.forget("gfx")
    map_graphics(navi21)
    navi21.submit("gfx", [WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 0x23])
    assert navi21.u32(DATA_AT) == 0x23


def test_sdma_invalidates_translations_by_a_packet(navi21: Rig) -> None:
    """sdma_v5_2_ring_emit_vm_flush: sub-opcode 4 of POLL_REGMEM, with an engine of one hub and none of the other."""
    navi21.set_tables(4, TABLES_AT)
    navi21.map_page(VA, DATA_AT | RW)
    space = navi21.gpu.gfxhub.spaces[4]
    assert space.walk(VA).kind is EntryKind.VALID
    navi21.map_page(VA, 0)
    assert space.walk(VA).kind is EntryKind.VALID
    navi21.start_sdma()
    request = 0b11111 << 19 | 1 << 4
    navi21.submit("sdma", [8 | 4 << 8 | 13 << 16 | 0x1F << 24, request, 0xFFFFFFFF, 1 << 4 | 0x1F << 16])
    assert space.walk(VA).kind is EntryKind.NONE
    assert navi21.registers.get(navi21.at("GC", "GCVM_INVALIDATE_ENG13_REQ")) == request


def test_copy_engines_are_on_graphics_hub(navi21: Rig) -> None:
    """A fault of an engine is told by graphics' hub, with the engine's number there."""
    navi21.start_sdma(2)
    navi21.set_tables(4, TABLES_AT)
    navi21.map_page(VA, DATA_AT | RW)
    navi21.put(DATA_AT, [5, VA + 0x7000, 0, 1, 0, 0, 0, 0])
    navi21.submit("sdma", [4 | 4 << 16, VA, 0, 8, 0, 0])
    assert navi21.entries()[0][0] & 0xFF == 0x1B
    assert navi21.read("GC", "GCVM_L2_PROTECTION_FAULT_STATUS") >> 9 & 0x1FF == 16


def test_a_frozen_engine_says_so(navi21: Rig) -> None:
    """sdma_v5_2_stop_queue waits for FROZEN."""
    navi21.write("GC", "SDMA0_FREEZE", 1 << 4)
    assert navi21.read("GC", "SDMA0_FREEZE") & 1 << 5
    navi21.write("GC", "SDMA0_FREEZE", 0)
    assert not navi21.read("GC", "SDMA0_FREEZE") & 1 << 5


def test_instruction_caches_are_invalid_at_once(navi21: Rig) -> None:
    """gfx_v10_0_cp_gfx_load_pfp_microcode waits for INVALIDATE_CACHE_COMPLETE."""
    for name in ("CP_PFP_IC_OP_CNTL", "CP_ME_IC_OP_CNTL", "CP_CE_IC_OP_CNTL", "CP_CPC_IC_OP_CNTL"):
        navi21.write("GC", name, 1)
        assert navi21.read("GC", name) == 3


def test_what_is_off_is_told_in_pairs(navi21: Rig) -> None:
    """gfx_v10_0_get_wgp_active_bitmap_per_sh: work-group processors, each two CUs."""
    topology = navi21.identity.topology
    active = 0
    for engine in range(topology.shader_engines):
        for array in range(topology.arrays_per_engine):
            navi21.write("GC", "GRBM_GFX_INDEX", engine << 16 | array << 8 | 1 << 30)
            active += topology.cus_per_array - 2 * (navi21.read("GC", "CC_GC_SHADER_ARRAY_CONFIG") >> 16).bit_count()
    assert active == topology.cu_active


def test_the_golden_counter_runs(navi21: Rig) -> None:
    """gfx_v10_0_get_gpu_clock_counter reads GOLDEN_TSC_COUNT of the SMUIO."""
    first = navi21.read("SMUIO", "GOLDEN_TSC_COUNT_UPPER") << 32 | navi21.read("SMUIO", "GOLDEN_TSC_COUNT_LOWER")
    time.sleep(0.001)
    later = navi21.read("SMUIO", "GOLDEN_TSC_COUNT_UPPER") << 32 | navi21.read("SMUIO", "GOLDEN_TSC_COUNT_LOWER")
    assert later - first >= navi21.identity.clocks.counter // 1000
