# SPDX-License-Identifier: MIT
from __future__ import annotations

from amdgpu_hw.gpu_model.ring import RingActivity

from .rig import DATA_AT, IB_AT, PRT, RPTR_AT, RW, TABLES_AT, Rig, lo_hi, mc

WRITE = 0xC003_3700
MEMORY = 5 << 8


def test_the_graphics_ring_starts_when_its_processor_does(rig: Rig) -> None:
    """gfx_v9_0_cp_gfx_resume describes the ring while CP_ME_CNTL halts it; gfx_v9_0_cp_gfx_enable lets it go."""
    rig.start_gfx()
    rig.write("GC", "CP_ME_CNTL", 0x1500_0000)
    rig.submit("gfx", [WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 1])
    assert rig.u32(DATA_AT) == 0
    assert rig.gpu.gfx.ring is None
    rig.forget("gfx")
    rig.write("GC", "CP_ME_CNTL", 0)
    rig.submit("gfx", [WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 2])
    assert rig.u32(DATA_AT) == 2


def test_read_pointers_are_reported(rig: Rig) -> None:
    """In memory and in CP_RB0_RPTR, in dwords of the ring."""
    rig.start_gfx()
    rig.submit("gfx", [WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 1])
    assert rig.u32(RPTR_AT) == rig.read("GC", "CP_RB0_RPTR") == 5


def test_a_queue_is_busy_until_it_has_read_all(rig: Rig) -> None:
    """GRBM_STATUS.GUI_ACTIVE: what the driver waits for before a reset (gfx_v9_0_is_idle)."""
    rig.start_gfx()
    idle = rig.read("GC", "GRBM_STATUS")
    rig.submit("gfx", [0xC005_3C00, 3, rig.at("GC", "SCRATCH_REG1"), 0, 7, 0xFF, 0x20])
    assert rig.read("GC", "GRBM_STATUS") >> 31 == 1
    rig.write("GC", "SCRATCH_REG1", 7)
    rig.run()
    assert rig.read("GC", "GRBM_STATUS") == idle == 0x3028


def test_hqd_registers_are_banked(rig: Rig) -> None:
    """GRBM_GFX_CNTL selects whose CP_HQD_* are seen."""
    for queue in range(3):
        rig.select(1, 2, queue)
        rig.write("GC", "CP_HQD_VMID", queue + 5)
    rig.select(1, 2, 1)
    assert rig.read("GC", "CP_HQD_VMID") == 6
    rig.select(2, 2, 1)
    assert rig.read("GC", "CP_HQD_VMID") == 0


def test_a_dequeue_request_deactivates(rig: Rig) -> None:
    """gfx_v9_0_kiq_fini_register: CP_HQD_DEQUEUE_REQUEST, then CP_HQD_ACTIVE reads 0."""
    rig.start_kiq()
    rig.select(2, 1, 0)
    assert rig.read("GC", "CP_HQD_ACTIVE") == 1
    rig.write("GC", "CP_HQD_DEQUEUE_REQUEST", 1)
    assert rig.read("GC", "CP_HQD_ACTIVE") == 0
    rig.submit("kiq", [WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 1])
    assert rig.u32(DATA_AT) == 0


def test_halting_a_mec_takes_its_queues_off(rig: Rig) -> None:
    """CP_MEC_CNTL.MEC_ME2_HALT: the KIQ is gone; halting ME1 leaves it."""
    rig.start_kiq()
    rig.write("GC", "CP_MEC_CNTL", 1 << 30)
    assert len(rig.gpu.gfx.queues()) == 1
    rig.write("GC", "CP_MEC_CNTL", 1 << 28)
    assert rig.gpu.gfx.queues() == []


def test_the_kiqs_fence_interrupts_through_a_register(rig: Rig) -> None:
    """gfx_v9_0_ring_emit_fence_kiq: WRITE_DATA of GENERIC2 to CPC_INT_STATUS raises source 178."""
    rig.start_kiq()
    rig.submit("kiq", [WRITE, 0, rig.at("GC", "CPC_INT_STATUS"), 0, 0x2000_0000])
    (entry,) = rig.entries()
    assert entry[0] >> 8 & 0xFF == 178
    assert rig.read("GC", "CPC_INT_STATUS") == 0


def test_an_unknown_packet_hangs_and_is_told(rig: Rig) -> None:
    """Source 183 (bad opcode) if the driver has it on; the ring stands until a reset."""
    rig.start_gfx()
    rig.submit("gfx", [0xC000_EE00, 0, WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 1])
    (entry,) = rig.entries()
    assert entry[0] >> 8 & 0xFF == 183
    assert rig.u32(DATA_AT) == 0
    assert "gfx hangs: Illegal opcode" in rig.said()
    rig.write("GC", "CP_INT_CNTL_RING0", 0)
    rig.write("GC", "CP_ME_CNTL", 0x1500_0000)
    rig.write("GC", "CP_ME_CNTL", 0)
    rig.forget("gfx")
    rig.submit("gfx", [0xC000_EE00, 0])
    assert len(rig.entries()) == 1


def test_a_hang_is_told_by_nobody(rig: Rig) -> None:
    """CP DMA from a PRT hole, and a buffer that ends inside a packet: the log says so, only a job timeout ends them."""
    rig.start_gfx()
    rig.set_tables(6, TABLES_AT)
    rig.map_page(0x40_0000, IB_AT | RW)
    rig.map_page(0x40_1000, PRT)
    for size, body in ((7, [0xC005_5000, 0, 0x40_1000, 0, 0x40_0800, 0, 4]), (4, [WRITE, 5 << 8, 0x40_0800, 0, 1])):
        rig.put(IB_AT, body)
        rig.submit("gfx", [0xC002_3F00, 0x40_0000, 0, size | 6 << 24])
        assert [queue.ring.state for queue in rig.gpu.gfx.queues()] == [RingActivity.HUNG]
        rig.write("GC", "CP_VMID_RESET", 1 << 6)
        rig.run()
        assert [queue.ring.state for queue in rig.gpu.gfx.queues()] == [RingActivity.IDLE]
    assert "CP_DMA reads from a PRT hole at 0x401000, which hangs this generation" in rig.said()
    assert "IB ends inside a packet" in rig.said()
    assert rig.entries() == []


