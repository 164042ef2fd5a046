# SPDX-License-Identifier: MIT
"""An open GPU: what it is, what it can do, and everything that is made on it."""

from __future__ import annotations

import contextlib
import errno
import itertools
import time
import weakref
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from amdgpu_hw.address_space import AddressSpace, Range
from amdgpu_hw.capabilities import Capabilities, probe_capabilities
from amdgpu_hw.discovery import NOT_IN_SYSFS, GpuNode, open_node, select_gpu
from amdgpu_hw.errors import DrmError, FeatureMissing, HarnessError, PendingWork
from amdgpu_hw.identity import GpuIdentity, read_identity
from amdgpu_hw.libdrm.bo import AmdgpuBoHandle
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle, can_isolate
from amdgpu_hw.libdrm.ioctl import FieldValue, ioctl
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.packets import Engine
from amdgpu_hw.submit import Context, IbPool, Queue
from amdgpu_hw.sync import SyncFile, Syncobj
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.uapi.layout import Ioctl, Struct

__all__ = ("Gpu", "open_gpu")

CLOSE_TIMEOUT_NS = 2_000_000_000


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    """A GPU that is gone (drm_dev_unplug) has nothing of ours in the kernel to wait for or to give back."""
    try:
        yield
    except DrmError as error:
        if error.errno != errno.ENODEV:
            raise


# Render nodes that this process has open: libdrm without amdgpu_device_initialize2 gives one VM per node.
_open_nodes: set[str] = set()


def open_gpu(selector: str | None = None) -> Gpu:
    """Open the GPU that a selector names (see `select_gpu`), or the first one; a context manager.

    Each call opens an address space of its own. Raises `NoGpu`, `NodePermission`, `NotAmdgpu`, or `FeatureMissing`
    if this libdrm cannot open the same GPU twice in a process.
    """
    return Gpu(select_gpu(selector))


def _initialise(node: GpuNode) -> AmdgpuDeviceHandle:
    """libdrm's device. Raises `FeatureMissing` where libdrm lacks sysfs, in which it looks for the kind of a node."""
    fd = open_node(node.node)
    try:
        return AmdgpuDeviceHandle(fd)
    except DrmError as error:
        if node.pci_address != NOT_IN_SYSFS:
            raise
        raise FeatureMissing(
            f"{node.node} is an amdgpu GPU that sysfs does not show, and libdrm cannot use it so ({error}): mount "
            "sysfs, in a container that of the host"
        ) from error


