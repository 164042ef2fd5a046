# SPDX-License-Identifier: MIT
"""The testbed: /sys, the udev database and the paths below /dev of a mock machine, made with libumockdev."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amdgpu_hw.mock.testbed.uevent import send_uevent

__all__ = ("PRELOAD", "Testbed", "TestbedError", "check_preload")

PRELOAD = "libumockdev-preload.so.0"
"""What shows a testbed's /sys and /dev to a program; part of umockdev, but not of every package of its library."""

_ROOT_VARIABLE = "UMOCKDEV_DIR"
_NODE_MODE = 0o660
_NODE_LINE = re.compile(r"^N: (\S+)$", re.MULTILINE)
_PATH_LINE = re.compile(r"^P: (\S+)$", re.MULTILINE)
_LINKS_LINE = re.compile(r"^E: DEVLINKS=(.*)$", re.MULTILINE)
_NUMBER_LINE = re.compile(r"^E: MAJOR=(\d+)$\s+^E: MINOR=(\d+)$", re.MULTILINE)


class TestbedError(RuntimeError):
    """The testbed cannot be made; the message is one sentence that says what to do."""


def _library() -> tuple[Any, Any]:
    try:
        from amdgpu_hw.mock.testbed._umockdev import ffi, lib
    except ImportError as error:
        raise TestbedError(
            "the mock machine needs libumockdev: install umockdev and libumockdev-dev (Debian's names), "
            f"then this package again ({error})"
        ) from None
    return ffi, lib


def check_preload() -> None:
    """Raise `TestbedError` where `PRELOAD` cannot be loaded: ld.so only warns, and runs the program without it."""
    try:
        ctypes.CDLL(PRELOAD)
    except OSError as error:
        raise TestbedError(
            f"programs cannot be put on the mock machine without {PRELOAD}: install umockdev, "
            f"the package of Debian, Fedora and Arch that has it ({error})"
        ) from None


class Testbed:
    """An umockdev testbed in ``directory``; one at a time in a process. Raises `TestbedError`."""

    def __init__(self, directory: Path) -> None:
        self._ffi, self._lib = _library()
        # The only way to tell libumockdev where to make its directory; GLib reads it once.
        os.environ["TMPDIR"] = str(directory)
        # umockdev_testbed_new sets this one while its worker thread may be in getenv: with a new variable the whole
        # environment moves (glibc's __add_to_environ), and the thread reads memory that is freed. An old one stays.
        os.environ[_ROOT_VARIABLE] = str(directory)
        self._testbed = self._lib.umockdev_testbed_new()
        root = self._lib.umockdev_testbed_get_root_dir(self._testbed)
        self.root = Path(os.fsdecode(self._ffi.string(root)))
        """What clients see as / below /sys, /dev and /proc."""
        self._lib.g_free(root)
        self._links: dict[str, list[Path]] = {}
        """What leads to a device, or to its node from /dev and /sys/dev, by the device's path below /sys."""

    def close(self) -> None:
        """Remove the testbed with all its files."""
        self._lib.g_object_unref(self._testbed)

    def add(self, description: str) -> None:
        """Add devices from umockdev's text format; their nodes become plain files that stat() as device nodes."""
        # A node without contents would be a pty, of which a system has few. It is emptied again below.
        text = _NODE_LINE.sub(r"N: \1=00", description)
        error = self._ffi.new("GError **")
        if not self._lib.umockdev_testbed_add_from_string(self._testbed, text.encode(), error):
            message = self._ffi.string(error[0].message).decode(errors="replace")
            self._lib.g_error_free(error[0])
            raise TestbedError(f"umockdev does not understand the description of a device: {message}")
        for name in _NODE_LINE.findall(description):
            node = self.root / "dev" / name
            os.truncate(node, 0)
            node.chmod(_NODE_MODE)
        for block in description.split("\n\n"):
            self._add_links(block)

    def _add_links(self, block: str) -> None:
        """Make the links to one device's node that udev's rules, and udev itself (/dev/char), would make."""
        path, node, names, number = (line.search(block) for line in (_PATH_LINE, _NODE_LINE, _LINKS_LINE, _NUMBER_LINE))
        if path is None or node is None or number is None:
            return
        targets = [*(names[1].split() if names is not None else ()), f"/dev/char/{number[1]}:{number[2]}"]
        for name in targets:
            self.add_link(f"/sys{path[1]}", name, f"/dev/{node[1]}")
        # libumockdev makes this one, never takes it away, and ends the process where it is in the way.
        self._links[f"/sys{path[1]}"].append(self.root / "sys/dev/char" / f"{number[1]}:{number[2]}")

    def add_link(self, syspath: str, name: str, target: str) -> None:
        """Make a link ``name`` to ``target`` (absolute paths) that goes with the device at ``syspath``."""
        link = Path(f"{self.root}{name}")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(f"{self.root}{target}", link.parent))
        self._links.setdefault(syspath, []).append(link)

    def remove_links(self, syspath: str) -> None:
        """Take away what was made by `add_link` for a device."""
        for link in self._links.pop(syspath, ()):
            link.unlink(missing_ok=True)

    def add_file(self, path: str, mode: int = 0o644, content: str = "") -> None:
        """Make a file at an absolute path below /sys, /dev or /proc."""
        file = Path(f"{self.root}{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        if content:
            file.write_text(content, encoding="ascii")
        file.chmod(mode)

    def set_attribute(self, syspath: str, name: str, value: str) -> None:
        """Write a text attribute of the device at ``syspath`` (``/sys/devices/...``)."""
        self._lib.umockdev_testbed_set_attribute(self._testbed, syspath.encode(), name.encode(), value.encode())

    def remove(self, syspath: str) -> None:
        """Remove a device, its node and the links to that."""
        self.remove_links(syspath)
        self._lib.umockdev_testbed_remove_device(self._testbed, syspath.encode())

    def uevent(self, syspath: str, action: str, properties: Mapping[str, str] | None = None) -> None:
        """Send a uevent to every udev monitor on the machine, with further properties for this event alone."""
        send_uevent(self.root, syspath, action, properties)
