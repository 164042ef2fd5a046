# SPDX-License-Identifier: MIT
"""How full the heaps are, in /sys: ``mem_info_*_used`` of amdgpu_vram_mgr.c and amdgpu_gtt_mgr.c, in bytes.

The kernel computes the text when a file is read. Here nobody hears of that, so a file is written when a heap changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice

__all__ = ("show_mem_info",)


def show_mem_info(adev: AmdgpuDevice) -> None:
    """Show the usage of VRAM, of the part of it that the CPU reaches, and of GTT, from now on."""
    sysfs, vram, gtt = adev.kernel.sysfs, adev.mman.vram, adev.mman.gtt
    store_vram = sysfs.live_attribute(adev.syspath, "mem_info_vram_used")
    store_visible = sysfs.live_attribute(adev.syspath, "mem_info_vis_vram_used")
    store_gtt = sysfs.live_attribute(adev.syspath, "mem_info_gtt_used")

    def show_vram() -> None:
        store_vram(f"{vram.usage}\n")
        store_visible(f"{vram.visible_usage}\n")

    def show_gtt() -> None:
        store_gtt(f"{gtt.usage}\n")

    vram.on_change, gtt.on_change = show_vram, show_gtt
    show_vram()
    show_gtt()
