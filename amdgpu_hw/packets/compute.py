# SPDX-License-Identifier: MIT
"""Compute shaders: the registers that a dispatch is made of, and one small shader of ours.

Registers are SH registers of the GC block, in dwords from the first of them, as SET_SH_REG counts (the kernel's
gc_*_offset.h; they have been at the same places since GFX7, but for COMPUTE_PGM_RSRC3).
"""

from __future__ import annotations

from .layout import Version

__all__ = (
    "COPY_GROUP_BYTES",
    "COPY_LISTINGS",
    "COPY_THREADS",
    "FORCE_START_AT_000",
    "GROUP_ID_X_BIT",
    "GROUP_SIZE",
    "NUM_THREAD_X",
    "PARTIAL_GROUPS",
    "PGM_HI",
    "PGM_LO",
    "PGM_RSRC1",
    "PGM_RSRC2",
    "SCRATCH",
    "SHADER_ENABLE",
    "START_X",
    "THREAD_DIMENSIONS",
    "TMPRING_SIZE",
    "USER_DATA_0",
    "USER_DATA_MAX",
    "WAVE32",
    "copy_shader",
    "machine_code",
    "shader_resources",
)

START_X = 0x204
"""COMPUTE_START_X; those of Y and Z follow, as for `NUM_THREAD_X`."""
NUM_THREAD_X = 0x207
PGM_LO, PGM_HI = 0x20C, 0x20D
PGM_RSRC1, PGM_RSRC2 = 0x212, 0x213
TMPRING_SIZE = 0x218
USER_DATA_0 = 0x240
USER_DATA_MAX = 16

# COMPUTE_DISPATCH_INITIATOR: the last dword of a dispatch.
SHADER_ENABLE = 1
PARTIAL_GROUPS = 1 << 1
"""The last workgroup of each dimension has as many threads as the upper half of COMPUTE_NUM_THREAD_* says."""
FORCE_START_AT_000 = 1 << 2
THREAD_DIMENSIONS = 1 << 5
"""The packet counts threads, not workgroups."""
WAVE32 = 1 << 15

# COMPUTE_PGM_RSRC2; the number of user registers is in bits 5:1, how many thread numbers there are in 12:11.
SCRATCH = 1
GROUP_ID_X_BIT = 7
"""Number of the bit; those of Y and Z follow."""
GROUP_SIZE = 1 << 10

COPY_THREADS = 64
COPY_GROUP_BYTES = 4 * COPY_THREADS
"""What one workgroup of `copy_shader` copies."""

# Each thread loads the dword of its number and stores it; s[0:1] source, s[2:3] destination, s4 the workgroup's number.
# Vector instructions throughout: scalar ones do not know PRT (KERNEL.md 3.10).
_COPY_GFX8 = """
8e048604                    ; s_lshl_b32 s4, s4, 6
32000004                    ; v_add_u32_e32 v0, vcc, s4, v0
24000082                    ; v_lshlrev_b32_e32 v0, 2, v0
7e040201                    ; v_mov_b32_e32 v2, s1
32020000                    ; v_add_u32_e32 v1, vcc, s0, v0
38040480                    ; v_addc_u32_e32 v2, vcc, 0, v2, vcc
dc500000 03000001           ; flat_load_dword v3, v[1:2]
7e040203                    ; v_mov_b32_e32 v2, s3
32020002                    ; v_add_u32_e32 v1, vcc, s2, v0
38040480                    ; v_addc_u32_e32 v2, vcc, 0, v2, vcc
bf8c0070                    ; s_waitcnt vmcnt(0) lgkmcnt(0)
dc700000 00000301           ; flat_store_dword v[1:2], v3
bf810000                    ; s_endpgm
"""
_COPY_GFX9 = """
d1fd0000 04010c04           ; v_lshl_add_u32 v0, s4, 6, v0
24000082                    ; v_lshlrev_b32_e32 v0, 2, v0
dc508000 01000000           ; global_load_dword v1, v0, s[0:1]
bf8c0f70                    ; s_waitcnt vmcnt(0)
dc708000 00020100           ; global_store_dword v0, v1, s[2:3]
bf810000                    ; s_endpgm
"""
# GFX90A and later, GFX11 and later: a thread's three numbers are in one register.
_COPY_GFX90A = """
260000ff 000003ff           ; v_and_b32_e32 v0, 0x3ff, v0
""" + _COPY_GFX9.lstrip()
_COPY_GFX10 = """
d7460000 04010c04           ; v_lshl_add_u32 v0, s4, 6, v0
34000082                    ; v_lshlrev_b32_e32 v0, 2, v0
dc308000 01000000           ; global_load_dword v1, v0, s[0:1]
bf8c3f70                    ; s_waitcnt vmcnt(0)
dc708000 00020100           ; global_store_dword v0, v1, s[2:3]
bf810000                    ; s_endpgm
"""
_COPY_GFX11 = """
360000ff 000003ff           ; v_and_b32_e32 v0, 0x3ff, v0
d6460000 04010c04           ; v_lshl_add_u32 v0, s4, 6, v0
30000082                    ; v_lshlrev_b32_e32 v0, 2, v0
dc520000 01000000           ; global_load_b32 v1, v0, s[0:1]
bf8903f7                    ; s_waitcnt vmcnt(0)
dc6a0000 00020100           ; global_store_b32 v0, v1, s[2:3]
bfb00000                    ; s_endpgm
"""
_COPY_GFX12 = """
360000ff 000003ff           ; v_and_b32_e32 v0, 0x3ff, v0
d6460000 04010c75           ; v_lshl_add_u32 v0, ttmp9, 6, v0
30000082                    ; v_lshlrev_b32_e32 v0, 2, v0
ee050000 00000001 00000000  ; global_load_b32 v1, v0, s[0:1]
bfc00000                    ; s_wait_loadcnt 0x0
ee068002 00800000 00000000  ; global_store_b32 v0, v1, s[2:3]
bfb00000                    ; s_endpgm
"""
COPY_LISTINGS: tuple[tuple[Version, Version, str], ...] = (
    ((8,), (9,), _COPY_GFX8),
    ((9,), (9, 4, 2), _COPY_GFX9),
    ((9, 4, 2), (10,), _COPY_GFX90A),
    ((10,), (11,), _COPY_GFX10),
    ((11,), (11, 6), _COPY_GFX11),
    ((12,), (12, 1), _COPY_GFX12),
)
"""The shader of each generation, by [since, before): code and assembly."""


def machine_code(listing: str) -> list[int]:
    """Return the dwords of a listing: hexadecimal ones, and the assembly behind a semicolon."""
    return [int(word, 16) for line in listing.splitlines() for word in line.partition(";")[0].split()]


def copy_shader(version: Version) -> list[int] | None:
    """Return the code of the shader that copies dwords, None on a generation that has none here."""
    for since, before, listing in COPY_LISTINGS:
        if since <= version < before:
            return machine_code(listing)
    return None


def shader_resources(version: Version, user_data: int) -> tuple[int, int]:
    """Return COMPUTE_PGM_RSRC1 and 2 of a small shader: four vector and sixteen scalar registers, one dimension."""
    # Denormals are kept, infinities are not trapped; memory accesses return in order where that can be chosen.
    first = 0xC0 << 12 | (1 << 30 if version >= (10,) else 1 << 6)
    return first, user_data << 1 | 1 << GROUP_ID_X_BIT
