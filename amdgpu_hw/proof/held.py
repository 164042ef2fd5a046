# SPDX-License-Identifier: MIT
"""Work and fences held back by a gate: what "in flight" means in the tests (KERNEL.md 6.1)."""

from __future__ import annotations

from typing import Protocol

from amdgpu_hw.gate.base import Gate
from amdgpu_hw.proof.record import Inconclusive
from amdgpu_hw.proof.traced import JobWatch
from amdgpu_hw.submit import Submission
from amdgpu_hw.sync import Syncobj

__all__ = ("Held", "HeldFence", "HeldJob", "HeldWork")


class Held(Protocol):
    """Something that stays pending until its gate opens."""

    gate: Gate
    watch: JobWatch | None
    """What the trace says about it, where there is one."""

    @property
    def words(self) -> str:
        """Its name in messages."""

    def is_pending(self) -> bool:
        """Whether it is pending right now, as the kernel says."""

    def open(self) -> None:
        """Let it go."""


class HeldJob:
    """A submission that waits for a gate: J of the behaviour table."""

    def __init__(self, submission: Submission, gate: Gate, watch: JobWatch | None = None) -> None:
        self.submission = submission
        self.watch = watch
        self.gate = gate

    @property
    def words(self) -> str:
        """Its name in messages, e.g. ``job 17 of compute0``."""
        return str(self.submission)

    def is_pending(self) -> bool:
        """Whether its fence is unsignalled and the gate shut; the gate is asked last, so that both were at once."""
        return not self.submission.signaled() and self.gate.is_shut

    def open(self) -> None:
        """Open the gate."""
        self.gate.open()


class HeldWork:
    """What only its gate tells about, whether it is done: a job on the GPU, a member of a gang."""

    def __init__(self, gate: Gate, words: str) -> None:
        self.watch: JobWatch | None = None
        self.gate = gate
        self._words = words

    @property
    def words(self) -> str:
        """Its name in messages."""
        return self._words

    def is_pending(self) -> bool:
        """Whether it is unfinished."""
        return self.gate.is_shut

    def open(self) -> None:
        """Open the gate."""
        self.gate.open()


class HeldFence(HeldWork):
    """A fence that nothing signals before its gate opens: F of the behaviour table, mostly an input fence of GEM_VA."""

    def __init__(self, syncobj: Syncobj, gate: Gate, words: str = "the input fence") -> None:
        super().__init__(gate, words)
        self.syncobj = syncobj


def require_pending(held: Held) -> None:
    """Raise `Inconclusive` unless ``held`` is still pending: nothing seen from here on would prove anything."""
    if not held.is_pending():
        raise Inconclusive(f"{held.words} is not pending any more: {held.gate.why_open}")
