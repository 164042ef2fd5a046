# SPDX-License-Identifier: MIT
"""How a guest machine ended, in one sentence: from the processes it consists of, and its console."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.processes import Child, last_line

__all__ = ("ConsoleLog", "GuestError", "MachineProcesses")

_BUG = "BUG: "
_PANIC = ("Kernel panic", "Attempted to kill init", "amdgpu-hw: ")
_REBOOT = "reboot: Restarting system"
"""What kernel_restart says; a panic that restarts the machine does not come there."""
_OFF_S = 10.0


class GuestError(HarnessError):
    """The guest machine cannot be built, or it ended before the command did."""


class ConsoleLog:
    """The file that the guest's console is written to, from where the kernel that runs began."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._booted_at = 0

    def begin(self) -> None:
        """A new machine: what the file had is gone. Its directory is made."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(b"")
        self._booted_at = 0

    def boots_anew(self) -> None:
        """What follows is another kernel's."""
        self._booted_at = self.path.stat().st_size

    def panic(self) -> str:
        """What it says of a panic, with the bug that it came from if one was told before; empty if nothing."""
        bug = ""
        for line in self._lines():
            if _BUG in line:
                bug = f"{line.strip()}; "
            if any(sign in line for sign in _PANIC):
                return bug + line.strip()
        return ""

    def rebooted(self) -> bool:
        """Whether the guest has asked for a reboot."""
        return any(_REBOOT in line for line in self._lines())

    def last_words(self) -> str:
        """Its last line, as a part of a sentence; empty if there is none."""
        said = last_line(self.path)
        return f" (its last line: {said})" if said else ""

    def _lines(self) -> list[str]:
        try:
            return self.path.read_bytes()[self._booted_at :].decode(errors="replace").splitlines()
        except OSError:
            return []


class MachineProcesses:
    """The processes of a guest machine, all of which live as long as it does."""

    def __init__(self, qemu: Child, servers: Sequence[Child], console: ConsoleLog) -> None:
        self.qemu = qemu
        self._servers = tuple(servers)
        self._console = console

    @property
    def pidfds(self) -> list[int]:
        """Readable when one has ended."""
        return [child.pidfd for child in (self.qemu, *self._servers)]

    def check(self) -> None:
        """Raise `GuestError` if one of them has ended."""
        ended = next((child for child in self._servers if child.ended()), None)
        console = f"its console is in {self._console.path}"
        if self.qemu.ended():
            if ended is not None and ended.name.startswith("the modelled"):
                raise GuestError(f"{ended.how()}, and the guest with it; {console}")
            panic = self._console.panic()
            if panic:
                raise GuestError(f"the guest's kernel panicked: {panic}; {console}")
            if self._console.rebooted():
                raise GuestError(f"the guest rebooted, which ends its machine as switching it off does; {console}")
            if self.qemu.how().endswith("exit status 0"):
                raise GuestError(f"the guest machine was switched off before the command ended; {console}")
            raise GuestError(f"{self.qemu.how()}; the guest's console is in {self._console.path}")
        if ended is not None:
            raise GuestError(f"{ended.how()}; the guest's console is in {self._console.path}")

    def raise_end(self) -> NoReturn:
        """Raise `GuestError` because the guest's port is closed: QEMU has ended, or is about to."""
        self.qemu.wait(_OFF_S)
        self.check()
        raise GuestError(f"the guest machine closed its port; its console is in {self._console.path}")
