# SPDX-License-Identifier: MIT
"""What GC 11, SDMA 6 and NBIO 4.3 of Navi31 do otherwise than the generations before."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from amdgpu_hw.guest.device.firmware import firmware_files

from .rig import DATA_AT, Rig, a_rig, lo_hi, mc


@pytest.fixture
def navi31() -> Iterator[Rig]:
    """A Navi31 whose hubs and interrupts are on."""
    with a_rig("navi31") as made:
        yield made


@pytest.mark.parametrize(
    "name",
    ["CP_PFP_IC_OP_CNTL", "CP_ME_IC_OP_CNTL", "CP_CPC_IC_OP_CNTL", "CP_GFX_RS64_DC_OP_CNTL", "CP_MEC_DC_OP_CNTL"],
)
def test_caches_of_processors_are_ready_at_once(navi31: Rig, name: str) -> None:
    """gfx_v11_0_cp_gfx_load_pfp_microcode_rs64: invalid when the place is written, primed when asked to be."""
    assert navi31.read("GC", name) & 1 << 1
    assert not navi31.read("GC", name) & 1 << 5
    navi31.write("GC", name, 1 << 4)
    assert navi31.read("GC", name) & 1 << 5


def test_the_imu_takes_graphics_out_of_reset(navi31: Rig) -> None:
    """imu_v11_0_start, imu_v11_0_wait_for_reset_status."""
    assert navi31.read("GC", "GFX_IMU_GFX_RESET_CTRL") & 0x1F != 0x1F
    navi31.write("GC", "GFX_IMU_CORE_CTRL", navi31.read("GC", "GFX_IMU_CORE_CTRL") & ~1)
    assert navi31.read("GC", "GFX_IMU_GFX_RESET_CTRL") & 0x1F == 0x1F


def test_six_engines_have_all_their_processors(navi31: Rig) -> None:
    """gfx_v11_0_get_cu_info: 96 CUs, of which those of the fifth engine on are in other columns of the table."""
    active = 0
    for engine in range(6):
        for array in range(2):
            navi31.write("GC", "GRBM_GFX_INDEX", engine << 16 | array << 8 | 1 << 30)
            inactive = navi31.read("GC", "CC_GC_SHADER_ARRAY_CONFIG") >> 16
            active += 2 * (~inactive & 0xF).bit_count()
    assert active == navi31.identity.topology.cu_active


def test_backends_are_told_for_the_whole_gpu(navi31: Rig) -> None:
    """gfx_v11_0_get_rb_active_bitmap: from bit 4 on, those that are off."""
    topology = navi31.identity.topology
    every = (1 << topology.num_rb) - 1
    assert ~(navi31.read("GC", "CC_RB_BACKEND_DISABLE") >> 4) & every == topology.rb_mask


def test_halting_the_mec_takes_its_queues_off(navi31: Rig) -> None:
    """CP_MEC_RS64_CNTL.MEC_HALT (gfx_v11_0_cp_compute_enable)."""
    navi31.select(1, 0, 0)
    navi31.write("GC", "CP_HQD_ACTIVE", 1)
    assert len(navi31.gpu.gfx.queues()) == 1
    navi31.write("GC", "CP_MEC_RS64_CNTL", 1 << 26)
    assert len(navi31.gpu.gfx.queues()) == 1
    navi31.write("GC", "CP_MEC_RS64_CNTL", 1 << 30)
    assert not navi31.gpu.gfx.queues()


@pytest.mark.parametrize("index", [0, 1])
def test_a_copy_engines_queue_is_reset_by_a_register(navi31: Rig, index: int) -> None:
    """mes_v11_0_reset_queue_mmio: off at once; then it is described anew (sdma_v6_0_gfx_resume_instance)."""
    navi31.start_sdma(index)
    forever = [8 | 1 << 31 | 3 << 28, *lo_hi(mc(DATA_AT + 0x100)), 1, 0xFFFF_FFFF, 0xFFF << 16 | 10]
    navi31.submit("sdma", [*forever, 5, *lo_hi(mc(DATA_AT)), 1])
    assert navi31.gpu.sdma[index].queues()[0].busy
    navi31.write("GC", f"SDMA{index}_QUEUE_RESET_REQ", 1 << 1)
    assert navi31.gpu.sdma[index].queues(), "another queue"
    navi31.write("GC", f"SDMA{index}_QUEUE_RESET_REQ", 1 << 0)
    assert navi31.read("GC", f"SDMA{index}_QUEUE_RESET_REQ") == 0
    assert not navi31.read("GC", f"SDMA{index}_QUEUE0_RB_CNTL") & 1
    navi31.forget("sdma")
    navi31.start_sdma(index)
    navi31.submit("sdma", [5, *lo_hi(mc(DATA_AT)), 2])
    assert navi31.u32(DATA_AT) == 2


def test_registers_far_away_are_reached_through_the_window_of_this_bus(navi31: Rig) -> None:
    """nbio_v4_3_get_pcie_index_offset: RSMU_INDEX and RSMU_DATA; doorbell ranges are behind BAR5."""
    navi31.write("NBIO", "BIF_BX_PF0_RSMU_INDEX", navi31.at("NBIO", "S2A_DOORBELL_ENTRY_2_CTRL") << 2)
    navi31.write("NBIO", "BIF_BX_PF0_RSMU_DATA", 0x1234)
    assert navi31.read("NBIO", "S2A_DOORBELL_ENTRY_2_CTRL") == 0x1234
    assert navi31.read("NBIO", "BIF_BX_PF0_RSMU_DATA") == 0x1234


def test_a_fault_of_graphics_is_told_by_its_client(navi31: Rig) -> None:
    """gmc_v11_0_process_interrupt: SOC21_IH_CLIENTID_GFX, source 0."""
    navi31.set_tables(1, 0x10_0000)
    navi31.start_sdma()
    navi31.submit("sdma", [4 | 1 << 16, *lo_hi(0x40_0000), 8, 0, 0])
    assert any(entry[0] & 0xFFFF == 0x0A for entry in navi31.entries())


def test_firmware_files_say_what_the_driver_reads() -> None:
    """RS64 by the header's version (gfx_v11_0_init_microcode); MES's version where amdgpu_mes_init_microcode looks."""
    files = firmware_files("navi31")
    for name, content in files.items():
        size, _, major = struct.unpack_from("<IIH", content)
        assert size == len(content)
        assert (major == 2) == any(word in name for word in ("pfp", "me.", "mec", "rlc", "sdma")), name
    for name in ("mes_2", "mes1"):
        assert struct.unpack_from("<I", files[f"amdgpu/gc_11_0_0_{name}.bin"], 256 + 4 * 24) == (0x47,)
    code, code_at, data, data_at = struct.unpack_from("<4I", files["amdgpu/gc_11_0_0_pfp.bin"], 36)
    assert (bool(code), bool(data), data_at) == (True, True, code_at + code)
    assert len(files["amdgpu/gc_11_0_0_pfp.bin"]) == data_at + data
