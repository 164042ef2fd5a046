# SPDX-License-Identifier: MIT
"""PM4: packets for graphics and compute rings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from . import compute
from .atomics import atomic_code
from .codec import Codec, by_version, check_range, pad_with
from .engine import Engine
from .layout import FieldValue, Layout, Packet, PacketError, PacketLayout, Version
from .pm4_sync_tables import ACQUIRE_FULL_SYNC, FENCE_FLUSH
from .pm4_tables import CP_DMA_CAREFUL_BYTES, NOP_OPCODE, NOP_SINGLE, PM4_PACKETS, TYPE2_FILLER

__all__ = ("Pm4", "pm4_for")

COUNT_MAX = 0x3FFF
"""Of the header's count field; a NOP with it is one dword long."""

MAX_DWORDS = COUNT_MAX + 1
"""The longest packet: a count of 0x3FFE (0x3FFF would be ambiguous for NOP and is never used)."""

Width = Literal[32, 64]


class Pm4(Codec):
    """Encodes and decodes PM4 for one GC version and ring; every encoder returns a list of dwords.

    Addresses are GPU virtual addresses in bytes. Bad addresses, sizes and values raise ValueError.
    """

    def __init__(self, gc_version: Version, engine: Engine, more: tuple[PacketLayout, ...] = ()) -> None:
        """Make the codec; ``more`` are packets that IBs of clients may not have."""
        # GFX6 has no MEC: its compute rings run on the ME and take the graphics ring's packets (PACKETS.md 1.3).
        super().__init__((*PM4_PACKETS, *more), gc_version, Engine.GFX if gc_version < (7,) else engine)
        self._by_opcode: dict[int, list[Layout]] = {}
        for layout in self._layouts:
            self._by_opcode.setdefault(layout.opcode, []).append(layout)
        self.filler = TYPE2_FILLER if gc_version < (7,) else NOP_SINGLE
        self.dma_max_bytes: int = by_version(CP_DMA_CAREFUL_BYTES, gc_version)
        """The most bytes the encoders put into one DMA_DATA; a longer copy or fill becomes several."""

    # -- any packet -------------------------------------------------------------------------------------------

    def packet(self, name: str, payload: Sequence[int] = (), /, **fields: FieldValue) -> list[int]:
        """Return any packet; see `Codec.packet`. The header's count follows from the length."""
        layout = self.layout(name)
        words = layout.encode(0, fields, payload)
        if not 2 <= len(words) <= MAX_DWORDS:
            raise ValueError(f"{name} of {len(words)} dwords: PM4 packets have 2 to {MAX_DWORDS}")
        words[0] |= 3 << 30 | (len(words) - 2) << 16 | layout.opcode << 8
        return words

    def decode_at(self, words: Sequence[int], at: int = 0) -> Packet:
        """Return the packet at ``words[at]``; PacketError for unknown opcodes, types 0 and 1, and wrong sizes."""
        header = words[at]
        kind = header >> 30
        if kind == 2:
            return Packet("NOP", {}, (), (header,))
        if kind != 3:
            raise PacketError(f"{header:08x} is a type-{kind} packet, which user IBs may not contain")
        opcode = header >> 8 & 0xFF
        count = header >> 16 & COUNT_MAX
        if opcode == NOP_OPCODE and count == COUNT_MAX and self.filler == NOP_SINGLE:
            return Packet("NOP", {}, (), (header,))
        size = count + 2
        layouts = self._by_opcode.get(opcode)
        if layouts is None:
            raise PacketError(f"{header:08x} has opcode {opcode:#04x}, unknown to this engine")
        layout = next((one for one in layouts if one.size == size), layouts[0])
        cut = self._cut(words, at, size, layout.name)
        if size < layout.least or (size > layout.size and not layout.payload):
            raise PacketError(f"{layout.name} of {size} dwords, it has {layout.size}")
        return Packet(layout.name, layout.decode(cut), cut[layout.size :], cut)

    def pad(self, dwords: Sequence[int], multiple: int = 8) -> list[int]:
        """Return the IB filled up with one-dword no-operations to a multiple of ``multiple`` dwords."""
        return pad_with(self.filler, dwords, multiple)

    # -- padding and control ----------------------------------------------------------------------------------

    def nop(self, dwords: int = 1) -> list[int]:
        """Do nothing for ``dwords`` dwords: one packet, of which the engine skips the body."""
        if dwords == 1:
            return [self.filler]
        return self.packet("NOP", [0] * (dwords - 1))

    def indirect_buffer(self, va: int, dwords: int, *, chain: bool = False, vmid: int = 0) -> list[int]:
        """Call the IB at ``va``, or with ``chain`` go on there and never return."""
        check_range("indirect buffer", va, dwords * 4, 4)
        fields: dict[str, FieldValue] = {"addr": va, "size": dwords, "vmid": vmid}
        if chain or (self.engine is Engine.COMPUTE and self.version >= (7,)):
            fields["valid"] = 1
        if chain:
            fields["chain"] = 1
        return self.packet("INDIRECT_BUFFER", **fields)

    def cond_exec(self, va: int, dwords: int) -> list[int]:
        """Skip the next ``dwords`` dwords if the dword at ``va`` is 0."""
        check_range("COND_EXEC", va, 4, 4)
        return self.packet("COND_EXEC", addr=va, exec_count=dwords)

    # -- memory -----------------------------------------------------------------------------------------------

    def write_data(
        self,
        va: int,
        data: Sequence[int],
        *,
        dst: FieldValue = "memory",
        confirm: bool = True,
        one_address: bool = False,
    ) -> list[int]:
        """Write dwords at ``va``; ``confirm`` lets the next packet wait until they are written.

        On GFX6 use ``dst="memory_sync"`` (PACKETS.md 2.1). ``one_address`` writes every dword to the same place.
        """
        check_range("WRITE_DATA", va, 4 if one_address else 4 * len(data), 4)
        if not data:
            raise ValueError("WRITE_DATA without data")
        return self.packet("WRITE_DATA", data, dst_sel=dst, addr=va, wr_confirm=confirm, one_address=one_address)

    def wait_reg_mem(
        self,
        va: int,
        reference: int,
        *,
        function: FieldValue = "==",
        mask: int | None = None,
        interval: int = 4,
        bits: Width = 32,
        on_pfp: bool = False,
    ) -> list[int]:
        """Wait until ``(memory & mask) function reference``; nothing but the job's time-out ends it otherwise.

        64 bits need GFX9. On GFX8 compute rings the uncached bit is set, without which the MEC may never see a
        value written by the CPU.
        """
        check_range("WAIT_REG_MEM", va, bits // 8, bits // 8)
        fields: dict[str, FieldValue] = {
            "addr": va,
            "reference": reference,
            "mask": (1 << bits) - 1 if mask is None else mask,
            "function": function,
            "space": "memory",
            "poll_interval": interval,
        }
        if on_pfp:
            fields["engine"] = "pfp"
        name = "WAIT_REG_MEM" if bits == 32 else "WAIT_REG_MEM64"
        if "uncached" in self.layout(name).by_name:
            fields["uncached"] = 1
        return self.packet(name, **fields)

    def copy_data(self, src: int, dst: int, *, bits: Width = 32) -> list[int]:
        """Copy 32 or 64 bits from one address to another. Not for PRT ranges: PACKETS.md section 0 item 15."""
        check_range("COPY_DATA source", src, bits // 8, bits // 8)
        return self._copy_data("memory", src, dst, bits)

    def copy_data_immediate(self, value: int, dst: int, *, bits: Width = 32) -> list[int]:
        """Write 32 or 64 bits of the packet itself."""
        if not 0 <= value < 1 << bits:
            raise ValueError(f"COPY_DATA: {value:#x} has more than {bits} bits")
        return self._copy_data("immediate", value, dst, bits)

    def copy_data_clock(self, dst: int) -> list[int]:
        """Write the 64-bit GPU clock counter, when the packet is reached ("top of pipe")."""
        return self._copy_data("gpu_clock", 0, dst, 64)

    def _copy_data(self, src_sel: str, src: int, dst: int, bits: Width) -> list[int]:
        check_range("COPY_DATA destination", dst, bits // 8, bits // 8)
        return self.packet(
            "COPY_DATA",
            src_sel=src_sel,
            src=src,
            dst_sel="memory",
            dst=dst,
            count_sel="64" if bits == 64 else "32",
            wr_confirm=1,
        )

    def dma_data_copy(self, src: int, dst: int, size: int, *, through_l2: bool = False) -> list[int]:
        """Copy ``size`` bytes and wait; several packets where one could not move them (`dma_max_bytes`).

        ``through_l2`` is how PRT ranges are read on GFX10 and GFX11 (PACKETS.md 5.5); not used on GFX12.
        """
        check_range("DMA_DATA source", src, size)
        check_range("DMA_DATA destination", dst, size)
        select = "l2" if through_l2 else "memory"
        words = []
        for at in range(0, size, self.dma_max_bytes):
            count = min(self.dma_max_bytes, size - at)
            words += self._dma(select, src + at, select, dst + at, count)
        return words

    def dma_data_fill(self, dst: int, value: int, size: int, *, through_l2: bool = False) -> list[int]:
        """Fill ``size`` bytes, a multiple of 4, with a dword and wait; several packets if need be."""
        check_range("DMA_DATA fill", dst, size, 4)
        if not 0 <= value < 1 << 32:
            raise ValueError(f"DMA_DATA fills with 32 bits, not {value:#x}")
        select = "l2" if through_l2 else "memory"
        words = []
        for at in range(0, size, self.dma_max_bytes):
            words += self._dma("data", value, select, dst + at, min(self.dma_max_bytes, size - at))
        return words

    def _dma(self, src_sel: str, src: int, dst_sel: str, dst: int, size: int) -> list[int]:
        if self.version >= (7,):
            return self.packet(
                "DMA_DATA", src_sel=src_sel, src=src, dst_sel=dst_sel, dst=dst, byte_count=size, cp_sync=1
            )
        return self.packet(
            "CP_DMA",
            src_sel=src_sel,
            src_lo=src & 0xFFFF_FFFF,
            src_hi=src >> 32,
            dst_sel=dst_sel,
            dst=dst,
            byte_count=size,
            cp_sync=1,
        )

    def atomic_mem(
        self,
        operation: str,
        va: int,
        source: int,
        *,
        compare: int = 0,
        bits: Width = 32,
        returns: bool = False,
        loop_interval: int | None = None,
    ) -> list[int]:
        """Do an atomic operation (`ATOMIC_OPERATIONS`); with ``loop_interval`` repeat until the compare holds."""
        check_range("ATOMIC_MEM", va, bits // 8, bits // 8)
        return self.packet(
            "ATOMIC_MEM",
            atomic=atomic_code(operation, bits, returns),
            command="single" if loop_interval is None else "loop",
            addr=va,
            source=source,
            compare=compare,
            loop_interval=loop_interval or 0,
        )

    # -- compute shaders --------------------------------------------------------------------------------------

    def set_sh_registers(self, first: int, values: Sequence[int]) -> list[int]:
        """Set consecutive SH registers (`compute`) for compute shaders."""
        return self.packet("SET_SH_REG", values, reg_offset=first, compute=1)

    def dispatch(self, groups: int, threads: int, code: int, user_data: Sequence[int]) -> list[int]:
        """Run the shader at ``code`` in one dimension: workgroups of ``threads`` threads, with these first registers.

        It has four vector registers and eleven scalar ones beside VCC, no LDS and no scratch memory, and finds the
        number of its workgroup behind ``user_data``.
        """
        check_range("shader", code, 256, 256)
        if not 0 <= len(user_data) <= compute.USER_DATA_MAX:
            raise ValueError(f"{len(user_data)} words of user data: a shader has {compute.USER_DATA_MAX}")
        resources = compute.shader_resources(self.version, len(user_data))
        return [
            *self.set_sh_registers(compute.START_X, (0, 0, 0, threads, 1, 1)),
            *self.set_sh_registers(compute.PGM_LO, (code >> 8 & 0xFFFF_FFFF, code >> 40 & 0xFF)),
            *self.set_sh_registers(compute.PGM_RSRC1, resources),
            *self.set_sh_registers(compute.TMPRING_SIZE, (0,)),
            *self.set_sh_registers(compute.USER_DATA_0, user_data),
            *self.dispatch_direct((groups, 1, 1), compute.SHADER_ENABLE | compute.FORCE_START_AT_000),
        ]

    def dispatch_direct(self, groups: tuple[int, int, int], initiator: int) -> list[int]:
        """Run the compute shader that the registers describe."""
        x, y, z = groups
        return self.packet("DISPATCH_DIRECT", x=x, y=y, z=z, initiator=initiator, compute=1)

    # -- fences, timestamps, caches ---------------------------------------------------------------------------

    def release_mem(self, va: int, value: int, *, bits: Width = 32) -> list[int]:
        """Write ``value`` when all earlier work is done and the caches are written back, as the kernel's fences do."""
        check_range("RELEASE_MEM", va, bits // 8, bits // 8)
        if not 0 <= value < 1 << bits:
            raise ValueError(f"RELEASE_MEM: {value:#x} has more than {bits} bits")
        flush = by_version(FENCE_FLUSH, self.version)
        return self.packet(
            self._end_of_pipe, addr=va, data=value, data_sel="value64" if bits == 64 else "value32", **flush
        )

    def release_mem_clock(self, va: int) -> list[int]:
        """Write the 64-bit GPU clock counter when all earlier work is done ("bottom of pipe")."""
        check_range("RELEASE_MEM", va, 8, 8)
        return self.packet(
            self._end_of_pipe, addr=va, data_sel="gpu_clock", event_type="BOTTOM_OF_PIPE_TS", event_index=5
        )

    @property
    def _end_of_pipe(self) -> str:
        return "RELEASE_MEM" if "RELEASE_MEM" in self._by_name else "EVENT_WRITE_EOP"

    def protected_fence_signal(self) -> list[int]:
        """Tell the driver how far the ring of a user queue has been executed; GFX11 and later."""
        return self.packet("PROTECTED_FENCE_SIGNAL")

    def acquire_mem(self) -> list[int]:
        """Write back and invalidate every cache, over all of memory."""
        fields: dict[str, FieldValue] = dict(by_version(ACQUIRE_FULL_SYNC, self.version))
        if "ACQUIRE_MEM" in self._by_name:
            return self.packet("ACQUIRE_MEM", **fields)
        del fields["coher_size_hi"]  # SURFACE_SYNC has 32-bit addresses in units of 256 bytes.
        return self.packet("SURFACE_SYNC", **fields)

    def event_write(self, event: FieldValue, index: int = 0) -> list[int]:
        """Emit a pipeline event without an address."""
        return self.packet("EVENT_WRITE", event_type=event, event_index=index)

    def cs_partial_flush(self) -> list[int]:
        """Wait for running compute shaders."""
        return self.event_write("CS_PARTIAL_FLUSH", 4)


def pm4_for(gc_version: Version, engine: Engine = Engine.COMPUTE) -> Pm4:
    """Return the PM4 codec for a GC version (major, minor, revision) and a GFX or COMPUTE ring."""
    if engine is Engine.SDMA:
        raise ValueError("PM4 is for GFX and COMPUTE rings; use sdma_for for SDMA")
    return Pm4(gc_version, engine)
