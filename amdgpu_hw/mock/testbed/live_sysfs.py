# SPDX-License-Identifier: MIT
"""The /sys of a mock machine as its kernel changes it while it runs: `Sysfs` on top of the umockdev testbed."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from amdgpu_hw.mock.testbed import sysfs
from amdgpu_hw.mock.testbed.umockdev import Testbed

__all__ = ("LiveSysfs",)

_EVENT = struct.Struct("=iIII")
_IN_CLOSE_WRITE = 0x8
_BUFFER_SIZE = 64 * 1024


class _LiveAttribute:
    """A file whose content changes. Whoever opens it meanwhile reads the old content or the new one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._size = 0
        self._ended = False

    def store(self, text: str) -> None:
        """Change the content; nothing happens when the device is gone, or the file is another one's now."""
        if self._ended:
            return
        data = text.encode()
        if len(data) == self._size:
            os.pwrite(self._fd, data, 0)
            return
        # Two steps (write, truncate) would show readers a mixture.
        fresh = self._path.with_name(f".{self._path.name}.new")
        try:
            fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            return
        os.write(fd, data)
        fresh.replace(self._path)
        self._close()
        self._fd, self._size = fd, len(data)

    def end(self) -> None:
        """Leave the file alone from now on."""
        self._ended = True
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd, self._size = -1, 0


class LiveSysfs:
    """`amdgpu_hw.mock.kernel.kobject.Sysfs`.

    ``watch(fd, callback)`` calls back once when a descriptor becomes readable; ``nodes_changed`` is called when nodes
    have been taken away.
    """

    __test__ = False  # nothing for pytest

    def __init__(
        self, testbed: Testbed, watch: Callable[[int, Callable[[], None]], None], nodes_changed: Callable[[], None]
    ) -> None:
        self._testbed = testbed
        self._watch = watch
        self._nodes_changed = nodes_changed
        self._writers: dict[int, Callable[[], None]] = {}
        """Whom to tell of a write, by inotify's number of the file."""
        self._live: dict[Path, _LiveAttribute] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = -1

    def add_class_device(
        self, path: str, subsystem: str, data: bytes, links: Mapping[str, str], on_write: Callable[[], None]
    ) -> None:
        """Show a device of a class with one attribute, ``data``, that only its owner can read."""
        self._testbed.add(sysfs.describe_class_device(path, subsystem, data))
        (self._host(path) / "data").chmod(0o600)
        for name, target in links.items():
            self.add_link(path, name, target)
        self.tell_of_write(f"{path}/data", on_write)

    def add_link(self, path: str, name: str, target: str) -> None:
        """Make a link in the directory of a device to another one."""
        directory = self._host(path)
        (directory / name).symlink_to(os.path.relpath(self._host(target), directory))

    def remove_link(self, path: str, name: str) -> None:
        """Take a link away, if the device still is there."""
        (self._host(path) / name).unlink(missing_ok=True)

    def live_attribute(self, path: str, name: str) -> Callable[[str], None]:
        """Make a text attribute of a device whose content changes; returns what is to be called with each new one."""
        file = self._host(path) / name
        before = self._live.pop(file, None)
        if before is not None:
            before.end()
        attribute = self._live[file] = _LiveAttribute(file)
        return attribute.store

    def end_attributes(self, path: str) -> None:
        """Change nothing in the directory of a device any more."""
        for file in [file for file in self._live if file.parent == self._host(path)]:
            self._live.pop(file).end()

    def remove_device(self, path: str) -> None:
        """Take a device and its node away."""
        self.end_attributes(path)
        # libumockdev would follow the links and remove what they lead to.
        for entry in self._host(path).iterdir():
            if entry.is_symlink() and entry.name != "subsystem":
                entry.unlink()
        self._testbed.remove(path)
        self._nodes_changed()

    def uevent(self, path: str, action: str, environment: Mapping[str, str]) -> None:
        """Send a uevent to every udev monitor on the machine."""
        self._testbed.uevent(path, action, environment)

    def _host(self, path: str) -> Path:
        return Path(f"{self._testbed.root}{path}")

    # -- writes to attributes -------------------------------------------------------------------------------------

    def tell_of_write(self, path: str, on_write: Callable[[], None]) -> None:
        """Call back, once, when user space has written to a file and closed it.

        The kernel handles a write inside the system call. Here it is handled before the client returns from closing
        a file with `transport.HEARD_MODE`, and soon after that in other cases.
        """
        if self._inotify < 0:
            self._inotify = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            self._check(self._inotify)
            self._watch(self._inotify, self._events_came)
        number = self._libc.inotify_add_watch(self._inotify, os.fsencode(self._host(path)), _IN_CLOSE_WRITE)
        self._check(number)
        self._writers[number] = on_write

    @staticmethod
    def _check(result: int) -> None:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "inotify")

    def _events_came(self) -> None:
        self.handle_writes()
        self._watch(self._inotify, self._events_came)

    def handle_writes(self) -> None:
        """Do what writes that are over ask for."""
        if self._inotify < 0:
            return
        try:
            events = os.read(self._inotify, _BUFFER_SIZE)
        except BlockingIOError:
            return
        at = 0
        while at < len(events):
            number, mask, _cookie, length = _EVENT.unpack_from(events, at)
            at += _EVENT.size + length
            on_write = self._writers.get(number)
            if mask & _IN_CLOSE_WRITE and on_write is not None:
                del self._writers[number]
                on_write()
