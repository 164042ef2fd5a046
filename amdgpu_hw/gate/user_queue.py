# SPDX-License-Identifier: MIT
"""A gate of another nature: a fence of a user queue, whose doorbell is not rung until the gate opens.

It is for tests about such fences (KERNEL.md F12), not for holding submissions: the kernel takes a queue whose fence is
late for hung (2 s on new kernels), and waits for it wherever that queue's memory would move.
"""

from __future__ import annotations

from collections.abc import Sequence

from amdgpu_hw.gate.base import Gate
from amdgpu_hw.memory import Buffer
from amdgpu_hw.user_queue import UserQueue

__all__ = ("UserQueueGate",)

_LONGEST_HOLD_NS = 450_000_000


class UserQueueGate(Gate):
    """The fence of what is in ``queue``'s ring; ``written`` are the buffers that it is put on. The queue stays open."""

    name = "user queue"
    is_foreign = False

    def __init__(self, queue: UserQueue, written: Sequence[Buffer], purpose: str) -> None:
        self._queue = queue
        queue.put([*queue.packets.nop(), *queue.packets.protected_fence_signal()])
        with queue.signal(written) as fence:
            super().__init__(fence.export_sync_file(), _LONGEST_HOLD_NS, purpose)

    def _signal(self) -> None:
        self._queue.ring_doorbell()

    def _release(self) -> None:
        pass  # its owner closes the queue
