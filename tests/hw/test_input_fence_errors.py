# SPDX-License-Identifier: MIT
"""Input fences that GEM_VA refuses, and updates that it refuses although their input fences are fine."""

from __future__ import annotations

import errno
from array import array
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, KiB
from amdgpu_hw.proof.access import GpuView
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.fixtures import ShutFence
from amdgpu_hw.proof.must import Must
from amdgpu_hw.proof.units import ms
from amdgpu_hw.sync import BackgroundCall
from amdgpu_hw.uapi import amdgpu_drm as uapi

TILE = 64 * KiB
FENCES = ("input_fence", "update_fence")
SERIES = ("explicit_sync", *FENCES)
RW = uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_WRITEABLE
NEVER_A_HANDLE = 0xDEAD
NEVER_AN_ADDRESS = 8
TOO_MANY = 0x4000_0001
"""Handles: counted in 32 bits, their bytes are those of one."""

BAD_INPUTS = {
    "handle 0": errno.EINVAL,
    "handle 0 behind a good one": errno.EINVAL,
    "an unknown handle": errno.ENOENT,
    "a syncobj without a fence": errno.EINVAL,
    "an array that cannot be read": errno.EFAULT,
    "more than there is memory for": errno.ENOMEM,
}
"""Input fences that GEM_VA refuses, and the errno of each (KERNEL.md 3.2 step 8)."""


class Inputs:
    """An array of syncobj handles in this process's memory, as GEM_VA reads it."""

    def __init__(self, *handles: int) -> None:
        self._handles = array("I", handles)

    @property
    def fields(self) -> dict[str, int]:
        """The fields of GEM_VA that lead to it."""
        return {"input_address": self._handles.buffer_info()[0], "input_count": len(self._handles)}


@pytest.mark.parametrize("bad", BAD_INPUTS)
@behaviour("B28", "an update with a bad input fence is refused, and changes nothing", needs="input_fence")
def test_bad_input_fences_are_refused(
    gpu: Gpu, must: Must, gpu_view: GpuView, ordinary: Buffer, always_valid: Buffer, bad: str
) -> None:
    """All four operations: what is mapped stays mapped to the same memory, what is free stays free."""
    error = BAD_INPUTS[bad]
    ordinary.fill(0x0DD1D47A)
    mapped, free = gpu.reserve(TILE), gpu.reserve(TILE)
    mapped.map(ordinary)
    with gpu.syncobj() as empty, gpu.syncobj(signaled=True) as good:
        arrays = {
            "handle 0": Inputs(0),
            "handle 0 behind a good one": Inputs(good.handle, 0),
            "an unknown handle": Inputs(NEVER_A_HANDLE),
            "a syncobj without a fence": Inputs(empty.handle),
        }
        others = {
            "an array that cannot be read": {"input_address": NEVER_AN_ADDRESS, "input_count": 1},
            "more than there is memory for": {**Inputs(good.handle).fields, "input_count": TOO_MANY},
        }
        inputs = arrays[bad].fields if bad in arrays else others[bad]
        gem_va = partial(gpu.gem_va_raw, size=TILE, flags=RW, **inputs)
        # One by one: a kernel that waits for the missing fence does so for seconds, and once is enough to see it.
        with must.refuse(error, f"UNMAP with {bad} as input"):
            gem_va(operation=uapi.AMDGPU_VA_OP_UNMAP, va=mapped.va, handle=ordinary.handle)
        with must.refuse(error, f"CLEAR with {bad} as input"):
            gem_va(operation=uapi.AMDGPU_VA_OP_CLEAR, va=mapped.va)
        with must.refuse(error, f"REPLACE with {bad} as input"):
            gem_va(operation=uapi.AMDGPU_VA_OP_REPLACE, va=mapped.va, handle=always_valid.handle)
        with must.refuse(error, f"MAP with {bad} as input"):
            gem_va(operation=uapi.AMDGPU_VA_OP_MAP, va=free.va, handle=always_valid.handle)
    with must.refuse(errno.ENOENT, "UNMAP where that MAP was refused"):
        free.unmap(always_valid)
    read = memoryview(gpu_view.read(mapped.va, TILE, [ordinary])).cast("I")
    must.equal(set(read), {0x0DD1D47A}, "through the old mapping the GPU read only")


def refused_updates(
    gpu: Gpu, mapped: int, free: int, buffer: Buffer, inputs: Inputs, out: int
) -> Iterator[tuple[str, int, Callable[[], object]]]:
    """Updates with good input fences that are wrong in what is looked at later, and the errno of each."""
    gem_va = partial(gpu.gem_va_raw, size=TILE, handle=buffer.handle, flags=RW, **inputs.fields)
    map_, unmap = uapi.AMDGPU_VA_OP_MAP, uapi.AMDGPU_VA_OP_UNMAP
    yield "MAP over a mapping", errno.EINVAL, partial(gem_va, operation=map_, va=mapped, syncobj_out=out)
    yield "UNMAP of nothing", errno.ENOENT, partial(gem_va, operation=unmap, va=free, syncobj_out=out)
    yield (
        "MAP with an unknown syncobj for its update fence",
        errno.ENOENT,
        partial(gem_va, operation=map_, va=free, syncobj_out=NEVER_A_HANDLE),
    )


@behaviour("B29", "an update that is refused leaves the syncobj for its update fence alone", needs=FENCES)
def test_refused_update_leaves_its_out_syncobj_alone(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """It was empty and stays so; the input fence is pending when the call begins."""
    mapped, free = gpu.reserve(TILE), gpu.reserve(TILE)
    mapped.map(always_valid)
    with gpu.syncobj() as empty:
        with shut_fence() as fence:
            inputs = Inputs(fence.syncobj.handle)
            updates = list(refused_updates(gpu, mapped.va, free.va, always_valid, inputs, empty.handle))
            calls = [(words, error, BackgroundCall(call)) for words, error, call in updates]
        must.answer(
            "refused updates with a pending input fence", [(words, error, call.result) for words, error, call in calls]
        )
        must.be(not empty.has_fence(), seen="no fence in the syncobj", otherwise="a fence is in the syncobj")
        must.equal(empty.query(), 0, "its timeline is at", kind="note")


@behaviour(
    "B29a",
    "an update that is refused is so at once, its input fence pending",
    control="B25",
    needs=SERIES,
    rule="With the series the page-table jobs wait for input fences, not the caller (patch 1).",
)
def test_refusal_does_not_wait_for_input_fences(
    gpu: Gpu, shut_fence: ShutFence, must: Must, always_valid: Buffer
) -> None:
    """What is wrong with a call has nothing to do with when it would take effect."""
    mapped, free = gpu.reserve(TILE), gpu.reserve(TILE)
    mapped.map(always_valid)
    with gpu.syncobj() as out, shut_fence() as fence:
        inputs = Inputs(fence.syncobj.handle)
        for words, error, update in refused_updates(gpu, mapped.va, free.va, always_valid, inputs, out.handle):
            call = BackgroundCall(update)
            must.come_back(call, what=words, within=ms(500), while_pending=fence)
            with must.refuse(error, words):
                call.result()
