# SPDX-License-Identifier: MIT
"""What amdgpu can be made to do in debugfs (amdgpu_debugfs.c, and amdgpu_fence.c for the reset).

Leaves out: all files that only tell (`amdgpu_ring_*`, `amdgpu_gem_info`, ...), and registers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.recover import amdgpu_device_gpu_recover
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_reset import ResetSource
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ttm import amdgpu_ttm_evict_resources
from amdgpu_hw.mock.kernel.debugfs import debugfs_create_attribute
from amdgpu_hw.mock.kernel.ttm.ttm_resource.resource import TTM_PL_TT, TTM_PL_VRAM
from amdgpu_hw.mock.kernel.wait import Blocking, Sleep, WaitQueue

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice

__all__ = ("amdgpu_debugfs_init", "debugfs_files")

_POLL_NS = 1_000_000


def debugfs_files(adev: AmdgpuDevice) -> dict[str, str]:
    """The path of each file by its name.

    Leaves out: the directory that newer kernels name after the device, to which the minor's leads.
    """
    names = ("amdgpu_evict_vram", "amdgpu_evict_gtt", "amdgpu_gpu_recover")
    return {name: f"/sys/kernel/debug/dri/{adev.ddev.primary_minor}/{name}" for name in names}


def amdgpu_debugfs_init(adev: AmdgpuDevice) -> None:
    """Make the files appear."""
    actions = {
        "amdgpu_evict_vram": lambda: _evict(adev, TTM_PL_VRAM),
        "amdgpu_evict_gtt": lambda: _evict(adev, TTM_PL_TT),
        "amdgpu_gpu_recover": lambda: _gpu_recover_get(adev),
    }
    for name, path in debugfs_files(adev).items():
        debugfs_create_attribute(adev.kernel, path, actions[name])


def _evict(adev: AmdgpuDevice, mem_type: int) -> Blocking[int]:
    """Empty a heap; what went wrong is the number that is read, and here nothing does."""
    yield from amdgpu_ttm_evict_resources(adev, mem_type)
    return 0


def _gpu_recover_get(adev: AmdgpuDevice) -> Blocking[int]:
    """Reset the GPU, and wait until it is back (gpu_recover_get flushes the work)."""
    amdgpu_device_gpu_recover(adev, None, ResetSource.USER)
    back = WaitQueue()
    while adev.in_reset:
        yield Sleep((back,), adev.kernel.now() + _POLL_NS)
    return 0
