# SPDX-License-Identifier: MIT
"""Everything that tells of trouble with one GPU beside the calls that are tested, watched over a whole run."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from amdgpu_hw.discovery import GpuNode
from amdgpu_hw.errors import DrmError, FeatureMissing
from amdgpu_hw.evidence.clients import all_visible, gpu_clients
from amdgpu_hw.evidence.devcoredump import Devcoredump, find_devcoredump
from amdgpu_hw.evidence.health import Resets, ResetWatch, WedgedWatch
from amdgpu_hw.evidence.incident import Incident, Traces, incident_of
from amdgpu_hw.evidence.keeper import EvidenceKeeper
from amdgpu_hw.evidence.kernel_log import LogEvent, LogRecord, LogSource, log_events, open_kernel_log
from amdgpu_hw.evidence.trace import TraceInstance
from amdgpu_hw.helper_process import started_processes

__all__ = ("Look", "MachineWatch")

_SETTLE_S = 60.0
"""How long a reset of the GPU may take (a full one with its ring tests takes seconds)."""

# A reset is counted before the last messages about it are written, and uevents sent.
_LINGER_S = 0.2
_DUMP_S = 5.0
_ANNOUNCEMENT = "device coredump file has been created"  # amdgpu_coredump
_POLL_S = 0.02


@dataclass(slots=True)
class Look:
    """What came to light since the last look."""

    incident: Incident | None = None
    events: list[LogEvent] = field(default_factory=list)
    log: list[LogRecord] = field(default_factory=list)
    resets: str = ""


class MachineWatch:
    """Watches the GPU at a node. ``keep_in`` is where evidence goes, if there is a place for any.

    Raises what `ResetWatch` does; everything else that cannot be had here is left out, and `why_no_log` says so.
    """

    def __init__(self, node: GpuNode, keep_in: Path | None, trace: TraceInstance | None, why_no_trace: str) -> None:
        self._node = node
        self._trace, self._why_no_trace = trace, why_no_trace
        self._keeper = EvidenceKeeper(keep_in)
        self._resets = ResetWatch(node.node)
        self._wedged = WedgedWatch(node.pci_address)
        dump = find_devcoredump(node.pci_address)
        self._old_dump = dump.name if dump is not None else ""
        self._log: LogSource | None = None
        self.why_no_log = ""
        """Why the kernel's log cannot be read; empty if it can."""
        try:
            self._log = open_kernel_log()
        except FeatureMissing as error:
            self.why_no_log = str(error)

    @property
    def log_source(self) -> str:
        """Where the kernel's log is read; empty if nowhere."""
        return self._log.source if self._log is not None else ""

    def mark(self, text: str) -> None:
        """Write into the kernel's log where that is allowed, so that others find the row there too."""
        if self._log is not None:
            self._log.mark(text)

    def look(self, name: str, *, guilty: bool = False, stuck: str = "") -> Look:
        """What happened since the last look; of an incident, called ``name``, the evidence is kept.

        ``guilty`` and ``stuck``: what the kernel says of our contexts, and what of our work did not end.
        """
        try:
            resets = self._resets.look()
        except DrmError as error:
            resets, stuck = Resets(), f"the kernel does not say how the GPU is: {error}"
        log = self._take_log()
        wedged = self._wedged.take()
        if not (resets or stuck or guilty or wedged) and not self._is_incident(log):
            return Look(events=self._events(log), log=log)
        # Before the reset is over: then nothing is left of what hung.
        clients = gpu_clients(self._node.pci_address)
        if resets.in_progress:
            later = self._resets.settle(_SETTLE_S)
            resets = later._replace(happened=True, vram_lost=resets.vram_lost + later.vram_lost)
        self._linger(lambda: log.extend(self._take_log()))
        wedged += self._wedged.take()
        ours = self._ours()
        dump = self._dump(log)
        events = self._events(log)
        traces = Traces(
            resets=resets,
            stuck=stuck,
            guilty=guilty,
            events=events,
            has_log=self._log is not None,
            wedged=wedged,
            alone=all_visible() and all(client.pid in ours for client in clients),
        )
        if dump is not None:
            with contextlib.suppress(FeatureMissing):
                traces.dumped_process = dump.process()
        incident = incident_of(traces, ours, sees_all_pids=all_visible())
        incident.kept = self._keeper.keep(
            name,
            pci_address=self._node.pci_address,
            primary_node=self._node.primary_node,
            log=log,
            why_no_log=self.why_no_log or "the kernel said nothing",
            clients=clients,
            dump=dump,
            trace=self._trace.recent() if self._trace is not None else "",
            why_no_trace=self._why_no_trace or "no job was queued",
        )
        if dump is not None and "devcoredump" in incident.kept.files:
            dump.discard()  # else the next hang leaves none: there is at most one for a device
        return Look(incident, events, log, resets.words)

    def note_reset(self) -> Look:
        """What happened since the last look, where a reset was asked for: no incident, and no evidence is kept."""
        with contextlib.suppress(DrmError):  # the next look says so
            self._resets.settle(_SETTLE_S)
        self._wedged.take()
        log = self._take_log()
        return Look(events=self._events(log), log=log)

    def close(self) -> None:
        """Stop watching."""
        self._resets.close()
        self._wedged.close()
        if self._log is not None:
            self._log.close()

    def _dump(self, log: list[LogRecord]) -> Devcoredump | None:
        """The dump of this incident; one that the log announces is waited for: a worker fills it (Linux 7.3)."""
        announced = any(_ANNOUNCEMENT in record.text for record in log)
        end = time.monotonic() + (_DUMP_S if announced else 0)
        while True:
            dump = find_devcoredump(self._node.pci_address)
            if dump is not None and dump.name == self._old_dump:
                dump = None
            if (dump is not None and not dump.is_empty()) or time.monotonic() >= end:
                return dump
            time.sleep(_POLL_S)

    def _take_log(self) -> list[LogRecord]:
        """The records since the last call; a log that cannot be read any more is done without."""
        if self._log is None:
            return []
        try:
            return self._log.take()
        except OSError as error:
            self.why_no_log = f"{self._log.source} cannot be read any more: {error.strerror}"
            self._log.close()
            self._log = None
            return []

    def _events(self, log: list[LogRecord]) -> list[LogEvent]:
        return log_events(log, self._ours(), self._node.pci_address)

    def _is_incident(self, log: list[LogRecord]) -> bool:
        """Whether the log alone tells of one: a driver without recovery counts no reset. Some records name no GPU."""
        return bool(log) and any(event.kind.is_reset and event.device for event in self._events(log))

    def _ours(self) -> set[int]:
        """Processes of this run, and threads of this one: a uevent names a thread (amdgpu_vm_set_task_info)."""
        threads = {int(name) for name in os.listdir("/proc/self/task")}
        return {os.getpid(), *threads, *started_processes()}

    @staticmethod
    def _linger(take: Callable[[], object]) -> None:
        end = time.monotonic() + _LINGER_S
        while time.monotonic() < end:
            take()
            time.sleep(_POLL_S)
        take()
