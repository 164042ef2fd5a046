# SPDX-License-Identifier: MIT
"""CLEAR and REPLACE in the middle of mappings: what is left of them keeps its place and its data."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from amdgpu_hw.address_space import Range, SyncOptions
from amdgpu_hw.errors import FeatureMissing
from amdgpu_hw.evidence.mapping_info import stored_mappings
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, KiB, MiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import drain
from amdgpu_hw.proof.must import Must

TILE = 64 * KiB
HUGE = 2 * MiB
VA_MASK = (1 << 48) - 1
DATA = 0x0DE1A9ED


@pytest.mark.parametrize("operation", ["CLEAR", "REPLACE by PRT"])
@behaviour(
    "B38",
    "what a delayed update leaves of an always-valid BO is there for the next submission, which lists nothing",
    rule="The remnants are on the list of what it has to write (amdgpu_vm_bo_insert_map: amdgpu_vm_bo_moved).",
    faults=True,
)
def test_what_a_delayed_cut_leaves_is_there(gpu: Gpu, must: Must, gpu_view: GpuView, operation: str) -> None:
    """The cut goes through the middle of a huge entry, which the next submission takes apart."""
    buffer = gpu.alloc(HUGE, "vram", always_valid=True)
    buffer.fill(DATA)
    tiles = gpu.reserve(HUGE, HUGE)
    tiles.map(buffer)
    beside = [tiles.va, tiles.va + HUGE // 2 - PAGE_SIZE, tiles.va + HUGE // 2 + TILE, tiles.va + HUGE - 4]
    must.equal(gpu_view.sample(beside), [DATA] * 4, "before, the GPU read")
    middle = tiles.part(HUGE // 2, TILE)
    if operation == "CLEAR":
        middle.clear(delay=True)
    else:
        middle.replace_prt(delay=True)
    must.did(f"delayed {operation} in the middle of 2 MiB")
    must.equal(gpu_view.sample(beside), [DATA] * 4, "at both ends, and close to the hole, the GPU read")


@pytest.mark.parametrize(("size", "domain"), [(TILE, "gtt"), (HUGE, "vram")], ids=["64 KiB", "2 MiB of VRAM"])
@behaviour(
    "B38",
    "after a CLEAR in the middle of a mapping both ends of it are still mapped to the right data",
    rule="The next submission rewrites what is left (amdgpu_vm_handle_moved), and waits for that.",
)
def test_ends_of_a_cut_mapping_keep_their_data(
    gpu: Gpu, must: Must, gpu_view: GpuView, sync: SyncOptions, size: int, domain: str
) -> None:
    """2 MiB of VRAM are one entry of the page directory, which the CLEAR has to split."""
    buffer = gpu.alloc(size, domain, always_valid=True, alignment=size)
    number_pages(buffer, 0)
    whole = gpu.reserve(size, alignment=size)
    whole.map(buffer)
    drain(gpu)
    hole = whole.part(4 * PAGE_SIZE, 4 * PAGE_SIZE)
    update = hole.clear(**sync)
    must.did(f"{'explicit ' if sync else ''}CLEAR of pages 4 to 7, then copies from before and behind")
    if update.fence is not None:
        must.signal(update)
    must.equal(pages_at(gpu_view, whole.va, 4), [0, 1, 2, 3], "before the hole the GPU read pages")
    must.equal(pages_at(gpu_view, hole.va + hole.size, 4), [8, 9, 10, 11], "behind it")
    last = size // PAGE_SIZE - 1
    must.equal(pages_at(gpu_view, whole.va + last * PAGE_SIZE, 1), [last], "at the end")
    told = told_mappings(gpu, buffer, whole)
    if told is None:
        must.note("the kernel does not tell mappings")
        return
    behind = hole.size + 4 * PAGE_SIZE
    must.equal(
        told,
        [(0, 4 * PAGE_SIZE, 0), (behind, size - behind, behind)],
        "(offset in the range, size, offset in the BO) it keeps are",
        kind="note",
    )


@behaviour("T06", "CLEAR across three mappings leaves the head of the first and the tail of the last")
def test_clear_across_three_mappings(gpu: Gpu, must: Must, gpu_view: GpuView, sync: SyncOptions) -> None:
    """And the gap can be mapped again, from its first page to its last."""
    tiles = gpu.reserve(3 * TILE)
    buffers = three_tiles(gpu, tiles)
    gap = tiles.part(TILE // 2, 2 * TILE)
    gap.clear(**sync)
    must.did("CLEAR from the middle of the first mapping to the middle of the third, then a copy from either side")
    half = TILE // 2 // PAGE_SIZE
    must.equal(pages_at(gpu_view, tiles.va, half, buffers), list(range(half)), "of the first the GPU read pages")
    tail = [0x200 + half + page for page in range(half)]
    must.equal(pages_at(gpu_view, gap.va + gap.size, half, buffers), tail, "of the third")
    must.accept("MAP PRT into the gap", gap.map_prt)


@behaviour("T07", "REPLACE in the middle of a mapping leaves three parts with the right data")
def test_replace_in_the_middle_of_a_mapping(gpu: Gpu, must: Must, gpu_view: GpuView, sync: SyncOptions) -> None:
    """The new one starts at its own offset, what is behind it goes on where the old one would have been."""
    old, new = gpu.alloc(TILE), gpu.alloc(TILE)
    number_pages(old, 0)
    number_pages(new, 0x100)
    tile = gpu.reserve(TILE)
    tile.map(old)
    tile.part(4 * PAGE_SIZE, 4 * PAGE_SIZE).replace(new, 2 * PAGE_SIZE, **sync)
    must.did("REPLACE of pages 4 to 7 by pages 2 to 5 of another BO, then a copy of everything")
    expected = [*range(4), *range(0x102, 0x106), *range(8, 16)]
    must.equal(pages_at(gpu_view, tile.va, 16, [old, new]), expected, "the GPU read pages")


@behaviour("O9", "what is left of a cut mapping can be unmapped at once, and the addresses used again", faults=True)
def test_rest_of_a_cut_mapping_can_be_unmapped_at_once(
    gpu: Gpu, must: Must, gpu_view: GpuView, ordinary: Buffer
) -> None:
    """F18: no submission has rewritten it yet, so kernels drop it without page-table work; its entries stay."""
    number_pages(ordinary, 0)
    tile = gpu.reserve(TILE)
    tile.map(ordinary)
    head = tile.part(0, 4 * PAGE_SIZE)
    tile.part(head.size, TILE - head.size).clear()
    head.unmap(ordinary)
    drain(gpu)
    must.did("CLEAR of all but the head of a mapping, UNMAP of the head")
    left = pages_at(gpu_view, head.va, 4, [ordinary]) == [0, 1, 2, 3]
    must.note(f"the GPU {'still reads' if left else 'does not read'} the old data (F18)")
    new = gpu.alloc(TILE)
    number_pages(new, 0x100)
    head.map(new)
    must.equal(pages_at(gpu_view, head.va, 4, [new]), [0x100, 0x101, 0x102, 0x103], "after a MAP there, pages")


def number_pages(buffer: Buffer, first: int) -> None:
    """Fill every page with its number."""
    pages = range(first, first + buffer.size // PAGE_SIZE)
    buffer.write(0, b"".join(struct.pack("<I", page) * (PAGE_SIZE // 4) for page in pages))


def pages_at(gpu_view: GpuView, va: int, count: int, buffers: Sequence[Buffer] = ()) -> list[int]:
    """Which pages the GPU finds at an address."""
    data = gpu_view.read(va, count * PAGE_SIZE, buffers)
    return [int.from_bytes(data[page * PAGE_SIZE :][:4], "little") for page in range(count)]


def three_tiles(gpu: Gpu, tiles: Range) -> list[Buffer]:
    """Three ordinary buffers side by side, with pages numbered from 0, 0x100 and 0x200."""
    buffers = [gpu.alloc(TILE) for _ in range(3)]
    for index, buffer in enumerate(buffers):
        number_pages(buffer, index * 0x100)
        tiles.part(index * TILE, TILE).map(buffer)
    return buffers


def told_mappings(gpu: Gpu, buffer: Buffer, whole: Range) -> list[tuple[int, int, int]] | None:
    """Offset in the range, size and offset in the buffer of what the kernel keeps; None if it does not tell."""
    try:
        found = stored_mappings(gpu, buffer)
    except FeatureMissing:
        return None
    return [(one.va - (whole.va & VA_MASK), one.size, one.offset) for one in found]
