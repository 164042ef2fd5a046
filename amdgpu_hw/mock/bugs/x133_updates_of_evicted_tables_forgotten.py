# SPDX-License-Identifier: MIT
"""What is unmapped while the page tables are evicted is forgotten: its entries are there when they come back."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx, amdgpu_vm_update_ctx_fini
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O29",))


@replaces(amdgpu_vm_update_ctx_fini)
def update_ctx_fini(original: Original, ctx: AmdgpuVmUpdateCtx) -> None:
    if ctx.vm.evicting:
        ctx.freed.clear()
    original(ctx)