class Gpu:
    """One GPU with one address space. Made by `open_gpu`, or for a node that is known already.

    ``known`` is the same GPU as this process had it open before, under the same kernel: what it is and can do is then
    not found out again. Closing it closes everything that was made on it. It first sees to it that nothing is
    pending, because closing the node would wait for that without a bound (KERNEL.md 4.8); if something is, it raises
    `PendingWork` and stays open.
    """

    def __init__(self, node: GpuNode, known: Gpu | None = None) -> None:
        if node.node in _open_nodes and not can_isolate():
            raise FeatureMissing(
                f"this process already has {node.node} open, and its libdrm has no amdgpu_device_initialize2, so a "
                "second address space is not possible: use another process, or a newer libdrm"
            )
        self._device = _initialise(node)
        if not self._device.same_node:
            self._device.close()
            raise HarnessError(
                f"libdrm took {node.node} for another GPU that this process has open: open one GPU per process, or "
                "use a newer libdrm"
            )
        _open_nodes.add(node.node)
        self._node = node
        self._buffers: weakref.WeakSet[Buffer] = weakref.WeakSet()
        self._ranges: weakref.WeakSet[Range] = weakref.WeakSet()
        self._contexts: weakref.WeakSet[Context] = weakref.WeakSet()
        self._context_numbers = itertools.count(1)
        self._vacated = False
        try:
            self.identity: GpuIdentity = known.identity if known else read_identity(self._device, node)
            # Now, not when first asked for: under a shut gate the probes' updates would get in the tests' way.
            self.capabilities: Capabilities = known.capabilities if known else probe_capabilities(self._device)
            self.address_space = AddressSpace(self._device, self.capabilities)
            self._ib_pool = IbPool(self._device, self.address_space)
        except BaseException:
            self._close_node()
            raise

    # Queues

    @cached_property
    def context(self) -> Context:
        """The context that `gfx`, `compute` and `sdma` belong to."""
        return self.new_context()

    @property
    def gfx(self) -> Queue:
        """The first graphics ring. Raises `FeatureMissing` where there is none (CDNA 3)."""
        return self.context.queue(Engine.GFX)

    @property
    def compute(self) -> Queue:
        """The first compute ring."""
        return self.context.queue(Engine.COMPUTE)

    @property
    def sdma(self) -> Queue:
        """The first copy engine. On RDNA the kernel's page-table jobs run on the same rings (KERNEL.md 4.4)."""
        return self.context.queue(Engine.SDMA)

    def new_context(self, priority: int = uapi.AMDGPU_CTX_PRIORITY_NORMAL) -> Context:
        """A context of its own; AMDGPU_CTX_PRIORITY_*, where more than normal needs CAP_SYS_NICE (EACCES)."""
        context = Context(
            self._device, self.identity, self.capabilities.rings, self._ib_pool, priority, next(self._context_numbers)
        )
        self._contexts.add(context)
        return context

    # Memory

    def alloc(
        self,
        size: int,
        domain: str = "gtt",
        *,
        always_valid: bool = False,
        cpu_access: bool = True,
        explicit_sync: bool = False,
        alignment: int = PAGE_SIZE,
        flags: int = 0,
    ) -> Buffer:
        """Allocate a buffer object of ``size`` bytes in ``gtt``, ``vram``, ``vram|gtt`` or ``doorbell``.

        ``always_valid`` makes it belong to this address space; ``explicit_sync`` is the buffer's own flag, with
        which submissions ignore its implicit fences; ``flags`` are further AMDGPU_GEM_CREATE_*. Raises `DrmError`.
        """
        buffer = Buffer.allocate(
            self._device,
            size,
            domain=domain,
            alignment=alignment,
            always_valid=always_valid,
            cpu_access=cpu_access,
            explicit_sync=explicit_sync,
            flags=flags,
        )
        self._buffers.add(buffer)
        return buffer

    def import_buffer(self, dma_buf: int) -> Buffer:
        """A buffer object from a dma-buf descriptor, which stays the caller's."""
        bo = AmdgpuBoHandle.import_dma_buf(self._device, dma_buf)
        buffer = Buffer(bo, self._device, cpu_access=True, always_valid=False)
        self._buffers.add(buffer)
        return buffer

    def alloc_user(self, size: int) -> Buffer:
        """A buffer object of ``size`` bytes of anonymous memory of this process (GEM_USERPTR). Raises `DrmError`."""
        buffer = Buffer.of_user_memory(self._device, size)
        self._buffers.add(buffer)
        return buffer

    def reserve(self, size: int, alignment: int = PAGE_SIZE, *, low: bool = False) -> Range:
        """Reserve a range of ``size`` bytes in the address space; nothing is mapped there yet.

        In the upper half of the address space where there are two, or, if ``low``, in the lower one.
        """
        reserved = self.address_space.reserve(size, alignment, low=low)
        self._ranges.add(reserved)
        return reserved

    # Synchronisation

    def syncobj(self, *, signaled: bool = False) -> Syncobj:
        """A new syncobj, without a fence or with a signalled one."""
        return Syncobj.create(self._device, signaled=signaled)

    def import_sync_file(self, file: SyncFile) -> Syncobj:
        """A new syncobj with a sync file's fence; the file stays the caller's."""
        syncobj = self.syncobj()
        syncobj.import_sync_file(file)
        return syncobj

    # Questions and raw calls

    def fileno(self) -> int:
        """The node's descriptor, for calls that the device layer does not make; still owned here."""
        return self._device.fd

    def clock(self) -> int:
        """The GPU's clock counter, in ticks of `GpuIdentity.counter_khz`."""
        return int.from_bytes(self._device.query_info(info.AMDGPU_INFO_TIMESTAMP, 8), "little")

    def query_info(self, query: int, size: int) -> bytes:
        """AMDGPU_INFO: up to ``size`` bytes of the answer to AMDGPU_INFO_*, the rest 0."""
        return self._device.query_info(query, size)

    def sensor(self, kind: int) -> int | None:
        """AMDGPU_INFO_SENSOR_* in its unit (MHz, millidegrees C, %, W, mV); None where the GPU does not tell."""
        value = bytearray(4)
        try:
            self.ioctl(
                uapi.IOCTL_AMDGPU_INFO, query=info.AMDGPU_INFO_SENSOR, arg0=kind, return_pointer=value, return_size=4
            )
        except DrmError:
            return None
        return int.from_bytes(value, "little")

    def firmware_version(self, firmware: int) -> tuple[int, int]:
        """(version, feature) of one of AMDGPU_INFO_FW_*; zeros if there is none. Raises `DrmError`."""
        return self._device.firmware_version(firmware)

    def last_vm_fault(self) -> dict[str, Any] | None:
        """The last VM fault of this address space (addr, status, vmhub); None if there was none.

        Raises `FeatureMissing` on kernels before driver version 3.55.
        """
        try:
            reply = self._device.query_info(info.AMDGPU_INFO_GPUVM_FAULT, info.INFO_GPUVM_FAULT.size)
        except DrmError as error:
            raise FeatureMissing(f"the kernel does not tell about VM faults: {error}", "fault_reports") from error
        fault = info.INFO_GPUVM_FAULT.as_dict(reply)
        return fault if fault["addr"] or fault["status"] else None

    def fdinfo(self) -> str:
        """What the kernel tells about this open node: /proc/self/fdinfo, ``drm-memory-vram:  4 KiB`` and the like."""
        return Path(f"/proc/self/fdinfo/{self._device.fd}").read_text(encoding="utf-8")

    def ioctl(self, request: Ioctl, /, *, out: Struct | None = None, **fields: FieldValue) -> dict[str, Any]:
        """Any ioctl on this GPU's node with raw fields; see `amdgpu_hw.libdrm.ioctl.ioctl`. Raises `DrmError`."""
        return ioctl(self._device.fd, request, out=out, **fields)

    def gem_va_raw(self, *, operation: int, va: int, size: int, handle: int = 0, flags: int = 0, **fields: int) -> int:
        """GEM_VA with numbers as they are, however wrong, for matrices of errnos; see `AddressSpace.update_raw`.

        Returns the ioctl's nanoseconds or raises `DrmError`. ``fields``: offset, syncobj_out, point_out,
        input_address, input_count, pad, once.
        """
        return self.address_space.update_raw(
            operation=operation, va=va, size=size, handle=handle, flags=flags, **fields
        )

    # The end

    @property
    def closed(self) -> bool:
        """Whether the node is closed."""
        return self._device.closed

    def close(self, timeout_ns: int = CLOSE_TIMEOUT_NS) -> None:
        """Close everything made on this GPU, and the node. Raises `PendingWork` instead of blocking, see the class."""
        if self.closed:
            return
        with _unless_gone():
            self.vacate(timeout_ns)
        self._close_node()

    def vacate(self, timeout_ns: int = CLOSE_TIMEOUT_NS) -> None:
        """Close everything made on this GPU, and see the page-table updates of that done; the node stays open.

        Raises `PendingWork`, and `DrmError`: after it only questions can be asked. A second call has nothing to do.
        """
        if self._vacated:
            return
        self.settle(timeout_ns)
        children: list[Context | Range | Buffer] = [*self._contexts, *self._ranges, *self._buffers]
        for child in children:
            child.close()
        self._ib_pool.close()
        self.settle(timeout_ns)
        self._vacated = True

    def is_guilty(self) -> bool:
        """Whether the kernel holds a context made here responsible for a reset. Raises `DrmError`."""
        contexts = [context for context in self._contexts if not context.closed]
        return any(context.reset_flags() & uapi.AMDGPU_CTX_QUERY2_FLAGS_GUILTY for context in contexts)

    def settle(self, timeout_ns: int) -> None:
        """Wait until nothing of ours is in flight; raises `PendingWork` if that takes too long."""
        end = time.monotonic_ns() + timeout_ns
        self.address_space.check_no_call_pending(timeout_ns)
        for context in self._contexts:
            context.check_idle(max(end - time.monotonic_ns(), 0))
        if not self.address_space.drain(max(end - time.monotonic_ns(), 0)):
            raise PendingWork(
                f"updates of the address space did not end within {timeout_ns / 1e9:g} s: is a gate still shut?"
            )

    def drop(self) -> None:
        """Close the node without a look at what is on it: for when `close` fails although nothing is in flight."""
        if not self.closed:
            self._close_node()

    def _close_node(self) -> None:
        _open_nodes.discard(self._node.node)
        self._device.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __str__(self) -> str:
        return str(self.identity)
