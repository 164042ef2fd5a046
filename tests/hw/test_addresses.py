# SPDX-License-Identifier: MIT
"""Which addresses GEM_VA takes, and in which forms its argument may come."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from functools import partial

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.must import Must
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi.layout import Struct, iowr

TILE = 64 * KiB
PRT = uapi.AMDGPU_VM_PAGE_PRT
MAP, UNMAP, CLEAR = uapi.AMDGPU_VA_OP_MAP, uapi.AMDGPU_VA_OP_UNMAP, uapi.AMDGPU_VA_OP_CLEAR

OLD_GEM_VA = iowr(
    "DRM_IOCTL_AMDGPU_GEM_VA of older headers",
    "d",
    uapi.IOCTL_AMDGPU_GEM_VA.nr,
    Struct(
        "drm_amdgpu_gem_va",
        "u32 handle; u32 _pad; u32 operation; u32 flags; u64 va_address; u64 offset_in_bo; u64 map_size",
    ),
)


@behaviour("T04", "GEM_VA takes the addresses that the kernel says it has, and no others", needs="prt")
def test_addresses_end_where_the_kernel_says(gpu: Gpu, must: Must) -> None:
    """From the first page to the last, on both sides of the hole where there is one; sizes count, UNMAP's too."""
    identity = gpu.identity
    low, end = identity.va_start, identity.high_va_end or identity.va_end
    last = end - PAGE_SIZE

    def va(operation: int, address: int, size: int = PAGE_SIZE) -> Callable[[], object]:
        return partial(gpu.gem_va_raw, operation=operation, va=address, size=size, flags=PRT)

    def calls() -> Iterator[tuple[str, int, Callable[[], object]]]:
        for name, operation in (("MAP", MAP), ("UNMAP", UNMAP), ("CLEAR", CLEAR)):
            yield f"{name} below the first address", errno.EINVAL, va(operation, low - PAGE_SIZE)
            yield f"{name} behind the low half", errno.EINVAL, va(operation, identity.va_end)
            yield f"{name} behind the last address", errno.EINVAL, va(operation, end)
            yield f"{name} beyond the last address", errno.EINVAL, va(operation, last, 2 * PAGE_SIZE)
        if identity.high_va_start:
            yield "MAP below the high half", errno.EINVAL, va(MAP, identity.high_va_start - PAGE_SIZE)
        for name, address in (("last", last), ("first high", identity.high_va_start)):
            if address:
                yield f"MAP of the {name} page", 0, va(MAP, address)
                yield f"UNMAP of the {name} page", 0, va(UNMAP, address)

    must.answer("MAP PRT, UNMAP and CLEAR around the ends of the address space", calls())


@behaviour("T05", "a REPLACE that is refused leaves what it would have replaced")
def test_refused_replace_changes_nothing(gpu: Gpu, must: Must, gpu_view: GpuView, ordinary: Buffer) -> None:
    """It is checked before anything is cleared."""
    ordinary.fill(0x0DD1D47A)
    other = gpu.alloc(TILE)
    tile = gpu.reserve(TILE)
    tile.map(ordinary)
    with must.refuse(errno.EINVAL, "REPLACE from an offset that leaves too little of the BO"):
        tile.replace(other, PAGE_SIZE)
    read = memoryview(gpu_view.read(tile.va, TILE, [ordinary])).cast("I")
    must.equal(set(read), {0x0DD1D47A}, "through the old mapping the GPU read only")


@behaviour("T11", "GEM_VA works with the shorter argument of older headers, and touches no syncobj then", needs="prt")
def test_short_argument_of_older_headers(gpu: Gpu, must: Must) -> None:
    """What is missing counts as 0, whatever the kernel's stack holds after a call with all the new fields set."""
    page = gpu.reserve(PAGE_SIZE)
    touched: list[bool] = []

    def both(operation: int) -> None:
        with gpu.syncobj(signaled=True) as fence:
            page.map_prt(out=(fence, 7), inputs=[fence])
            page.clear(out=None)
            fence.reset()
            gpu.ioctl(OLD_GEM_VA, operation=operation, flags=PRT, va_address=page.va, map_size=PAGE_SIZE)
            touched.append(fence.has_fence())

    def calls() -> Iterator[tuple[str, int, Callable[[], object]]]:
        for _ in range(8):
            yield "MAP PRT with 40 bytes", 0, partial(both, MAP)
            yield (
                "CLEAR with 40 bytes",
                0,
                partial(gpu.ioctl, OLD_GEM_VA, operation=CLEAR, va_address=page.va, map_size=PAGE_SIZE),
            )

    must.answer("GEM_VA with all fields, then with the 40 bytes of older headers", calls())
    must.be(
        not any(touched),
        seen="no syncobj got a fence",
        otherwise="the syncobj of the call before got a fence",
        kind="note",
    )
