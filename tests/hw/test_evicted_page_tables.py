# SPDX-License-Identifier: MIT
"""Updates while the page tables themselves are evicted, which nobody can write then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amdgpu_hw.address_space import Range, SyncOptions, Update
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.absence import Absence
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.debugfs_action import DebugfsAction
from amdgpu_hw.proof.fixtures import drain
from amdgpu_hw.proof.must import Must

TILE = 64 * KiB
OLD, NEW = 0x01DDA7A0, 0x2E3DA7A0

UPDATES: dict[str, Callable[[Range, Buffer | None, SyncOptions], Update]] = {
    "UNMAP": lambda tile, buffer, sync: tile.unmap(buffer, **sync) if buffer else tile.unmap_prt(**sync),
    "CLEAR": lambda tile, _buffer, sync: tile.clear(**sync),
}


@pytest.mark.parametrize("operation", [*UPDATES, "REPLACE"])
@behaviour(
    "O29",
    "an update while the page tables are evicted has taken effect when the next submission runs",
    needs="prt",
    rule=(
        "It changes the mapping tree and leaves the tables alone (amdgpu_vm_ready); the submission that brings them "
        "back carries it out (amdgpu_cs_vm_handling)."
    ),
    faults=True,
)
def test_updates_of_evicted_page_tables(
    gpu: Gpu,
    must: Must,
    gpu_view: GpuView,
    evict_vram: DebugfsAction,
    sync: SyncOptions,
    always_valid: Buffer,
    ordinary: Buffer,
    operation: str,
) -> None:
    """Of an always-valid BO, PRT and an ordinary BO, one after the other, so that none is lost behind another."""
    absence = Absence(gpu, gpu_view)
    new = gpu.alloc(TILE, always_valid=True)
    new.fill(NEW)
    tiles = gpu.reserve(3 * TILE)
    for at, buffer in enumerate((always_valid, None, ordinary)):
        tile = tiles.part(at * TILE, TILE)
        if buffer is None:
            tile.map_prt()
        else:
            buffer.fill(OLD)
            tile.map(buffer)
        gpu_view.sample([tile.va], [buffer] if buffer is not None and not buffer.always_valid else [])
        drain(gpu)
        evict_vram()
        words = "PRT" if buffer is None else "an always-valid BO" if buffer.always_valid else "an ordinary BO"
        if operation == "REPLACE":
            require_fence(must, tile.replace(new, **sync))
            must.did(f"VRAM and page tables evicted, then REPLACE of {words} by an always-valid BO; a submission")
            must.equal(gpu_view.sample([tile.va]), [NEW], "there the GPU read")
        else:
            require_fence(must, UPDATES[operation](tile, buffer, sync))
            must.did(f"VRAM and page tables evicted, then {operation} of {words}; a submission")
            must.be(
                absence.is_absent(tile.va),
                seen="the GPU faulted there",
                otherwise=f"the entries of {words} are still there after the {operation} and a submission",
            )


def require_fence(must: Must, update: Update) -> None:
    """Who waits for the update waits for ever for a syncobj that was left empty, and not at all if its fence is old."""
    if update.fence is None:  # a kernel without update fences
        return
    must.be(
        update.fence.has_fence(),
        seen="its update fence was there",
        otherwise=f"{update}, with the page tables evicted, has left the syncobj for its update fence empty",
        kind="fence",
    )
