# SPDX-License-Identifier: MIT
"""Shaders of the tests: code and, behind a semicolon, what LLVM reads in it (`test_against_llvm`)."""

from __future__ import annotations

__all__ = ("SHADERS",)

SHADERS: dict[str, dict[str, str]] = {
    # Each thread writes its number; s[0:1]: where to.
    "numbers": {
        "gfx10": """
d7460003 04010c02  ; v_lshl_add_u32 v3, s2, 6, v0
34040682           ; v_lshlrev_b32_e32 v2, 2, v3
dc708000 00000302  ; global_store_dword v2, v3, s[0:1]
bf810000           ; s_endpgm
""",
    },
    # Thread n writes n * n, by adding.
    "loop": {
        "gfx10": """
be840380           ; s_mov_b32 s4, 0
7e020280           ; v_mov_b32_e32 v1, 0
be86047e           ; s_mov_b64 s[6:7], exec
4a020101           ; v_add_nc_u32_e32 v1, v1, v0
81048104           ; s_add_i32 s4, s4, 1
7d820004           ; v_cmp_lt_u32_e32 vcc, s4, v0
87fe6a7e           ; s_and_b64 exec, exec, vcc
bf89fffb           ; s_cbranch_execnz 65531
befe0406           ; s_mov_b64 exec, s[6:7]
34040082           ; v_lshlrev_b32_e32 v2, 2, v0
dc708000 00000102  ; global_store_dword v2, v1, s[0:1]
bf810000           ; s_endpgm
""",
    },
    # Each thread writes the two dwords 8 bytes behind s[2:3] to its place at s[0:1].
    "scalar": {
        "gfx10": """
f4040101 fa000008  ; s_load_dwordx2 s[4:5], s[2:3], 0x8
bf8cc07f           ; s_waitcnt lgkmcnt(0)
7e020204           ; v_mov_b32_e32 v1, s4
7e040205           ; v_mov_b32_e32 v2, s5
34000083           ; v_lshlrev_b32_e32 v0, 3, v0
dc748000 00000100  ; global_store_dwordx2 v0, v[1:2], s[0:1]
bf810000           ; s_endpgm
""",
    },
    "atomic": {
        "gfx10": """
7e020281           ; v_mov_b32_e32 v1, 1
dcc88000 00000100  ; global_atomic_add v0, v1, s[0:1]
bf810000           ; s_endpgm
""",
    },
    "forever": {
        "gfx10": """
bf82ffff           ; s_branch 65535
""",
    },
    # Sixteen bytes for each thread, changed; lanes from 32 on have the same address.
    "wide": {
        "gfx10": """
34020084           ; v_lshlrev_b32_e32 v1, 4, v0
dc388000 04000001  ; global_load_dwordx4 v[4:7], v1, s[0:1]
bf8c3f70           ; s_waitcnt vmcnt(0)
4a080104           ; v_add_nc_u32_e32 v4, v4, v0
7e0e6f07           ; v_not_b32_e32 v7, v7
260202ff 00000200  ; v_min_u32_e32 v1, 0x200, v1
dc788000 00020401  ; global_store_dwordx4 v1, v[4:7], s[2:3]
bf810000           ; s_endpgm
""",
    },
    # Threads are indices of s[0:3] and offsets of s[4:7].
    "buffer": {
        "gfx10": """
e0302004 80000100  ; buffer_load_dword v1, v0, s[0:3], 0 idxen offset:4
bf8c3f70           ; s_waitcnt vmcnt(0)
34000082           ; v_lshlrev_b32_e32 v0, 2, v0
e0701000 80010100  ; buffer_store_dword v1, v0, s[4:7], 0 offen
bf810000           ; s_endpgm
""",
    },
    # Threads are indices.
    "format": {
        "gfx10": """
e00c2000 80000400  ; buffer_load_format_xyzw v[4:7], v0, s[0:3], 0 idxen
bf8c3f70           ; s_waitcnt vmcnt(0)
e01c2000 80010400  ; buffer_store_format_xyzw v[4:7], v0, s[4:7], 0 idxen
bf810000           ; s_endpgm
""",
    },
    # Signed bytes to shorts.
    "bytes": {
        "gfx10": """
dc248000 01000000  ; global_load_sbyte v1, v0, s[0:1]
bf8c3f70           ; s_waitcnt vmcnt(0)
34040081           ; v_lshlrev_b32_e32 v2, 1, v0
dc688000 00020102  ; global_store_short v2, v1, s[2:3]
bf810000           ; s_endpgm
""",
    },
    # One dword before s[0:1], two behind s[2:3].
    "offsets": {
        "gfx10": """
34000082           ; v_lshlrev_b32_e32 v0, 2, v0
dc308ffc 01000000  ; global_load_dword v1, v0, s[0:1] offset:-4
bf8c3f70           ; s_waitcnt vmcnt(0)
dc708008 00020100  ; global_store_dword v0, v1, s[2:3] offset:8
bf810000           ; s_endpgm
""",
    },
    # Pairs of dwords at the thread's number: buffers that end inside one.
    "pairs": {
        "gfx10": """
34000083           ; v_lshlrev_b32_e32 v0, 3, v0
e0341000 80000200  ; buffer_load_dwordx2 v[2:3], v0, s[0:3], 0 offen
bf8c3f70           ; s_waitcnt vmcnt(0)
e0741000 80010200  ; buffer_store_dwordx2 v[2:3], v0, s[4:7], 0 offen
bf810000           ; s_endpgm
""",
    },
    # Parts of registers, from s[0:1] to s[2:3], sixteen bytes for each thread.
    "parts": {
        "gfx10": """
34020082           ; v_lshlrev_b32_e32 v1, 2, v0
dc308000 02000001  ; global_load_dword v2, v1, s[0:1]
7e0602ff 11223344  ; v_mov_b32_e32 v3, 0x11223344
bf8c3f70           ; s_waitcnt vmcnt(0)
7e0602f9 00031102  ; v_mov_b32_sdwa v3, v2 dst_sel:BYTE_1 dst_unused:UNUSED_PRESERVE src0_sel:BYTE_3
7e0802f9 00040502  ; v_mov_b32_sdwa v4, v2 dst_sel:WORD_1 dst_unused:UNUSED_PAD src0_sel:WORD_0
4a0a06f9 02000602  ; v_add_nc_u32_sdwa v5, v2, v3 dst_sel:DWORD dst_unused:UNUSED_PAD src0_sel:BYTE_0 src1_sel:BYTE_2
d7110806 00020702  ; v_pack_b32_f16 v6, v2, v3 op_sel:[1,0,0]
34020084           ; v_lshlrev_b32_e32 v1, 4, v0
dc788000 00020301  ; global_store_dwordx4 v1, v[3:6], s[2:3]
bf810000           ; s_endpgm
""",
    },
    # Bytes into halves of registers, and halves to memory.
    "halves": {
        "gfx10": """
7e0202c1           ; v_mov_b32_e32 v1, -1
dc808000 01000000  ; global_load_ubyte_d16 v1, v0, s[0:1]
7e040280           ; v_mov_b32_e32 v2, 0
dc8c8000 02000000  ; global_load_sbyte_d16_hi v2, v0, s[0:1]
34080083           ; v_lshlrev_b32_e32 v4, 3, v0
bf8c3f70           ; s_waitcnt vmcnt(0)
dc748000 00020104  ; global_store_dwordx2 v4, v[1:2], s[2:3]
dc6c8000 00020204  ; global_store_short_d16_hi v4, v2, s[2:3]
dc648003 00020204  ; global_store_byte_d16_hi v4, v2, s[2:3] offset:3
bf810000           ; s_endpgm
""",
    },
    # The numbers of thread and workgroup, a byte each; workgroups of 2 x 2 x 2 threads, 2 x 2 in the plane.
    "ids": {
        "gfx10": """
97060304                   ; s_lshl1_add_u32 s6, s4, s3
97060206                   ; s_lshl1_add_u32 s6, s6, s2
d7460003 04050302          ; v_lshl_add_u32 v3, v2, 1, v1
d7460003 04010303          ; v_lshl_add_u32 v3, v3, 1, v0
d7460003 040d0606          ; v_lshl_add_u32 v3, s6, 3, v3
34060683                   ; v_lshlrev_b32_e32 v3, 3, v3
34020288                   ; v_lshlrev_b32_e32 v1, 8, v1
d76f0001 04052102          ; v_lshl_or_b32 v1, v2, 16, v1
38080300                   ; v_or_b32_e32 v4, v0, v1
8f038803                   ; s_lshl_b32 s3, s3, 8
8f049004                   ; s_lshl_b32 s4, s4, 16
88030403                   ; s_or_b32 s3, s3, s4
88030203                   ; s_or_b32 s3, s3, s2
7e0a0203                   ; v_mov_b32_e32 v5, s3
dc748000 00000403          ; global_store_dwordx2 v3, v[4:5], s[0:1]
bf810000                   ; s_endpgm
""",
        "gfx11": """
d6100001 02291500          ; v_bfe_u32 v1, v0, 10, 10
d6100002 02292900          ; v_bfe_u32 v2, v0, 20, 10
360000ff 000003ff          ; v_and_b32_e32 v0, 0x3ff, v0
87060304                   ; s_lshl1_add_u32 s6, s4, s3
87060206                   ; s_lshl1_add_u32 s6, s6, s2
d6460003 04050302          ; v_lshl_add_u32 v3, v2, 1, v1
d6460003 04010303          ; v_lshl_add_u32 v3, v3, 1, v0
d6460003 040d0606          ; v_lshl_add_u32 v3, s6, 3, v3
30060683                   ; v_lshlrev_b32_e32 v3, 3, v3
30020288                   ; v_lshlrev_b32_e32 v1, 8, v1
d6560001 04052102          ; v_lshl_or_b32 v1, v2, 16, v1
38080300                   ; v_or_b32_e32 v4, v0, v1
84038803                   ; s_lshl_b32 s3, s3, 8
84049004                   ; s_lshl_b32 s4, s4, 16
8c030403                   ; s_or_b32 s3, s3, s4
8c030203                   ; s_or_b32 s3, s3, s2
7e0a0203                   ; v_mov_b32_e32 v5, s3
dc6e0000 00000403          ; global_store_b64 v3, v[4:5], s[0:1]
bfb00000                   ; s_endpgm
""",
        "gfx12": """
be820075                   ; s_mov_b32 s2, ttmp9
8b03ff73 0000ffff          ; s_and_b32 s3, ttmp7, 0xffff
85049073                   ; s_lshr_b32 s4, ttmp7, 16
d6100001 02291500          ; v_bfe_u32 v1, v0, 10, 10
d6100002 02292900          ; v_bfe_u32 v2, v0, 20, 10
360000ff 000003ff          ; v_and_b32_e32 v0, 0x3ff, v0
87060304                   ; s_lshl1_add_u32 s6, s4, s3
87060206                   ; s_lshl1_add_u32 s6, s6, s2
d6460003 04050302          ; v_lshl_add_u32 v3, v2, 1, v1
d6460003 04010303          ; v_lshl_add_u32 v3, v3, 1, v0
d6460003 040d0606          ; v_lshl_add_u32 v3, s6, 3, v3
30060683                   ; v_lshlrev_b32_e32 v3, 3, v3
30020288                   ; v_lshlrev_b32_e32 v1, 8, v1
d6560001 04052102          ; v_lshl_or_b32 v1, v2, 16, v1
38080300                   ; v_or_b32_e32 v4, v0, v1
84038803                   ; s_lshl_b32 s3, s3, 8
84049004                   ; s_lshl_b32 s4, s4, 16
8c030403                   ; s_or_b32 s3, s3, s4
8c030203                   ; s_or_b32 s3, s3, s2
7e0a0203                   ; v_mov_b32_e32 v5, s3
ee06c000 02000000 00000003 ; global_store_b64 v3, v[4:5], s[0:1]
bfb00000                   ; s_endpgm
""",
    },
}
