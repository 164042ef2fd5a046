# SPDX-License-Identifier: MIT
"""What GEM_VA refuses, and that a refused operation changes nothing."""

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

TILE = 64 * KiB
RW = uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_WRITEABLE


@behaviour("T01", "MAP over anything that is mapped is refused and changes nothing")
def test_map_over_a_mapping_is_refused(
    gpu: Gpu, must: Must, gpu_view: GpuView, ordinary: Buffer, always_valid: Buffer
) -> None:
    """Exactly over it, over its head, its tail, inside it, around it; by the same buffer, another one, PRT."""
    ordinary.fill(0x0DD1D47A)
    around = gpu.reserve(3 * TILE)
    mapped = around.part(TILE, TILE)
    mapped.map(ordinary)
    overlaps = {
        "exactly": (TILE, TILE),
        "over the head of": (TILE - PAGE_SIZE, 2 * PAGE_SIZE),
        "over the tail of": (2 * TILE - PAGE_SIZE, 2 * PAGE_SIZE),
        "inside": (TILE + PAGE_SIZE, PAGE_SIZE),
    }

    def calls() -> Iterator[tuple[str, int, Callable[[], object]]]:
        for where, (offset, size) in overlaps.items():
            part = around.part(offset, size)
            yield f"the same BO {where} the mapping", errno.EINVAL, partial(part.map, ordinary)
            yield f"another BO {where} the mapping", errno.EINVAL, partial(part.map, always_valid)
            yield f"PRT {where} the mapping", errno.EINVAL, part.map_prt
        yield "PRT around the mapping", errno.EINVAL, around.map_prt

    must.answer("MAP over a mapping", calls())
    read = gpu_view.read(mapped.va, TILE, [ordinary])
    must.equal(set(dwords(read)), {0x0DD1D47A}, "through the old mapping the GPU read only")


@behaviour("T02", "UNMAP takes a whole mapping by its first address and its buffer, and by nothing else")
def test_unmap_goes_by_address_and_buffer(gpu: Gpu, must: Must, ordinary: Buffer, always_valid: Buffer) -> None:
    """The size that comes with it means nothing: 0, odd or too small, the whole mapping goes."""
    tile = gpu.reserve(TILE)

    def unmap(buffer: Buffer, offset: int = 0, size: int = TILE) -> Callable[[], object]:
        return lambda: gpu.gem_va_raw(
            operation=uapi.AMDGPU_VA_OP_UNMAP, va=tile.va + offset, size=size, handle=buffer.handle, flags=RW
        )

    def calls() -> Iterator[tuple[str, int, Callable[[], object]]]:
        yield "MAP", 0, lambda: tile.map(ordinary)
        yield "UNMAP at an inner address", errno.ENOENT, unmap(ordinary, offset=PAGE_SIZE)
        yield "UNMAP of another BO", errno.ENOENT, unmap(always_valid)
        for size in (TILE, 0, 4097, PAGE_SIZE):
            yield f"UNMAP with map_size {size}", 0, unmap(ordinary, size=size)
            yield "UNMAP once more", errno.ENOENT, unmap(ordinary)
            yield "MAP of the whole tile again", 0, lambda: tile.map(ordinary)

    must.answer("UNMAP by right and wrong addresses, buffers and sizes", calls())


@behaviour("T03", "MAP, REPLACE and CLEAR refuse what is not whole pages inside the BO, and change nothing")
def test_bad_addresses_and_sizes_are_refused(gpu: Gpu, must: Must, gpu_view: GpuView, ordinary: Buffer) -> None:
    """Unaligned addresses, offsets and sizes, nothing at all, more than there is, and sums that wrap around."""
    ordinary.fill(0x0DD1D47A)
    tiles = gpu.reserve(2 * TILE)
    tiles.part(0, TILE).map(ordinary)
    free = tiles.part(TILE, TILE)
    wrap = (1 << 64) - PAGE_SIZE
    bad = {
        "an unaligned address": {"va": free.va + 1, "size": PAGE_SIZE},
        "an unaligned size": {"va": free.va, "size": PAGE_SIZE + 1},
        "size 0": {"va": free.va, "size": 0},
        "a size that wraps around": {"va": free.va, "size": wrap},
    }
    bad_in_buffer = {
        "an unaligned offset": {"va": free.va, "size": PAGE_SIZE, "offset": 1},
        "more than the BO has": {"va": free.va, "size": TILE, "offset": PAGE_SIZE},
        "an offset behind the BO": {"va": free.va, "size": PAGE_SIZE, "offset": TILE},
        "an offset that wraps around": {"va": free.va, "size": 2 * PAGE_SIZE, "offset": wrap},
    }
    operations = {"MAP": uapi.AMDGPU_VA_OP_MAP, "REPLACE": uapi.AMDGPU_VA_OP_REPLACE, "CLEAR": uapi.AMDGPU_VA_OP_CLEAR}

    def calls() -> Iterator[tuple[str, int, Callable[[], object]]]:
        for name, operation in operations.items():
            for words, arguments in (bad if name == "CLEAR" else bad | bad_in_buffer).items():
                yield (
                    f"{name} with {words}",
                    errno.EINVAL,
                    partial(gpu.gem_va_raw, operation=operation, handle=ordinary.handle, flags=RW, **arguments),
                )
        for name in ("MAP", "REPLACE"):
            yield (
                f"{name} of PRT with an offset that wraps around",
                errno.EINVAL,
                partial(
                    gpu.gem_va_raw,
                    operation=operations[name],
                    flags=uapi.AMDGPU_VM_PAGE_PRT,
                    **bad_in_buffer["an offset that wraps around"],
                ),
            )
        yield "MAP where they all missed", 0, lambda: free.map(ordinary)

    must.answer("MAP, REPLACE and CLEAR with bad addresses, offsets and sizes", calls())
    read = gpu_view.read(tiles.va, TILE, [ordinary])
    must.equal(set(dwords(read)), {0x0DD1D47A}, "through the mapping beside them the GPU read only")


def dwords(data: bytes) -> memoryview:
    """What was read, dword by dword."""
    return memoryview(data).cast("I")
