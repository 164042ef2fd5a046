# SPDX-License-Identifier: MIT
"""PM4 and SDMA packets, encoded and decoded from one set of tables per generation.

    pm4 = packets.pm4_for(gc_version, Engine.COMPUTE)
    ib = pm4.pad(pm4.wait_reg_mem(flag, 1) + pm4.write_data(result, [42]))
    sdma = packets.sdma_for(sdma_version)
    ib = sdma.pad(sdma.copy(src, dst, 4096))

Encoders return lists of dwords, which add up to IBs. `Pm4.decode` and `Sdma.decode` are the way back,
`disassemble` makes text of an IB.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from . import compute
from .atomics import ATOMIC_OPERATIONS, atomic_code, atomic_operation
from .codec import Codec, pad_with
from .engine import Engine
from .kernel_tables import KERNEL_PM4_PACKETS, KERNEL_SDMA_PACKETS
from .layout import Packet, PacketError, TruncatedPacket, Version
from .mes import Mes, MesQueueType
from .pm4 import Pm4, pm4_for
from .pm4_tables import NOP_SINGLE
from .sdma import Sdma, sdma_for
from .sdma_tables import RETRY_FOREVER

__all__ = (
    "ATOMIC_OPERATIONS",
    "RETRY_FOREVER",
    "Codec",
    "Engine",
    "Mes",
    "MesQueueType",
    "Packet",
    "PacketError",
    "Pm4",
    "Sdma",
    "TruncatedPacket",
    "Version",
    "atomic_code",
    "atomic_operation",
    "codec_for",
    "compute",
    "kernel_codec_for",
    "pad_ib",
    "pm4_for",
    "sdma_for",
)


@cache
def codec_for(engine: Engine, gc_version: Version, sdma_version: Version) -> Pm4 | Sdma:
    """Return the codec of one of a GPU's engines; the same object every time."""
    return sdma_for(sdma_version) if engine is Engine.SDMA else pm4_for(gc_version, engine)


@cache
def kernel_codec_for(engine: Engine, gc_version: Version, sdma_version: Version) -> Pm4 | Sdma:
    """Return the codec of the kernel's own rings on one of a GPU's engines: it knows more packets."""
    if engine is Engine.SDMA:
        return Sdma(sdma_version, KERNEL_SDMA_PACKETS)
    return Pm4(gc_version, engine, KERNEL_PM4_PACKETS)


def pad_ib(dwords: Sequence[int], engine: Engine, multiple: int = 8) -> list[int]:
    """Return the IB filled up with the engine's one-dword no-operation (GFX7 and later; GFX6 has `Pm4.pad`).

    8 dwords satisfy the alignments of AMDGPU_INFO_HW_IP_INFO on every generation.
    """
    return pad_with(0 if engine is Engine.SDMA else NOP_SINGLE, dwords, multiple)
