# SPDX-License-Identifier: MIT
"""The gate of last resort: a job that makes the GPU itself wait for a flag in memory, for half a second at most.

Needs nothing but the GPU, and is bounded by nothing but the job timeout (2 s on new kernels) if nobody writes the flag.
So the job belongs to another process (`gpu_wait_process`), which writes it when its time is up and when the test's
process is gone, however that ended. What a test gets is the job's fence, in a sync file.

The job is in an address space of its own and on a compute ring that the tests do not use. It holds up others all the
same: compute jobs of any program that the kernel's scheduler puts on that ring, as it does when others are busy
(drm_sched_pick_best), and queues that share its pipe; and it has one of the few VMIDs. Its fence is one of amdgpu's
scheduler, which the kernel does not treat as it treats fences of another driver.
"""

from __future__ import annotations

import contextlib
import itertools

from amdgpu_hw.errors import GateError
from amdgpu_hw.gate.base import Gate, GateMaker
from amdgpu_hw.helper_process import HelperProcess
from amdgpu_hw.sync import SyncFile

__all__ = ("GpuWaitGateMaker",)

# Reading Python and the package, on emulated processors as well (a guest machine without KVM), and opening a GPU, which
# may have to resume from runtime suspend.
_START_S = 60.0
_REPLY_S = 2.0


class GpuWaitGate(Gate):
    """One waiting job of the other process, by its number there."""

    name = "gpu-wait"
    is_foreign = False

    def __init__(self, process: _Process, number: int, purpose: str, hold_ns: int) -> None:
        self._process = process
        self._number = number
        super().__init__(process.shut(number, hold_ns), hold_ns, purpose)

    def _signal(self) -> None:
        self._process.open(self._number)

    def _release(self) -> None:
        pass  # the other process drops the job when it is done


class _Process:
    """The process that owns the waiting jobs."""

    def __init__(self, selector: str) -> None:
        self._process = HelperProcess("amdgpu_hw.gate.gpu_wait_process", selector, start_s=_START_S)
        self.trouble = self._process.trouble

    def shut(self, number: int, hold_ns: int) -> SyncFile:
        """Have a job wait; raises `GateError`."""
        try:
            self._process.send(f"shut {number} {hold_ns}")
        except OSError as error:
            raise GateError(f"the process that holds gpu-wait gates is gone: {error.strerror}") from error
        answer, fds = self._process.receive(_REPLY_S)
        if not fds:
            raise GateError(f"no gpu-wait gate: {answer}")
        return SyncFile(fds[0])

    def open(self, number: int) -> None:
        """Let the job go. If the process is gone, so is whoever could hold the job back."""
        with contextlib.suppress(OSError):
            self._process.send(f"open {number}")

    def close(self) -> None:
        """End the process: it lets all jobs go first."""
        self._process.close()


class GpuWaitGateMaker(GateMaker):
    """Gates made of jobs that wait on the GPU. ``selector`` names the GPU, as for `open_gpu`.

    Starts its process when first asked, which has to be before anything is gated (`HelperProcess`).
    """

    name = GpuWaitGate.name
    summary = (
        "a job that makes the GPU wait for memory, half a second at most; needs nothing, but holds up others' compute "
        "jobs, may end in a reset, and its fence is no other driver's"
    )
    longest_hold_ns = 450_000_000

    def __init__(self, selector: str) -> None:
        self._selector = selector
        self._numbers = itertools.count(1)
        self._process: _Process | None = None

    def why_not(self) -> str | None:
        """See `GateMaker.why_not`."""
        return self._started().trouble

    def shut(self, purpose: str, hold_ns: int) -> Gate:
        """See `GateMaker.shut`."""
        process = self._started()
        if process.trouble:
            raise GateError(f"no gpu-wait gate: {process.trouble}")
        return GpuWaitGate(process, next(self._numbers), purpose, min(hold_ns, self.longest_hold_ns))

    def renew(self) -> None:
        """See `GateMaker.renew`: the process's context is refused where VRAM was lost (ECANCELED)."""
        self.close()
        self._started()

    def close(self) -> None:
        """See `GateMaker.close`."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _started(self) -> _Process:
        if self._process is None:
            self._process = _Process(self._selector)
        return self._process
