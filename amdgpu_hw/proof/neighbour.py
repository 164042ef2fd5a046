# SPDX-License-Identifier: MIT
"""Somebody else on the same GPU: another process, with an address space of its own and a job in flight there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Self

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.gate import Gate
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.helper_process import HelperProcess
from amdgpu_hw.memory import Buffer
from amdgpu_hw.proof.neighbour_process import CLOSE, DONE, FAULT, LOCK, MOVE, OPEN, SHARE, SUBMIT, TELL_FAULT
from amdgpu_hw.proof.record import Inconclusive
from amdgpu_hw.proof.traced import JobWatch
from amdgpu_hw.sync import SyncFile

__all__ = ("HeldForeignJob", "Neighbour", "NeighbourProcess")


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


class NeighbourProcess:
    """The other process: started when first needed, and anew when it has gone. ``selector`` names the GPU.

    ``answer_s`` bounds how long it may take to start, and to answer. Have it started before any gate is shut, see
    `HelperProcess`.
    """

    def __init__(self, selector: str, answer_s: float) -> None:
        self._selector = selector
        self._answer_s = answer_s
        self._process: HelperProcess | None = None

    def ask(self, message: str, descriptors: Sequence[int] = ()) -> tuple[str, list[int]]:
        """Its answer and the descriptor that comes with it; a sentence that says why if there is none."""
        if self._process is None:
            self._process = HelperProcess("amdgpu_hw.proof.neighbour_process", self._selector, start_s=self._answer_s)
        if self._process.trouble:
            return self._process.trouble, []
        try:
            self._process.send(message, descriptors)
        except OSError as error:
            return f"the other process is gone: {error.strerror}", []
        return self._process.receive(self._answer_s)

    def close(self) -> None:
        """End it, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            process.close()


class Neighbour:
    """An address space of the other process's own, with what it submits there; a context manager.

    Raises `HarnessError` where the other process cannot open the GPU.
    """

    def __init__(self, process: NeighbourProcess) -> None:
        self._process = process
        answer, _ = process.ask(OPEN)
        if answer != DONE:
            process.close()
            raise HarnessError(f"no second process on the GPU: {answer}")

    def submit(self, gate: Gate, gpu: Gpu, buffer: Buffer | None = None) -> HeldForeignJob:
        """Have it submit a job that waits for ``gate`` and lists ``buffer``, if there is one.

        ``gpu`` is any GPU of ours, to get at the gate's fence.
        """
        shared = [buffer.export()] if buffer is not None else []
        try:
            with gate.fence(gpu).export_sync_file() as fence:
                answer, fds = self._process.ask(SUBMIT, [fence.fileno(), *shared])
        finally:
            for descriptor in shared:
                os.close(descriptor)
        if not fds:
            raise HarnessError(f"the second process on the GPU could not submit a job: {answer}")
        return HeldForeignJob(SyncFile(fds[0]), gate)

    def lock(self, buffer: Buffer, gate: Gate, gpu: Gpu) -> None:
        """Have it move a buffer to system memory, and keep it locked until ``gate`` opens.

        It does so inside a submission that sleeps: whoever else needs the buffer's lock sleeps as well. ``gpu`` is any
        GPU of ours, as for `submit`.
        """
        descriptor = buffer.export()
        try:
            with gate.fence(gpu).export_sync_file() as fence:
                answer, _ = self._process.ask(LOCK, [fence.fileno(), descriptor])
        finally:
            os.close(descriptor)
        if answer != DONE:
            if not gate.is_shut:
                raise Inconclusive(f"before a buffer could be locked, {gate.why_open}")
            raise HarnessError(f"the second process on the GPU does not keep a buffer locked: {answer}")

    def move(self, buffer: Buffer) -> None:
        """Have it move a buffer to system memory, which is done on return."""
        descriptor = buffer.export()
        try:
            answer, _ = self._process.ask(MOVE, [descriptor])
        finally:
            os.close(descriptor)
        if answer != DONE:
            raise HarnessError(f"the second process on the GPU does not move a buffer: {answer}")

    def share(self, gpu: Gpu, size: int) -> Buffer:
        """A buffer of ``size`` bytes that it allocates and ``gpu``, one of ours, imports."""
        answer, fds = self._process.ask(f"{SHARE} {size}")
        if not fds:
            raise HarnessError(f"the second process on the GPU does not share a buffer: {answer}")
        try:
            return gpu.import_buffer(fds[0])
        finally:
            os.close(fds[0])

    def fault(self) -> tuple[int, int]:
        """Have its GPU read where nothing is mapped: the page that it read, and the one that it was told of."""
        answer, _ = self._process.ask(FAULT)
        if not answer.startswith(DONE):
            raise HarnessError(f"the second process on the GPU does not make it fault: {answer}")
        read, told = answer.split()[1:]
        return int(read, 16), int(told, 16)

    def last_fault(self) -> int:
        """The page of the last VM fault that it is told of, 0 if there was none."""
        answer, _ = self._process.ask(TELL_FAULT)
        if not answer.startswith(DONE):
            raise HarnessError(f"the second process on the GPU is not told of faults: {answer}")
        return int(answer.split()[1], 16)

    def close(self) -> None:
        """Close the GPU there; its job must not be gated any more. What cannot be closed ends with the process."""
        answer, _ = self._process.ask(CLOSE)
        if answer != DONE:
            self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
