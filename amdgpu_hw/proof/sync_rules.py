# SPDX-License-Identifier: MIT
"""What an update has to wait for: the rules of the series, as its text and KERNEL.md 5.1 and 4.2 have them.

An oracle for covering arrays (`amdgpu_hw.proof.covering`). It knows kinds of memory and fences, and nothing of lists,
reservation objects and modes, which are what kernels get wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

__all__ = ("MemorySort", "may_go_under_the_gpu", "waits_for_jobs")


class MemorySort(Enum):
    """What a mapping shows, by who answers for its memory."""

    ALWAYS_VALID = "belongs to this address space"
    PRT = "none"
    OTHER = "can be freed, moved or shared without this address space"


def may_go_under_the_gpu(taken: Iterable[MemorySort]) -> bool:
    """Whether user space may say when all of this goes: only if nothing of it can be freed under a job.

    An always-valid buffer is freed after all jobs of its address space, PRT has no memory; of everything else one
    mapping decides for the whole operation (amdgpu_vm_update_ctx_add_freed_mapping).
    """
    return all(memory is not MemorySort.OTHER for memory in taken)


def waits_for_jobs(taken: Iterable[MemorySort], *, explicit: bool) -> bool:
    """Whether an update that takes mappings away waits for every unfinished job of its address space.

    For which jobs makes no difference: whatever ring, context or gang they are of, queued or running.
    """
    return not (explicit and may_go_under_the_gpu(taken))