def hang_in_a_buffer(rig: Rig) -> None:
    """Have the graphics ring wait for ever in a client's buffer."""
    rig.start_gfx()
    rig.set_tables(6, TABLES_AT)
    rig.map_page(0x40_0000, IB_AT | RW)
    rig.put(IB_AT, [0xC005_3C00, 3 | 1 << 4, 0x40_0800, 0, 1, 0xFFFFFFFF, 4])
    rig.submit("gfx", [0xC002_3F00, 0x40_0000, 0, 7 | 6 << 24, WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 1])


def test_a_vmid_reset_gives_up_a_buffer(rig: Rig) -> None:
    """gfx_v9_0_reset_kgq: the KIQ writes CP_VMID_RESET, and the ring goes on behind the buffer that hung."""
    hang_in_a_buffer(rig)
    assert rig.u32(DATA_AT) == 0
    rig.start_kiq()
    rig.submit("kiq", [WRITE, 0, rig.at("GC", "CP_VMID_RESET"), 0, 1 << 5])
    assert rig.u32(DATA_AT) == 0, "another VMID's"
    rig.submit("kiq", [WRITE, 0, rig.at("GC", "CP_VMID_RESET"), 0, 1 << 6])
    assert rig.u32(DATA_AT) == 1
    rig.submit("gfx", [WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 2])
    assert rig.u32(DATA_AT) == 2


def test_a_vmid_reset_helps_after_a_bad_packet_too(rig: Rig) -> None:
    """The same for a ring that stopped at a packet."""
    hang_in_a_buffer(rig)
    rig.write("GC", "CP_VMID_RESET", 1 << 6)
    rig.run()
    rig.put(IB_AT, [0xC000_EE00, 0])
    rig.submit("gfx", [0xC002_3F00, 0x40_0000, 0, 2 | 6 << 24, WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 3])
    assert rig.u32(DATA_AT) == 1
    rig.write("GC", "CP_VMID_RESET", 1 << 6)
    rig.run()
    assert rig.u32(DATA_AT) == 3


def test_a_ring_may_halt_itself(rig: Rig) -> None:
    """A packet that takes its own ring off the hardware is the last one; the GPU goes on."""
    rig.start_gfx()
    rig.submit("gfx", [WRITE, 0, rig.at("GC", "CP_ME_CNTL"), 0, 0x1500_0000, WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 1])
    assert rig.u32(DATA_AT) == 0
    assert rig.gpu.gfx.ring is None
    rig.start_kiq()
    rig.submit("kiq", [WRITE, MEMORY, *lo_hi(mc(DATA_AT)), 2])
    assert rig.u32(DATA_AT) == 2


def test_topology_is_the_identitys(rig: Rig) -> None:
    """CC_GC_SHADER_ARRAY_CONFIG and CC_RB_BACKEND_DISABLE, by GRBM_GFX_INDEX: what is off in a shader array."""
    topology = rig.identity.topology
    cus = backends = 0
    for engine in range(topology.shader_engines):
        rig.write("GC", "GRBM_GFX_INDEX", engine << 16 | 1 << 30)
        inactive = rig.read("GC", "CC_GC_SHADER_ARRAY_CONFIG") >> 16
        cus += topology.cus_per_array - inactive.bit_count()
        backends += (
            topology.num_rb // topology.shader_engines - (rig.read("GC", "CC_RB_BACKEND_DISABLE") >> 16).bit_count()
        )
    assert (cus, backends) == (topology.cu_active, topology.num_rb)


def test_the_clock_is_captured(rig: Rig) -> None:
    """gfx_v9_0_get_gpu_clock_counter: RLC_CAPTURE_GPU_CLOCK_COUNT holds both halves still."""
    rig.write("GC", "RLC_CAPTURE_GPU_CLOCK_COUNT", 1)
    first = rig.read("GC", "RLC_GPU_CLOCK_COUNT_LSB")
    assert first == rig.read("GC", "RLC_GPU_CLOCK_COUNT_LSB")
    rig.write("GC", "RLC_CAPTURE_GPU_CLOCK_COUNT", 1)
    assert rig.read("GC", "RLC_GPU_CLOCK_COUNT_LSB") > first


def test_safe_mode_is_entered_at_once(rig: Rig) -> None:
    """gfx_v9_0_set_safe_mode waits until RLC_SAFE_MODE.CMD is 0 again."""
    rig.write("GC", "RLC_SAFE_MODE", 3)
    assert rig.read("GC", "RLC_SAFE_MODE") & 1 == 0


def test_a_doorbell_of_nobody_is_told(rig: Rig) -> None:
    """Nothing happens, and the log says which."""
    rig.gpu.ring_doorbell(0x321, 5)
    assert "doorbell 0x321 = 0x5 belongs to no queue" in rig.said()


def test_what_is_in_no_table_is_told_once(rig: Rig) -> None:
    """A register that the model has not been thought through for keeps its value, and is in the log by number."""
    rig.registers.write(0x1ABCD, 7)
    assert rig.registers.read(0x1ABCD) == 7
    assert rig.registers.read(0x1ABCE) == 0
    rig.registers.read(0x1ABCE)
    assert rig.said().count("0x1abcd") == rig.said().count("0x1abce") == 1
