# SPDX-License-Identifier: MIT
"""Work in flight in another address space: nothing here has to wait for it, with the flag or without.

The other address space belongs to another process, so that it is one with every libdrm: older ones open a GPU once per
process.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amdgpu_hw.address_space import Range, Update
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGateElsewhere
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms

TILE = 64 * KiB
RULE = "An update waits for the jobs of its own address space (amdgpu_sync_resv on the root directory of that)."

take_away = pytest.mark.parametrize(
    "take_away",
    [
        pytest.param(lambda tile, buffer, **sync: tile.replace_prt(**sync), id="REPLACE by PRT"),
        pytest.param(lambda tile, buffer, **sync: tile.unmap(buffer, **sync), id="UNMAP"),
    ],
)


@take_away
@behaviour(
    "B18",
    "a plain update does not wait for work in flight in another address space",
    control=("B05", "B07c"),
    needs="update_fence",
    rule=RULE,
)
def test_plain_update_does_not_wait_for_another_address_space(
    gpu: Gpu,
    shut_gate_elsewhere: ShutGateElsewhere,
    must: Must,
    ordinary: Buffer,
    take_away: Callable[[Range, Buffer], Update],
) -> None:
    """An ordinary buffer, which nothing else could excuse from waiting."""
    tile = gpu.reserve(TILE)
    tile.map(ordinary)
    with shut_gate_elsewhere() as job:
        must.signal(take_away(tile, ordinary), within=ms(500), while_pending=job)


@take_away
@behaviour(
    "B18",
    "an explicit update does not wait for work in flight in another address space",
    control=("B05", "B07c"),
    needs=("explicit_sync", "update_fence"),
    rule=RULE,
)
def test_explicit_update_does_not_wait_for_another_address_space(
    gpu: Gpu,
    shut_gate_elsewhere: ShutGateElsewhere,
    must: Must,
    always_valid: Buffer,
    take_away: Callable[..., Update],
) -> None:
    """The flag widens nothing."""
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    with shut_gate_elsewhere() as job:
        must.signal(take_away(tile, always_valid, explicit_sync=True), within=ms(500), while_pending=job)
