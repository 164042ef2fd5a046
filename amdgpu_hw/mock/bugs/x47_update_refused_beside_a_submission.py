# SPDX-License-Identifier: MIT
"""Now and then an update that meets a submission in flight is refused with EBUSY."""

from __future__ import annotations

import errno
import itertools

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_gem.va import GemVa, change_tree
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuBoVa
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.update_ctx import AmdgpuVmUpdateCtx
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DMA_RESV_USAGE_READ
from amdgpu_hw.mock.kernel.errno_ import KernelError
from amdgpu_hw.mock.planting import Bug, Original, replaces

BUG = Bug(caught_by=("B46",))

_EVERY = 4

_meetings = itertools.count(1)


@replaces(change_tree)
def operation(original: Original, ctx: AmdgpuVmUpdateCtx, bo_va: AmdgpuBoVa | None, args: GemVa) -> None:
    if not ctx.vm.root_resv.test_signaled(DMA_RESV_USAGE_READ) and next(_meetings) % _EVERY == 0:
        raise KernelError(errno.EBUSY, "a submission is in flight")
    original(ctx, bo_va, args)
