# SPDX-License-Identifier: MIT
"""Did the GPU fault, hang or reset? Asked after every test, so that damage is laid at the right door."""

from __future__ import annotations

import errno
import os
import time
from typing import Any, NamedTuple

import pyudev

from amdgpu_hw.discovery import open_node
from amdgpu_hw.errors import DrmError, FeatureMissing
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.pci_gpus import udev
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import amdgpu_info as info
from amdgpu_hw.uapi.layout import Struct, flag_names

__all__ = ("HealthWatch", "ResetWatch", "Resets", "WedgedEvent", "WedgedWatch", "vm_fault")

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


class Resets(NamedTuple):
    """What `ResetWatch.look` saw since the last look."""

    happened: bool = False
    """A reset of the GPU or of one of its rings, soft recovery included (amdgpu_device::gpu_reset_counter)."""
    in_progress: bool = False
    vram_lost: int = 0
    """How often."""
    memory_errors: bool = False
    gone: bool = False
    """The device was taken away (drm_dev_unplug): every call is answered with ENODEV."""

    def __bool__(self) -> bool:
        return self.happened or self.in_progress or bool(self.vram_lost) or self.memory_errors or self.gone

    @property
    def words(self) -> str:
        """For people; empty if there was none."""
        told = {
            "the GPU is gone": self.gone,
            "the GPU was reset": self.happened,
            "a reset is still in progress": self.in_progress,
            f"VRAM was lost{f' {self.vram_lost} times' if self.vram_lost > 1 else ''}": self.vram_lost,
            "uncorrectable memory errors": self.memory_errors,
        }
        return ", ".join(words for words, true in told.items() if true)


class ResetWatch:
    """Resets of one GPU over a whole run, whoever causes them; needs no privileges.

    It has the node open by itself, without libdrm: a context that never submits anything (QUERY_STATE2 compares the
    GPU's count of resets with that of the context's birth), and INFO VRAM_LOST_COUNTER. Raises what `open_node` does.
    """

    _POLL_S = 0.05

    def __init__(self, node: str) -> None:
        self._fd = open_node(node)
        try:
            self._context = self._new_context()
            self._vram_lost = self._vram_losses()
        except BaseException:
            os.close(self._fd)
            raise

    def look(self) -> Resets:
        """What happened since the last look; after a reset it begins anew."""
        try:
            flags = int(self._ctx(uapi.AMDGPU_CTX_OP_QUERY_STATE2, uapi.CTX_STATE_OUT)["flags"])
            lost = self._vram_losses()
            seen = Resets(
                happened=bool(flags & uapi.AMDGPU_CTX_QUERY2_FLAGS_RESET),
                in_progress=bool(flags & uapi.AMDGPU_CTX_QUERY2_FLAGS_RESET_IN_PROGRESS),
                vram_lost=lost - self._vram_lost,
                memory_errors=bool(flags & uapi.AMDGPU_CTX_QUERY2_FLAGS_RAS_UE),
            )
            if seen.happened:
                self._ctx(uapi.AMDGPU_CTX_OP_FREE_CTX)
                self._context = self._new_context()
            self._vram_lost = lost
        except DrmError as error:
            if error.errno != errno.ENODEV:
                raise
            return Resets(gone=True)
        return seen

    def settle(self, timeout_s: float) -> Resets:
        """Look until no reset is in progress any more, for so long at most; what happened in all that time."""
        end = time.monotonic() + timeout_s
        seen = self.look()
        while seen.in_progress and not seen.gone and time.monotonic() < end:
            time.sleep(self._POLL_S)
            now = self.look()
            seen = Resets(
                seen.happened or now.happened,
                now.in_progress,
                seen.vram_lost + now.vram_lost,
                seen.memory_errors or now.memory_errors,
                now.gone,
            )
        return seen

    def close(self) -> None:
        """Close the node."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _new_context(self) -> int:
        reply = ioctl(
            self._fd,
            uapi.IOCTL_AMDGPU_CTX,
            out=uapi.CTX_ALLOC_OUT,
            op=uapi.AMDGPU_CTX_OP_ALLOC_CTX,
            priority=uapi.AMDGPU_CTX_PRIORITY_NORMAL,
        )
        return int(reply["ctx_id"])

    def _ctx(self, operation: int, out: Struct | None = None) -> dict[str, Any]:
        return ioctl(self._fd, uapi.IOCTL_AMDGPU_CTX, out=out, op=operation, ctx_id=self._context)

    def _vram_losses(self) -> int:
        value = bytearray(4)
        ioctl(
            self._fd,
            uapi.IOCTL_AMDGPU_INFO,
            query=info.AMDGPU_INFO_VRAM_LOST_COUNTER,
            return_pointer=value,
            return_size=len(value),
        )
        return int.from_bytes(value, "little")


class WedgedEvent(NamedTuple):
    """A uevent of `drm_dev_wedged_event` (Linux 6.15): how the device is to be recovered, and whose work hung."""

    method: str
    """``none``: it works again."""
    pid: int | None
    """Known from Linux 6.17 on, where the kernel knows it."""
    task: str

    @property
    def words(self) -> str:
        """For people."""
        whose = f" ({self.task}, process {self.pid})" if self.pid else ""
        return f"uevent WEDGED={self.method}{whose}"


class WedgedWatch:
    """Uevents about a wedged GPU. Anybody may listen; in a container they do not come."""

    def __init__(self, pci_address: str) -> None:
        self._pci_address = pci_address
        # The kernel's own, not udevd's: that does not run everywhere.
        self._monitor: pyudev.Monitor | None = pyudev.Monitor.from_netlink(udev(), "kernel")
        self._monitor.filter_by("drm")
        self._monitor.start()

    def take(self) -> list[WedgedEvent]:
        """Those since the last call."""
        events = []
        while self._monitor is not None and (device := self._monitor.poll(0)) is not None:
            method = device.properties.get("WEDGED")
            if method and f"/{self._pci_address}/" in f"{device.device_path}/":
                pid = device.properties.get("PID", "")
                events.append(
                    WedgedEvent(method, int(pid) if pid.isdigit() else None, device.properties.get("TASK", ""))
                )
        return events

    def close(self) -> None:
        """Stop listening."""
        self._monitor = None
