# SPDX-License-Identifier: MIT
"""Field positions against a second source: the constants of the Linux kernel's packet headers.

The tables come from PACKETS.md; the numbers here were read from the headers of drivers/gpu/drm/amd/amdgpu.
"""

from __future__ import annotations

import pytest

from amdgpu_hw.packets import Codec, Engine, pm4_for, sdma_for

# packet: field=dword.shift.mask ..., as the SDMA_PKT_*_offset, _shift and _mask constants give them. Of addresses
# the headers declare all 32 low bits, our tables only those above the alignment.
SDMA_HEADERS: dict[tuple[str, tuple[int, int, int]], str] = {
    ("vega10_sdma_pkt_open.h", (4, 4, 2)): """
        COPY_LINEAR: byte_count=1.0.3fffff tmz=0.18.1 encrypt=0.16.1 dst_swap=2.16.3 src_swap=2.24.3
            src=3.0.ffffffff dst=5.0.ffffffff
        WRITE_LINEAR: count=3.0.fffff swap=3.24.3 dst=1.0.ffffffff
        CONST_FILL: fill_size=0.30.3 swap=0.16.3 data=3.0.ffffffff byte_count=4.0.3fffff
            dst=1.0.ffffffff
        FENCE: addr=1.0.ffffffff data=3.0.ffffffff
        TRAP: int_context=1.0.fffffff
        NOP: count=0.16.3fff
        POLL_REGMEM: hdp_flush=0.26.1 function=0.28.7 mem_poll=0.31.1 addr=1.0.ffffffff
            reference=3.0.ffffffff mask=4.0.ffffffff interval=5.0.ffff retry_count=5.16.fff
        ATOMIC: loop=0.16.1 atomic=0.25.7f addr=1.0.ffffffff source=3.0.ffffffff compare=5.0.ffffffff
            loop_interval=7.0.1fff
        COND_EXE: addr=1.0.ffffffff reference=3.0.ffffffff exec_count=4.0.3fff
        INDIRECT: vmid=0.16.f addr=1.0.ffffffff size=3.0.fffff
        TIMESTAMP_GLOBAL: addr=1.3.1fffffff
    """,
    ("navi10_sdma_pkt_open.h", (5, 2, 0)): """
        COPY_LINEAR: byte_count=1.0.3fffff tmz=0.18.1 encrypt=0.16.1 backwards=0.25.1 dst_swap=2.16.3
            src_swap=2.24.3 src=3.0.ffffffff dst=5.0.ffffffff
        WRITE_LINEAR: count=3.0.fffff swap=3.24.3 dst=1.0.ffffffff
        CONST_FILL: fill_size=0.30.3 swap=0.16.3 data=3.0.ffffffff byte_count=4.0.3fffff
            dst=1.0.ffffffff
        FENCE: mtype=0.16.7 gcc=0.19.1 sys=0.20.1 snp=0.22.1 gpa=0.23.1 l2_policy=0.24.3
            addr=1.0.ffffffff data=3.0.ffffffff
        TRAP: int_context=1.0.fffffff
        NOP: count=0.16.3fff
        POLL_REGMEM: hdp_flush=0.26.1 function=0.28.7 mem_poll=0.31.1 addr=1.0.ffffffff
            reference=3.0.ffffffff mask=4.0.ffffffff interval=5.0.ffff retry_count=5.16.fff
        ATOMIC: loop=0.16.1 atomic=0.25.7f addr=1.0.ffffffff source=3.0.ffffffff compare=5.0.ffffffff
            loop_interval=7.0.1fff
        COND_EXE: addr=1.0.ffffffff reference=3.0.ffffffff exec_count=4.0.3fff
        INDIRECT: vmid=0.16.f priv=0.31.1 addr=1.0.ffffffff size=3.0.fffff
        TIMESTAMP_GLOBAL: addr=1.3.1fffffff
    """,
    ("sdma_v6_0_0_pkt_open.h", (6, 0, 0)): """
        COPY_LINEAR: byte_count=1.0.3fffffff tmz=0.18.1 encrypt=0.16.1 backwards=0.25.1 cpv=0.19.1
            dst_swap=2.16.3 src_swap=2.24.3 dst_cache_policy=2.18.7 src_cache_policy=2.26.7
            src=3.0.ffffffff dst=5.0.ffffffff
        WRITE_LINEAR: count=3.0.fffff swap=3.24.3 cache_policy=3.26.7 cpv=0.28.1 dst=1.0.ffffffff
        CONST_FILL: fill_size=0.30.3 swap=0.16.3 cache_policy=0.24.7 cpv=0.28.1 data=3.0.ffffffff
            byte_count=4.0.3fffffff dst=1.0.ffffffff
        FENCE: mtype=0.16.7 gcc=0.19.1 sys=0.20.1 snp=0.22.1 gpa=0.23.1 l2_policy=0.24.3
            llc_policy=0.26.1 cpv=0.28.1 addr=1.0.ffffffff data=3.0.ffffffff
        TRAP: int_context=1.0.fffffff
        NOP: count=0.16.3fff
        POLL_REGMEM: hdp_flush=0.26.1 function=0.28.7 mem_poll=0.31.1 cache_policy=0.20.7 cpv=0.24.1
            addr=1.0.ffffffff reference=3.0.ffffffff mask=4.0.ffffffff interval=5.0.ffff
            retry_count=5.16.fff
        ATOMIC: loop=0.16.1 atomic=0.25.7f cache_policy=0.20.7 cpv=0.24.1 addr=1.0.ffffffff
            source=3.0.ffffffff compare=5.0.ffffffff loop_interval=7.0.1fff
        COND_EXE: addr=1.0.ffffffff reference=3.0.ffffffff exec_count=4.0.3fff
        INDIRECT: vmid=0.16.f priv=0.31.1 addr=1.0.ffffffff size=3.0.fffff
        TIMESTAMP_GLOBAL: addr=1.3.1fffffff
    """,
}

