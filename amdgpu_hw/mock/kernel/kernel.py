# SPDX-License-Identifier: MIT
"""The mock kernel as a whole: its clock, timers and work, its device nodes, and what happens when its code fails.

The transport calls `Kernel.open` and then the methods of the `File` it gets, hands an exception to
`Kernel.errno_of`, and calls `Kernel.run_pending` between two requests.
"""

from __future__ import annotations

import errno
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from amdgpu_hw.gpu_model.loop import Timers
from amdgpu_hw.mock.kernel.devcoredump import Devcoredumps
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.fault_injection import FaultInjection
from amdgpu_hw.mock.kernel.file import Caller, File
from amdgpu_hw.mock.kernel.kasan import Kasan
from amdgpu_hw.mock.kernel.kobject import NoSysfs, Sysfs
from amdgpu_hw.mock.kernel.log import KernelLog
from amdgpu_hw.mock.kernel.trace import Tracing
from amdgpu_hw.mock.kernel.wait import Blocking, RunQueue, Task

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.drm.drm_drv import DrmDevice
    from amdgpu_hw.mock.variants import Variant

__all__ = ("Kernel", "Node", "OpenFunction", "capable")

OpenFunction: TypeAlias = Callable[[Caller, int], File]
"""`f_op->open`: (caller, open flags) -> the open file; raises `KernelError`."""


@dataclass(frozen=True, slots=True)
class Node:
    """A special file: a device node (``major`` not 0) or a file of debugfs."""

    path: str
    major: int
    minor: int
    open: OpenFunction


class Directories(Protocol):
    """A file system in which clients make directories, and the kernel what is in them; both raise `KernelError`."""

    def mkdir(self, path: str) -> None:
        """Make one."""

    def rmdir(self, path: str) -> None:
        """Remove one with everything in it."""


class Kernel:
    """One booted kernel: everything that all drivers share.

    ``gpu_time`` multiplies the modelled time of what GPUs do; with 0 it takes none.
    """

    def __init__(self, variant: Variant, gpu_time: float = 0) -> None:
        self.variant = variant
        self.gpu_time = gpu_time
        self.log = KernelLog()
        self.timers = Timers()
        self.work = RunQueue()
        self.nodes: dict[str, Node] = {}
        self.sysfs: Sysfs = NoSysfs()
        """Where devices show in /sys; set by whoever boots the machine."""
        self.coredumps = Devcoredumps()
        self.tracing = Tracing()
        self.tracefs: Directories | None = None
        """Where clients make instances of the trace; set by whoever boots the machine."""
        self.faults = FaultInjection(self)
        self.drm_devices: list[DrmDevice] = []
        """Every DRM device that was registered, unplugged ones as well."""
        self.kasan = Kasan()
        self.oopses = 0
        """How often code of the mock kernel failed with something else than an errno: 0 on a sound kernel."""

    now = staticmethod(time.monotonic_ns)
    """CLOCK_MONOTONIC in ns (`ktime_get`)."""

    def register_node(self, path: str, major: int, minor: int, open_fn: OpenFunction) -> Node:
        """Make ``path`` openable (`cdev_add`, `debugfs_create_file`)."""
        node = self.nodes[path] = Node(path, major, minor, open_fn)
        return node

    def unregister_node(self, path: str) -> None:
        """Take the node away; files that are open on it stay open."""
        self.nodes.pop(path, None)

    def open(self, caller: Caller, path: str, flags: int) -> File:
        """`open()` of a node; ENOENT where no driver made one, else what the driver says."""
        node = self.nodes.get(path)
        if node is None:
            raise KernelError(errno.ENOENT, f"no node {path}")
        return node.open(caller, flags)

    def run_pending(self, limit: int = 1000) -> int | None:
        """Run due timers and up to ``limit`` items of queued work.

        Returns when to call again: 0 for at once (work is left), an absolute CLOCK_MONOTONIC time in ns, or None
        when nothing will happen without a client.
        """
        while True:
            try:
                self.timers.run_due(self.now())
                if self.work.run(limit):
                    return 0
                return self.timers.next_deadline()
            except Exception as error:
                self.oops("deferred work", error)

    def spawn(self, name: str, generator: Blocking[None]) -> None:
        """Run a function that may sleep, without a client waiting for it (a kernel thread); starts at once."""

        def done(_result: None, error: BaseException | None) -> None:
            if error is not None:
                self.oops(name, error)

        Task(generator, self.timers, self.work, done).start()

    def errno_of(self, error: BaseException, where: str = "system call") -> int:
        """The positive errno a failed system call ends with; anything but a `KernelError` is an oops and gives EIO."""
        if isinstance(error, KernelError):
            return error.errno
        self.oops(where, error)
        return errno.EIO

    def oops(self, where: str, error: BaseException) -> None:
        """Log a failure of the mock kernel itself with its call trace; the machine goes on."""
        self.oopses += 1
        trace = "".join(traceback.format_exception(error))
        self.log.err(f"Oops: {self.oopses:04d} in {where}: {error!r}\n{trace}---[ end trace ]---")


def capable(caller: Caller) -> bool:
    """Whether the calling process has the capabilities of root (`capable(CAP_SYS_ADMIN)`).

    On a mock machine that is what /proc says about its effective user; inside a container root counts as root.
    """
    try:
        return os.stat(f"/proc/{caller.pid}").st_uid == 0
    except OSError:
        return False
