# SPDX-License-Identifier: MIT
"""What programs are made of: GEM_VA on the pages of a window, closes, submissions, looks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from amdgpu_hw.address_space import Operation
from amdgpu_hw.memory import PAGE_SIZE, KiB
from amdgpu_hw.proof.programs.oracle import PRT, Oracle
from amdgpu_hw.proof.words import flag_words
from amdgpu_hw.uapi import amdgpu_drm as uapi

__all__ = ("KINDS", "LOOK", "PAGES", "SUBMIT", "Action", "Close", "Kind", "Step")

PAGES = 1024
"""Pages of a window: two huge entries of 2 MiB."""

_RW = uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_WRITEABLE


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of buffer that programs map."""

    pages: int
    always_valid: bool
    domain: str

    def __str__(self) -> str:
        size = self.pages * PAGE_SIZE // KiB
        return f"{'an always-valid' if self.always_valid else 'an ordinary'} BO of {size} KiB in {self.domain.upper()}"


KINDS = {
    "A": Kind(16, True, "gtt"),
    "B": Kind(16, False, "gtt"),
    "C": Kind(512, True, "vram|gtt"),
    "D": Kind(528, False, "vram|gtt"),
}
"""The buffers of a window by name: a tile and a huge entry, each once of the sort that explicit sync unmaps."""


@dataclass(frozen=True, slots=True)
class Step:
    """One GEM_VA, in pages of the window; ``owner`` is a buffer's name or `PRT`, which CLEAR does not look at."""

    operation: Operation
    first: int
    count: int
    owner: str = PRT
    index: int = 0
    delay: bool = False
    explicit: bool = False

    @property
    def flags(self) -> int:
        """The flag word."""
        flags = 0
        if self.owner == PRT and self.operation is not Operation.CLEAR:
            flags = uapi.AMDGPU_VM_PAGE_PRT
        elif self.operation in (Operation.MAP, Operation.REPLACE):
            flags = _RW
        flags |= uapi.AMDGPU_VM_DELAY_UPDATE if self.delay else 0
        return flags | (uapi.AMDGPU_VM_EXPLICIT_SYNC if self.explicit else 0)

    def foretell(self, oracle: Oracle) -> int:
        """Do it to the oracle; returns the errno that the kernel must give."""
        if self.operation is Operation.MAP:
            return oracle.map(self.first, self.count, self.owner, self.index)
        if self.operation is Operation.REPLACE:
            return oracle.replace(self.first, self.count, self.owner, self.index)
        if self.operation is Operation.UNMAP:
            return oracle.unmap(self.first, self.owner)
        return oracle.clear(self.first, self.count)

    def __str__(self) -> str:
        words = [self.operation.name, f"va=W+{self.first * PAGE_SIZE:#x}", f"size={self.count * PAGE_SIZE:#x}"]
        if self.owner != PRT and self.operation is not Operation.CLEAR:
            words.append(f"bo={self.owner}")
            if self.operation is not Operation.UNMAP:
                words.append(f"offset={self.index * PAGE_SIZE:#x}")
        words.append(f"flags={flag_words(self.flags)}")
        return f"GEM_VA({', '.join(words)})"


@dataclass(frozen=True, slots=True)
class Close:
    """GEM_CLOSE of a buffer; another of its kind takes its name."""

    name: str

    def __str__(self) -> str:
        return f"GEM_CLOSE({self.name}); {self.name} is a new one from here on"


class _Plain(Enum):
    SUBMIT = "submit a NOP with all buffers in its list"
    LOOK = "look"

    def __str__(self) -> str:
        return self.value


SUBMIT: Final = _Plain.SUBMIT
"""Submit a job that does nothing and is not waited for: it queues what is delayed."""
LOOK: Final = _Plain.LOOK
"""Hold kernel and GPU against the oracle."""

Action = Step | Close | _Plain
"""One line of a program."""
