# SPDX-License-Identifier: MIT
"""What planted bugs share: ways to have a function of the kernel leave something out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from amdgpu_hw.mock.kernel.amdgpu.amdgpu_bo_list import AmdgpuBoList
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_cs.parser import AmdgpuCsParser
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_sync import AmdgpuSync
from amdgpu_hw.mock.kernel.amdgpu.amdgpu_vm.types import AmdgpuVm
from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import DmaResv
from amdgpu_hw.mock.planting import Original

__all__ = ("backlog_set_aside", "cs_vm_handling_ignoring")


def cs_vm_handling_ignoring(
    original: Original,
    p: AmdgpuCsParser,
    bo_list: AmdgpuBoList,
    locked: Sequence[DmaResv],
    ignored: Callable[[DmaFence], bool],
) -> None:
    """Do what ``original`` does, but have the submission not wait for the page-table updates that are ``ignored``."""
    before, p.sync = p.sync, AmdgpuSync()
    original(p, bo_list, locked)
    for fence in p.sync:
        if not ignored(fence):
            before.fence(fence)
    p.sync = before


@contextmanager
def backlog_set_aside(vm: AmdgpuVm) -> Iterator[None]:
    """A block inside which nothing is there that delayed operations have freed."""
    backlog, vm.delayed_freed = vm.delayed_freed, []
    try:
        yield
    finally:
        vm.delayed_freed = backlog
