# SPDX-License-Identifier: MIT
"""Freeing a context cancels what its queues have not given to the rings yet, as if its process had been killed.

The order of amdgpu_ctx_do_release and amdgpu_ctx_fini, which 7.3 made one: entities are flushed, then destroyed, then
their fences are dropped.
"""

from __future__ import annotations

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_ctx import AmdgpuCtx, amdgpu_ctx_put
from amdgpu_hw.mock.kernel.wait import Blocking
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("O74",))


@replaces(amdgpu_ctx_put)
def put(original: Original, ctx: AmdgpuCtx, *, killed: bool = False) -> Blocking[None] | None:
    blocking: Blocking[None] | None = original(ctx, killed=True)
    return blocking
