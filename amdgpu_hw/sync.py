# SPDX-License-Identifier: MIT
"""Syncobjs, points of their timelines, sync files, and waiting for them without ever waiting for ever.

All waits take a timeout in nanoseconds from now and go to the kernel as absolute CLOCK_MONOTONIC times, in slices,
so that Ctrl-C is noticed within a tenth of a second.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Self, TypeVar

from amdgpu_hw.errors import DrmError, PendingWork
from amdgpu_hw.libdrm import core
from amdgpu_hw.libdrm.device import AmdgpuDeviceHandle
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.uapi import drm, sync_file

__all__ = ("BackgroundCall", "FenceInfo", "SyncFile", "SyncPoint", "Syncobj", "sync_point", "wait_in_slices")

T = TypeVar("T")

DEFAULT_TIMEOUT_NS = 5_000_000_000
_SLICE_NS = 100_000_000


def wait_in_slices(wait_until: Callable[[int], bool], timeout_ns: int) -> bool:
    """Call ``wait_until(deadline)`` with deadlines of at most 0.1 s ahead until it returns True or time is up.

    ``wait_until`` gets an absolute CLOCK_MONOTONIC time in nanoseconds. `drmIoctl` restarts an interrupted wait,
    so Python sees a signal only between slices.
    """
    end = time.monotonic_ns() + timeout_ns
    while True:
        if wait_until(min(end, time.monotonic_ns() + _SLICE_NS)):
            return True
        if time.monotonic_ns() >= end:
            return False


class Syncobj:
    """A DRM syncobj of one open GPU: a place for one fence (binary), or for a timeline of them.

    Made by `Gpu.syncobj`. A context manager; also destroyed when the last reference goes.
    """

    def __init__(self, device: AmdgpuDeviceHandle, handle: int) -> None:
        self._device = device
        self._handle = handle

    @classmethod
    def create(cls, device: AmdgpuDeviceHandle, *, signaled: bool = False) -> Syncobj:
        """A new syncobj without a fence, or with a signalled one."""
        flags = drm.DRM_SYNCOBJ_CREATE_SIGNALED if signaled else 0
        return cls(device, core.syncobj_create(device.fd, flags))

    @property
    def handle(self) -> int:
        """The handle, for raw ioctls and messages; 0 once closed."""
        return self._handle

    def point(self, point: int) -> SyncPoint:
        """One point of the timeline; 0 is the whole syncobj."""
        return SyncPoint(self, point)

    def wait(
        self,
        timeout_ns: int = DEFAULT_TIMEOUT_NS,
        *,
        point: int = 0,
        for_submit: bool = False,
        available: bool = False,
    ) -> bool:
        """Wait until the fence has signalled (with ``available``: until the point exists); False on timeout.

        Without a fence it raises `DrmError` EINVAL, unless ``for_submit`` or ``available`` waits for one to come.
        A timeline point signals only after all earlier points (`dma_fence_chain`).
        """
        flags = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT if for_submit else 0
        flags |= drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE if available else 0
        handles, points, fd = [self._handle], [point], self._device.fd
        return wait_in_slices(lambda until: core.syncobj_wait(fd, handles, points, until, flags), timeout_ns)

    def signaled(self, point: int = 0) -> bool:
        """Whether the fence has signalled by now. Raises `DrmError` EINVAL if there is no fence."""
        return core.syncobj_wait(self._device.fd, [self._handle], [point], 0, 0)

    def has_fence(self, point: int = 0) -> bool:
        """Whether there is a fence (or the point exists), signalled or not."""
        try:
            self.signaled(point)
        except DrmError as error:
            if error.errno == errno.EINVAL:
                return False
            raise
        return True

    def signal(self, point: int = 0) -> None:
        """Put a signalled fence in from the CPU (with a point: as the timeline's next point)."""
        core.syncobj_signal(self._device.fd, self._handle, point)

    def reset(self) -> None:
        """Take the fence out."""
        core.syncobj_reset(self._device.fd, self._handle)

    def query(self, *, last_submitted: bool = False) -> int:
        """The highest point up to which the timeline has signalled (or been submitted); 0 for a binary syncobj."""
        flags = drm.DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED if last_submitted else 0
        return core.syncobj_query(self._device.fd, self._handle, flags)

    def transfer_from(self, source: Syncobj | tuple[Syncobj, int], *, point: int = 0, for_submit: bool = False) -> None:
        """Take over the fence of another syncobj or point (as a point of this timeline, if not 0)."""
        origin = sync_point(source)
        flags = drm.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT if for_submit else 0
        core.syncobj_transfer(self._device.fd, (origin.syncobj.handle, origin.point), (self._handle, point), flags)

    def export_sync_file(self, point: int = 0) -> SyncFile:
        """The fence as a sync file. Raises `DrmError` EINVAL if there is none."""
        return SyncFile(self._device.export_sync_file(self._handle, point))

    def import_sync_file(self, file: SyncFile, point: int = 0) -> None:
        """Put a sync file's fence in (as a point of the timeline, if not 0); the file stays the caller's."""
        self._device.import_sync_file(self._handle, point, file.fileno())

    def close(self) -> None:
        """Destroy the handle; fences that others hold are unaffected."""
        handle, self._handle = self._handle, 0
        if not handle or self._device.closed:  # closing the node destroyed them all
            return
        try:
            core.syncobj_destroy(self._device.fd, handle)
        except DrmError as error:
            if error.errno != errno.ENODEV:
                raise
            # The GPU is gone (drm_dev_unplug), and takes no calls any more: the handle ends with its file.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", 0) and self._device.pid == os.getpid():
            self.close()

    def __str__(self) -> str:
        return f"syncobj {self._handle}"


class SyncPoint(NamedTuple):
    """A syncobj and a point of its timeline; point 0 means the whole (binary) syncobj.

    What takes a `SyncPoint` takes a plain ``(syncobj, point)``, too.
    """

    syncobj: Syncobj
    point: int = 0

    def wait(self, timeout_ns: int = DEFAULT_TIMEOUT_NS, *, for_submit: bool = False) -> bool:
        """Wait until it has signalled; False on timeout. See `Syncobj.wait`."""
        return self.syncobj.wait(timeout_ns, point=self.point, for_submit=for_submit)

    def signaled(self) -> bool:
        """Whether it has signalled by now. Raises `DrmError` EINVAL if there is no fence."""
        return self.syncobj.signaled(self.point)

    def has_fence(self) -> bool:
        """Whether there is a fence, signalled or not."""
        return self.syncobj.has_fence(self.point)

    def __str__(self) -> str:
        return f"{self.syncobj}:{self.point}" if self.point else str(self.syncobj)


def sync_point(fence: Syncobj | tuple[Syncobj, int]) -> SyncPoint:
    """A syncobj, or a syncobj and a point, as a `SyncPoint`."""
    return SyncPoint(fence, 0) if isinstance(fence, Syncobj) else SyncPoint(*fence)


@dataclass(frozen=True, slots=True)
class FenceInfo:
    """One fence of a sync file: 0 active, 1 signalled, negative errno; the time of signalling in nanoseconds."""

    driver: str
    timeline: str
    status: int
    timestamp_ns: int


class SyncFile:
    """A sync file (linux/sync_file.h): fences behind a file descriptor, which this object owns."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """The descriptor, for poll() and for passing on; still owned here."""
        if self._fd < 0:
            raise ValueError("the sync file is closed")
        return self._fd

    def status(self) -> int:
        """0 active, 1 signalled, negative errno if a fence signalled with an error."""
        return int(ioctl(self.fileno(), sync_file.IOCTL_FILE_INFO)["status"])

    def fences(self) -> list[FenceInfo]:
        """What is in it."""
        count = ioctl(self.fileno(), sync_file.IOCTL_FILE_INFO)["num_fences"]
        if not count:
            return []
        records = bytearray(count * sync_file.FENCE_INFO.size)
        ioctl(self.fileno(), sync_file.IOCTL_FILE_INFO, num_fences=count, sync_fence_info=records)
        found = (sync_file.FENCE_INFO.as_dict(records, i * sync_file.FENCE_INFO.size) for i in range(count))
        return [
            FenceInfo(_text(info["driver_name"]), _text(info["obj_name"]), info["status"], info["timestamp_ns"])
            for info in found
        ]

    def merge(self, other: SyncFile, name: str = "amdgpu_hw") -> SyncFile:
        """A new sync file that signals when both have."""
        reply = ioctl(self.fileno(), sync_file.IOCTL_MERGE, name=name.encode()[:31], fd2=other.fileno())
        return SyncFile(reply["fence"])

    def wait(self, timeout_ns: int = DEFAULT_TIMEOUT_NS) -> bool:
        """Wait until all fences have signalled; False on timeout."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(timeout_ns / 1e6))

    def signaled(self) -> bool:
        """Whether all fences have signalled by now."""
        return self.wait(0)

    def close(self) -> None:
        """Close the descriptor."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self.close()


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")


class BackgroundCall(Generic[T]):
    """A call in a thread of its own: for ioctls that may sleep where no signal reaches them.

    On kernels before the series, GEM_VA with a pending input fence sleeps uninterruptibly until the fence
    signals (KERNEL.md 3.2 step 8). The thread is a daemon: it does not keep the process from ending.
    Leaving the ``with`` block waits for it, bounded, so a gate must be opened before that.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._done = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name="amdgpu_hw call")
        self._thread.start()

    @property
    def thread_id(self) -> int:
        """The number that the system has for its thread (/proc/self/task), also once it has ended."""
        return self._thread.native_id or 0

    def interrupt(self, number: int) -> None:
        """Send its thread a signal, whose handler must have been installed."""
        if self._thread.ident is not None and not self.done():
            signal.pthread_kill(self._thread.ident, number)

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def done(self) -> bool:
        """Whether the call has returned (or raised)."""
        return self._done.is_set()

    def wait(self, timeout_ns: int = DEFAULT_TIMEOUT_NS) -> bool:
        """Wait for the call to return; False on timeout."""
        return self._done.wait(timeout_ns / 1e9)

    def result(self, timeout_ns: int = DEFAULT_TIMEOUT_NS) -> T:
        """What the call returned; raises what it raised, or `TimeoutError`."""
        if not self.wait(timeout_ns):
            raise TimeoutError(f"the call is still blocked after {timeout_ns / 1e9:g} s")
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # set by _run, T may itself be None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_exc: object) -> None:
        if not self.wait() and exc_type is None:
            raise PendingWork("the call in the background is still blocked: open the gate it waits for first")
