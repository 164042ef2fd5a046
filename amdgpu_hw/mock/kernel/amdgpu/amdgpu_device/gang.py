# SPDX-License-Identifier: MIT
"""Gangs: jobs on several rings that run at the same time (amdgpu_device_switch_gang of amdgpu_device.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence

__all__ = ("amdgpu_device_switch_gang",)


def amdgpu_device_switch_gang(adev: AmdgpuDevice, gang: DmaFence) -> DmaFence | None:
    """Let only one gang at a time onto the rings: returns the fence of the one that has to start first.

    Two gangs that each got one ring and wait for the other's would never end.
    """
    current = adev.gang_submit
    if current is gang:
        return None
    if not current.signaled:
        return current
    adev.gang_submit = gang
    return None
