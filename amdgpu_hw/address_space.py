# SPDX-License-Identifier: MIT
"""The GPU's address space: reserved ranges, and what GEM_VA maps into them and takes away again."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, Self, TypedDict, Unpack, cast

from amdgpu_hw.capabilities import Capabilities
from amdgpu_hw.errors import FeatureMissing, PendingWork
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle
from amdgpu_hw.libdrm.vm import AmdgpuVaRange, VaOperation, bo_va_op, raw_va_op
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.sync import DEFAULT_TIMEOUT_NS, Syncobj, SyncPoint, sync_point
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi.layout import flag_names

__all__ = (
    "FRESH",
    "AddressSpace",
    "MapOptions",
    "Mapping",
    "Operation",
    "PageOptions",
    "Range",
    "SyncOptions",
    "Update",
)


class Operation(Enum):
    """The four operations of GEM_VA."""

    MAP = uapi.AMDGPU_VA_OP_MAP
    UNMAP = uapi.AMDGPU_VA_OP_UNMAP
    CLEAR = uapi.AMDGPU_VA_OP_CLEAR
    REPLACE = uapi.AMDGPU_VA_OP_REPLACE


class _Fresh(Enum):
    FRESH = "a fresh syncobj"


FRESH: Final = _Fresh.FRESH
"""Ask for the update fence in a syncobj of its own, where the kernel has update fences."""


class SyncOptions(TypedDict, total=False):
    """How an update synchronises; every operation of a `Range` takes these."""

    delay: bool
    """AMDGPU_VM_DELAY_UPDATE: change the mapping tree only; a later submission or update writes the page tables."""
    explicit_sync: bool
    """AMDGPU_VM_EXPLICIT_SYNC: wait only for the input fences, not for every submission in the address space."""
    out: Syncobj | tuple[Syncobj, int] | Literal[_Fresh.FRESH] | None
    """Where the update fence goes: `FRESH` (the default; none for a delayed update), a syncobj, a point, or None."""
    inputs: Sequence[Syncobj]
    """Fences that the update waits for. On kernels before the series the call itself blocks (`BackgroundCall`)."""


class PageOptions(TypedDict, total=False):
    """What the GPU may do with the pages of a buffer that is mapped; readable and writeable by default."""

    readable: bool
    """AMDGPU_VM_PAGE_READABLE."""
    writeable: bool
    """AMDGPU_VM_PAGE_WRITEABLE."""
    executable: bool
    """AMDGPU_VM_PAGE_EXECUTABLE."""
    noalloc: bool
    """AMDGPU_VM_PAGE_NOALLOC: not in the memory-side cache (MALL)."""
    mtype: int
    """AMDGPU_VM_MTYPE_*, `AMDGPU_VM_MTYPE_DEFAULT` if not given."""


class MapOptions(PageOptions, SyncOptions, total=False):
    """What mapping a buffer takes."""


@dataclass(frozen=True, slots=True)
class Update:
    """One GEM_VA that the kernel accepted."""

    operation: Operation
    va: int
    size: int
    flags: int
    """AMDGPU_VM_* as they were sent."""
    fence: SyncPoint | None
    """The update fence: signals when the page tables have changed. None if none was asked for or can be had."""
    ioctl_ns: int
    """How long the ioctl took, measured around it in C."""

    def signaled(self) -> bool:
        """Whether the page tables have changed by now. Raises `FeatureMissing` without an update fence."""
        return self._fence().signaled()

    def wait(self, timeout_ns: int = DEFAULT_TIMEOUT_NS) -> bool:
        """Wait until the page tables have changed; False on timeout. Raises `FeatureMissing` without a fence."""
        return self._fence().wait(timeout_ns)

    def _fence(self) -> SyncPoint:
        if self.fence is None:
            raise FeatureMissing(f"{self} has no update fence: it was not asked for, or the kernel is before 6.16")
        return self.fence

    def __str__(self) -> str:
        names = flag_names(self.flags, uapi.VM_FLAGS)
        return f"{self.operation.name} {self.va:#x}+{self.size:#x} ({names})"


@dataclass(frozen=True, slots=True)
class Mapping(Update):
    """What a MAP or REPLACE put there; `unmap` takes it away again."""

    space: AddressSpace
    buffer: Buffer | None
    """The buffer behind it; None for a PRT mapping."""

    @property
    def is_prt(self) -> bool:
        """Whether there is no memory behind it: reads give 0, writes are dropped."""
        return self.buffer is None

    def unmap(self, **sync: Unpack[SyncOptions]) -> Update:
        """UNMAP it. The mapping must still start where it was made: a partial CLEAR may have cut it."""
        flags = uapi.AMDGPU_VM_PAGE_PRT if self.is_prt else 0
        return self.space.update(Operation.UNMAP, flags, self.va, self.size, self.buffer, 0, **sync)


class _KernelCalls:
    """Counts the calls that are inside the kernel, as a context manager: some may sleep there, in their own threads."""

    _POLL_S = 0.001

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self.total = 0

    def __enter__(self) -> None:
        with self._lock:
            self._running += 1
            self.total += 1

    def __exit__(self, *_exc: object) -> None:
        with self._lock:
            self._running -= 1

    def wait_idle(self, timeout_ns: int) -> bool:
        """Wait until no call is inside the kernel; False on timeout."""
        end = time.monotonic_ns() + timeout_ns
        while self._running:
            if time.monotonic_ns() >= end:
                return False
            time.sleep(self._POLL_S)
        return True


class AddressSpace:
    """The VM behind one open render node; all contexts of a `Gpu` share it."""

    def __init__(self, device: AmdgpuDeviceHandle, capabilities: Capabilities) -> None:
        self._device = device
        self._capabilities = capabilities
        self._calls = _KernelCalls()

    def reserve(self, size: int, alignment: int = 0, *, low: bool = False) -> Range:
        """Reserve addresses that nothing else in this process uses; sizes in bytes, 0 = the driver's alignment.

        They are in the upper half of the address space where there are two, or, if ``low``, in the lower one.
        """
        if size <= 0 or size % PAGE_SIZE:
            raise ValueError(f"a range is a positive multiple of {PAGE_SIZE} bytes, not {size:#x}")
        reservation = AmdgpuVaRange(self._device, size, alignment or PAGE_SIZE, low=low)
        return Range(self, reservation.address, size, reservation)

    def at(self, va: int, size: int) -> Range:
        """Addresses that the caller chooses, and answers for that nothing else uses them: nothing is reserved."""
        return Range(self, va, size, None)

    def update(
        self,
        operation: Operation,
        flags: int,
        va: int,
        size: int,
        buffer: Buffer | None,
        offset: int,
        **sync: Unpack[SyncOptions],
    ) -> Update:
        """One GEM_VA: the general form of what `Range` offers. Raises `DrmError`."""
        unknown = sync.keys() - SyncOptions.__optional_keys__
        if unknown:
            # An option that nobody reads would make this an update of another kind.
            raise TypeError(f"{operation.name} has no option {', '.join(sorted(unknown))}")
        fence = self._update_fence(sync)
        flags |= uapi.AMDGPU_VM_DELAY_UPDATE if sync.get("delay") else 0
        flags |= uapi.AMDGPU_VM_EXPLICIT_SYNC if sync.get("explicit_sync") else 0
        arguments = VaOperation(
            operation=operation.value,
            flags=flags,
            address=va,
            size=size,
            offset=offset,
            syncobj_out=fence.syncobj.handle if fence else 0,
            point_out=fence.point if fence else 0,
            inputs=[syncobj.handle for syncobj in sync.get("inputs", ())],
        )
        with self._calls:
            elapsed = bo_va_op(self._device, buffer.bo if buffer else None, arguments)
        if operation in (Operation.MAP, Operation.REPLACE):
            return Mapping(operation, va, size, flags, fence, elapsed, self, buffer)
        return Update(operation, va, size, flags, fence, elapsed)

    def update_raw(
        self,
        *,
        handle: int = 0,
        operation: int,
        flags: int = 0,
        va: int,
        size: int,
        offset: int = 0,
        syncobj_out: int = 0,
        point_out: int = 0,
        input_address: int = 0,
        input_count: int = 0,
        pad: int = 0,
        once: int = 0,
    ) -> int:
        """GEM_VA with the fields as given, however wrong; returns the ioctl's nanoseconds or raises `DrmError`.

        With ``once`` it is not started again after a signal, which then ends it with EINTR.
        """
        with self._calls:
            return raw_va_op(
                self._device,
                once=once,
                handle=handle,
                _pad=pad,
                operation=operation,
                flags=flags,
                va_address=va,
                offset_in_bo=offset,
                map_size=size,
                vm_timeline_point=point_out,
                vm_timeline_syncobj_out=syncobj_out,
                num_syncobj_handles=input_count,
                input_fence_syncobj_handles=input_address,
            )

    def drain(self, timeout_ns: int) -> bool:
        """Wait until every page-table job queued so far is done; False on timeout.

        Page-table jobs of one VM run in order, and clearing a mapping always queues one (KERNEL.md 3.4). Without
        update fences there is nothing to wait for: the jobs then depend on submissions only.
        """
        if not (self._calls.total and self._capabilities.update_fence and self._capabilities.prt):
            return True
        scratch = AmdgpuVaRange(self._device, PAGE_SIZE, PAGE_SIZE)
        try:
            page = Range(self, scratch.address, PAGE_SIZE, None)
            page.map_prt(out=None)
            return page.clear().wait(timeout_ns)
        finally:
            scratch.free()

    def _update_fence(self, sync: SyncOptions) -> SyncPoint | None:
        out = sync.get("out", FRESH)
        if out is None:
            return None
        if out is not FRESH:
            return sync_point(out)
        if sync.get("delay") or not self._capabilities.update_fence:
            return None
        return SyncPoint(Syncobj.create(self._device))

    def check_no_call_pending(self, timeout_ns: int) -> None:
        """Raise `PendingWork` if an update is still inside the kernel after this long."""
        if not self._calls.wait_idle(timeout_ns):
            raise PendingWork("a GEM_VA is still blocked in another thread: open the gate it waits for first")

    @property
    def closed(self) -> bool:
        """Whether the node is closed."""
        return self._device.closed


class Range:
    """Reserved virtual addresses of one address space. Made by `Gpu.reserve`; a context manager.

    Each operation covers the whole range; `part` gives a piece of it. Closing clears what is still mapped and
    gives the addresses back.
    """

    def __init__(self, space: AddressSpace, va: int, size: int, reservation: AmdgpuVaRange | None) -> None:
        self._space = space
        self._reservation = reservation
        self.va = va
        self.size = size

    def part(self, offset: int, size: int) -> Range:
        """A piece of this range, in bytes from its start; it ends with the range that it is a piece of."""
        if offset < 0 or size <= 0 or offset + size > self.size:
            raise ValueError(f"{offset:#x}+{size:#x} is no part of a range of {self.size:#x} bytes")
        return Range(self._space, self.va + offset, size, None)

    def map(self, buffer: Buffer, offset: int = 0, **options: Unpack[MapOptions]) -> Mapping:
        """MAP a buffer, from ``offset`` on; nothing may be mapped there yet (EINVAL)."""
        return self._map(Operation.MAP, _page_flags(options), buffer, offset, _sync_options(options))

    def map_prt(self, **sync: Unpack[SyncOptions]) -> Mapping:
        """MAP with AMDGPU_VM_PAGE_PRT: no memory behind it, reads give 0, writes are dropped."""
        return self._map(Operation.MAP, uapi.AMDGPU_VM_PAGE_PRT, None, 0, sync)

    def replace(self, buffer: Buffer, offset: int = 0, **options: Unpack[MapOptions]) -> Mapping:
        """REPLACE: clear what is there and MAP the buffer in its place."""
        return self._map(Operation.REPLACE, _page_flags(options), buffer, offset, _sync_options(options))

    def replace_prt(self, **sync: Unpack[SyncOptions]) -> Mapping:
        """REPLACE by a PRT mapping: what RADV does to take memory out of a sparse buffer."""
        return self._map(Operation.REPLACE, uapi.AMDGPU_VM_PAGE_PRT, None, 0, sync)

    def unmap(self, buffer: Buffer, **sync: Unpack[SyncOptions]) -> Update:
        """UNMAP the mapping of this buffer that starts here; ENOENT if there is none. The size does not matter."""
        return self._space.update(Operation.UNMAP, 0, self.va, self.size, buffer, 0, **sync)

    def unmap_prt(self, **sync: Unpack[SyncOptions]) -> Update:
        """UNMAP the PRT mapping that starts here; ENOENT if there is none. The size does not matter."""
        return self._space.update(Operation.UNMAP, uapi.AMDGPU_VM_PAGE_PRT, self.va, self.size, None, 0, **sync)

    def clear(self, **sync: Unpack[SyncOptions]) -> Update:
        """CLEAR whatever is mapped in here, cutting mappings that reach beyond; nothing there is fine."""
        return self._space.update(Operation.CLEAR, 0, self.va, self.size, None, 0, **sync)

    def close(self) -> None:
        """Clear the range and give the addresses back. The clearing is implicit and not waited for."""
        reservation, self._reservation = self._reservation, None
        if reservation is None or self._space.closed:
            return
        try:
            self.clear(out=None)
        finally:
            reservation.free()

    def _map(self, operation: Operation, flags: int, buffer: Buffer | None, offset: int, sync: SyncOptions) -> Mapping:
        update = self._space.update(operation, flags, self.va, self.size, buffer, offset, **sync)
        assert isinstance(update, Mapping)
        return update

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __str__(self) -> str:
        return f"{self.va:#x}+{self.size:#x}"


def _page_flags(options: MapOptions) -> int:
    flags = uapi.AMDGPU_VM_PAGE_READABLE if options.get("readable", True) else 0
    flags |= uapi.AMDGPU_VM_PAGE_WRITEABLE if options.get("writeable", True) else 0
    flags |= uapi.AMDGPU_VM_PAGE_EXECUTABLE if options.get("executable") else 0
    flags |= uapi.AMDGPU_VM_PAGE_NOALLOC if options.get("noalloc") else 0
    return flags | options.get("mtype", uapi.AMDGPU_VM_MTYPE_DEFAULT)


def _sync_options(options: MapOptions) -> SyncOptions:
    """What is not about the pages; what is about nothing is left for `AddressSpace.update` to refuse."""
    sync = {name: value for name, value in options.items() if name not in PageOptions.__optional_keys__}
    return cast(SyncOptions, sync)
