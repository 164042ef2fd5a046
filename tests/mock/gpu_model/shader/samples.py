# SPDX-License-Identifier: MIT
"""An instruction of each kind, with operands that can be told apart."""

from __future__ import annotations

import re

from amdgpu_hw.gpu_model.shader.encodings import Encoding
from amdgpu_hw.packets import Version

__all__ = ("sample",)

OPERANDS = {
    "sdst": 8, "ssrc0": 12, "ssrc1": 16, "sbase2": 4, "vdst": 4, "src0": 256 + 8, "src1": 256 + 12, "vsrc1": 12,
    "vaddr": 20, "vsrc": 24, "vdata": 24, "srsrc4": 2, "srsrc": 8, "imm": 1, "soffset": 40,
    "saddr": 12, "offset": 16,
}  # fmt: skip
"""What the sample of an instruction has in its fields; the others are 0. Registers are aligned for four of them."""

SPECIAL = {
    "v_lshl_add_u64": {"src1": 129, "src2": 256 + 16},
    "v_mul_lo_u32": {"sdst": 0},
    "s_sendmsg": {"simm": 3},
    "s_version": {"sdst": 0},
    "v_nop": {"vdst": 0, "src0": 0},
}
NULL = {10: 125, 11: 124, 12: 124}
"""The scalar register that is none, by generation."""
_THREE_SOURCES = re.compile(r"v_(mad|bfe|bfi|align|perm|lshl_|add_lshl|and_or|or3|add3|xad)")
_WRITES_MASK = ("v_mad_u64_u32", "v_add_co_u32", "v_sub_co_u32", "v_subrev_co_u32")


def sample(encoding: Encoding, opcode: int, name: str, version: Version) -> bytes:
    """An instruction with operands that can be told apart."""
    values = dict(OPERANDS, op=opcode)
    null = NULL.get(version[0], 0)
    if encoding.name == "VOP3":
        values["sdst"] = 12 if name in _WRITES_MASK else 0
        values["src2"] = 256 + 16 if _THREE_SOURCES.match(name) else 0
    if encoding.name == "SMEM":
        values["soffset"] = null  # before version 15 LLVM shows either this or the constant
    if encoding.name == "FLAT":
        values["saddr"] = null
    if name == "s_waitcnt_vscnt":
        values["sdst"] = null
    values.update(SPECIAL.get(name, {}))
    words = [encoding.value, *[0] * (encoding.dwords - 1)]
    for field in encoding.fields:
        words[field.dword] |= values.get(field.name, 0) << field.low
    return b"".join((word & 0xFFFF_FFFF).to_bytes(4, "little") for word in words)
