# SPDX-License-Identifier: MIT
"""What the kernel shows of its devices in /sys, and the uevents it sends (lib/kobject_uevent.c, drivers/base/core.c).

The mock kernel does not know how a machine's /sys is made. Whoever boots it sets `Kernel.sysfs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

__all__ = ("KOBJ_ADD", "KOBJ_BIND", "KOBJ_CHANGE", "KOBJ_REMOVE", "KOBJ_UNBIND", "NoSysfs", "Sysfs")

KOBJ_ADD = "add"
KOBJ_CHANGE = "change"
KOBJ_REMOVE = "remove"
KOBJ_BIND = "bind"
KOBJ_UNBIND = "unbind"


class Sysfs(Protocol):
    """Devices by their path (``/sys/devices/...``)."""

    def add_class_device(
        self, path: str, subsystem: str, data: bytes, links: Mapping[str, str], on_write: Callable[[], None]
    ) -> None:
        """Show a device of a class with one binary attribute, ``data``.

        ``links``: name -> path of another device. ``on_write`` is called when user space has written to ``data``.
        """

    def add_link(self, path: str, name: str, target: str) -> None:
        """Make a link in the directory of a device to another one."""

    def remove_link(self, path: str, name: str) -> None:
        """Take a link away."""

    def live_attribute(self, path: str, name: str) -> Callable[[str], None]:
        """Make a text attribute of a device whose content changes; returns what is to be called with each new one."""

    def remove_device(self, path: str) -> None:
        """Take a device and its node away."""

    def uevent(self, path: str, action: str, environment: Mapping[str, str]) -> None:
        """Tell udev about a device (`kobject_uevent_env`)."""


class NoSysfs:
    """A machine without /sys."""

    def add_class_device(
        self, path: str, subsystem: str, data: bytes, links: Mapping[str, str], on_write: Callable[[], None]
    ) -> None:
        """Do nothing."""

    def add_link(self, path: str, name: str, target: str) -> None:
        """Do nothing."""

    def remove_link(self, path: str, name: str) -> None:
        """Do nothing."""

    def live_attribute(self, path: str, name: str) -> Callable[[str], None]:
        """Return something that does nothing."""
        return lambda _text: None

    def remove_device(self, path: str) -> None:
        """Do nothing."""

    def uevent(self, path: str, action: str, environment: Mapping[str, str]) -> None:
        """Do nothing."""
