# SPDX-License-Identifier: MIT
"""What GC and the copy engines have in common: the way of their packets to registers and to memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.hardware_queue import HardwareQueue
    from amdgpu_hw.gpu_model.translation import Translator

    from .hub import Hub
    from .registers import RegisterFile

__all__ = ("PacketEngine",)


class PacketEngine:
    """A block whose queues execute packets (QueuePorts, the part that does not depend on the kind of packets)."""

    _registers: RegisterFile
    _hub: Hub

    def read_register(self, offset: int) -> int:
        """Read a register for a packet."""
        return self._registers.read(offset)

    def write_register(self, offset: int, value: int) -> None:
        """Write a register for a packet."""
        self._registers.write(offset, value)

    def translator(self, _queue: HardwareQueue, vmid: int) -> Translator:
        """Return what a VMID sees."""
        return self._hub.translator(vmid)
