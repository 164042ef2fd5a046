# SPDX-License-Identifier: MIT
"""Gates on a software timeline of debugfs (drivers/dma-buf/sw_sync.c).

Needs root and CONFIG_SW_SYNC. The first CREATE_FENCE taints the kernel (TAINT_SOFTLOCKUP), which is why these come
after vgem although they have no time limit of their own. Closing the timeline signals all its fences, so a killed
process leaves nothing shut.
"""

from __future__ import annotations

import os

from amdgpu_hw.errors import GateError
from amdgpu_hw.gate.base import Gate, GateMaker
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.sync import SyncFile
from amdgpu_hw.uapi import sw_sync

__all__ = ("SwSyncGateMaker",)


class SwSyncGate(Gate):
    """A timeline of its own with one fence at point 1."""

    name = "sw_sync"

    def __init__(self, purpose: str, hold_ns: int) -> None:
        self._timeline = os.open(sw_sync.PATH, os.O_RDWR | os.O_CLOEXEC)
        try:
            made = ioctl(self._timeline, sw_sync.IOCTL_CREATE_FENCE, value=1, name=b"amdgpu_hw gate")
        except BaseException:
            os.close(self._timeline)
            raise
        super().__init__(SyncFile(made["fence"]), hold_ns, purpose)

    def _signal(self) -> None:
        ioctl(self._timeline, sw_sync.IOCTL_INC, count=1)

    def _release(self) -> None:
        os.close(self._timeline)


class SwSyncGateMaker(GateMaker):
    """Gates made of sw_sync timelines."""

    name = SwSyncGate.name
    summary = "a software timeline in debugfs; exact, but needs root and taints the kernel"
    longest_hold_ns = 5_000_000_000

    def why_not(self) -> str | None:
        """See `GateMaker.why_not`; opening the timeline file does not taint yet."""
        try:
            os.close(os.open(sw_sync.PATH, os.O_RDWR | os.O_CLOEXEC))
        except PermissionError:
            return f"{sw_sync.PATH} may not be opened: debugfs is for root"
        except OSError as error:
            return f"{sw_sync.PATH}: {error.strerror} (debugfs mounted? CONFIG_SW_SYNC?)"
        return None

    def shut(self, purpose: str, hold_ns: int) -> Gate:
        """See `GateMaker.shut`."""
        try:
            return SwSyncGate(purpose, hold_ns)
        except OSError as error:
            raise GateError(f"no sw_sync gate: {error}") from error
