# SPDX-License-Identifier: MIT
"""Who raises which interrupt: the numbers that the driver dispatches by (soc15_ih_clientid.h, ivsrcid/)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = (
    "CP_BAD_OPCODE",
    "CP_EOP",
    "CP_GENERIC2",
    "CP_PRIV_REG",
    "SDMA_TRAP",
    "SDMA_TRAP_GFX11",
    "UTCL2_FAULT",
    "IhClient",
    "Interrupt",
)


class IhClient(IntEnum):
    """SOC15_IH_CLIENTID_*."""

    SDMA0 = 0x08
    SDMA1 = 0x09
    GFX = 0x0A
    """GFX11: faults of graphics' hub, and the copy engines (SOC21_IH_CLIENTID_GFX)."""
    VMC = 0x12
    GRBM_CP = 0x14
    UTCL2 = 0x1B


CP_GENERIC2 = 178
"""CPC_INT_STATUS.GENERIC2: the KIQ's fences (gfx_v9_0_ring_emit_fence_kiq)."""
CP_EOP = 181
CP_BAD_OPCODE = 183
CP_PRIV_REG = 184
SDMA_TRAP = 224
SDMA_TRAP_GFX11 = 49
UTCL2_FAULT = 0


class Interrupt(NamedTuple):
    """One entry of an interrupt ring (amdgpu_ih_decode_iv_helper)."""

    client: int
    source: int
    ring: int = 0
    vmid: int = 0
    vmid_src: int = 0
    """1 for the VMIDs of the memory hub that is not graphics'."""
    pasid: int = 0
    node: int = 0
    data: tuple[int, int, int, int] = (0, 0, 0, 0)