# The kernel never copies more than 4 MiB per packet; that 5.2 has 30 bits for it is PAL's knowledge (PACKETS.md 3.3).
WIDER_THAN_THE_HEADER = {
    (version, packet, "byte_count"): 0x3FFFFFFF
    for version in ((4, 4, 2), (5, 2, 0))
    for packet in ("COPY_LINEAR", "CONST_FILL")
}
"""The driver's copy_max_bytes and fill_max_bytes are 1 << 30 there (sdma_v4_4_2.c, sdma_v5_2.c), and so are IGT's."""

GFX, MEC = Engine.GFX, Engine.COMPUTE

# header file, GC version, ring, packet, field, dword, shift, mask: from the argument macros of soc15d.h and nvd.h
# (PACKET3_X__FIELD(x) and the like), cikd.h and vid.h where they differ.
PM4_HEADERS: list[tuple[str, tuple[int, int, int], Engine, str, str, int, int, int]] = [
    *(
        (header, gc, engine, packet, field, dword, shift, mask)
        for header, gc, engine in (
            ("soc15d.h", (9, 4, 3), MEC),
            ("nvd.h", (10, 3, 0), GFX),
            ("nvd.h", (11, 0, 0), GFX),
            ("nvd.h", (11, 0, 0), MEC),
        )
        for packet, field, dword, shift, mask in (
            ("WRITE_DATA", "dst_sel", 1, 8, 0xF),
            ("WRITE_DATA", "one_address", 1, 16, 1),
            ("WRITE_DATA", "wr_confirm", 1, 20, 1),
            ("WRITE_DATA", "cache_policy", 1, 25, 3),
            ("WAIT_REG_MEM", "function", 1, 0, 7),
            ("WAIT_REG_MEM", "space", 1, 4, 3),
            ("WAIT_REG_MEM", "operation", 1, 6, 3),
            ("WAIT_REG_MEM", "poll_interval", 6, 0, 0xFFFF),
            ("COPY_DATA", "src_sel", 1, 0, 0xF),
            ("COPY_DATA", "dst_sel", 1, 8, 0xF),
            ("COPY_DATA", "src_cache_policy", 1, 13, 3),
            ("COPY_DATA", "count_sel", 1, 16, 1),
            ("COPY_DATA", "wr_confirm", 1, 20, 1),
            ("COPY_DATA", "dst_cache_policy", 1, 25, 3),
            ("ATOMIC_MEM", "command", 1, 8, 0xF),
            ("ATOMIC_MEM", "cache_policy", 1, 25, 3),
            ("ATOMIC_MEM", "loop_interval", 8, 0, 0x1FFF),
            ("INDIRECT_BUFFER", "size", 3, 0, 0xFFFFF),
            ("INDIRECT_BUFFER", "chain", 3, 20, 1),
            ("INDIRECT_BUFFER", "valid", 3, 23, 1),
            ("INDIRECT_BUFFER", "vmid", 3, 24, 0xF),
            ("INDIRECT_BUFFER", "cache_policy", 3, 28, 3),
            ("INDIRECT_BUFFER", "priv", 3, 31, 1),
            ("EVENT_WRITE", "event_type", 1, 0, 0x3F),
            ("EVENT_WRITE", "event_index", 1, 8, 0xF),
            ("DMA_DATA", "src_cache_policy", 1, 13, 3),
            ("DMA_DATA", "dst_sel", 1, 20, 3),
            ("DMA_DATA", "dst_cache_policy", 1, 25, 3),
            ("DMA_DATA", "src_sel", 1, 29, 3),
            ("DMA_DATA", "cp_sync", 1, 31, 1),
            ("DMA_DATA", "src_register", 6, 26, 1),
            ("DMA_DATA", "dst_register", 6, 27, 1),
            ("DMA_DATA", "src_fixed", 6, 28, 1),
            ("DMA_DATA", "dst_fixed", 6, 29, 1),
            ("DMA_DATA", "raw_wait", 6, 30, 1),
            ("RELEASE_MEM", "data_sel", 2, 29, 7),
            ("RELEASE_MEM", "int_sel", 2, 24, 7),
            ("RELEASE_MEM", "dst_sel", 2, 16, 3),
        )
    ),
    ("soc15d.h", (9, 4, 3), MEC, "WRITE_DATA", "resume_vf", 1, 19, 1),
    ("soc15d.h", (9, 4, 3), MEC, "COPY_DATA", "pq_exe_status", 1, 29, 1),
    ("soc15d.h", (9, 4, 3), MEC, "WAIT_REG_MEM", "ace_offload", 6, 31, 1),
    ("soc15d.h", (9, 4, 3), MEC, "INDIRECT_BUFFER", "offload_polling", 3, 21, 1),
    ("soc15d.h", (9, 4, 3), MEC, "EVENT_WRITE", "offload", 1, 31, 1),
    ("soc15d.h", (9, 4, 3), MEC, "ACQUIRE_MEM", "poll_interval", 6, 0, 0xFFFF),
    *(
        ("soc15d.h", (9, 4, 3), MEC, "RELEASE_MEM", field, 1, bit, 1)
        for field, bit in (
            ("tcl1_vol", 12),
            ("tc_vol", 13),
            ("tc_wb", 15),
            ("tcl1", 16),
            ("tc", 17),
            ("tc_nc", 19),
            ("tc_md", 21),
        )
    ),
    *(
        ("nvd.h", gc, GFX, "RELEASE_MEM", field, 1, bit, mask)
        for gc in ((10, 3, 0), (11, 0, 0))
        for field, bit, mask in (
            ("glm_wb", 12, 1),
            ("glm_inv", 13, 1),
            ("glv_inv", 14, 1),
            ("gl1_inv", 15, 1),
            ("gl2_us", 16, 1),
            ("gl2_range", 17, 3),
            ("gl2_discard", 19, 1),
            ("gl2_inv", 20, 1),
            ("gl2_wb", 21, 1),
            ("seq", 22, 3),
            ("cache_policy", 25, 3),
        )
    ),
    *(
        ("nvd.h", gc, MEC, "ACQUIRE_MEM", field, dword, shift, mask)
        for gc in ((10, 3, 0), (11, 0, 0))
        for field, dword, shift, mask in (("poll_interval", 6, 0, 0xFFFF), ("gcr_cntl", 7, 0, 0x7FFFF))
    ),
    ("nvd.h", (10, 3, 0), GFX, "WAIT_REG_MEM", "mes_intr_pipe", 1, 22, 3),
    ("nvd.h", (10, 3, 0), GFX, "WAIT_REG_MEM", "mes_action", 1, 24, 1),
    ("nvd.h", (10, 3, 0), GFX, "ATOMIC_MEM", "atomic", 1, 0, 0x7F),
    ("nvd.h", (12, 0, 1), GFX, "COPY_DATA", "mode", 1, 21, 1),
    ("nvd.h", (12, 0, 1), GFX, "COPY_DATA", "aid", 1, 23, 3),
    ("nvd.h", (12, 0, 1), GFX, "COPY_DATA", "dst_temporal", 1, 25, 3),
    *(
        (header, gc, GFX, "DMA_DATA", field, dword, shift, mask)
        for header, gc in (("cikd.h", (7, 0, 0)), ("vid.h", (8, 0, 0)))
        for field, dword, shift, mask in (
            ("byte_count", 6, 0, 0x1FFFFF),
            ("dis_wc", 6, 21, 1),
            ("src_swap", 6, 22, 3),
            ("dst_swap", 6, 24, 3),
            ("src_volatile", 1, 15, 1),
            ("dst_volatile", 1, 27, 1),
        )
    ),
]

