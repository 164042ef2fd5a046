# SPDX-License-Identifier: MIT
"""What a place's process does with its box, whoever knows the way to it; and what can go wrong on the way.

None of these errors says anything about a kernel: they are the infrastructure's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from amdgpu_hw.errors import HarnessError

__all__ = ("Box", "BoxFailed", "Unreachable")


class Unreachable(HarnessError):
    """The box did not answer, or the connection was lost; it may be back later."""


class BoxFailed(HarnessError):
    """The box answers, and cannot do what it has to; it is of no use until somebody looks at it."""


class Box(Protocol):
    """A way to a box. All but `close` raise `Unreachable`."""

    def run(self, command: str, timeout_s: float) -> tuple[int, str, str]:
        """Run a line of shell there: its exit status, what it printed, what it complained of."""

    def put(self, local: Path, remote: str, timeout_s: float) -> None:
        """Copy a file there; raises `BoxFailed` where it cannot be written."""

    def get(self, remote: str, local: Path, timeout_s: float) -> None:
        """Copy a file from there; raises `BoxFailed` where it cannot be read."""

    def reconnect(self) -> None:
        """Forget the connection and make a new one."""

    @property
    def has_power(self) -> bool:
        """Whether it can be switched off and on."""

    def power_cycle(self) -> None:
        """Switch it off and on; raises `BoxFailed` where that does not work."""

    def close(self) -> None:
        """Let go of it."""
