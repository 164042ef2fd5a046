# SPDX-License-Identifier: MIT
"""What is left of a cut PRT mapping is written by the next submission only, after the huge entry has gone.

The mended F7 goes through the buffers of the mappings that were cut, and the file's PRT mappings have none: `if (!bo)
continue`. A job in flight that reads the rest of a PRT mapping of 2 MiB and more faults when its middle is cleared.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import update_remnants
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B37",))


@replaces(update_remnants)
def remnants(original: Original, ctx: AmdgpuVmUpdateCtx) -> None:
    for bo_va in list(ctx.split):
        if bo_va.bo is None:
            del ctx.split[bo_va]
    original(ctx)
