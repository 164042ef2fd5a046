# SPDX-License-Identifier: MIT
"""SDMA packets of the kernel's own queues: registers, interrupts, indirect buffers, page-table entries."""

from __future__ import annotations

from struct import pack
from typing import ClassVar

from amdgpu_hw.packets import Packet

from .command_processor import COMPARE
from .faults import Client, RingStop, StopCause
from .hardware_queue import KernelHandler, KernelQueueProcessor
from .sdma_engine import SdmaProcessor
from .vm_access import Pauses

__all__ = ("KernelSdmaProcessor",)

M64 = (1 << 64) - 1
REGISTER_MASK = 0x3FFFF
"""SRBM_WRITE: what of its second dword is the register's number."""


class KernelSdmaProcessor(KernelQueueProcessor, SdmaProcessor):
    """Executes what one doorbell put into a queue of a copy engine."""

    def execute(self, packet: Packet) -> Pauses | None:
        """Do what the packet says: with more rights where it is the kernel's."""
        handler = self.kernel_handler(packet)
        return super().execute(packet) if handler is None else handler(self, packet)

    def _indirect(self, packet: Packet) -> None:
        if not self.in_ring:
            raise RingStop(StopCause.OPCODE, "INDIRECT in an indirect buffer")
        fields = packet.fields
        self.call(fields["addr"], fields["size"], fields["vmid"])

    def _srbm_write(self, packet: Packet) -> None:
        self.ports.write_register(packet.fields["reg"] & REGISTER_MASK, packet.fields["value"])

    def _kernel_poll(self, packet: Packet) -> Pauses:
        fields, words = packet.fields, packet.dwords
        if fields["mem_poll"]:
            yield from self._poll_regmem(packet)
            return
        if fields.get("hdp_flush"):
            # Two registers: what is asked for goes to the second, the first tells when it is done.
            self.ports.write_register(words[2] >> 2, words[3])
        register, mask, reference = words[1] >> 2, fields["mask"], fields["reference"]
        compare = COMPARE[fields["function"]]
        yield from self.wait_until(lambda: compare(self.ports.read_register(register) & mask, reference))

    def _ptepde_gen(self, packet: Packet) -> None:
        fields = packet.fields
        flags, value, step, count = fields["mask"], fields["value"], fields["increment"], fields["count"]
        if step:
            entries = [(value + n * step) & M64 | flags for n in range(count)]
            data = pack(f"<{count}Q", *entries)
        else:
            data = pack("<Q", value | flags) * count
        self.vm.write(fields["addr"], data, Client.SDMA)

    def _trap(self, packet: Packet) -> None:
        self.ports.trap(self.queue, packet.fields["int_context"])

    def _vm_invalidation(self, packet: Packet) -> None:
        fields = packet.fields
        self.ports.invalidate((fields["gfx_engine"], fields["mm_engine"]), fields["request"])

    def _pre_exe(self, packet: Packet) -> None:
        raise RingStop(StopCause.HANG, f"{packet.name}, which is not modelled")

    _KERNEL_HANDLERS: ClassVar[dict[str, KernelHandler]] = {
        "INDIRECT": _indirect,
        "POLL_REGMEM": _kernel_poll,
        "PRE_EXE": _pre_exe,
        "PTEPDE_GEN": _ptepde_gen,
        "SRBM_WRITE": _srbm_write,
        "TRAP": _trap,
        "VM_INVALIDATION": _vm_invalidation,
    }
