# SPDX-License-Identifier: MIT
"""The /sys/kernel/tracing of a mock machine: instances with their events, as far as the mock kernel has tracepoints.

Its files are real ones in the testbed: clients switch events on by writing to ``enable``, which the mock kernel reads
when the event comes, and read ``trace_pipe``, a FIFO. Only directories are made by the mock kernel, as on a real
tracefs, where mkdir() of an instance makes everything in it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from amdgpu_hw.gpu_model.memfd import is_reserved
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.kernel.trace import Tracing

__all__ = ("INSTANCES", "Tracefs")

INSTANCES = "/sys/kernel/tracing/instances/"

_PIPE_SIZE = 1 << 20


class _Instance:
    """A directory below instances; `amdgpu_hw.mock.kernel.trace.TraceBuffer`."""

    def __init__(self, directory: Path, events: Sequence[str]) -> None:
        directory.mkdir()
        self._enable = {}
        for event in events:
            file = directory / "events" / event / "enable"
            file.parent.mkdir(parents=True)
            self._enable[event] = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.write(self._enable[event], b"0\n")
        pipe = directory / "trace_pipe"
        os.mkfifo(pipe)
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)

    @property
    def uses_the_last_descriptors(self) -> bool:
        """Whether the mock kernel would run out of descriptors with it."""
        return is_reserved(self._pipe)

    def is_enabled(self, event: str) -> bool:
        """Whether a client has switched it on."""
        return os.pread(self._enable[event], 1, 0) == b"1"

    def write(self, line: str) -> None:
        """Add a line; a full buffer loses it."""
        try:
            os.write(self._pipe, line.encode())
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close the files."""
        os.close(self._pipe)
        for fd in self._enable.values():
            os.close(fd)


class Tracefs:
    """tracefs below ``root`` (the host's directory that clients see as /), with these events."""

    def __init__(self, root: Path, events: Sequence[str], tracing: Tracing) -> None:
        self._root = root
        self._events = tuple(events)
        self._tracing = tracing
        self._instances: dict[str, _Instance] = {}
        self._host("").mkdir(parents=True, exist_ok=True)

    def mkdir(self, path: str) -> None:
        """Make an instance: EEXIST, EPERM anywhere else than in `INSTANCES`, ENOMEM without descriptors for it."""
        name = self._name(path)
        if name in self._instances:
            raise KernelError(errno.EEXIST)
        instance = _Instance(self._host(name), self._events)
        if instance.uses_the_last_descriptors:
            instance.close()
            shutil.rmtree(self._host(name))
            raise KernelError(errno.ENOMEM, "no descriptors")
        self._instances[name] = instance
        self._tracing.buffers.append(instance)

    def rmdir(self, path: str) -> None:
        """Remove an instance with everything in it: ENOENT."""
        name = self._name(path)
        instance = self._instances.pop(name, None)
        if instance is None:
            raise KernelError(errno.ENOENT)
        self._tracing.buffers.remove(instance)
        instance.close()
        shutil.rmtree(self._host(name))

    def close(self) -> None:
        """Remove all instances."""
        for name in list(self._instances):
            self.rmdir(INSTANCES + name)

    def _host(self, name: str) -> Path:
        return Path(f"{self._root}{INSTANCES}{name}")

    @staticmethod
    def _name(path: str) -> str:
        name = path.removeprefix(INSTANCES).rstrip("/")
        if not path.startswith(INSTANCES) or not name or "/" in name or name in (".", ".."):
            raise KernelError(errno.EPERM, path)
        return name
