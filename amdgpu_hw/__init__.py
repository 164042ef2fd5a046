# SPDX-License-Identifier: MIT
"""Proves what an amdgpu kernel does with PRT unmaps, on real GPUs and on a mock machine.

    with amdgpu_hw.open_gpu() as gpu, gpu.reserve(64 * MiB) as tiles:
        update = tiles.map_prt().unmap(explicit_sync=True)
        update.wait()

The names below are loaded when first used: the mock kernel shares this package but not the bindings to libdrm.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amdgpu_hw.address_space import FRESH, AddressSpace, Mapping, Operation, Range, Update
    from amdgpu_hw.capabilities import Capabilities, Probe, RingInfo
    from amdgpu_hw.discovery import GpuNode, list_gpus, select_gpu
    from amdgpu_hw.errors import (
        AmdgpuHwError,
        DrmError,
        FeatureMissing,
        GateError,
        HarnessError,
        NodePermission,
        NoGpu,
        NotAmdgpu,
        PendingWork,
        QueueFull,
    )
    from amdgpu_hw.gpu import Gpu, open_gpu
    from amdgpu_hw.identity import GpuIdentity
    from amdgpu_hw.memory import PAGE_SIZE, Buffer, GiB, KiB, MiB
    from amdgpu_hw.packets import Engine
    from amdgpu_hw.submit import Context, Ib, Queue, Submission
    from amdgpu_hw.sync import BackgroundCall, SyncFile, Syncobj, SyncPoint

_HOME = {
    "address_space": ("FRESH", "AddressSpace", "Mapping", "Operation", "Range", "Update"),
    "capabilities": ("Capabilities", "Probe", "RingInfo"),
    "discovery": ("GpuNode", "list_gpus", "select_gpu"),
    "errors": (
        "AmdgpuHwError",
        "DrmError",
        "FeatureMissing",
        "GateError",
        "HarnessError",
        "NoGpu",
        "NodePermission",
        "NotAmdgpu",
        "PendingWork",
        "QueueFull",
    ),
    "gpu": ("Gpu", "open_gpu"),
    "identity": ("GpuIdentity",),
    "memory": ("PAGE_SIZE", "Buffer", "GiB", "KiB", "MiB"),
    "packets": ("Engine",),
    "submit": ("Context", "Ib", "Queue", "Submission"),
    "sync": ("BackgroundCall", "SyncFile", "SyncPoint", "Syncobj"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "FRESH",
    "PAGE_SIZE",
    "AddressSpace",
    "AmdgpuHwError",
    "BackgroundCall",
    "Buffer",
    "Capabilities",
    "Context",
    "DrmError",
    "Engine",
    "FeatureMissing",
    "GateError",
    "GiB",
    "Gpu",
    "GpuIdentity",
    "GpuNode",
    "HarnessError",
    "Ib",
    "KiB",
    "Mapping",
    "MiB",
    "NoGpu",
    "NodePermission",
    "NotAmdgpu",
    "Operation",
    "PendingWork",
    "Probe",
    "Queue",
    "QueueFull",
    "Range",
    "RingInfo",
    "Submission",
    "SyncFile",
    "SyncPoint",
    "Syncobj",
    "Update",
    "list_gpus",
    "open_gpu",
    "select_gpu",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
