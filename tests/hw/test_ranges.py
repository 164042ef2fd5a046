# SPDX-License-Identifier: MIT
"""Ranges of all sizes and at all ends: what is mapped is there from its first page to its last, what is not is not.

Sizes, page numbers and offsets pass through many hands in the kernel, some of which once had 32 bits, and a mapping is
written in pieces: by page tables of 512 entries, by what memory is in one piece, by what one job can hold.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Iterator, Sequence

import pytest

from amdgpu_hw.address_space import Range, SyncOptions
from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, GiB, KiB, MiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import drain
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.units import size
from amdgpu_hw.proof.usage import gtt_usage, vram_usage

TILE = 64 * KiB
HUGE = 2 * MiB
LONG = 272 * MiB
"""A mapping of system memory, so long that 16 bits do not count its pages."""
FAR = 5 * GiB
"""So much that 32 bits do not count its bytes, nor 20 bits its pages."""
TAG = 0x50000000
"""In the first dword of a page beside its number: memory that nobody wrote has none."""
TOLD = f"of numbers of pages, each with {TAG:#x} beside it, the GPU read"
EXACT = "What is asked for is what happens: no page less, none more (KERNEL.md 3.4)."


def telling_pages(count: int, around: Sequence[int] = ()) -> list[int]:
    """Pages of a long range where a number of pages or bytes that is cut short would show."""
    edges = [1 << bit for bit in range(count.bit_length())] + [count // 2, *around]
    pages = {0, count - 1, *edges, *(edge - 1 for edge in edges)}
    return sorted(page for page in pages if 0 <= page < count)


def require_room(free: int, needed: int, where: str) -> None:
    """Not testable where so much memory cannot be had with as much again to spare."""
    if free < 2 * needed:
        raise NotTestable(f"needs {size(2 * needed)} of free {where}, there are {free / GiB:.1f} GiB", missing="memory")


def no_fault(gpu: Gpu, must: Must, before: str | None) -> None:
    """The GPU has read what must be mapped."""
    fault = vm_fault(gpu)
    must.be(
        fault == before,
        seen="no VM fault",
        otherwise=f"reading what must be mapped raised a {fault}: that page has no entry",
    )


@behaviour("O16", "a PRT mapping reaches from its first page to its last, however large", needs="prt", rule=EXACT)
def test_large_prt_reaches_to_its_end(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """A sparse resource is as large as the application likes: 4 GiB, 5 GiB, more than 1 TiB, some pages more."""
    gpu_view.require_prt_access()
    before = vm_fault(gpu)
    addresses = []
    for pages in (1 << 20, (1 << 20) + 1, (5 << 18) + 17, (1 << 28) + (1 << 20) + 3):
        whole = gpu.reserve(pages * PAGE_SIZE, HUGE)
        whole.map_prt()
        must.did(f"MAP PRT of {pages:#x} pages")
        addresses += [whole.va + page * PAGE_SIZE for page in telling_pages(pages)]
    drain(gpu)
    must.equal(set(gpu_view.sample(addresses)), {0}, "around every power of two in them the GPU read only")
    no_fault(gpu, must, before)


@behaviour("O16", "a long mapping of system memory reaches from its first page to its last", rule=EXACT)
def test_long_mapping_of_system_memory_reaches_to_its_end(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """Its pages are scattered, so that its entries are written one by one, in pieces (amdgpu_vm_update_range)."""
    require_room(gpu.identity.gtt_size - gtt_usage(gpu), LONG, "system memory")
    buffer = gpu.alloc(LONG, always_valid=True)
    pages = telling_pages(LONG // PAGE_SIZE)
    for page in pages:
        buffer.write_u32(page | TAG, page * PAGE_SIZE)
    before = vm_fault(gpu)
    whole = gpu.reserve(LONG)
    whole.map(buffer)
    must.did(f"MAP of {size(LONG)} of GTT; reads around every power of two")
    read = gpu_view.sample([whole.va + page * PAGE_SIZE for page in pages])
    must.equal(read, [page | TAG for page in pages], TOLD)
    no_fault(gpu, must, before)


@behaviour("O16", "a mapping of user memory reaches from its first page to its last", rule=EXACT)
def test_mapping_of_user_memory_reaches_to_its_end(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """Of one page, of a few, and of one more than a huge entry has."""
    before = vm_fault(gpu)
    for pages in (1, 3, 513):
        buffer = gpu.alloc_user(pages * PAGE_SIZE)
        for page in range(pages):
            buffer.write_u32(page | TAG, page * PAGE_SIZE)
        whole = gpu.reserve(pages * PAGE_SIZE)
        whole.map(buffer)
        must.did(f"MAP of {pages} pages of user memory")
        read = gpu_view.sample([whole.va + page * PAGE_SIZE for page in range(pages)], [buffer])
        must.equal(read, [page | TAG for page in range(pages)], TOLD)
        for page in {0, pages - 1}:
            gpu_view.write(whole.va + page * PAGE_SIZE, [page + 1], [buffer])
            must.equal(buffer.read_u32(page * PAGE_SIZE), page + 1, f"after the GPU wrote to page {page} the CPU read")
    no_fault(gpu, must, before)


@behaviour("O16", "every page of a BO beyond 4 GiB is one of its own, also in what is left of a cut", rule=EXACT)
def test_offsets_beyond_4_gib(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """Markers are written through mappings of single pages, and read through one of everything."""
    require_room(gpu.identity.vram_size - vram_usage(gpu), FAR, "VRAM")
    buffer = gpu.alloc(FAR, "vram", always_valid=True, cpu_access=False)
    offsets = [page * PAGE_SIZE for page in telling_pages(FAR // PAGE_SIZE, [(1 << 20) + 512])]
    before = vm_fault(gpu)
    single = gpu.reserve(len(offsets) * PAGE_SIZE)
    for at, offset in enumerate(offsets):
        single.part(at * PAGE_SIZE, PAGE_SIZE).map(buffer, offset)
    gpu_view.write_each({single.va + at * PAGE_SIZE: at + 1 for at in range(len(offsets))})
    whole = gpu.reserve(FAR, HUGE)
    whole.map(buffer)
    addresses = [whole.va + offset for offset in offsets]
    must.did(f"markers through mappings of single pages of {size(FAR)} of VRAM, then MAP of all of it")
    must.equal(gpu_view.sample(addresses), list(range(1, len(offsets) + 1)), "the GPU read markers")
    hole = whole.part(4 * GiB - HUGE - TILE, TILE)
    hole.clear()
    left = [(at, va) for at, va in enumerate(addresses, 1) if not hole.va <= va < hole.va + hole.size]
    must.did("CLEAR of a tile below 4 GiB")
    must.equal(gpu_view.sample([va for _, va in left]), [at for at, _ in left], "of what is left")
    tail = whole.part(FAR - TILE, TILE)
    tail.replace(buffer, 4 * GiB)
    must.did("REPLACE of the last tile by the first above 4 GiB")
    must.equal(gpu_view.sample([tail.va]), [offsets.index(4 * GiB) + 1], "there the GPU read marker")
    no_fault(gpu, must, before)


@pytest.mark.parametrize("by_prt", [False, True], ids=["CLEAR", "REPLACE by PRT"])
@behaviour("O16", "CLEAR and REPLACE of more than 4 GiB take away all that is mapped there", needs="prt", rule=EXACT)
def test_operations_on_more_than_4_gib(
    gpu: Gpu, must: Must, gpu_view: GpuView, sync: SyncOptions, always_valid: Buffer, by_prt: bool
) -> None:
    """The mapping tree tells of the CLEAR: where something is left the MAP after it is refused."""
    always_valid.fill(0x01DDA7A0)
    whole = gpu.reserve(FAR + TILE, HUGE)
    places = [whole.part(at, TILE) for at in (0, TILE, 4 * GiB - TILE, 4 * GiB, 4 * GiB + TILE, FAR)]
    for place in places:
        place.map(always_valid)
    for first, last in ((2 * TILE, GiB), (4 * GiB + HUGE, FAR)):
        whole.part(first, last - first).map_prt()
    drain(gpu)
    if by_prt:
        whole.replace_prt(**sync)
        with must.refuse(errno.ENOENT, "UNMAP of the last BO that a REPLACE took away"):
            places[-1].unmap(always_valid)
    else:
        whole.clear(**sync)
        must.accept("MAP PRT over all of it, after a CLEAR", whole.map_prt)
    drain(gpu)
    if gpu.identity.sdma_version < (4, 0, 0):
        must.note("this copy engine must not read PRT")
        return
    must.did("reads wherever a BO was mapped")
    must.equal(set(gpu_view.sample([place.va for place in places])), {0}, "the GPU read only")


def ends_of_the_address_space(gpu: Gpu) -> Iterator[tuple[str, int]]:
    """The pages at the ends of the halves, by name."""
    identity = gpu.identity
    yield "the first page", identity.va_start
    yield "the last page of the lower half", identity.va_end - PAGE_SIZE
    if identity.high_va_start:
        yield "the first page of the upper half", identity.high_va_start
        yield "the last page of the upper half", identity.high_va_end - PAGE_SIZE


@behaviour("O17", "the first and the last page of each half of the address space can be used", rule=EXACT)
def test_pages_at_the_ends_of_the_address_space(gpu: Gpu, must: Must, gpu_view: GpuView) -> None:
    """MAP, REPLACE of a BO by another and CLEAR; the GPU reads from each."""
    old, new = (gpu.alloc(PAGE_SIZE, always_valid=True) for _ in range(2))
    old.fill(0x01DDA7A0)
    new.fill(0x2E3DA7A0)
    before = vm_fault(gpu)
    for name, va in ends_of_the_address_space(gpu):
        page = gpu.address_space.at(va, PAGE_SIZE)
        try:
            page.map(old)
            must.equal(gpu_view.sample([va]), [0x01DDA7A0], f"from {name} the GPU read")
            page.replace(new)
            drain(gpu)
            must.equal(gpu_view.sample([va]), [0x2E3DA7A0], f"from {name}, replaced,")
        finally:
            page.clear(out=None)
        must.accept(f"MAP PRT at {name}, cleared", page.map_prt)
        page.clear(out=None)
    no_fault(gpu, must, before)


@behaviour(
    "O18",
    "a PRT mapping begins where it begins and ends where it ends: what is beside it stays",
    needs="prt",
    rule=EXACT,
)
def test_prt_leaves_its_neighbours_alone(gpu: Gpu, must: Must, gpu_view: GpuView, sync: SyncOptions) -> None:
    """Sizes around one and two huge entries, from the edge of one, up to it, and across; with a BO on either side."""
    kept = gpu.alloc(PAGE_SIZE, always_valid=True)
    kept.fill(0x600DDA7A)
    mappings, neighbours = [], []
    for pages, first in itertools.product((1, 16, 511, 512, 513, 700, 1024, 1100), (505, 512, 1024, 1500)):
        whole = gpu.reserve(6 * HUGE, HUGE)
        for page in (first - 1, first + pages):
            beside = whole.part(page * PAGE_SIZE, PAGE_SIZE)
            beside.map(kept, out=None)
            neighbours.append((beside.va, f"{page} by PRT of {pages} pages from page {first} on"))
        mappings.append(whole.part(first * PAGE_SIZE, pages * PAGE_SIZE))
    operations: dict[str, Callable[[Range], object]] = {
        "MAP PRT": lambda prt: prt.map_prt(out=None),
        "REPLACE by PRT": lambda prt: prt.replace_prt(**sync),
        "CLEAR": lambda prt: prt.clear(**sync),
    }
    for name, operation in operations.items():
        for prt in mappings:
            operation(prt)
        drain(gpu)
        read = gpu_view.sample([va for va, _ in neighbours])
        lost = [words for (_, words), dword in zip(neighbours, read, strict=True) if dword != 0x600DDA7A]
        must.did(f"{name} of {len(mappings)} sizes and places")
        must.be(not lost, seen="the BOs beside them kept their data", otherwise=f"{name} took page {lost[:3]}")
