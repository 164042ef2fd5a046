# SPDX-License-Identifier: MIT
"""Dumps of devices that failed: /sys/class/devcoredump/devcdN/data (drivers/base/devcoredump.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.kobject import KOBJ_ADD, KOBJ_REMOVE

if TYPE_CHECKING:
    from amdgpu_hw.gpu_model.loop import TimerHandle
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("DUMP_TIMEOUT_NS", "Devcoredumps", "dev_coredumpm")

DUMP_TIMEOUT_NS = 5 * 60 * 1_000_000_000
"""How long a dump is kept if nobody writes to its file."""

_CLASS = "devcoredump"


class _Entry:
    """`struct devcd_entry`."""

    __slots__ = ("data", "failing", "path", "timer")

    def __init__(self, path: str, failing: str, data: bytes, timer: TimerHandle) -> None:
        self.path = path
        self.failing = failing
        self.data = data
        self.timer = timer


class Devcoredumps:
    """The dumps there are, at most one for each device, by the path of the device."""

    __slots__ = ("count", "entries")

    def __init__(self) -> None:
        self.entries: dict[str, _Entry] = {}
        self.count = 0

    def clear(self, kernel: Kernel) -> None:
        """Throw all dumps away."""
        for failing in tuple(self.entries):
            _devcd_del(kernel, failing)

    def data_of(self, failing: str) -> bytes | None:
        """Return the dump of a device."""
        entry = self.entries.get(failing)
        return None if entry is None else entry.data


def dev_coredumpm(kernel: Kernel, failing: str, data: bytes) -> bool:
    """Keep the dump of a device until somebody writes to its file, or for five minutes.

    ``failing``: the device's path in /sys. False, and nothing kept, while an older dump of the device exists.

    Leaves out: /sys/class/devcoredump/disabled.
    """
    dumps = kernel.coredumps
    if failing in dumps.entries:
        return False
    dumps.count += 1
    path = f"/sys/devices/virtual/{_CLASS}/devcd{dumps.count}"

    def delete() -> None:
        _devcd_del(kernel, failing)

    timer = kernel.timers.call_at(kernel.now() + DUMP_TIMEOUT_NS, delete)
    dumps.entries[failing] = _Entry(path, failing, data, timer)
    kernel.sysfs.add_class_device(path, _CLASS, data, {"failing_device": failing}, on_write=delete)
    kernel.sysfs.add_link(failing, _CLASS, path)
    kernel.sysfs.uevent(path, KOBJ_ADD, {})
    return True


def _devcd_del(kernel: Kernel, failing: str) -> None:
    entry = kernel.coredumps.entries.pop(failing, None)
    if entry is None:
        return
    entry.timer.cancel()
    kernel.sysfs.uevent(entry.path, KOBJ_REMOVE, {})
    kernel.sysfs.remove_link(failing, _CLASS)
    kernel.sysfs.remove_device(entry.path)
