# SPDX-License-Identifier: MIT
"""Queues, and uses of them, that not every GPU has."""

from __future__ import annotations

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.packets import Engine
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.submit import Queue

__all__ = ("graphics_ring", "require_gangs")


def graphics_ring(gpu: Gpu) -> Queue:
    """The first graphics ring; not testable where there is none."""
    if not gpu.capabilities.rings[Engine.GFX].rings:
        raise NotTestable(f"{gpu.identity.name} has no graphics ring", missing="graphics_ring")
    return gpu.gfx


def require_gangs(gpu: Gpu) -> None:
    """Not testable where a submission cannot have jobs of several queues: EINVAL on SR-IOV (amdgpu_cs_pass1)."""
    if gpu.identity.is_virtual_function:
        raise NotTestable(f"{gpu.identity.name} is a virtual function here: the kernel takes no gangs", missing="gangs")
