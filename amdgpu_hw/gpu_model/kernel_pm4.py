# SPDX-License-Identifier: MIT
"""PM4 of the kernel's own queues: registers, interrupts, indirect buffers of clients, queue management."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, ClassVar

from amdgpu_hw.packets import Packet

from .command_processor import COMPARE
from .faults import Client, RingStop, StopCause
from .hardware_queue import KernelHandler, KernelQueueProcessor, QueueWork
from .pm4_cp import COPY_SRC_CLOCKS, WAIT_MEMORY, WAIT_WRITE_WAIT_WRITE, Pm4Processor
from .translation import EntryKind
from .vm_access import Pauses

if TYPE_CHECKING:
    from .ring import Ring

__all__ = ("KernelPm4Processor",)

REGISTER = 0
"""`dst_sel`, `src_sel` and `space` of packets that can also reach memory."""
PREEMPTION_MEMORY = 8
"""`dst_sel` of metadata for mid-command-buffer preemption (gfx_v9_0_ring_emit_de_meta), at the client's CSA."""
COPY_SRC_IMMEDIATE = 5
INTERRUPTS = frozenset((1, 2))
"""`int_sel` of RELEASE_MEM that interrupt: at once, or when the write is confirmed."""

REGISTER_SPACES = {"SET_CONFIG_REG": 0x2000, "SET_UCONFIG_REG": 0xC000}
"""First dword of what these packets reach (PACKET3_SET_CONFIG_REG_START and its neighbours). SET_SH_REG and
SET_CONTEXT_REG are state for shaders and drawing, of which the model has neither."""


class KernelPm4Processor(KernelQueueProcessor, Pm4Processor):
    """Executes what one doorbell put into a graphics, compute or KIQ ring."""

    def __init__(self, ring: Ring, work: QueueWork) -> None:
        super().__init__(ring, work)
        self._metadata: list[tuple[int, bytes]] = []
        """What was written for preemption: to the address space of the indirect buffer that comes next."""

    def execute(self, packet: Packet) -> Pauses | None:
        """Do what the packet says: with more rights where it is the kernel's."""
        handler = self.kernel_handler(packet)
        return super().execute(packet) if handler is None else handler(self, packet)

    # -- registers ----------------------------------------------------------------------------------------------------

    def _kernel_write_data(self, packet: Packet) -> None:
        if packet.fields["dst_sel"] == PREEMPTION_MEMORY:
            self._metadata.append((packet.fields["addr"] & ~3, pack(f"<{len(packet.payload)}I", *packet.payload)))
            return
        if packet.fields["dst_sel"] != REGISTER:
            self._write_data(packet)
            return
        register, step = packet.dwords[2], not packet.fields["one_address"]
        for index, value in enumerate(packet.payload):
            self.ports.write_register(register + index * step, value)

    def _kernel_wait(self, packet: Packet) -> Pauses:
        fields, words = packet.fields, packet.dwords
        if fields["operation"] == WAIT_WRITE_WAIT_WRITE:
            # One register is written, another is polled for those bits of it that the mask has.
            self.ports.write_register(words[2], words[4])
            polled, reference = words[3], words[4] & words[5]
        elif fields["space"] in WAIT_MEMORY:
            yield from self._wait(packet, 4)
            return
        else:
            polled, reference = words[2], words[4]
        compare, mask = COMPARE[fields["function"]], words[5]
        yield from self.wait_until(lambda: compare(self.ports.read_register(polled) & mask, reference))

    def _kernel_copy_data(self, packet: Packet) -> None:
        fields = packet.fields
        source, target = fields["src_sel"], fields["dst_sel"]
        if REGISTER not in (source, target):
            self._copy_data(packet)
            return
        size = 8 if fields["count_sel"] else 4
        if source == REGISTER:
            data = b"".join(self.ports.read_register(fields["src"] + n).to_bytes(4, "little") for n in range(size // 4))
        elif source in COPY_SRC_CLOCKS:
            data = self.ring.counter().to_bytes(8, "little")[:size]
        elif source == COPY_SRC_IMMEDIATE:
            data = fields["src"].to_bytes(8, "little")[:size]
        else:
            data = self.vm.read(fields["src"] & -size, size, Client.COPY_DATA)
        if target != REGISTER:
            self.vm.write(fields["dst"] & -size, data, Client.COPY_DATA)
            return
        for n in range(size // 4):
            self.ports.write_register(fields["dst"] + n, int.from_bytes(data[4 * n : 4 * n + 4], "little"))

    def _set_registers(self, packet: Packet) -> None:
        first = REGISTER_SPACES[packet.name] + packet.fields["reg_offset"]
        for index, value in enumerate(packet.payload):
            self.ports.write_register(first + index, value)

    # -- control ------------------------------------------------------------------------------------------------------

    def _kernel_release_mem(self, packet: Packet) -> None:
        self._end_of_pipe(packet)
        if packet.fields["int_sel"] in INTERRUPTS:
            self.ports.end_of_pipe(self.queue)

    def _kernel_indirect_buffer(self, packet: Packet) -> None:
        if not self.in_ring:
            self._indirect_buffer(packet)
            return
        fields = packet.fields
        self.call(fields["addr"], fields["size"], fields["vmid"])
        for va, data in self._metadata:
            # The driver emits it without preemption too, when no CSA is mapped (gfx_v9_ring_emit_cntxcntl).
            if self.vm.kind_at(va) is EntryKind.VALID:
                self.vm.write(va, data, Client.CP)
        self._metadata.clear()

    def _manage_queues(self, packet: Packet) -> None:
        if not self.in_ring:
            raise RingStop(StopCause.OPCODE, f"{packet.name} in an indirect buffer")
        self.ports.manage_queues(self.queue, packet)

    _KERNEL_HANDLERS: ClassVar[dict[str, KernelHandler]] = {
        "COPY_DATA": _kernel_copy_data,
        "INDIRECT_BUFFER": _kernel_indirect_buffer,
        "INDIRECT_BUFFER_CONST": _kernel_indirect_buffer,
        "INVALIDATE_TLBS": _manage_queues,
        "MAP_QUEUES": _manage_queues,
        "QUERY_STATUS": _manage_queues,
        "RELEASE_MEM": _kernel_release_mem,
        "SET_CONFIG_REG": _set_registers,
        "SET_RESOURCES": _manage_queues,
        "SET_UCONFIG_REG": _set_registers,
        "UNMAP_QUEUES": _manage_queues,
        "WAIT_REG_MEM": _kernel_wait,
        "WRITE_DATA": _kernel_write_data,
    }
