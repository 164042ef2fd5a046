# SPDX-License-Identifier: MIT
"""What is taken away is gone, page by page: the GPU faults there, and nowhere else.

Entries that are left behind harm nobody until their memory belongs to somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from amdgpu_hw.address_space import Range, SyncOptions
from amdgpu_hw.evidence.health import vm_fault
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import PAGE_SIZE, Buffer, MiB
from amdgpu_hw.proof.absence import Absence
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.covering import covering
from amdgpu_hw.proof.fixtures import drain
from amdgpu_hw.proof.must import Must

HUGE = 2 * MiB
PAGES = 2048
MARK = 0x600DDA7A


@dataclass(frozen=True)
class Shape:
    """Pages of a window of four huge entries: what is mapped, and what of it goes."""

    mapped: range
    gone: range

    @property
    def telling(self) -> list[int]:
        """Pages of what goes where an edge might be taken for another."""
        gone = self.gone
        edges = [edge for edge in range(0, PAGES + 1, 512) if edge in gone or edge - 1 in gone]
        pages = {gone[0], gone[-1], gone[len(gone) // 2], *edges, *(edge - 1 for edge in edges)}
        return sorted(page for page in pages if page in gone)

    @property
    def kept(self) -> list[int]:
        """Pages that stay, those that are next to what goes among them."""
        gone = self.gone
        pages = {self.mapped[0], self.mapped[-1], gone[0] - 1, gone[-1] + 1}
        return sorted(page for page in pages if page in self.mapped and page not in gone)


SHAPES = {
    "a page": Shape(range(5, 6), range(5, 6)),
    "a huge entry": Shape(range(512, 1024), range(512, 1024)),
    "a huge entry and a page": Shape(range(512, 1025), range(512, 1025)),
    "all but the first page of two huge entries": Shape(range(1, 1024), range(1, 1024)),
    "three edges": Shape(range(500, 1600), range(500, 1600)),
    "the last pages of one huge entry and the first of the next": Shape(range(1024), range(500, 524)),
    "the tail behind an edge": Shape(range(1100), range(1000, 1100)),
    "all but the last page of a huge entry": Shape(range(512, 1024), range(512, 1023)),
    "the head before an edge": Shape(range(7, 1024), range(7, 520)),
}
PARTS = list(SHAPES)[5:]
MEMORY = ("PRT", "an always-valid BO in VRAM", "an always-valid BO in GTT", "a BO in VRAM")
CASES = covering(
    {
        "shape": tuple(SHAPES),
        "memory": MEMORY,
        "operation": ("UNMAP", "CLEAR", "GEM_CLOSE", "REPLACE and CLEAR"),
        "how": ("plain", "explicit"),
    },
    lambda case: (
        not (
            (case.get("shape") in PARTS and case.get("operation") in ("UNMAP", "GEM_CLOSE"))
            or (case.get("memory") == "PRT" and case.get("operation") == "GEM_CLOSE")
        )
    ),
)


@pytest.mark.parametrize("memory", MEMORY)
@behaviour(
    "O19",
    "what is taken away is gone from its first page to its last, and what is beside it stays",
    needs=("prt", "update_fence"),
    rule="Each operation does to each page what it says, and nothing to any other (KERNEL.md 3.4).",
    faults=True,
)
def test_what_is_taken_away_is_gone(gpu: Gpu, must: Must, gpu_view: GpuView, memory: str) -> None:
    """Around the edges of huge entries, from both sides."""
    absence = Absence(gpu, gpu_view)
    window = gpu.reserve(PAGES * PAGE_SIZE, HUGE)
    for case in (case for case in CASES if case["memory"] == memory):
        shape, operation = SHAPES[case["shape"]], case["operation"]
        buffer = allocate(gpu, memory)
        gone = part(window, shape.gone)
        if buffer is None:
            part(window, shape.mapped).map_prt()
        else:
            part(window, shape.mapped).map(buffer, shape.mapped.start * PAGE_SIZE)
            for page in shape.kept:
                buffer.write_u32(MARK, page * PAGE_SIZE)
        drain(gpu)
        explicit = case["how"] == "explicit" and bool(gpu.capabilities.explicit_sync)
        take_away(gone, operation, buffer, {"explicit_sync": True} if explicit else {})
        drain(gpu)
        must.did(f"{'explicit ' if explicit else ''}{operation} of {case['shape']} of {memory}")
        left = [page for page in shape.telling if not absence.is_absent(window.va + page * PAGE_SIZE)]
        must.be(
            not left,
            seen="the GPU faulted at all that went",
            otherwise=f"pages {left} still have entries, of {shape.gone.start} to {shape.gone.stop - 1} that went",
        )
        if shape.kept:
            # The submission that looks rewrites what is left of a cut mapping, and waits for that.
            before = vm_fault(gpu)
            listed = [buffer] if buffer is not None and not buffer.always_valid else []
            read = gpu_view.sample([window.va + page * PAGE_SIZE for page in shape.kept], listed)
            must.equal(set(read), {0} if buffer is None else {MARK}, f"from pages {shape.kept} beside it the GPU read")
            fault = vm_fault(gpu)
            must.be(fault == before, seen="no VM fault", otherwise=f"reading pages {shape.kept} raised a {fault}")
        window.clear(out=None)
        drain(gpu)
        if buffer is not None:
            buffer.close()


def allocate(gpu: Gpu, memory: str) -> Buffer | None:
    """A buffer for all of the window, none for PRT."""
    if memory == "PRT":
        return None
    domain = "vram" if memory.endswith("VRAM") else "gtt"
    return gpu.alloc(PAGES * PAGE_SIZE, domain, always_valid="always-valid" in memory, alignment=HUGE)


def part(window: Range, pages: range) -> Range:
    """Pages of the window."""
    return window.part(pages.start * PAGE_SIZE, len(pages) * PAGE_SIZE)


def take_away(gone: Range, operation: str, buffer: Buffer | None, sync: SyncOptions) -> None:
    """Do one operation."""
    if operation == "UNMAP" and buffer is None:
        gone.unmap_prt(**sync)
    elif operation == "UNMAP" and buffer is not None:
        gone.unmap(buffer, **sync)
    elif operation == "GEM_CLOSE" and buffer is not None:
        buffer.close()
    else:
        if operation == "REPLACE and CLEAR":
            gone.replace_prt(**sync)
        gone.clear(**sync)
