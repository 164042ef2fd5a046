# SPDX-License-Identifier: MIT
"""What one operation on an address space collects: `struct amdgpu_vm_update_ctx` of patch 1 of the series.

Kernels without the series have no such structure. Their model uses the same one with the VM's own freed list in
it and a fresh set of fences for every update, which is what their functions do on the stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.amdgpu import amdgpu_sync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AMDGPU_SYNC_EQ_OWNER, AMDGPU_SYNC_EXPLICIT, AmdgpuSync, SyncMode
from amdgpu_hw.uapi.amdgpu_drm import AMDGPU_VM_PAGE_PRT

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_device.device import AmdgpuDevice
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_object.object import AmdgpuBo
    from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa, AmdgpuBoVaMapping, AmdgpuVm

__all__ = (
    "AmdgpuVmUpdateCtx",
    "amdgpu_vm_is_bo_always_valid",
    "amdgpu_vm_update_ctx_add_freed_mapping",
    "amdgpu_vm_update_ctx_ensure_unmap_synced",
    "amdgpu_vm_update_ctx_fini",
    "leak_update_ctx",
    "sync_of_update",
    "unmap_may_be_explicit",
    "unmap_mode",
)


class AmdgpuVmUpdateCtx:
    """One operation: the mappings it has freed and the fences its page-table jobs wait for."""

    __slots__ = (
        "adev",
        "explicit_sync_unmap",
        "freed",
        "inputs_carried",
        "split",
        "sync",
        "unmap_synced",
        "vm",
    )

    def __init__(self, adev: AmdgpuDevice, vm: AmdgpuVm) -> None:
        self.adev = adev
        self.vm = vm
        self.freed: list[AmdgpuBoVaMapping] = [] if adev.variant.freed_per_update else vm.freed
        """Mappings to zero; the last one comes first."""
        self.sync = AmdgpuSync()
        """The input fences; on a kernel with one shared container everything else as well."""
        self.unmap_synced = False
        """The shared container already holds what an unmap waits for."""
        self.explicit_sync_unmap = False
        """User space says when an unmap may happen, and nothing freed so far forbids to believe it."""
        self.inputs_carried = False
        """A page-table job of this operation waits for the input fences."""
        self.split: dict[AmdgpuBoVa, None] = {}
        """Attachments of which a mapping was cut, so that a remnant is on their invalids."""


def amdgpu_vm_is_bo_always_valid(vm: AmdgpuVm, bo: AmdgpuBo | None) -> bool:
    """Tell whether a BO belongs to this VM for good: it shares the reservation object of the root directory."""
    return bo is not None and bo.resv is vm.root_resv


def unmap_may_be_explicit(vm: AmdgpuVm, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping) -> bool:
    """Tell whether removing a mapping can never free memory that a job in flight still reaches (patch 2).

    An always-valid BO is freed only after all jobs of the VM, and a PRT page has no memory at all.
    """
    return amdgpu_vm_is_bo_always_valid(vm, bo) or bool(mapping.flags & AMDGPU_VM_PAGE_PRT)


def amdgpu_vm_update_ctx_add_freed_mapping(
    ctx: AmdgpuVmUpdateCtx, bo: AmdgpuBo | None, mapping: AmdgpuBoVaMapping
) -> None:
    """Put a removed mapping on the freed list; one that must not be unmapped explicitly decides for all."""
    if ctx.explicit_sync_unmap and not unmap_may_be_explicit(ctx.vm, bo, mapping):
        ctx.explicit_sync_unmap = False
    ctx.freed.append(mapping)


def unmap_mode(ctx: AmdgpuVmUpdateCtx) -> SyncMode:
    """Return how an unmap waits: for every submission of the VM, or only for what moves memory."""
    return AMDGPU_SYNC_EXPLICIT if ctx.explicit_sync_unmap else AMDGPU_SYNC_EQ_OWNER


def sync_of_update(ctx: AmdgpuVmUpdateCtx) -> AmdgpuSync:
    """Return the set of fences for one update.

    Patch 1 uses one for the whole operation, so that what an earlier update waits for also holds up later ones
    (F8); other kernels make one per update (E1), which starts with the input fences.
    """
    if ctx.adev.variant.shares_sync_container:
        return ctx.sync
    sync = AmdgpuSync()
    ctx.sync.clone(sync)
    return sync


def amdgpu_vm_update_ctx_ensure_unmap_synced(ctx: AmdgpuVmUpdateCtx, sync: AmdgpuSync) -> None:
    """Add what an unmap has to wait for to ``sync``; once is enough for a shared container."""
    if ctx.unmap_synced and sync is ctx.sync:
        return
    vm = ctx.vm
    amdgpu_sync.amdgpu_sync_resv(ctx.adev, sync, vm.root_resv, unmap_mode(ctx), vm)
    ctx.unmap_synced = True


def amdgpu_vm_update_ctx_fini(ctx: AmdgpuVmUpdateCtx) -> None:
    """End an operation: what it has not zeroed is left for the next submission."""
    if ctx.adev.variant.freed_per_update and ctx.freed:
        ctx.vm.delayed_freed += ctx.freed
        ctx.freed = []


def leak_update_ctx(ctx: AmdgpuVmUpdateCtx) -> None:
    """Drop a context without finishing it, as the posted series does in places (F2, F10).

    The fences in its container and the mappings on its list stay allocated until the module is unloaded.
    """
    if ctx.sync.entries or ctx.freed:
        ctx.adev.vm_manager.leaked_update_ctx.append(ctx)
