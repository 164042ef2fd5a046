# SPDX-License-Identifier: MIT
"""Runs programs on an open GPU and writes down what came of every step, judging nothing.

What differs from run to run without meaning anything (addresses, handles, tags, times) is not in it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

from agreement.bounded import Answer
from agreement.program import SYNCOBJS, Door, Program, Sync, SyncOperation
from amdgpu_hw.errors import DrmError, FeatureMissing, GateError
from amdgpu_hw.evidence.mapping_info import stored_mappings
from amdgpu_hw.gate import Gate, GateMaker
from amdgpu_hw.gate.base import WATCHDOG
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm import core
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.memory import PAGE_SIZE, Buffer
from amdgpu_hw.proof.absence import Absence
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.programs.actions import KINDS, PAGES, Close, Step
from amdgpu_hw.proof.programs.window import Window
from amdgpu_hw.proof.record import Broken, NotTestable
from amdgpu_hw.submit import Submission
from amdgpu_hw.sync import Syncobj
from amdgpu_hw.uapi import drm

__all__ = ("Player",)

_HOLD_NS = 8_000_000_000
"""Less than the ten seconds that vgem has for it, more than a program has to wait for."""
_ENDS_NS = 5_000_000_000
_VA_SPAN = 1 << 48
_ABSENT = 2
"""Pages that are looked at where nothing can be: each read is a fault."""
_MEMORY = re.compile(
    r"^((?:drm|amd)-(?:memory|total|shared|resident|purgeable|active|evicted|requested)\S*):\s+(\d+)(.*)$"
)
"""Lines of fdinfo that count memory."""
_UNITS = {"": 1, " KiB": 1 << 10, " MiB": 1 << 20}
_PAGE_TABLES = 1 << 16
"""More than the page tables of a window take: they count as VRAM in kernels, and take no memory in the model."""


class Player(Window):
    """A window of addresses that programs are played in, one after the other.

    ``patience_ns`` is how long an update fence has for signalling before it counts as waiting for the gate.
    """

    def __init__(self, gpu: Gpu, gates: GateMaker, patience_ns: int) -> None:
        self._spare: dict[str, tuple[Buffer, int]] = {}
        super().__init__(gpu)
        self._gates, self._patience_ns = gates, patience_ns
        self._may_fault = self._absence_of(gpu)
        self._start()

    @staticmethod
    def _absence_of(gpu: Gpu) -> Absence | None:
        try:
            return Absence(gpu, GpuView(gpu))
        except (NotTestable, FeatureMissing):
            return None

    def _start(self) -> None:
        self._gate: Gate | None = None
        self._fences: list[tuple[str, Callable[[], bool], Callable[[int], bool]]] = []
        self._syncobjs = [self._gpu.syncobj() for _ in range(SYNCOBJS)]
        self._closed: dict[int, str] = {}
        self._fill_up()

    def _fill_up(self) -> None:
        """Have a successor of each buffer ready.

        Under a shut gate a buffer in VRAM may have to be cleared, if its pages are not known to be zero by chance: then
        its clear waits for the gate, and all page-table jobs for that (KERNEL.md E2).
        """
        for name in KINDS.keys() - self._spare.keys():
            self._spare[name] = super()._successor(name)

    def _successor(self, name: str) -> tuple[Buffer, int]:
        return self._spare.pop(name, None) or super()._successor(name)

    # -- a program ----

    def play(self, program: Program) -> Answer:
        """Run one from the start; what came of it, step by step and in the end."""
        steps = []
        try:
            for number, action in enumerate(program):
                steps.append(self._step(number, action))
            answer: Answer = {"steps": steps, **self._end()}
        finally:
            if self._gate is not None:
                self._gate.close()
        self._finish()
        return answer

    def _step(self, number: int, action: Step | Close | Door | Sync) -> Answer:
        known = len(self._fences)
        try:
            answer = self._act(number, action)
        except DrmError as error:
            answer = {"errno": error.errno or 0}
        if self._gate is not None:
            for _, _, wait in self._fences[known:]:
                wait(self._patience_ns)
            answer["signalled"] = [name for name, signaled, _ in self._fences if signaled()]
        return answer

    def _act(self, number: int, action: Step | Close | Door | Sync) -> Answer:
        if isinstance(action, Step):
            return self._update(number, action)
        if isinstance(action, Close):
            if self._gate is not None and action.name not in self._spare:
                return {"errno": 0, "left out": True}
            self._closed[self._tags[action.name]] = action.name
            self.close_buffer(action.name)
        elif isinstance(action, Sync):
            return self._sync(number, action)
        elif action is Door.SUBMIT:
            self._note(f"job {number}", self.submit())
        elif action is Door.OPEN:
            return {"errno": 0, "all signalled": self._open()}
        elif self._gate is None:
            self._shut(number)
        return {"errno": 0}

    def _update(self, number: int, step: Step) -> Answer:
        out = self._gpu.syncobj() if self._gpu.capabilities.update_fence and not step.delay else None
        step.foretell(self.oracle)
        error = self.gem_va(step, out)
        if out is not None and not error:
            self._fences.append((f"update {number}", out.signaled, out.wait))
        return {"errno": error}

    def _note(self, name: str, job: Submission) -> None:
        self._fences.append((name, job.signaled, job.wait))

    # -- the gate ----

    def _shut(self, number: int) -> None:
        self._gate = self._gates.shut("a job of a program", _HOLD_NS)
        queue = self._gpu.compute
        job = queue.submit(queue.packets.nop(), buffers=self._listed(), wait=[self._gate.fence(self._gpu)])
        self._note(f"gated job {number}", job)

    def _open(self) -> bool:
        """Open the gate; whether everything has signalled soon."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.close()
            if gate.opened_by == WATCHDOG:
                raise GateError(gate.why_open)
        ended = all(wait(_ENDS_NS) for _, _, wait in self._fences)
        self._fill_up()
        return ended

    # -- syncobjs ----

    def _sync(self, number: int, action: Sync) -> Answer:
        this, fd = self._syncobjs[action.at], self._gpu.fileno()
        value: Any = None
        match action.operation:
            case SyncOperation.HOLD:
                if self._gate is not None:
                    this.import_sync_file(self._gate.sync_file)
            case SyncOperation.RESET:
                this.reset()
            case SyncOperation.SIGNAL:
                this.signal()
            case SyncOperation.SIGNAL_POINT:
                this.signal(action.point or 1)
            case SyncOperation.TRANSFER:
                source = self._syncobjs[action.source].handle, action.source_point
                core.syncobj_transfer(fd, source, (this.handle, action.point), action.flags)
            case SyncOperation.WAIT:
                ioctl(fd, drm.IOCTL_SYNCOBJ_WAIT, handles=_u32(this), count_handles=1, flags=action.flags)
            case SyncOperation.WAIT_POINT:
                points = bytearray(struct.pack("<Q", action.point))
                wait = drm.IOCTL_SYNCOBJ_TIMELINE_WAIT
                ioctl(fd, wait, handles=_u32(this), points=points, count_handles=1, flags=action.flags)
            case SyncOperation.QUERY:
                value = core.syncobj_query(fd, this.handle, action.flags)
            case SyncOperation.EXPORT:
                with this.export_sync_file() as file:
                    value = file.status()
            case SyncOperation.JOB_IN:
                queue = self._gpu.compute
                self._note(f"job {number}", queue.submit(queue.packets.nop(), wait=[this.point(action.point)]))
            case SyncOperation.JOB_OUT:
                queue = self._gpu.compute
                self._note(f"job {number}", queue.submit(queue.packets.nop(), signal=[this.point(action.point)]))
        return {"errno": 0} if value is None else {"errno": 0, "value": value}

    # -- the end ----

    def _end(self) -> Answer:
        """What is there when everything is done."""
        answer: Answer = {"all signalled": self._open()}
        self.settle()
        answer["mappings"] = {name: self._stored(name) for name in KINDS}
        answer["memory"] = self._memory()
        try:
            answer["data"] = list(_runs(self._read()))
        except Broken as error:
            answer["data"] = "a VM fault" if "VM fault" in str(error) else "the copy did not end"
        answer["absent"] = self._absent()
        return answer

    def _stored(self, name: str) -> list[list[int]] | None:
        """A buffer's mappings, as the kernel tells: first page, pages, page of the buffer, flags."""
        try:
            stored = stored_mappings(self._gpu, self._buffers[name])
        except FeatureMissing:
            return None
        return [
            [
                (one.va - self._range.va) % _VA_SPAN // PAGE_SIZE,
                one.size // PAGE_SIZE,
                one.offset // PAGE_SIZE,
                one.flags,
            ]
            for one in stored
        ]

    def _memory(self) -> dict[str, int]:
        """What fdinfo counts, in KiB; VRAM without page tables."""
        lines = map(_MEMORY.match, self._gpu.fdinfo().splitlines())
        counted = {match[1]: int(match[2]) * _UNITS[match[3]] for match in lines if match}
        return {key: (size - size % _PAGE_TABLES if "vram" in key else size) >> 10 for key, size in counted.items()}

    def _read(self) -> Iterator[tuple[int, str, int]]:
        """Each page that may be read, whose page the GPU found there, and which of its pages."""
        for page, _, data in self.contents():
            (value,) = struct.unpack_from("<I", data)
            tag, index = value & ~0xFFF, value & 0xFFF
            names = {**{tag: f"the former {name}" for tag, name in self._closed.items()}} | {
                tag: name for name, tag in self._tags.items()
            }
            if tag in names and value:
                yield page, names[tag], index
            else:
                yield page, "zeros" if not value else self.words(data), 0

    def _absent(self) -> dict[str, bool] | None:
        """Whether reads of pages that nothing can be mapped at fault; None where that cannot be told."""
        if self._may_fault is None:
            return None
        pages = [page for page in self.oracle.absent() if page < PAGES][:_ABSENT]
        try:
            return {str(page): self._may_fault.is_absent(self._range.va + page * PAGE_SIZE) for page in pages}
        finally:
            self._fault = None

    def _finish(self) -> None:
        for syncobj in self._syncobjs:
            syncobj.close()
        self.reset()
        self._start()


def _u32(syncobj: Syncobj) -> bytearray:
    return bytearray(struct.pack("<I", syncobj.handle))


def _runs(pages: Iterator[tuple[int, str, int]]) -> Iterator[str]:
    """Pages in a few words each: ``0-15: A from 0``."""
    runs: list[list[Any]] = []
    for page, name, index in pages:
        step = index - runs[-1][3] if runs and runs[-1][2] == name and runs[-1][1] == page - 1 else None
        if step is not None and (name == "zeros" or step == page - runs[-1][0]):
            runs[-1][1] = page
        else:
            runs.append([page, page, name, index])
    return (f"{first}-{last}: {name} from {index}" for first, last, name, index in runs)
