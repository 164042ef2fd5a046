# SPDX-License-Identifier: MIT
"""The copy engines: they execute SDMA packets.

Packets that only the kernel may send (register writes, page-table writes, TLB flushes, calls of IBs) stop the ring, as
do the tiled and sub-window copies, which are not described in `amdgpu_hw.packets`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from amdgpu_hw.packets import RETRY_FOREVER, Packet

from .command_processor import COMPARE, CommandProcessor
from .faults import Client, RingStop, StopCause
from .vm_access import Pauses

__all__ = ("SdmaProcessor",)

POLL_UNIT_NS = 16
"""One unit of POLL_REGMEM's interval: 16 clocks (PACKETS.md 3.4), of 1 GHz here."""
FILL_BYTES = (1, 2, 4, 4)
"""By `fill_size`."""

SDMA = Client.SDMA


class SdmaProcessor(CommandProcessor):
    """Executes one job's SDMA packets."""

    fetch_client = Client.SDMA_FETCH
    va_mask = 31

    def execute(self, packet: Packet) -> Pauses | None:
        """Do what the packet says."""
        handler = self._HANDLERS.get(packet.name)
        if handler is None:
            if packet.name not in self._NO_EFFECT:
                raise RingStop(StopCause.OPCODE, f"{packet.name} in a user IB")
            return None
        return handler(self, packet)

    def _write_linear(self, packet: Packet) -> None:
        self.vm.write(packet.fields["dst"], b"".join(v.to_bytes(4, "little") for v in packet.payload), SDMA)

    def _copy_linear(self, packet: Packet) -> Pauses:
        fields = packet.fields
        return self.vm.copy(fields["src"], fields["dst"], fields["byte_count"], SDMA)

    def _copy_broadcast(self, packet: Packet) -> Pauses:
        yield from self._copy_linear(packet)
        fields = packet.fields
        yield from self.vm.copy(fields["src"], fields["dst2"], fields["byte_count"], SDMA)

    def _const_fill(self, packet: Packet) -> Pauses:
        fields = packet.fields
        pattern = fields["data"].to_bytes(4, "little")[: FILL_BYTES[fields["fill_size"]]]
        return self.vm.fill(fields["dst"], pattern, fields["byte_count"], SDMA)

    def _fence(self, packet: Packet) -> None:
        self.vm.write(packet.fields["addr"], packet.fields["data"].to_bytes(4, "little"), SDMA)

    def _timestamp(self, packet: Packet) -> None:
        self.vm.write(packet.fields["addr"], self.ring.counter().to_bytes(8, "little"), SDMA)

    def _poll_regmem(self, packet: Packet) -> Pauses:
        fields = packet.fields
        if not fields["mem_poll"]:
            raise RingStop(StopCause.REGISTER, "POLL_REGMEM of a register")
        va, mask, reference = fields["addr"], fields["mask"], fields["reference"]
        compare = COMPARE[fields["function"]]
        retries = fields["retry_count"]
        deadline = None
        if retries != RETRY_FOREVER:
            deadline = self.gpu.now() + retries * fields["interval"] * POLL_UNIT_NS
        found = yield from self.wait_until(lambda: compare(self.vm.read_u32(va, SDMA) & mask, reference), deadline)
        if not found:
            self.gpu.on_note(
                f"{self.ring.name}: POLL_REGMEM at {va:#x} gave up after {retries} retries and the job goes on; "
                "what hardware does is not known"
            )

    def _atomic(self, packet: Packet) -> Pauses | None:
        fields = packet.fields
        return self.atomic(
            fields["atomic"], fields["addr"], fields["source"], fields["compare"], bool(fields["loop"]), SDMA
        )

    def _cond_exe(self, packet: Packet) -> None:
        fields = packet.fields
        value = self.vm.read_u32(fields["addr"], SDMA)
        # CIK's packet has no reference: it tests for 0.
        holds = value == fields["reference"] if "reference" in fields else value != 0
        if not holds:
            self.skip(fields["exec_count"])

    _NO_EFFECT: ClassVar[frozenset[str]] = frozenset(("NOP", "TRAP", "DUMMY_TRAP", "TIMESTAMP_SET", "GCR_REQ"))

    _HANDLERS: ClassVar[dict[str, Callable[[SdmaProcessor, Packet], Pauses | None]]] = {
        "ATOMIC": _atomic,
        "COND_EXE": _cond_exe,
        "CONST_FILL": _const_fill,
        "COPY_BROADCAST": _copy_broadcast,
        "COPY_LINEAR": _copy_linear,
        "COPY_LINEAR_DCC": _copy_linear,
        "FENCE": _fence,
        "POLL_REGMEM": _poll_regmem,
        "TIMESTAMP_GLOBAL": _timestamp,
        "TIMESTAMP_LOCAL": _timestamp,
        "WRITE_LINEAR": _write_linear,
    }
