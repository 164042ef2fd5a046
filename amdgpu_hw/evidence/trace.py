# SPDX-License-Identifier: MIT
"""What the kernel's scheduler says about jobs: an instance of tracefs of our own, and its events.

``drm_sched_job_add_dep`` (Linux 6.17) names every fence that a job waits for, when it is queued. So it shows what
other tests conclude from fences that do or do not signal. Needs root, or a tracefs that others may use.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from amdgpu_hw.errors import FeatureMissing

__all__ = ("FenceId", "TraceEvent", "TraceInstance", "TracedJob", "find_tracefs", "parse_events", "queued_jobs")

_EVENTS = (
    "gpu_scheduler/drm_sched_job_queue",
    "gpu_scheduler/drm_sched_job_add_dep",
    "amdgpu/amdgpu_vm_bo_map",
    "amdgpu/amdgpu_vm_bo_unmap",
)
_OPTIONAL = "amdgpu/"
"""Events of which older kernels have no stable form: whoever needs one sees that none comes."""

_NAME = "amdgpu_hw-{pid}"
_DEFAULT = Path("/sys/kernel/tracing")
_READ_SIZE = 1 << 16
_RECENT_SIZE = 1 << 20

_LINE = re.compile(
    r"\s*(?P<task>.*)-(?P<pid>\d+)\s+(?:\([-\d ]+\)\s+)?\[(?P<cpu>\d+)\]\s+(?:\S+\s+)?(?P<time>\d+\.\d+): "
    r"(?P<name>\w+): (?P<text>.*)"
)
_QUEUE = re.compile(r"dev=(?P<dev>\S+), fence=(?P<context>\d+):(?P<seqno>\d+), ring=(?P<ring>[^,]+),")
_ADD_DEP = re.compile(r"fence=(\d+):(\d+) depends on fence=(\d+):(\d+)")


class FenceId(NamedTuple):
    """A fence as the kernel numbers it. A job's finished fence has the number after its scheduled fence's context."""

    context: int
    seqno: int

    def __str__(self) -> str:
        return f"{self.context}:{self.seqno}"


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """One line of a trace: the task and thread that it happened in, seconds of the trace clock, name, and the rest."""

    task: str
    pid: int
    time_s: float
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class TracedJob:
    """A job that was queued: its finished fence, by which thread, for which ring, and what it waits for."""

    fence: FenceId
    pid: int
    device: str
    ring: str
    dependencies: tuple[FenceId, ...]

    def depends_on(self, job: FenceId) -> bool:
        """Whether it waits for another job: for its finished fence, or for its scheduled one."""
        return job in self.dependencies or FenceId(job.context - 1, job.seqno) in self.dependencies


def parse_events(text: str) -> list[TraceEvent]:
    """The events in what was read from a trace; comments and notes of lost events are left out."""
    events = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            time_s = float(match["time"])
            events.append(TraceEvent(match["task"], int(match["pid"]), time_s, match["name"], match["text"]))
    return events


def queued_jobs(events: Iterable[TraceEvent]) -> list[TracedJob]:
    """The jobs that were queued, in order; the kernel names a job's dependencies right behind it."""
    found: dict[FenceId, TracedJob] = {}
    for event in events:
        if event.name == "drm_sched_job_queue" and (match := _QUEUE.match(event.text)):
            fence = FenceId(int(match["context"]), int(match["seqno"]))
            found[fence] = TracedJob(fence, event.pid, match["dev"], match["ring"], ())
        elif event.name == "drm_sched_job_add_dep" and (match := _ADD_DEP.match(event.text)):
            context, seqno, other_context, other_seqno = map(int, match.groups())
            job = found.get(FenceId(context, seqno))
            if job is not None:
                dependencies = (*job.dependencies, FenceId(other_context, other_seqno))
                found[job.fence] = TracedJob(job.fence, job.pid, job.device, job.ring, dependencies)
    return list(found.values())


def find_tracefs() -> Path:
    """Where tracefs is mounted. Raises `FeatureMissing` where it is not."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
            _, where, kind, *_ = line.split()
            if kind == "tracefs" and Path(where, "instances").is_dir():
                return Path(where)
    if (_DEFAULT / "instances").is_dir():
        return _DEFAULT
    raise FeatureMissing("tracefs is not mounted, or not for everybody: it is for root")


class TraceInstance:
    """A trace of our own, with buffers that nobody else uses; a context manager. Raises `FeatureMissing`.

    It is removed when it is closed, at the latest when the interpreter exits; one that a killed process has left is
    removed by the next.
    """

    def __init__(self, root: Path | None = None) -> None:
        instances = (root or find_tracefs()) / "instances"
        _remove_stale(instances)
        self._directory = instances / _NAME.format(pid=os.getpid())
        self._pipe = -1
        self._recent: deque[bytes] = deque()
        self._recent_size = 0
        try:
            self._directory.mkdir()
        except OSError as error:
            raise FeatureMissing(f"no instance can be made in {instances}: {error.strerror}") from None
        atexit.register(self.close)
        try:
            for event in _EVENTS:
                self._enable(event)
            self._pipe = os.open(self._directory / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except BaseException:
            self.close()
            raise

    def _enable(self, event: str) -> None:
        try:
            (self._directory / "events" / event / "enable").write_text("1", encoding="ascii")
        except OSError as error:
            if not event.startswith(_OPTIONAL):
                reason = f"the kernel has no event {event} (Linux 6.17)"
                raise FeatureMissing(reason if isinstance(error, FileNotFoundError) else str(error)) from None

    def take(self) -> list[TraceEvent]:
        """The events since the last call."""
        parts = []
        while True:
            try:
                part = os.read(self._pipe, _READ_SIZE)
            except BlockingIOError:
                break
            if not part:
                break
            parts.append(part)
            self._remember(part)
        return parse_events(b"".join(parts).decode(errors="replace"))

    def recent(self) -> str:
        """The last megabyte of the trace since `forget`, as the kernel wrote it; what nobody has taken yet is taken."""
        self.take()
        return b"".join(self._recent).decode(errors="replace")

    def forget(self) -> None:
        """Take what is there, and begin `recent` anew."""
        self.take()
        self._recent.clear()
        self._recent_size = 0

    def _remember(self, part: bytes) -> None:
        self._recent.append(part)
        self._recent_size += len(part)
        while self._recent_size > _RECENT_SIZE:
            self._recent_size -= len(self._recent.popleft())

    def close(self) -> None:
        """Remove the instance with all its events."""
        atexit.unregister(self.close)
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        with contextlib.suppress(OSError):  # the kernel is gone, or another thread still reads; the next run removes it
            self._directory.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _remove_stale(instances: Path) -> None:
    for directory in instances.glob(_NAME.format(pid="*")):
        pid = directory.name.rpartition("-")[2]
        if pid.isdigit() and not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):  # somebody else was faster
                directory.rmdir()
