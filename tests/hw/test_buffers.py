# SPDX-License-Identifier: MIT
"""Buffers and their mappings: who may use them, and when they go."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from functools import partial

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi import drm

TILE = 64 * KiB
RW = uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_WRITEABLE


@behaviour(
    "T09",
    "an always-valid BO stays in its address space: it cannot be exported, and needs no listing",
    rule="Explicit unmaps of it are safe only as nobody else can have it.",
)
def test_always_valid_buffers_stay_at_home(gpu: Gpu, must: Must, gpu_view: GpuView, always_valid: Buffer) -> None:
    """All else about it is as with other buffers."""
    always_valid.fill(0x600DDA7A)
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with must.refuse(errno.EPERM, "PRIME export of an always-valid BO"):
        os.close(always_valid.export())

    def calls() -> Iterator[tuple[str, int, Callable[[], object]]]:
        handle = always_valid.handle
        metadata = uapi.IOCTL_AMDGPU_GEM_METADATA
        yield "GEM_METADATA set", 0, partial(gpu.ioctl, metadata, handle=handle, op=1, data_size_bytes=4)
        yield "GEM_METADATA get", 0, partial(gpu.ioctl, metadata, handle=handle, op=2)
        info = bytearray(uapi.GEM_CREATE_IN.size)
        operation = uapi.AMDGPU_GEM_OP_GET_GEM_CREATE_INFO
        yield "GEM_OP", 0, partial(gpu.ioctl, uapi.IOCTL_AMDGPU_GEM_OP, handle=handle, op=operation, value=info)

    must.answer("GEM_METADATA and GEM_OP", calls())
    read = memoryview(gpu_view.read(tile.va, TILE)).cast("I")
    must.equal(set(read), {0x600DDA7A}, "without listing it the GPU read only")


@behaviour("T13", "a BO's mappings go with its handle, also while somebody else keeps the memory")
def test_mappings_go_with_the_handle(gpu: Gpu, must: Must) -> None:
    """A dma-buf keeps the BO; importing it while there is a handle gives the same one, afterwards a new attachment."""
    tile = gpu.reserve(TILE)
    handle: int = gpu.ioctl(
        uapi.IOCTL_AMDGPU_GEM_CREATE,
        out=uapi.GEM_CREATE_OUT,
        bo_size=TILE,
        alignment=PAGE_SIZE,
        domains=uapi.AMDGPU_GEM_DOMAIN_GTT,
    )["handle"]
    dma_buf: int = gpu.ioctl(drm.IOCTL_PRIME_HANDLE_TO_FD, handle=handle, flags=drm.DRM_CLOEXEC)["fd"]

    def imported() -> int:
        found: int = gpu.ioctl(drm.IOCTL_PRIME_FD_TO_HANDLE, fd=dma_buf)["handle"]
        return found

    def gem_va(operation: int, of: int) -> Callable[[], object]:
        return partial(gpu.gem_va_raw, operation=operation, va=tile.va, size=TILE, handle=of, flags=RW)

    try:
        must.accept("MAP of a BO that is exported as well", gem_va(uapi.AMDGPU_VA_OP_MAP, handle))
        must.equal(imported() == handle, True, "import gives the same handle:", kind="note")
        gpu.ioctl(drm.IOCTL_GEM_CLOSE, handle=handle)
        again = imported()
        must.answer(
            "GEM_CLOSE, import, then UNMAP and MAP in the same place",
            [
                ("UNMAP of what was mapped by the closed handle", errno.ENOENT, gem_va(uapi.AMDGPU_VA_OP_UNMAP, again)),
                ("MAP by the new one", 0, gem_va(uapi.AMDGPU_VA_OP_MAP, again)),
                ("GEM_CLOSE of it", 0, partial(gpu.ioctl, drm.IOCTL_GEM_CLOSE, handle=again)),
                ("MAP PRT, as nothing is left", 0, tile.map_prt),
            ],
        )
    finally:
        os.close(dma_buf)
