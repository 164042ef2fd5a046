# SPDX-License-Identifier: MIT
"""Faults on demand, for the console: the counterpart of the kernel's fault-injection framework (lib/fault-inject.c).

What can be made to fail is declared here; the code that can fail asks at one place each. Nothing is injected unless
somebody asks for it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.errno_ import KernelError

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("AllocSite", "FaultInjection", "FenceFault")


class AllocSite(Enum):
    """An allocation that can fail; the value is the kernel function that makes it."""

    DRM_OPEN = "drm_open"
    BO = "amdgpu_bo_create"
    MAPPING = "amdgpu_vm_bo_map"
    JOB = "amdgpu_job_alloc"
    """Of a submission, of a page-table update, or of a move."""
    CS = "amdgpu_cs_pass1"
    CTX = "amdgpu_ctx_alloc"
    BO_LIST = "amdgpu_bo_list_create"
    SYNCOBJ = "drm_syncobj_create"


class FenceFault:
    """What becomes of the next fence that a ring writes: it is lost (``delay`` None), or comes ``delay`` ns late.

    The job itself has been executed. A fence that is written after a lost one makes up for it, as on hardware, where
    fences are numbers that only grow.
    """

    __slots__ = ("_kernel", "delay")

    def __init__(self, kernel: Kernel, delay: int | None) -> None:
        self._kernel = kernel
        self.delay = delay

    def __str__(self) -> str:
        return "lost" if self.delay is None else f"{self.delay / 1e6:g} ms late"

    def divert(self, deliver: Callable[[], None]) -> None:
        """Keep the ring's word that the job is done, and pass it on late or never."""
        if self.delay is not None:
            self._kernel.timers.call_at(self._kernel.now() + self.delay, deliver)


class _Countdown:
    """The ``nth`` occasion and the ``times - 1`` after it; 0 times: never."""

    __slots__ = ("nth", "times")

    def __init__(self) -> None:
        self.nth = 0
        self.times = 0

    def set(self, nth: int, times: int) -> None:
        """Begin to count."""
        self.nth, self.times = nth, times

    def hit(self) -> bool:
        """Count one occasion; whether it is one of those meant."""
        if not self.times:
            return False
        if self.nth > 1:
            self.nth -= 1
            return False
        self.times -= 1
        return True

    def __str__(self) -> str:
        return f"{self.times} times from occasion {self.nth} on"


class FaultInjection:
    """The faults that have been asked for and have not happened yet."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._alloc = _Countdown()
        self._alloc_site: AllocSite | None = None
        self._sleep = _Countdown()
        self._sleep_pid: int | None = None
        self.alloc_armed = False
        """Whether allocations have to ask; looked at before anything else, as it almost never is."""
        self.failing_ring_resets = 0
        """So many resets of single rings are going to fail."""

    def fail_alloc(self, nth: int, times: int = 1, site: AllocSite | None = None) -> None:
        """Make the ``nth`` allocation from now on fail, and the ``times - 1`` after it; ``site``: count only those."""
        self._alloc.set(nth, times)
        self._alloc_site = site
        self.alloc_armed = True

    def alloc(self, site: AllocSite) -> None:
        """Allocate something: ENOMEM if that is to fail (`should_failslab`)."""
        if not self.alloc_armed:
            return
        if self._alloc_site is not None and site is not self._alloc_site:
            return
        hit = self._alloc.hit()
        self.alloc_armed = self._alloc.times > 0
        if hit:
            self._kernel.log.info(f"FAULT_INJECTION: forcing a failure. name failslab, in {site.value}")
            raise KernelError(errno.ENOMEM, f"injected into {site.value}")

    def interrupt_sleep(self, nth: int, times: int = 1, pid: int | None = None) -> None:
        """Send a signal to whoever makes the ``nth`` system call from now on that sleeps; ``pid``: count only its."""
        self._sleep.set(nth, times)
        self._sleep_pid = pid

    def interrupts(self, pid: int) -> bool:
        """Tell whether a system call of a process that has just gone to sleep gets a signal."""
        if not self._sleep.times or (self._sleep_pid is not None and pid != self._sleep_pid):
            return False
        return self._sleep.hit()

    def ring_reset_fails(self) -> bool:
        """Tell whether the reset of a ring that is being tried fails."""
        if not self.failing_ring_resets:
            return False
        self.failing_ring_resets -= 1
        return True

    def clear(self) -> None:
        """Forget all faults that have not happened."""
        self._alloc.set(0, 0)
        self._sleep.set(0, 0)
        self.alloc_armed = False
        self.failing_ring_resets = 0

    def pending(self) -> dict[str, str]:
        """Say which faults have not happened yet."""
        found = {}
        if self._alloc.times:
            where = self._alloc_site.value if self._alloc_site is not None else "any allocation"
            found["enomem"] = f"{where}: {self._alloc}"
        if self._sleep.times:
            whose = f"process {self._sleep_pid}" if self._sleep_pid is not None else "any process"
            found["eintr"] = f"{whose}: {self._sleep}"
        if self.failing_ring_resets:
            found["ring-reset"] = f"{self.failing_ring_resets} times"
        return found
