# SPDX-License-Identifier: MIT
"""A queue of the kernel's: a ring in memory, a write pointer that a doorbell sets, packets that may touch registers.

The mock kernel hands its jobs to `Ring.submit` and needs none of this. A real driver writes packets into a buffer:
what is between the pointers is executed as VMID 0 (`KernelPm4Processor`, `KernelSdmaProcessor`), and the indirect
buffers in it as the VMID that each names. Both pointers count dwords, ever.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from amdgpu_hw.packets import Engine, Packet, kernel_codec_for

from .command_processor import CommandProcessor
from .ring import Ring
from .vm_access import Pauses, VmAccess
from .work import IbWork, PlacedIb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .gpu import GpuCore
    from .translation import Translator

__all__ = ("HardwareQueue", "KernelHandler", "KernelQueueProcessor", "QueuePorts", "QueueWork")

KernelHandler: TypeAlias = Callable[[Any, Packet], Pauses | None]


class QueuePorts(Protocol):
    """What a queue of the kernel's reaches, besides memory."""

    def read_register(self, offset: int) -> int:
        """Read the register at a dword offset."""
        ...

    def write_register(self, offset: int, value: int) -> None:
        """Write the register at a dword offset."""
        ...

    def translator(self, queue: HardwareQueue, vmid: int) -> Translator:
        """Return the address space that a VMID is to a queue."""
        ...

    def end_of_pipe(self, queue: HardwareQueue) -> None:
        """Raise the interrupt of RELEASE_MEM."""
        ...

    def trap(self, queue: HardwareQueue, context: int) -> None:
        """Raise the interrupt of SDMA's TRAP."""
        ...

    def invalidate(self, engines: tuple[int, int], request: int) -> None:
        """Invalidate translations of graphics' hub and of the other one, each with one of its engines."""
        ...

    def manage_queues(self, queue: HardwareQueue, packet: Packet) -> None:
        """Do what a packet for the scheduler firmware says (MAP_QUEUES and its neighbours)."""
        ...


@dataclass(slots=True)
class QueueWork(IbWork):
    """What was put into a queue by one doorbell: dwords of its ring from ``start`` on."""

    queue: HardwareQueue | None = None
    start: int = 0


class HardwareQueue:
    """``size`` dwords of ring at ``va``, both pointers at ``pointer``.

    ``on_rptr(rptr)`` is called when dwords up to ``rptr`` have been executed, or left for an indirect buffer.
    """

    def __init__(
        self,
        gpu: GpuCore,
        engine: Engine,
        name: str,
        va: int,
        size: int,
        ports: QueuePorts,
        on_rptr: Callable[[int], None],
        pointer: int = 0,
    ) -> None:
        self.name = name
        self.va = va
        self.size = size
        self.ports = ports
        self.ring = Ring(gpu, engine, 0, name)
        self.scheduler = False
        """Its ring has frames for MES, not PM4."""
        self.processor: KernelQueueProcessor | None = None
        """What executes the queue now; None between two doorbells."""
        self._on_rptr = on_rptr
        self._done = pointer
        self.wptr = pointer

    def __repr__(self) -> str:
        return f"<{self.name} {self.rptr} of {self.wptr}>"

    @property
    def rptr(self) -> int:
        """How far the queue has been executed."""
        return self._done if self.processor is None else self.processor.ring_position()

    @property
    def busy(self) -> bool:
        """Whether it has something to execute; a queue that hangs is busy."""
        return self.ring.current is not None or self.ring.queued > 0

    @property
    def vmid(self) -> int:
        """The VMID of the indirect buffer being executed, 0 for none."""
        return 0 if self.processor is None else self.processor.vmid

    def ring_doorbell(self, wptr: int) -> None:
        """Execute up to ``wptr``; one that is behind, or ahead by more than the ring has, counts modulo the ring."""
        count = wptr - self.wptr
        if not 0 <= count <= self.size:
            count %= self.size
        if not count:
            return
        start = self.wptr
        self.wptr += count
        work = QueueWork(
            [PlacedIb(self.va, count)],
            self.ports.translator(self, 0),
            0,
            partial(self._executed, self.wptr),
            queue=self,
            start=start,
        )
        self.ring.submit(work)

    def abandon(self) -> None:
        """Give up the indirect buffer being executed and go on behind it."""
        processor = self.processor
        if processor is None or processor.in_ring:
            return
        if self.ring.executing:
            # A packet in it asks for that: it is the last one.
            self.ring.budget = 0
            self.ring.gpu.work.queue(self.abandon)
            return
        processor.return_to_ring()
        self.ring.go_on(processor.proceed())

    def stop(self) -> None:
        """Take it off the hardware; what it has not executed is dropped."""
        if self.ring.executing:
            # A packet of its own asks for that: it is the last one.
            self.ring.budget = 0
            self.ring.hold()
            self.ring.gpu.work.queue(self.stop)
            return
        while self.ring.abort_current(-errno.ECANCELED):
            pass
        self.processor = None

    def reached(self, rptr: int) -> None:
        """Note that dwords up to ``rptr`` need not be kept."""
        self._on_rptr(rptr)

    def _executed(self, rptr: int, error: int) -> None:
        self.processor = None
        if not error:
            self._done = rptr
            self._on_rptr(rptr)


