# SPDX-License-Identifier: MIT
"""Explicit and implicit unmaps in an address space that has a VMID for itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amdgpu_hw.address_space import Range
from amdgpu_hw.errors import DrmError
from amdgpu_hw.gpu import Gpu
from amdgpu_hw.libdrm.ioctl import ioctl
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.another_file import another_file
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


@behaviour(
    "O75",
    "who has reserved no VMID gives none back, be it by asking or by closing the file",
    rule="The reservation is that of an address space (amdgpu_vmid_free_reserved).",
)
def test_nobody_gives_the_vmid_of_others_back(gpu: Gpu, must: Must, tile: Range) -> None:
    """There is one VMID to reserve, so that the next file which asks tells whose it is."""
    with another_file(gpu) as file:
        require_refusal(file)
        must.did("a file that has reserved no VMID, as another one has it, asks to give it back, and is closed")
        ioctl(file, uapi.IOCTL_AMDGPU_VM, op=uapi.AMDGPU_VM_OP_UNRESERVE_VMID)
        must.be(
            not reserves(file),
            seen="when it had asked, the VMID was still reserved",
            otherwise="UNRESERVE_VMID of a file that has reserved none gave back the VMID of another",
            kind="errno",
        )
    with another_file(gpu) as file:
        must.be(
            not reserves(file),
            seen="when it was closed, too",
            otherwise="closing a file that has reserved no VMID gave back the one of another",
            kind="errno",
        )


@behaviour(
    "O75", "a VMID that is given back can be reserved by somebody else", rule="There is one to reserve, and many files."
)
def test_a_vmid_given_back_can_be_reserved(gpu: Gpu, must: Must, tile: Range) -> None:
    """With the file that had it still open."""
    with another_file(gpu) as file:
        require_refusal(file)
        must.did("RESERVE_VMID, UNRESERVE_VMID, then RESERVE_VMID of another file")
        gpu.ioctl(uapi.IOCTL_AMDGPU_VM, op=uapi.AMDGPU_VM_OP_UNRESERVE_VMID)
        must.be(
            reserves(file),
            seen="the other file could reserve it then",
            otherwise="after UNRESERVE_VMID no other file can reserve one, as if it had done nothing",
            kind="errno",
        )


def reserves(file: int) -> bool:
    """Whether a file gets a VMID for itself."""
    try:
        ioctl(file, uapi.IOCTL_AMDGPU_VM, op=uapi.AMDGPU_VM_OP_RESERVE_VMID)
    except DrmError:
        return False
    return True


def require_refusal(file: int) -> None:
    """Raise `NotTestable` where several files can have one at a time."""
    if reserves(file):
        raise NotTestable("several files can reserve a VMID at a time here", missing="one_reserved_vmid")
