# SPDX-License-Identifier: MIT
"""The kernel's log while a run goes on: cut per row, with markers, and what amdgpu's messages in it say.

It is read from /dev/kmsg where that may be read (root, or ``kernel.dmesg_restrict=0`` and a readable node), else from
the journal where journalctl shows the kernel's messages to this user; else there is none, and it is said why.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.evidence.log_rules import PCI_ADDRESS, RULES, EventKind

__all__ = ("MARKER", "JournalLog", "KmsgLog", "LogEvent", "LogRecord", "LogSource", "log_events", "open_kernel_log")

KMSG = Path("/dev/kmsg")
MARKER = "amdgpu_hw: "
"""How the records begin that we write ourselves."""

_RECORD_SIZE = 8192  # CONSOLE_EXT_LOG_MAX: the kernel answers EINVAL to smaller reads of longer records
_JOURNAL_S = 10
_NOTICE = "<5>"


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record: microseconds of the log's clock (CLOCK_MONOTONIC or close to it), syslog level, text."""

    time_us: int
    level: int
    text: str

    def __str__(self) -> str:
        seconds, rest = divmod(self.time_us, 1_000_000)
        return f"[{seconds:5d}.{rest:06d}] {self.text}"


class LogSource(Protocol):
    """A place to read the log from."""

    source: str
    """What it is, for people."""

    def take(self) -> list[LogRecord]:
        """The records since the last call, oldest first."""

    def mark(self, text: str) -> None:
        """Write a record of our own where that is allowed; nothing where it is not."""

    def close(self) -> None:
        """Give it back."""


def open_kernel_log() -> LogSource:
    """The log from now on. Raises `FeatureMissing` that says for each source why it cannot be read."""
    reasons = []
    makers: tuple[Callable[[], LogSource], ...] = (KmsgLog, JournalLog)
    for make in makers:
        try:
            return make()
        except FeatureMissing as error:
            reasons.append(str(error))
    raise FeatureMissing("; ".join(reasons))


class KmsgLog:
    """/dev/kmsg. Raises `FeatureMissing` where it cannot be read."""

    def __init__(self, path: Path = KMSG) -> None:
        self.source = str(path)
        self.lost = 0
        """How often the kernel overwrote records before they were read."""
        self._writer = -1
        try:
            self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise FeatureMissing(f"{path}: {error.strerror} (it is for root)") from None
        try:
            self.take()  # what was before us
        except OSError as error:
            os.close(self._reader)
            raise FeatureMissing(f"{path}: {error.strerror} (kernel.dmesg_restrict)") from None
        with contextlib.suppress(OSError):  # then there are no markers
            self._writer = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def take(self) -> list[LogRecord]:
        """The records since the last call. Raises `OSError` for what is no end of the log."""
        records: list[LogRecord] = []
        while True:
            try:
                data = os.read(self._reader, _RECORD_SIZE)
            except BlockingIOError:
                return records
            except OSError as error:
                if error.errno != errno.EPIPE:  # devkmsg_read: overwritten meanwhile, go on with what there is
                    raise
                self.lost += 1
                continue
            if not data:
                return records
            record = _parse_kmsg(data.decode(errors="replace"))
            if record is not None:
                records.append(record)

    def mark(self, text: str) -> None:
        """Write a record at level notice; a kernel that limits our writes (printk_devkmsg) drops some."""
        if self._writer < 0:
            return
        try:
            os.write(self._writer, f"{_NOTICE}{MARKER}{text}\n".encode())
        except OSError:
            os.close(self._writer)
            self._writer = -1

    def close(self) -> None:
        """Close the descriptors."""
        for fd in (self._reader, self._writer):
            if fd >= 0:
                os.close(fd)
        self._reader = self._writer = -1


def _parse_kmsg(text: str) -> LogRecord | None:
    """``6,1234,5678901,-;text``, then continuation lines with a space in front (info_print_ext_header)."""
    head, semicolon, rest = text.partition(";")
    fields = head.split(",")
    if not semicolon or len(fields) < 3 or not (fields[0].isdigit() and fields[2].isdigit()):
        return None
    return LogRecord(int(fields[2]), int(fields[0]) & 7, rest.partition("\n")[0])


