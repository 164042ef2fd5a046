# SPDX-License-Identifier: MIT
"""The command processors of graphics and compute rings: they execute PM4.

ME, PFP and CE are one processor here that takes packets strictly in order, and a job's IBs one after the other, so
packets that synchronise them with each other (PFP_SYNC_ME, the CE counters) have nothing to do. Of state, the SH
registers are kept, for compute shaders (`shader`), for as long as a job; what else is set is forgotten. A draw is an
unknown opcode, and events write nothing (EVENT_WRITE of counters).
Jobs run as VMID != 0, so packets that touch registers stop the ring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import unpack
from typing import TYPE_CHECKING, ClassVar

from amdgpu_hw.packets import Packet

from .command_processor import COMPARE, CommandProcessor
from .faults import Client, RingStop, StopCause
from .shader import ComputeRegisters, dispatch
from .vm_access import Pauses

if TYPE_CHECKING:
    from .ring import IbWork, Ring

__all__ = ("Pm4Processor",)

WRITE_DST_MEMORY = frozenset((1, 2, 5))
COPY_SRC_MEMORY = frozenset((1, 2))
COPY_SRC_IMMEDIATE = 5
COPY_SRC_ATOMIC_RETURN = 6
COPY_SRC_CLOCKS = frozenset((9, 10))
WAIT_MEMORY = frozenset((1, 2))
WAIT_WRITE_WAIT_WRITE = 1
DMA_SRC_DATA = 2
DMA_DST_NOWHERE = 2
DMA_GDS = 1
DATA_VALUE32, DATA_VALUE64, DATA_GPU_CLOCK, DATA_SYSTEM_CLOCK = 1, 2, 3, 4
ATOMIC_LOOP = 1
BASE_OF_INDIRECT = 1
"""`SET_BASE`: what the offset of an indirect dispatch counts from."""
_FENCE_DWORDS = 4

NESTING = 1
"""IBs may call IBs, but no further: hardware has IB1 and IB2 (PACKETS.md section 8)."""


def _protected(packet: Packet, what: str) -> RingStop:
    return RingStop(StopCause.REGISTER, f"{packet.name} {what}")


class Pm4Processor(CommandProcessor):
    """Executes one job's PM4."""

    fetch_client = Client.CP_FETCH
    va_mask = 3

    _callers: list[tuple[int, int, int]]

    def __init__(self, ring: Ring, work: IbWork) -> None:
        super().__init__(ring, work)
        self._compute = ComputeRegisters()
        self._indirect_base = 0

    def enter(self, va: int, size: int) -> None:
        """Go on at the beginning of a job's IB."""
        self._callers = []
        super().enter(va, size)

    def leave(self) -> bool:
        """Return from an IB that was called by another one."""
        if not self._callers:
            return False
        va, size, at = self._callers.pop()
        super().enter(va, size)
        self.at = at
        return True

    def execute(self, packet: Packet) -> Pauses | None:
        """Do what the packet says; packets without an effect on memory do nothing."""
        handler = self._HANDLERS.get(packet.name)
        return None if handler is None else handler(self, packet)

    # -- reading and writing ------------------------------------------------------------------------------------------

    def _write_data(self, packet: Packet) -> None:
        fields = packet.fields
        if fields["dst_sel"] not in WRITE_DST_MEMORY:
            raise _protected(packet, f"to destination {fields['dst_sel']}")
        data = b"".join(value.to_bytes(4, "little") for value in packet.payload)
        self.vm.write(fields["addr"] & ~3, data[-4:] if fields["one_address"] else data, Client.CP)

    def _wait_reg_mem(self, packet: Packet) -> Pauses:
        return self._wait(packet, 4)

    def _wait_reg_mem64(self, packet: Packet) -> Pauses:
        return self._wait(packet, 8)

    def _wait(self, packet: Packet, size: int) -> Pauses:
        fields = packet.fields
        if fields["space"] not in WAIT_MEMORY or fields["operation"] == WAIT_WRITE_WAIT_WRITE:
            raise _protected(packet, "polls a register")
        va, mask, reference = fields["addr"], fields["mask"], fields["reference"]
        compare = COMPARE[fields["function"]]
        read = self.vm.read_u32 if size == 4 else self.vm.read_u64
        yield from self.wait_until(lambda: compare(read(va, Client.CP) & mask, reference))

    def _copy_data(self, packet: Packet) -> None:
        fields = packet.fields
        size = 8 if fields["count_sel"] else 4
        if fields["dst_sel"] not in WRITE_DST_MEMORY:
            raise _protected(packet, f"to destination {fields['dst_sel']}")
        source = fields["src_sel"]
        if source in COPY_SRC_MEMORY:
            data = self.vm.read(fields["src"] & -size, size, Client.COPY_DATA)
        elif source == COPY_SRC_IMMEDIATE:
            data = fields["src"].to_bytes(8, "little")[:size]
        elif source in COPY_SRC_CLOCKS:
            data = self.ring.counter().to_bytes(8, "little")[:size]
        elif source == COPY_SRC_ATOMIC_RETURN:
            data = self.atomic_return.to_bytes(8, "little")[:size]
        else:
            raise _protected(packet, f"from source {source}")
        self.vm.write(fields["dst"] & -size, data, Client.COPY_DATA)

    def _dma_data(self, packet: Packet) -> Pauses | None:
        fields = packet.fields
        return self._dma(packet, fields["src"], fields["dst"], fields["dst_sel"] == DMA_DST_NOWHERE)

    def _cp_dma(self, packet: Packet) -> Pauses | None:
        fields = packet.fields
        return self._dma(packet, fields["src_lo"] | fields["src_hi"] << 32, fields["dst"], False)

    def _dma(self, packet: Packet, src: int, dst: int, nowhere: bool) -> Pauses | None:
        fields = packet.fields
        source = fields["src_sel"]
        if DMA_GDS in (source, fields["dst_sel"]) or fields["src_register"] or fields["dst_register"]:
            raise _protected(packet, "to or from registers or GDS")
        size = fields["byte_count"]
        if nowhere or not size:
            return None
        client = Client.CP_DMA
        if source == DMA_SRC_DATA:
            pattern = (src & 0xFFFF_FFFF).to_bytes(4, "little")
        elif fields["src_fixed"]:
            pattern = self.vm.read(src, 4, client)
        elif fields["dst_fixed"]:
            # Every dword goes to the same place: the last one stays.
            self.vm.write(dst, self.vm.read(src + max(0, size - 4), min(4, size), client), client)
            return None
        else:
            return self.vm.copy(src, dst, size, client)
        return self.vm.fill(dst, pattern, min(4, size) if fields["dst_fixed"] else size, client)

    def _atomic_mem(self, packet: Packet) -> Pauses | None:
        fields = packet.fields
        return self.atomic(
            fields["atomic"],
            fields["addr"],
            fields["source"],
            fields["compare"],
            fields["command"] == ATOMIC_LOOP,
            Client.CP,
        )

    # -- end of pipe --------------------------------------------------------------------------------------------------

    def _end_of_pipe(self, packet: Packet) -> None:
        """RELEASE_MEM and EVENT_WRITE_EOP: everything before is done already, so only the write is left."""
        fields = packet.fields
        select, va = fields["data_sel"], fields["addr"]
        if select == DATA_VALUE32:
            self.vm.write(va, (fields["data"] & 0xFFFF_FFFF).to_bytes(4, "little"), Client.CP)
        elif select == DATA_VALUE64:
            self.vm.write(va & ~7, fields["data"].to_bytes(8, "little"), Client.CP)
        elif select in (DATA_GPU_CLOCK, DATA_SYSTEM_CLOCK):
            self.vm.write(va & ~7, self.ring.counter().to_bytes(8, "little"), Client.CP)
        elif select:
            raise _protected(packet, f"with data selector {select}")

    def _timestamp(self, packet: Packet) -> None:
        fields = packet.fields
        clock = self.ring.counter().to_bytes(8, "little")
        for name in ("bottom", "top"):
            if fields[f"enable_{name}"]:
                self.vm.write(fields[name], clock, Client.CP)

    def _protected_fence_signal(self, packet: Packet) -> None:
        told = self.work.on_protected_fence
        if told is None or self._callers:
            raise RingStop(StopCause.OPCODE, f"{packet.name} outside of a user queue's ring")
        told(self.ib_va + 4 * self.at)

    def _fence_wait_multi(self, packet: Packet) -> Pauses:
        """Wait until every fence has reached its number; they only grow."""
        words = packet.payload
        if len(words) % _FENCE_DWORDS:
            raise RingStop(StopCause.OPCODE, f"{packet.name} of {len(words)} dwords of fences")
        quads = [words[at : at + _FENCE_DWORDS] for at in range(0, len(words), _FENCE_DWORDS)]
        fences = [(low | high << 32, value | value_high << 32) for low, high, value, value_high in quads]
        yield from self.wait_until(lambda: all(self.vm.read_u64(va, Client.CP) >= value for va, value in fences))

    # -- compute shaders ----------------------------------------------------------------------------------------------

    def _set_sh_registers(self, packet: Packet) -> None:
        self._compute.write(packet.fields["reg_offset"], packet.payload)

    def _set_register_pairs(self, packet: Packet) -> None:
        words = packet.payload
        for offset, value in zip(words[::2], words[1::2], strict=False):
            self._compute.write(offset & 0xFFFF, (value,))

    def _set_packed_register_pairs(self, packet: Packet) -> None:
        """How many registers; then for each two of them both offsets in one dword, and their values."""
        words = packet.payload[1:]
        for at in range(0, len(words) - 2, 3):
            offsets, first, second = words[at : at + 3]
            self._compute.write(offsets & 0xFFFF, (first,))
            self._compute.write(offsets >> 16, (second,))

    def _set_base(self, packet: Packet) -> None:
        index, low, high = (*packet.payload, 0, 0, 0)[:3]
        if index & 0xF == BASE_OF_INDIRECT:
            self._indirect_base = low | (high & 0xFFFF) << 32

    def _dispatch_direct(self, packet: Packet) -> Pauses:
        fields = packet.fields
        return self._dispatch((fields["x"], fields["y"], fields["z"]), fields["initiator"])

    def _dispatch_indirect(self, packet: Packet) -> Pauses:
        fields = packet.fields
        va = fields["addr"] if "addr" in fields else self._indirect_base + fields["offset"]
        words = unpack("<3I", self.vm.read(va, 12, Client.CP))
        return self._dispatch(words, fields["initiator"])

    def _dispatch(self, dimensions: Sequence[int], initiator: int) -> Pauses:
        self.in_shader = True
        yield from dispatch(self.ring, self.vm, self._compute, dimensions, initiator)
        self.in_shader = False

    # -- control flow -------------------------------------------------------------------------------------------------

    def _cond_exec(self, packet: Packet) -> None:
        if not self.vm.read_u32(packet.fields["addr"], Client.CP):
            self.skip(packet.fields["exec_count"])

    def _indirect_buffer(self, packet: Packet) -> None:
        fields = packet.fields
        if not fields.get("chain"):
            if len(self._callers) >= NESTING:
                raise RingStop(StopCause.OPCODE, "INDIRECT_BUFFER in a called IB")
            self._callers.append((self.ib_va, self.ib_size, self.at))
        super().enter(fields["addr"], fields["size"])

    _HANDLERS: ClassVar[dict[str, Callable[[Pm4Processor, Packet], Pauses | None]]] = {
        "ATOMIC_MEM": _atomic_mem,
        "COND_EXEC": _cond_exec,
        "COPY_DATA": _copy_data,
        "CP_DMA": _cp_dma,
        "DISPATCH_DIRECT": _dispatch_direct,
        "DISPATCH_INDIRECT": _dispatch_indirect,
        "DMA_DATA": _dma_data,
        "EVENT_WRITE_EOP": _end_of_pipe,
        "FENCE_WAIT_MULTI": _fence_wait_multi,
        "INDIRECT_BUFFER": _indirect_buffer,
        "PROTECTED_FENCE_SIGNAL": _protected_fence_signal,
        "RELEASE_MEM": _end_of_pipe,
        "SET_BASE": _set_base,
        "SET_SH_REG": _set_sh_registers,
        "SET_SH_REG_INDEX": _set_sh_registers,
        "SET_SH_REG_PAIRS": _set_register_pairs,
        "SET_SH_REG_PAIRS_PACKED": _set_packed_register_pairs,
        "SET_SH_REG_PAIRS_PACKED_N": _set_packed_register_pairs,
        "TIMESTAMP": _timestamp,
        "WAIT_REG_MEM": _wait_reg_mem,
        "WAIT_REG_MEM64": _wait_reg_mem64,
        "WRITE_DATA": _write_data,
    }
