# SPDX-License-Identifier: MIT
"""PM4 against the golden vectors of PACKETS.md 6.1, in both directions.

The vectors were made by programs compiled against the kernel's headers and AMD's PAL, so they are an
independent source.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amdgpu_hw.packets import Engine, Pm4, pm4_for

A = 0x8_1234_5000
B = 0x8_1234_6000
GFX, COMPUTE = Engine.GFX, Engine.COMPUTE

SI, CIK, VI = (6, 0, 0), (7, 0, 0), (8, 0, 0)
VEGA, MI300 = (9, 0, 1), (9, 4, 3)
NAVI1, NAVI2, NAVI3, NAVI4 = (10, 1, 10), (10, 3, 0), (11, 0, 0), (12, 0, 1)

BOTH = (GFX, COMPUTE)
GFX7_UP = (CIK, VI, VEGA, MI300, NAVI1, NAVI2, NAVI3, NAVI4)
GFX9_UP = (VEGA, MI300, NAVI1, NAVI2, NAVI3, NAVI4)
EVERY = (SI, *GFX7_UP)

Vector = tuple[
    str, str, Callable[[Pm4], list[int]], str, dict[str, int], tuple[tuple[int, ...], ...], tuple[Engine, ...]
]

VECTORS: list[Vector] = [
    (
        # Not in PACKETS.md: libdrm's userq_tests.c and IGT's amd_user_queue.c have it.
        "pm4.protected_fence_signal",
        "C000D000 00000000",
        lambda pm4: pm4.protected_fence_signal(),
        "PROTECTED_FENCE_SIGNAL",
        {},
        (NAVI3, NAVI4),
        BOTH,
    ),
    (
        # Not in PACKETS.md: libdrm's basic_tests.c and IGT's amd_dispatch.c have these two.
        "pm4.set_sh_reg.compute",
        "C0027602 0000020C 00123450 00000008",
        lambda pm4: pm4.set_sh_registers(0x20C, (0x123450, 8)),
        "SET_SH_REG",
        {"reg_offset": 0x20C},
        EVERY,
        BOTH,
    ),
    (
        "pm4.dispatch_direct",
        "C0031502 00000010 00000001 00000001 00000001",
        lambda pm4: pm4.dispatch_direct((16, 1, 1), 1),
        "DISPATCH_DIRECT",
        {"x": 16, "y": 1, "z": 1, "initiator": 1},
        EVERY,
        BOTH,
    ),
    (
        "pm4.write_data.1",
        "C0033700 00100500 12345000 00000008 DEADBEEF",
        lambda pm4: pm4.write_data(A, [0xDEADBEEF]),
        "WRITE_DATA",
        {"dst_sel": 5, "wr_confirm": 1, "addr": A},
        EVERY,
        BOTH,
    ),
    (
        "pm4.write_data.1.memsync",
        "C0033700 00100100 12345000 00000008 DEADBEEF",
        lambda pm4: pm4.write_data(A, [0xDEADBEEF], dst="memory_sync"),
        "WRITE_DATA",
        {"dst_sel": 1, "wr_confirm": 1, "addr": A},
        (SI, VEGA, NAVI2, NAVI3, NAVI4),
        (GFX,),
    ),
    (
        "pm4.write_data.1.tcl2",
        "C0033700 00100200 12345000 00000008 DEADBEEF",
        lambda pm4: pm4.write_data(A, [0xDEADBEEF], dst="tc_l2"),
        "WRITE_DATA",
        {"dst_sel": 2, "wr_confirm": 1, "addr": A},
        GFX9_UP,
        BOTH,
    ),
    (
        "pm4.write_data.4",
        "C0063700 00100500 12345000 00000008 11111111 22222222 33333333 44444444",
        lambda pm4: pm4.write_data(A, [0x11111111, 0x22222222, 0x33333333, 0x44444444]),
        "WRITE_DATA",
        {"dst_sel": 5, "addr": A},
        EVERY,
        BOTH,
    ),
    (
        "pm4.wait_reg_mem.eq1",
        "C0053C00 00000013 12345000 00000008 00000001 FFFFFFFF 00000004",
        lambda pm4: pm4.wait_reg_mem(A, 1),
        "WAIT_REG_MEM",
        {"function": 3, "space": 1, "addr": A, "reference": 1, "mask": 0xFFFFFFFF, "poll_interval": 4},
        (SI, CIK, *GFX9_UP),
        BOTH,
    ),
    (
        "IB-4: pm4.wait_reg_mem.eq1 uncached",
        "C0053C00 00000413 12345000 00000008 00000001 FFFFFFFF 00000004",
        lambda pm4: pm4.wait_reg_mem(A, 1),
        "WAIT_REG_MEM",
        {"function": 3, "uncached": 1, "addr": A},
        (VI,),
        (COMPUTE,),
    ),
    (
        "pm4.wait_reg_mem.eq1.pfp",
        "C0053C00 00000113 12345000 00000008 00000001 FFFFFFFF 00000004",
        lambda pm4: pm4.wait_reg_mem(A, 1, on_pfp=True),
        "WAIT_REG_MEM",
        {"function": 3, "engine": 1, "addr": A},
        EVERY,
        (GFX,),
    ),
    (
        "pm4.wait_reg_mem.ge10",
        "C0053C00 00000015 12345000 00000008 0000000A FFFFFFFF 00000020",
        lambda pm4: pm4.wait_reg_mem(A, 10, function=">=", interval=0x20),
        "WAIT_REG_MEM",
        {"function": 5, "reference": 10, "poll_interval": 0x20},
        GFX9_UP,
        BOTH,
    ),
    (
        "pm4.wait_reg_mem64.eq",
        "C0079300 00000013 12345000 00000008 00000001 00000000 FFFFFFFF FFFFFFFF 00000004",
        lambda pm4: pm4.wait_reg_mem(A, 1, bits=64),
        "WAIT_REG_MEM64",
        {"function": 3, "addr": A, "reference": 1, "mask": (1 << 64) - 1},
        GFX9_UP,
        BOTH,
    ),
    (
        "pm4.copy_data.clock",
        "C0044000 00110509 00000000 00000000 12345000 00000008",
        lambda pm4: pm4.copy_data_clock(A),
        "COPY_DATA",
        {"src_sel": 9, "dst_sel": 5, "count_sel": 1, "wr_confirm": 1, "src": 0, "dst": A},
        EVERY,
        BOTH,
    ),
    (
        "pm4.copy_data.mem32",
        "C0044000 00100501 12345000 00000008 12346000 00000008",
        lambda pm4: pm4.copy_data(A, B),
        "COPY_DATA",
        {"src_sel": 1, "dst_sel": 5, "count_sel": 0, "src": A, "dst": B},
        GFX9_UP,
        BOTH,
    ),
    (
        "pm4.copy_data.mem64",
        "C0044000 00110501 12345000 00000008 12346000 00000008",
        lambda pm4: pm4.copy_data(A, B, bits=64),
        "COPY_DATA",
        {"src_sel": 1, "dst_sel": 5, "count_sel": 1, "src": A, "dst": B},
        EVERY,
        BOTH,
    ),
    (
        "pm4.copy_data.imm32",
        "C0044000 00100505 CAFEF00D 00000000 12346000 00000008",
        lambda pm4: pm4.copy_data_immediate(0xCAFEF00D, B),
        "COPY_DATA",
        {"src_sel": 5, "src": 0xCAFEF00D, "dst": B},
        GFX9_UP,
        BOTH,
    ),
    (
        "pm4.event_write.cspf",
        "C0004600 00000407",
        lambda pm4: pm4.cs_partial_flush(),
        "EVENT_WRITE",
        {"event_type": 7, "event_index": 4},
        EVERY,
        BOTH,
    ),
    (
        "pm4.atomic.add32.nortn",
        "C0071E00 0000004F 12345000 00000008 00000001 00000000 00000000 00000000 00000000",
        lambda pm4: pm4.atomic_mem("add", A, 1),
        "ATOMIC_MEM",
        {"atomic": 79, "command": 0, "addr": A, "source": 1},
        GFX7_UP,
        BOTH,
    ),
    (
        "pm4.atomic.add64.rtn",
        "C0071E00 0000002F 12345000 00000008 00000001 00000000 00000000 00000000 00000000",
        lambda pm4: pm4.atomic_mem("add", A, 1, bits=64, returns=True),
        "ATOMIC_MEM",
        {"atomic": 47, "addr": A, "source": 1},
        GFX7_UP,
        BOTH,
    ),
    (
        "pm4.atomic.cmpswap32.loop",
        "C0071E00 00000108 12345000 00000008 00000001 00000000 00000000 00000000 0000000A",
        lambda pm4: pm4.atomic_mem("cmpswap", A, 1, returns=True, loop_interval=10),
        "ATOMIC_MEM",
        {"atomic": 8, "command": 1, "addr": A, "source": 1, "compare": 0, "loop_interval": 10},
        GFX7_UP,
        BOTH,
    ),
    (
        "pm4.cond_exec",
        "C0032200 12345000 00000008 00000000 00000005",
        lambda pm4: pm4.cond_exec(A, 5),
        "COND_EXEC",
        {"addr": A, "exec_count": 5},
        GFX7_UP,
        BOTH,
    ),
    ("pm4.nop.1", "FFFF1000", lambda pm4: pm4.nop(), "NOP", {}, GFX7_UP, BOTH),
    ("pm4.nop.1 of GFX6", "80000000", lambda pm4: pm4.nop(), "NOP", {}, (SI,), BOTH),
    (
        "pm4.ib.gfx",
        "C0023F00 12345000 00000008 03000008",
        lambda pm4: pm4.indirect_buffer(A, 8, vmid=3),
        "INDIRECT_BUFFER",
        {"addr": A, "size": 8, "vmid": 3},
        EVERY,
        (GFX,),
    ),
    (
        "pm4.ib.compute",
        "C0023F00 12345000 00000008 03800008",
        lambda pm4: pm4.indirect_buffer(A, 8, vmid=3),
        "INDIRECT_BUFFER",
        {"addr": A, "size": 8, "vmid": 3, "valid": 1},
        GFX7_UP,
        (COMPUTE,),
    ),
    (
        "pm4.ib.chain",
        "C0023F00 12345000 00000008 00900008",
        lambda pm4: pm4.indirect_buffer(A, 8, chain=True),
        "INDIRECT_BUFFER",
        {"addr": A, "size": 8, "chain": 1, "valid": 1},
        GFX7_UP,
        BOTH,
    ),
    (
        "pm4.eop.gfx6",
        "C0044700 00000514 12345000 20000008 DEADBEEF 00000000",
        lambda pm4: pm4.release_mem(A, 0xDEADBEEF),
        "EVENT_WRITE_EOP",
        {"event_type": 0x14, "event_index": 5, "data_sel": 1, "addr": A, "data": 0xDEADBEEF},
        (SI,),
        BOTH,
    ),
    (
        "pm4.eop.gfx7",
        "C0044700 00030514 12345000 20000008 DEADBEEF 00000000",
        lambda pm4: pm4.release_mem(A, 0xDEADBEEF),
        "EVENT_WRITE_EOP",
        {"tcl1": 1, "tc": 1, "tc_wb": 0, "data_sel": 1, "addr": A},
        (CIK,),
        (GFX,),
    ),
    (
        "pm4.eop.gfx8",
        "C0044700 00038514 12345000 20000008 DEADBEEF 00000000",
        lambda pm4: pm4.release_mem(A, 0xDEADBEEF),
        "EVENT_WRITE_EOP",
        {"tcl1": 1, "tc": 1, "tc_wb": 1, "data_sel": 1, "addr": A},
        (VI,),
        (GFX,),
    ),
    (
        "pm4.eop.gfx8.ts",
        "C0044700 00000528 12345000 60000008 00000000 00000000",
        lambda pm4: pm4.release_mem_clock(A),
        "EVENT_WRITE_EOP",
        {"event_type": 0x28, "data_sel": 3, "addr": A},
        (SI, CIK, VI),
        (GFX,),
    ),
    (
        "pm4.relmem.gfx7.mec",
        "C0054900 00030514 20000000 12345000 00000008 DEADBEEF 00000000",
        lambda pm4: pm4.release_mem(A, 0xDEADBEEF),
        "RELEASE_MEM",
        {"tcl1": 1, "tc": 1, "tc_wb": 0, "data_sel": 1, "addr": A, "data": 0xDEADBEEF},
        (CIK,),
        (COMPUTE,),
    ),
    (
        "pm4.relmem.gfx8.mec",
        "C0054900 00038514 20000000 12345000 00000008 DEADBEEF 00000000",
        lambda pm4: pm4.release_mem(A, 0xDEADBEEF),
        "RELEASE_MEM",
        {"tcl1": 1, "tc": 1, "tc_wb": 1, "data_sel": 1, "addr": A, "data": 0xDEADBEEF},
        (VI,),
        (COMPUTE,),
    ),
    (
        "pm4.relmem.gfx9.32",
        "C0064900 00238514 20000000 12345000 00000008 DEADBEEF 00000000 00000000",
        lambda pm4: pm4.release_mem(A, 0xDEADBEEF),
        "RELEASE_MEM",
        {"tc_wb": 1, "tcl1": 1, "tc": 1, "tc_md": 1, "data_sel": 1, "addr": A, "data": 0xDEADBEEF},
        (VEGA, MI300),
        BOTH,
    ),
    (
        "pm4.relmem.gfx9.64",
        "C0064900 00238514 40000000 12345000 00000008 DEADBEEF CAFEF00D 00000000",
        lambda pm4: pm4.release_mem(A, 0xCAFEF00D_DEADBEEF, bits=64),
        "RELEASE_MEM",
        {"data_sel": 2, "addr": A, "data": 0xCAFEF00D_DEADBEEF},
        (VEGA, MI300),
        BOTH,
    ),
    (
        "pm4.relmem.gfx9.ts",
        "C0064900 00000528 60000000 12345000 00000008 00000000 00000000 00000000",
        lambda pm4: pm4.release_mem_clock(A),
        "RELEASE_MEM",
        {"event_type": 0x28, "event_index": 5, "data_sel": 3, "addr": A},
        GFX9_UP,
        BOTH,
    ),
    (
        "pm4.relmem.gfx10.32",
        "C0064900 06603514 20000000 12345000 00000008 DEADBEEF 00000000 00000000",
        lambda pm4: pm4.release_mem(A, 0xDEADBEEF),
        "RELEASE_MEM",
        {"glm_wb": 1, "glm_inv": 1, "gl2_wb": 1, "seq": 1, "cache_policy": 3, "data_sel": 1},
        (NAVI1, NAVI2, NAVI3),
        BOTH,
    ),
    (
        "pm4.relmem.gfx10.64",
        "C0064900 06603514 40000000 12345000 00000008 DEADBEEF CAFEF00D 00000000",
        lambda pm4: pm4.release_mem(A, 0xCAFEF00D_DEADBEEF, bits=64),
        "RELEASE_MEM",
        {"data_sel": 2, "data": 0xCAFEF00D_DEADBEEF},
        (NAVI1, NAVI2, NAVI3),
        BOTH,
    ),
    (
        "pm4.relmem.gfx12.32",
        "C0064900 06600514 20000000 12345000 00000008 DEADBEEF 00000000 00000000",
        lambda pm4: pm4.release_mem(A, 0xDEADBEEF),
        "RELEASE_MEM",
        {"gl2_wb": 1, "seq": 1, "cache_policy": 3, "data_sel": 1},
        (NAVI4,),
        BOTH,
    ),
    (
        "pm4.relmem.gfx12.64",
        "C0064900 06600514 40000000 12345000 00000008 DEADBEEF CAFEF00D 00000000",
        lambda pm4: pm4.release_mem(A, 0xCAFEF00D_DEADBEEF, bits=64),
        "RELEASE_MEM",
        {"data_sel": 2, "data": 0xCAFEF00D_DEADBEEF},
        (NAVI4,),
        BOTH,
    ),
    (
        "pm4.cp_dma.copy.gfx6",
        "C0044100 12345000 80000008 12346000 00000008 00001000",
        lambda pm4: pm4.dma_data_copy(A, B, 4096),
        "CP_DMA",
        {"src_lo": A & 0xFFFFFFFF, "src_hi": 8, "dst": B, "byte_count": 4096, "cp_sync": 1},
        (SI,),
        BOTH,
    ),
    (
        "pm4.cp_dma.fill.gfx6",
        "C0044100 DEADBEEF C0000000 12346000 00000008 00001000",
        lambda pm4: pm4.dma_data_fill(B, 0xDEADBEEF, 4096),
        "CP_DMA",
        {"src_sel": 2, "src_lo": 0xDEADBEEF, "dst": B, "byte_count": 4096, "cp_sync": 1},
        (SI,),
        BOTH,
    ),
    (
        "pm4.dma_data.copy.gfx7",
        "C0055000 80000000 12345000 00000008 12346000 00000008 00001000",
        lambda pm4: pm4.dma_data_copy(A, B, 4096),
        "DMA_DATA",
        {"src_sel": 0, "dst_sel": 0, "cp_sync": 1, "src": A, "dst": B, "byte_count": 4096},
        GFX7_UP,
        BOTH,
    ),
    (
        "pm4.dma_data.fill",
        "C0055000 C0000000 DEADBEEF 00000000 12346000 00000008 00001000",
        lambda pm4: pm4.dma_data_fill(B, 0xDEADBEEF, 4096),
        "DMA_DATA",
        {"src_sel": 2, "dst_sel": 0, "cp_sync": 1, "src": 0xDEADBEEF, "dst": B, "byte_count": 4096},
        GFX7_UP,
        BOTH,
    ),
    (
        "pm4.dma_data.copy.l2",
        "C0055000 E0300000 12345000 00000008 12346000 00000008 00001000",
        lambda pm4: pm4.dma_data_copy(A, B, 4096, through_l2=True),
        "DMA_DATA",
        {"src_sel": 3, "dst_sel": 3, "cp_sync": 1, "src": A, "dst": B, "byte_count": 4096},
        GFX7_UP,
        (GFX,),
    ),
    (
        "pm4.dma_data.copy.big.gfx9",
        "C0055000 80000000 12345000 00000008 12346000 00000008 00200000",
        lambda pm4: pm4.packet("DMA_DATA", cp_sync=1, src=A, dst=B, byte_count=2 << 20),
        "DMA_DATA",
        {"byte_count": 2 << 20, "dis_wc": 0},
        GFX9_UP,
        BOTH,
    ),
    (
        "pm4.dma_data.diswc.gfx7",
        "C0055000 80000000 12345000 00000008 12346000 00000008 00201000",
        lambda pm4: pm4.packet("DMA_DATA", cp_sync=1, src=A, dst=B, byte_count=4096, dis_wc=1),
        "DMA_DATA",
        {"byte_count": 4096, "dis_wc": 1},
        (CIK, VI),
        BOTH,
    ),
    (
        "pm4.dma_data.diswc.gfx9",
        "C0055000 80000000 12345000 00000008 12346000 00000008 80001000",
        lambda pm4: pm4.packet("DMA_DATA", cp_sync=1, src=A, dst=B, byte_count=4096, dis_wc=1),
        "DMA_DATA",
        {"byte_count": 4096, "dis_wc": 1},
        GFX9_UP,
        BOTH,
    ),
    (
        "pm4.surface_sync.gfx6",
        "C0034300 28C00000 FFFFFFFF 00000000 0000000A",
        lambda pm4: pm4.acquire_mem(),
        "SURFACE_SYNC",
        {"coher_cntl": 0x28C00000, "coher_size": 0xFFFFFFFF, "coher_base": 0, "poll_interval": 10},
        (SI, CIK, VI),
        (GFX,),
    ),
    (
        "pm4.acquire.gfx7.mec",
        "C0055800 28C00000 FFFFFFFF 000000FF 00000000 00000000 0000000A",
        lambda pm4: pm4.acquire_mem(),
        "ACQUIRE_MEM",
        {"coher_cntl": 0x28C00000, "coher_size_hi": 0xFF, "coher_base": 0, "poll_interval": 10},
        (CIK, VI),
        (COMPUTE,),
    ),
    (
        "pm4.acquire.gfx9",
        "C0055800 28C40000 FFFFFFFF 00FFFFFF 00000000 00000000 0000000A",
        lambda pm4: pm4.acquire_mem(),
        "ACQUIRE_MEM",
        {"coher_cntl": 0x28C40000, "coher_size_hi": 0xFFFFFF, "poll_interval": 10},
        (VEGA, MI300),
        BOTH,
    ),
    (
        "pm4.acquire.gfx10",
        "C0065800 00000000 FFFFFFFF 00FFFFFF 00000000 00000000 0000000A 0000C3B1",
        lambda pm4: pm4.acquire_mem(),
        "ACQUIRE_MEM",
        {"coher_size": 0xFFFFFFFF, "coher_size_hi": 0xFFFFFF, "poll_interval": 10, "gcr_cntl": 0xC3B1},
        (NAVI1, NAVI2, NAVI3, NAVI4),
        BOTH,
    ),
]

CASES = [
    pytest.param(
        words, encode, name, fields, gc, engine, id=f"{ident}-gfx{'.'.join(map(str, gc))}-{engine.name.lower()}"
    )
    for ident, words, encode, name, fields, versions, engines in VECTORS
    for gc in versions
    for engine in engines
    # GFX9.4.3 has no graphics ring.
    if not (gc == MI300 and engine is GFX)
]


@pytest.mark.parametrize(("words", "encode", "name", "fields", "gc", "engine"), CASES)
def test_encoder_gives_the_golden_words_and_decoder_reads_them_back(
    words: str,
    encode: Callable[[Pm4], list[int]],
    name: str,
    fields: dict[str, int],
    gc: tuple[int, ...],
    engine: Engine,
) -> None:
    """Every PM4 vector is what the encoder makes, and decodes to the fields it was made from."""
    pm4 = pm4_for(gc, engine)
    golden = [int(word, 16) for word in words.split()]
    made = encode(pm4)
    assert made == golden, f"encoded {' '.join(f'{word:08X}' for word in made)}"
    packet = pm4.decode_at(golden)
    assert packet.name == name
    assert packet.dwords == tuple(golden)
    seen = {field: packet.fields[field] for field in fields}
    assert seen == fields, pm4.disassemble(golden)
    if packet.fields:
        assert pm4.packet(name, packet.payload, **packet.fields) == golden, "fields do not encode to the words again"