class JournalLog:
    """``journalctl -k``. Raises `FeatureMissing` where there is none, or it shows this user nothing of the kernel's."""

    source = "journalctl -k"

    def __init__(self) -> None:
        self._program = shutil.which("journalctl")
        if self._program is None:
            raise FeatureMissing("there is no journalctl")
        entries = self._entries("--lines=1")
        if not entries:
            raise FeatureMissing("journalctl -k shows no record to this user (group systemd-journal or adm)")
        self._cursor = str(entries[-1]["__CURSOR"])

    def take(self) -> list[LogRecord]:
        """The records since the last call; none where journalctl fails from now on."""
        try:
            entries = self._entries(f"--after-cursor={self._cursor}")
        except FeatureMissing:
            return []
        if entries:
            self._cursor = str(entries[-1]["__CURSOR"])
        return [
            LogRecord(int(entry["__MONOTONIC_TIMESTAMP"]), int(entry.get("PRIORITY", 6)), str(entry.get("MESSAGE", "")))
            for entry in entries
        ]

    def mark(self, text: str) -> None:
        """The journal's copy of the kernel's log cannot be written to."""

    def close(self) -> None:
        """Nothing is open."""

    def _entries(self, *options: str) -> list[dict[str, Any]]:
        command = [str(self._program), "--dmesg", "--output=json", "--no-pager", "--quiet", *options]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=_JOURNAL_S, check=True)
            return [json.loads(line) for line in answer.stdout.splitlines() if line]
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise FeatureMissing(f"journalctl fails: {error}") from None


@dataclass(frozen=True, slots=True)
class LogEvent:
    """What one or several records say, as `RULES` read them; what they do not tell is None or empty."""

    kind: EventKind
    text: str
    time_us: int = 0
    ring: str = ""
    pid: int | None = None
    process: str = ""
    address: int | None = None
    device: str = ""
    """PCI address of the GPU."""
    ours: bool | None = None
    """Whether ``pid`` is one of ours; None where nobody is named."""

    @property
    def words(self) -> str:
        """For people: ``ring gfx_0.0.0 timeout (python, process 4711)``."""
        where = f" at {self.address:#_x}" if self.address is not None else ""
        ring = f" of {self.ring}" if self.ring else ""
        whose = f" ({self.process or 'process'} {self.pid}{', ours' if self.ours else ''})" if self.pid else ""
        return f"{self.kind.value}{ring}{where}{whose}"

    def to_json(self) -> dict[str, Any]:
        """The form it has in a result file."""
        return {
            "kind": self.kind.value,
            "text": self.text,
            "ring": self.ring,
            "pid": self.pid,
            "process": self.process,
            "address": self.address,
            "ours": self.ours,
        }


@dataclass(slots=True)
class _Cut:
    """Events being put together."""

    events: list[LogEvent] = field(default_factory=list)

    def add(self, event: LogEvent) -> None:
        self.events.append(event)

    def complete(self, **facts: Any) -> None:
        """Add what a later record tells to the last event that lacks it."""
        for index in range(len(self.events) - 1, -1, -1):
            event = self.events[index]
            if all(getattr(event, name) in (None, "") for name in facts) and _may_have(event, facts):
                self.events[index] = replace(event, **facts)
                return


def _may_have(event: LogEvent, facts: dict[str, Any]) -> bool:
    if "address" in facts:
        return event.kind is EventKind.VM_FAULT
    return event.kind in (EventKind.VM_FAULT, EventKind.RING_TIMEOUT)


def log_events(records: Iterable[LogRecord], ours: Collection[int], device: str) -> list[LogEvent]:
    """What records say about the GPU at a PCI address, or about the kernel as a whole.

    ``ours`` are the processes of this run. What another GPU's driver says is left out; a record that names no device
    (DRM_ERROR of Linux 6.1) is taken.
    """
    cut = _Cut()
    for record in records:
        address = PCI_ADDRESS.search(record.text)
        if record.text.startswith(MARKER) or (address is not None and device and address[0] != device):
            continue
        for rule in RULES:
            match = rule.pattern.search(record.text)
            if match is not None:
                _take(cut, rule.kind, match.groupdict(), record, address[0] if address else "")
                break
    return [replace(event, ours=None if not event.pid else event.pid in ours) for event in cut.events]


def _take(cut: _Cut, kind: EventKind, found: dict[str, str | None], record: LogRecord, device: str) -> None:
    number = found.get("pid")
    pid = int(number) if number else None
    if kind is EventKind.PROCESS:
        cut.complete(pid=pid, process=found["process"] or "")
    elif kind is EventKind.ADDRESS:
        page = found.get("page")
        cut.complete(address=int(page, 16) << 12 if page else int(found.get("address") or "0", 16))
    else:
        process = found.get("process") or ""
        cut.add(LogEvent(kind, record.text, record.time_us, found.get("ring") or "", pid, process, None, device))
