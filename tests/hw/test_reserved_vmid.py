# SPDX-License-Identifier: MIT
"""Explicit and implicit unmaps in an address space that has a VMID for itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amdgpu_hw.address_space import Range
from amdgpu_hw.errors import DrmError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutGate
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.record import NotTestable
from amdgpu_hw.proof.units import ms
from amdgpu_hw.uapi import amdgpu_drm as uapi

TILE = 64 * KiB


@pytest.fixture
def tile(gpu: Gpu, always_valid: Buffer) -> Iterator[Range]:
    """A tile with an always-valid buffer, in an address space with a VMID of its own."""
    try:
        gpu.ioctl(uapi.IOCTL_AMDGPU_VM, op=uapi.AMDGPU_VM_OP_RESERVE_VMID)
    except DrmError as error:
        raise NotTestable(f"no VMID can be reserved here: {error.errno_name}", missing="reserved_vmid") from None
    tile = gpu.reserve(TILE)
    tile.map(always_valid)
    yield tile
    gpu.ioctl(uapi.IOCTL_AMDGPU_VM, op=uapi.AMDGPU_VM_OP_UNRESERVE_VMID)


@behaviour("B49c", "with a reserved VMID a plain REPLACE waits for work in flight", needs="update_fence")
def test_plain_replace_waits_with_a_reserved_vmid(gpu: Gpu, shut_gate: ShutGate, must: Must, tile: Range) -> None:
    """B49's control."""
    with shut_gate(gpu.compute) as job:
        update = tile.replace_prt()
        must.not_signal(update, while_pending=job)
    must.signal(update, after=job)


@behaviour(
    "B49",
    "with a reserved VMID an explicit REPLACE takes effect while work is in flight",
    control="B49c",
    needs=("explicit_sync", "update_fence"),
    rule="Which VMID jobs run with is no matter for page-table jobs.",
)
def test_explicit_replace_takes_effect_with_a_reserved_vmid(
    gpu: Gpu, shut_gate: ShutGate, must: Must, tile: Range
) -> None:
    """Debuggers and profilers reserve one."""
    with shut_gate(gpu.compute) as job:
        must.signal(tile.replace_prt(explicit_sync=True), within=ms(500), while_pending=job)
