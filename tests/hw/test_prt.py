# SPDX-License-Identifier: MIT
"""PRT mappings: addresses without memory, where reads give 0 and writes go nowhere."""

from __future__ import annotations

import errno

from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must
from amdgpu_hw.uapi import amdgpu_drm as uapi

TILE = 64 * KiB
NEVER_A_HANDLE = 0xDEAD


@behaviour("T08", "PRT mappings need no buffer: their handle is never looked at", needs="prt")
def test_prt_mappings_ignore_the_handle(gpu: Gpu, must: Must) -> None:
    """They belong to the address space (fpriv->prt_va), and only the PRT flag leads to them."""
    tile = gpu.reserve(TILE)

    def gem_va(operation: int, flags: int, handle: int) -> object:
        return gpu.gem_va_raw(operation=operation, va=tile.va, size=TILE, handle=handle, flags=flags)

    prt, map_, unmap = uapi.AMDGPU_VM_PAGE_PRT, uapi.AMDGPU_VA_OP_MAP, uapi.AMDGPU_VA_OP_UNMAP
    must.answer(
        "MAP PRT and UNMAP with a handle that names nothing",
        [
            ("MAP PRT, garbage handle", 0, lambda: gem_va(map_, prt, NEVER_A_HANDLE)),
            ("UNMAP without the PRT flag, handle 0", errno.ENOENT, lambda: gem_va(unmap, 0, 0)),
            ("UNMAP without the PRT flag, garbage handle", errno.ENOENT, lambda: gem_va(unmap, 0, NEVER_A_HANDLE)),
            ("UNMAP PRT, garbage handle", 0, lambda: gem_va(unmap, prt, NEVER_A_HANDLE)),
            ("UNMAP PRT again", errno.ENOENT, lambda: gem_va(unmap, prt, NEVER_A_HANDLE)),
        ],
    )


@behaviour("T08", "the GPU reads zeros from PRT, and what it writes there is gone", needs="prt")
def test_prt_reads_zero_and_drops_writes(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """And it does not fault, which is what tells PRT from nothing at all: that may read as zeros too."""
    gpu_view.require_prt_access()
    tile = gpu.reserve(TILE)
    tile.map_prt()
    must.did("MAP PRT; copy from there, write there, copy again")
    must.equal(set(gpu_view.read(tile.va, TILE)), {0}, "the GPU read only")
    gpu_view.write(tile.va, [0xBAD_DA7A] * 64)
    must.equal(set(gpu_view.read(tile.va, TILE)), {0}, "after a write still")
    fault = vm_fault(gpu)
    must.be(fault is None, seen="no VM fault", otherwise=f"touching PRT raised a {fault}", kind="note")
