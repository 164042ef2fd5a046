# SPDX-License-Identifier: MIT
"""Somebody else on the same GPU: another process, with an address space of its own and a job in flight there."""

from __future__ import annotations

from typing import Self

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.gate import Gate
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.helper_process import HelperProcess
from amdgpu_hw.proof.traced import JobWatch
from amdgpu_hw.sync import SyncFile

__all__ = ("HeldForeignJob", "Neighbour")

# Opening a GPU, which may have to resume from runtime suspend.
_START_S = 10.0
_REPLY_S = 5.0


class HeldForeignJob:
    """A job of the other process that waits for a gate of ours."""

    def __init__(self, fence: SyncFile, gate: Gate) -> None:
        self.fence = fence
        self.gate = gate
        self.watch: JobWatch | None = None

    @property
    def words(self) -> str:
        """Its name in messages."""
        return "a job of another process"

    def is_pending(self) -> bool:
        """Whether its fence is unsignalled and the gate shut; the gate is asked last, so that both were at once."""
        return self.fence.status() == 0 and self.gate.is_shut

    def open(self) -> None:
        """Open the gate."""
        self.gate.open()


class Neighbour:
    """The other process; a context manager. ``selector`` names the GPU, as for `open_gpu`.

    Make it before any gate is shut, see `HelperProcess`. Raises `HarnessError`.
    """

    def __init__(self, selector: str) -> None:
        self._process = HelperProcess("amdgpu_hw.proof.neighbour_process", selector, start_s=_START_S)
        if self._process.trouble:
            self.close()
            raise HarnessError(f"no second process on the GPU: {self._process.trouble}")

    def submit(self, gate: Gate, gpu: Gpu) -> HeldForeignJob:
        """Have it submit a job that waits for ``gate``; ``gpu`` is any GPU of ours, to get at the gate's fence."""
        with gate.fence(gpu).export_sync_file() as fence:
            self._process.send("submit", [fence.fileno()])
        answer, fds = self._process.receive(_REPLY_S)
        if not fds:
            raise HarnessError(f"the second process on the GPU could not submit a job: {answer}")
        return HeldForeignJob(SyncFile(fds[0]), gate)

    def close(self) -> None:
        """End the process; its job must not be gated any more."""
        self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