class KernelQueueProcessor(CommandProcessor):
    """What PM4 and SDMA have in common where they execute a queue of the kernel's."""

    work: QueueWork
    _KERNEL_HANDLERS: ClassVar[dict[str, KernelHandler]]
    """What packets do in a ring of the kernel's, by their names."""

    def __init__(self, ring: Ring, work: QueueWork) -> None:
        super().__init__(ring, work)
        assert work.queue is not None, "work of a queue knows its queue"
        self.queue = work.queue
        self.ports = work.queue.ports
        self.vmid = 0
        self._ring_vm = self.vm
        self._user_codec = self.codec
        self._kernel_codec = kernel_codec_for(ring.engine, self.gpu.gc_version, self.gpu.sdma_version)
        self._return: tuple[int, int] | None = None
        """Where the ring goes on behind the indirect buffer being executed; None in the ring itself."""
        self.queue.processor = self

    @property
    def privileged(self) -> bool:
        """Whether packets may touch registers: those of the ring, and of the kernel's own indirect buffers."""
        return self.vmid == 0

    @property
    def in_ring(self) -> bool:
        """Whether the packet is one of the ring itself."""
        return self._return is None

    def kernel_handler(self, packet: Packet) -> KernelHandler | None:
        """Return what a packet does with the kernel's rights, if it has them here and that is more than without."""
        return self._KERNEL_HANDLERS.get(packet.name) if self.privileged else None

    def ring_position(self) -> int:
        """Return the read pointer."""
        return self.work.start + (self.at if self._return is None else self._return[0])

    def enter(self, va: int, size: int) -> None:
        """Begin with the ring."""
        self._return = None
        self._use(0, self._ring_vm)
        super().enter(va, size)

    def call(self, va: int, size: int, vmid: int) -> None:
        """Execute an indirect buffer of the ring as ``vmid``."""
        self._return = self.at, self.ib_size
        self.queue.reached(self.ring_position())
        vm = VmAccess(self.ring, self.ports.translator(self.queue, vmid), vmid) if vmid else self._ring_vm
        self._use(vmid, vm)
        super().enter(va, size)

    def leave(self) -> bool:
        """Return to the caller: another indirect buffer, or the ring."""
        if super().leave():
            return True
        if self._return is None:
            return False
        self.return_to_ring()
        return True

    def return_to_ring(self) -> None:
        """Go on behind the indirect buffer that the ring called."""
        assert self._return is not None, "the ring itself is not left"
        at, size = self._return
        self.enter(self.work.ibs[0].va, size)
        self.at = at

    def where(self) -> str:
        """Say where the packet being executed is."""
        if self._return is None:
            return f"ring dword {(self.work.start + self._packet_at) % self.queue.size}"
        return f"{super().where()}, VMID {self.vmid}"

    def _use(self, vmid: int, vm: VmAccess) -> None:
        self.vmid = vmid
        self.vm = vm
        self.codec = self._user_codec if vmid else self._kernel_codec

    def _read_ahead(self, dwords: int) -> bytes:
        if self._return is not None:
            return super()._read_ahead(dwords)
        return b"".join(
            self.vm.read(self.ib_va + 4 * at, 4 * count, self.fetch_client) for at, count in self._turns(dwords)
        )

    def _turns(self, dwords: int) -> Iterator[tuple[int, int]]:
        """Cut what comes next in the ring where the ring begins again."""
        size = self.queue.size
        position = self.work.start + self.at
        while dwords:
            at = position % size
            count = min(dwords, size - at)
            yield at, count
            position += count
            dwords -= count
