# SPDX-License-Identifier: MIT
"""The ring of the scheduler (MES): frames, each answered by a fence in memory (mes_v11_0.c)."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, ClassVar

from amdgpu_hw.packets import Mes, Packet

from .faults import Client, RingStop, StopCause
from .hardware_queue import KernelHandler, KernelQueueProcessor, QueueWork
from .vm_access import Pauses, VmAccess

if TYPE_CHECKING:
    from .ring import Ring

__all__ = ("KernelMesProcessor",)

WRITE_REG, _INV_GART, _QUERY_STATUS, READ_REG, WAIT_REG_MEM = range(5)
"""MESAPI_MISC__*."""
WAIT_REG, WRITE_AND_WAIT = range(2)
"""WRM_OPERATION__*."""


class KernelMesProcessor(KernelQueueProcessor):
    """Executes what one doorbell put into the scheduler's ring."""

    fetch_client = Client.CP_FETCH
    va_mask = 3

    def __init__(self, ring: Ring, work: QueueWork) -> None:
        self._frames = Mes(ring.gpu.gc_version)
        super().__init__(ring, work)

    def execute(self, packet: Packet) -> Pauses | None:
        """Do what the frame says, then write its fence."""
        if packet.name == "MISC":
            return self._misc(packet)
        self.ports.manage_queues(self.queue, packet)
        self._done(packet)
        return None

    def _use(self, vmid: int, vm: VmAccess) -> None:
        super()._use(vmid, vm)
        self.codec = self._frames

    def _done(self, packet: Packet) -> None:
        if packet.fields["fence"]:
            self.vm.write(packet.fields["fence"], pack("<Q", packet.fields["value"]), Client.CP)

    def _misc(self, packet: Packet) -> Pauses:
        """Access registers for the driver (amdgpu_mes_reg_write_reg_wait and its neighbours)."""
        fields, words = packet.fields, packet.dwords
        what = fields["what"]
        if what == WRITE_REG:
            self.ports.write_register(fields["word0"], fields["word1"])
        elif what == READ_REG:
            value = self.ports.read_register(fields["word0"])
            self.vm.write(fields["word1"] | words[8] << 32, pack("<I", value), Client.CP)
        elif what == WAIT_REG_MEM and fields["word0"] in (WAIT_REG, WRITE_AND_WAIT):
            operation, reference, mask, polled, other = (fields[f"word{n}"] for n in range(5))
            if operation == WRITE_AND_WAIT:
                # One register is written, another is polled for those bits that the mask has.
                self.ports.write_register(polled, reference)
                polled = other
            yield from self.wait_until(lambda: self.ports.read_register(polled) & mask == reference & mask)
        else:
            raise RingStop(StopCause.OPCODE, f"MISC {what} is not modelled")
        self._done(packet)

    _KERNEL_HANDLERS: ClassVar[dict[str, KernelHandler]] = {}