# Opcodes of soc15d.h and nvd.h; the register pairs are Mesa's (sid.h).
OPCODES = {
    "NOP": 0x10,
    "SET_BASE": 0x11,
    "CLEAR_STATE": 0x12,
    "ATOMIC_MEM": 0x1E,
    "COND_EXEC": 0x22,
    "CONTEXT_CONTROL": 0x28,
    "WRITE_DATA": 0x37,
    "WAIT_REG_MEM": 0x3C,
    "INDIRECT_BUFFER": 0x3F,
    "COPY_DATA": 0x40,
    "PFP_SYNC_ME": 0x42,
    "EVENT_WRITE": 0x46,
    "RELEASE_MEM": 0x49,
    "DMA_DATA": 0x50,
    "ACQUIRE_MEM": 0x58,
    "SET_CONFIG_REG": 0x68,
    "SET_CONTEXT_REG": 0x69,
    "SET_SH_REG": 0x76,
    "SET_UCONFIG_REG": 0x79,
    "INCREMENT_CE_COUNTER": 0x84,
    "WAIT_ON_CE_COUNTER": 0x86,
    "SET_CE_DE_COUNTERS": 0x89,
    "WAIT_REG_MEM64": 0x93,
}


def check(codec: Codec, packet: str, field: str, dword: int, shift: int, mask: int) -> None:
    """Compare one field's place with what a header says."""
    declared = codec.layout(packet).by_name[field]
    if declared.address:
        assert declared.dword == dword, f"{packet}.{field} is in another dword than the header's"
        assert declared.low >= shift, f"{packet}.{field} has bits that the header does not have"
        return
    high = min(declared.high, 31)
    ours = (declared.dword, declared.low, (1 << (high - declared.low + 1)) - 1)
    assert ours == (dword, shift, mask), f"{packet}.{field}: (dword, shift, mask) differ from the header's"


