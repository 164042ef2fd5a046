# SPDX-License-Identifier: MIT
"""What the units of the GPU do where there is no memory behind an address."""

from __future__ import annotations

from enum import Enum

from amdgpu_hw.packets import Version

__all__ = ("UNNOTICED", "Client", "PrtBehaviour", "RingStop", "StopCause", "prt_behaviour")


class Client(Enum):
    """A unit that makes memory accesses; the value is how faults name it."""

    CP = "CP"
    """WRITE_DATA, WAIT_REG_MEM, RELEASE_MEM, ATOMIC_MEM, COND_EXEC."""
    COPY_DATA = "COPY_DATA"
    CP_DMA = "CP_DMA"
    CP_FETCH = "CP_FETCH"
    """The command processor reading its IB."""
    SQC_INST = "SQC_INST"
    """A shader's code."""
    SQC_DATA = "SQC_DATA"
    """Scalar loads of a shader."""
    TCP = "TCP"
    """Vector loads and stores of a shader."""
    SDMA = "SDMA"
    SDMA_FETCH = "SDMA_FETCH"


class PrtBehaviour(Enum):
    """What an access to a PRT hole does."""

    ZERO = "zero"
    """Reads give 0 and writes are dropped, as the uAPI promises."""
    UNVERIFIED = "unverified"
    """The same here, but nobody knows about hardware: said through `GpuModel.on_note`, so that no test rests on it."""
    FAULT = "fault"
    """As if the page were not mapped at all."""
    HANG = "hang"
    """The unit stops until it is reset."""


class StopCause(Enum):
    """Why a ring cannot go on."""

    OPCODE = "Illegal opcode in command stream"
    REGISTER = "Illegal register access in command stream"
    SHADER = "Shader that the model does not execute"
    """Hardware would: the job ends as a hang does, and the log says what is missing."""
    ENDLESS = "shader without end"
    """Its waves can be killed; nothing else notices."""
    HANG = "hang"
    """The unit waits for something that never comes."""


UNNOTICED = frozenset((StopCause.ENDLESS, StopCause.HANG))
"""Causes of which no hardware tells: only the driver's job timeout ends them."""


class RingStop(Exception):
    """The ring cannot go on with its job: a packet that no hardware executes, or an access that hangs it."""

    def __init__(self, cause: StopCause, text: str) -> None:
        super().__init__(text if cause in UNNOTICED else f"{cause.value}: {text}")
        self.cause = cause
        self._text = text

    def at(self, place: str) -> RingStop:
        """Return the same with the place where it happened."""
        return RingStop(self.cause, f"{self._text} {place}")


_GC: tuple[tuple[Client, Version, Version, PrtBehaviour], ...] = (
    # PACKETS.md 5.5. Mesa's cp_dma_supports_sparse begins with GFX10.
    (Client.CP_DMA, (6,), (7,), PrtBehaviour.FAULT),
    (Client.CP_DMA, (7,), (10,), PrtBehaviour.HANG),
    (Client.CP_DMA, (10,), (99,), PrtBehaviour.ZERO),
    # The only observation is a hang on GC 10.1.3.
    (Client.COPY_DATA, (6,), (10, 1), PrtBehaviour.UNVERIFIED),
    (Client.COPY_DATA, (10, 1), (10, 3), PrtBehaviour.HANG),
    (Client.COPY_DATA, (10, 3), (99,), PrtBehaviour.UNVERIFIED),
    (Client.CP, (6,), (99,), PrtBehaviour.UNVERIFIED),
    (Client.CP_FETCH, (6,), (99,), PrtBehaviour.HANG),
    # KERNEL.md 3.10: vector loads are what PRT is for, scalar ones do not know it but on GFX9.
    (Client.TCP, (6,), (99,), PrtBehaviour.ZERO),
    (Client.SQC_DATA, (6,), (9,), PrtBehaviour.FAULT),
    (Client.SQC_DATA, (9,), (10,), PrtBehaviour.ZERO),
    (Client.SQC_DATA, (10,), (99,), PrtBehaviour.FAULT),
    (Client.SQC_INST, (6,), (99,), PrtBehaviour.HANG),
)

_SDMA: tuple[tuple[Client, Version, Version, PrtBehaviour], ...] = (
    (Client.SDMA, (1,), (4,), PrtBehaviour.FAULT),
    (Client.SDMA, (4,), (99,), PrtBehaviour.ZERO),
    (Client.SDMA_FETCH, (1,), (99,), PrtBehaviour.HANG),
)


def prt_behaviour(gc_version: Version, sdma_version: Version) -> dict[Client, PrtBehaviour]:
    """Return the behaviour of every unit of a GPU."""
    found = {}
    for table, version in ((_GC, gc_version), (_SDMA, sdma_version)):
        for client, since, before, behaviour in table:
            if since <= version < before:
                found[client] = behaviour
    return found
