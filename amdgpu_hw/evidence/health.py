# SPDX-License-Identifier: MIT
"""Did the GPU fault, hang or reset? Asked after every test, so that damage is laid at the right door."""

from __future__ import annotations

from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.uapi.layout import flag_names

__all__ = ("HealthWatch", "vm_fault")

_RESET_BITS = {
    "a reset of the GPU": uapi.AMDGPU_CTX_QUERY2_FLAGS_RESET,
    "loss of VRAM": uapi.AMDGPU_CTX_QUERY2_FLAGS_VRAMLOST,
    "caused by this context": uapi.AMDGPU_CTX_QUERY2_FLAGS_GUILTY,
    "uncorrectable memory errors": uapi.AMDGPU_CTX_QUERY2_FLAGS_RAS_UE,
    "still in progress": uapi.AMDGPU_CTX_QUERY2_FLAGS_RESET_IN_PROGRESS,
}


def vm_fault(gpu: Gpu) -> str | None:
    """The last VM fault of the address space in words; None if there was none or the kernel does not tell."""
    try:
        fault = gpu.last_vm_fault()
    except FeatureMissing:
        return None
    return f"VM fault at {fault['addr']:#_x}, status {fault['status']:#x}" if fault else None


class HealthWatch:
    """What happened to one open GPU since the watch began.

    Looks at the state of a context made when it began (QUERY_STATE2: soft recoveries count too), the last VM fault
    of the address space (INFO_GPUVM_FAULT), and the count of VRAM losses.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._context = gpu.new_context()
        self._fault = vm_fault(gpu)
        self._vram_lost = self._vram_losses()

    def troubles(self) -> list[str]:
        """What went wrong since the watch began, each in a few words; empty if the GPU is well. Raises `DrmError`."""
        troubles = []
        fault = vm_fault(self._gpu)
        if fault is not None and fault != self._fault:
            troubles.append(fault)
        flags = self._context.reset_flags()
        if flags:
            troubles.append(flag_names(flags, _RESET_BITS).replace("|", ", "))
        lost = self._vram_losses() - self._vram_lost
        if lost:
            troubles.append(f"VRAM was lost {lost} times")
        return troubles

    def _vram_losses(self) -> int:
        return int.from_bytes(self._gpu.query_info(info.AMDGPU_INFO_VRAM_LOST_COUNTER, 4), "little")