@pytest.mark.parametrize(("header", "version"), SDMA_HEADERS)
def test_sdma_fields_are_where_the_kernel_header_has_them(header: str, version: tuple[int, int, int]) -> None:
    """Every SDMA field of the three versions at hand has the kernel's dword, shift and mask."""
    sdma = sdma_for(version)
    packet = ""
    for token in SDMA_HEADERS[header, version].split():
        if token.endswith(":"):
            packet = token[:-1]
            continue
        field, place = token.split("=")
        dword, shift, mask = place.split(".")
        width = WIDER_THAN_THE_HEADER.get((version, packet, field), int(mask, 16))
        check(sdma, packet, field, int(dword), int(shift), width)


@pytest.mark.parametrize(("header", "gc", "engine", "packet", "field", "dword", "shift", "mask"), PM4_HEADERS)
def test_pm4_field_is_where_the_kernel_header_has_it(
    header: str, gc: tuple[int, int, int], engine: Engine, packet: str, field: str, dword: int, shift: int, mask: int
) -> None:
    """A PM4 field has the dword, shift and mask of the kernel's macro."""
    check(pm4_for(gc, engine), packet, field, dword, shift, mask)


@pytest.mark.parametrize("name", OPCODES)
def test_opcode_is_the_kernel_headers(name: str) -> None:
    """PM4 opcodes are those of the kernel's headers."""
    assert pm4_for((10, 3, 0), Engine.GFX).layout(name).opcode == OPCODES[name]
