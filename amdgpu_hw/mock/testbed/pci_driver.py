# SPDX-License-Identifier: MIT
"""The driver's directory below /sys/bus/pci/drivers, and what a driver adds to the directories of its devices."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from amdgpu_hw.mock.testbed.umockdev import Testbed

__all__ = ("PciDriverFiles",)

_DRIVER = "amdgpu"
_DIRECTORY = f"/sys/bus/pci/drivers/{_DRIVER}"
_PROPERTY = f"DRIVER={_DRIVER}\n"


class PciDriverFiles:
    """amdgpu's files ``bind`` and ``unbind``, with ``mode``, and what tells that it has a device."""

    bind = f"{_DIRECTORY}/bind"
    unbind = f"{_DIRECTORY}/unbind"

    def __init__(self, testbed: Testbed, mode: int) -> None:
        self._testbed = testbed
        for path in (self.bind, self.unbind):
            testbed.add_file(path, mode)

    def has(self, syspath: str) -> bool:
        """Whether the driver has the device at ``syspath``."""
        return (self._host(syspath) / "driver").is_symlink()

    def attach(self, syspath: str, nodes: str, attributes: Iterable[tuple[str, str]]) -> None:
        """Show that the driver has a device that is there: its ``nodes`` (a description) and attributes as well."""
        self._testbed.add(nodes)
        for name, text in attributes:
            self._testbed.set_attribute(syspath, name, text)
        device = self._host(syspath)
        (device / "driver").symlink_to(os.path.relpath(self._host(_DIRECTORY), device))
        uevent = device / "uevent"
        uevent.write_text(_PROPERTY + uevent.read_text(encoding="utf-8"), encoding="utf-8")

    def link(self, syspath: str) -> None:
        """Make the link from the driver's directory to a device that it has; it goes with the device."""
        self._testbed.add_link(syspath, f"{_DIRECTORY}/{syspath.rsplit('/', 1)[1]}", syspath)

    def detach(self, syspath: str, attributes: Iterable[str]) -> None:
        """Show that the driver has let go of a device; its nodes are gone already."""
        self._testbed.remove_links(syspath)
        device = self._host(syspath)
        for name in ("driver", *attributes):
            (device / name).unlink(missing_ok=True)
        uevent = device / "uevent"
        uevent.write_text(uevent.read_text(encoding="utf-8").replace(_PROPERTY, ""), encoding="utf-8")

    def _host(self, path: str) -> Path:
        return Path(f"{self._testbed.root}{path}")
