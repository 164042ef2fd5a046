# SPDX-License-Identifier: MIT
"""Drawn programs of GEM_VA: whatever one does in whatever order, what is mapped afterwards is what was asked for.

The programs are the same every time; `--amdgpu-stress` draws many more.
"""

from __future__ import annotations

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.proof.absence import Absence
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import Amount, Seconds
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.programs.drawn import hold_against_each_other, hold_against_oracle
from amdgpu_hw.proof.programs.search import Patience, drawing
from amdgpu_hw.proof.programs.window import Window


def patience(seconds: Seconds) -> Patience:
    """Together well below what a test may take: 8 s and 8 s of 20, or with stress 15 minutes and one of 20."""
    return Patience(drawing=seconds(0.4, 0.75), smaller=seconds(0.4, 0.05))


@behaviour(
    "P01",
    "any program of GEM_VA, closes and submissions leaves the mappings and the data that it asked for",
    rule="Each operation does to each page what it says, and nothing to any other (KERNEL.md 3.4).",
    finding="F1: what is delayed comes after what was mapped later (patch 1), if something in the program is delayed.",
)
def test_programs_leave_what_they_asked_for(gpu: Gpu, must: Must, amount: Amount, seconds: Seconds) -> None:
    """Every operation, flag, size and split, on PRT and on buffers of each kind, against a dict of pages."""
    explicit = bool(gpu.capabilities.explicit_sync)
    with Window(gpu) as window:
        search = hold_against_oracle(window, drawing(amount(30, 3000)), patience(seconds), explicit=explicit)
    must.did(f"{search.programs} drawn programs of {search.actions} steps{' with explicit sync' if explicit else ''}")
    must.note("after each what the kernel tells of the mappings, and what the GPU reads, is what a dict of pages has")


@behaviour(
    "P02",
    "the same program with explicit sync and without ends in the same mappings and data",
    needs="explicit_sync",
    rule="The flag says when page tables change, not what to.",
)
def test_programs_end_alike_with_explicit_sync_and_without(
    gpu: Gpu, must: Must, amount: Amount, seconds: Seconds
) -> None:
    """In two windows of one address space, beside each other."""
    with Window(gpu) as one, Window(gpu) as other:
        search = hold_against_each_other(one, other, drawing(amount(30, 3000)), patience(seconds))
    must.did(f"{search.programs} drawn programs of {search.actions} steps, each with explicit sync and without")
    must.note("the kernel tells the same mappings of both, and the GPU reads the same data")


@behaviour(
    "P03",
    "any program of GEM_VA, closes and submissions leaves nothing where it has taken everything away",
    control="P01",
    needs=("prt", "update_fence"),
    rule="Each operation does to each page what it says, and nothing to any other (KERNEL.md 3.4).",
    finding="F1: what is delayed comes after what was mapped later (patch 1), if something in the program is delayed.",
    faults=True,
)
def test_programs_leave_nothing_behind(
    gpu: Gpu, must: Must, gpu_view: GpuView, amount: Amount, seconds: Seconds
) -> None:
    """P01 where the GPU may fault: it reads what went last and what is beside what is mapped, and has to."""
    explicit = bool(gpu.capabilities.explicit_sync)
    with Window(gpu, Absence(gpu, gpu_view)) as window:
        search = hold_against_oracle(window, drawing(amount(5, 3000)), patience(seconds), explicit=explicit)
    must.did(f"{search.programs} drawn programs of {search.actions} steps{' with explicit sync' if explicit else ''}")
    must.note("after each the GPU faulted at the ends of what had gone, and beside what was mapped")
