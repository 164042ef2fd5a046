# SPDX-License-Identifier: MIT
"""Calls that are refused late, when they have looked up most of what they need: they let go of all of it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from functools import partial

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.memory import Buffer, MiB
from amdgpu_hw.proof.behaviour import behaviour
from amdgpu_hw.proof.leaks import Holdings
from amdgpu_hw.proof.must import Must
from amdgpu_hw.uapi import amdgpu_drm as uapi

ROUNDS = 48
NEVER_A_HANDLE = 0xDEAD
RULE = "A reference that is not given back on the way out keeps the buffer's memory until the next boot."


def hold_nothing(gpu: Gpu, must: Must, what: str, error: int, call: Callable[[Buffer], object]) -> None:
    """Have a call refused for many a buffer, which is closed then: the memory of all of them must be free."""

    def calls(rounds: int) -> Iterator[tuple[str, int, Callable[[], object]]]:
        for _ in range(rounds):
            with gpu.alloc(MiB) as buffer:
                yield what, error, partial(call, buffer)

    must.answer(f"{what}, whose BO is closed then", calls(4))
    holdings = Holdings(gpu)
    must.answer(f"{ROUNDS} times the same, each with another BO", calls(ROUNDS))
    more = holdings.more(ROUNDS, MiB)
    must.be(
        not more,
        seen=f"afterwards nothing more was held by {holdings.words(ROUNDS)}",
        otherwise=f"{ROUNDS} times {what}, refused, then GEM_CLOSE of its BO: afterwards {'; '.join(more)}",
        kind="note",
    )


@behaviour("O72", "a MAP that is refused for its input fence holds nothing", needs="input_fence", rule=RULE)
def test_refused_update_holds_nothing(gpu: Gpu, must: Must) -> None:
    """The buffer is looked up before the input fences are; that these are given back is F10."""
    tile = gpu.reserve(MiB)
    inputs = bytearray(NEVER_A_HANDLE.to_bytes(4, "little"))

    def refused(buffer: Buffer) -> object:
        return gpu.ioctl(
            uapi.IOCTL_AMDGPU_GEM_VA,
            handle=buffer.handle,
            operation=uapi.AMDGPU_VA_OP_MAP,
            flags=uapi.AMDGPU_VM_PAGE_READABLE,
            va_address=tile.va,
            map_size=MiB,
            input_fence_syncobj_handles=inputs,
            num_syncobj_handles=1,
        )

    hold_nothing(gpu, must, "MAP with an unknown input fence", errno.ENOENT, refused)


@behaviour("O72", "a BO list that is refused for one of its handles holds nothing", rule=RULE)
def test_refused_list_holds_nothing(gpu: Gpu, must: Must) -> None:
    """Those before the wrong one have been looked up."""

    def refused(buffer: Buffer) -> object:
        entries = b"".join(uapi.BO_LIST_ENTRY.pack(bo_handle=handle) for handle in (buffer.handle, NEVER_A_HANDLE))
        return gpu.ioctl(
            uapi.IOCTL_AMDGPU_BO_LIST,
            operation=uapi.AMDGPU_BO_LIST_OP_CREATE,
            bo_number=2,
            bo_info_size=uapi.BO_LIST_ENTRY.size,
            bo_info_ptr=bytearray(entries),
        )

    hold_nothing(gpu, must, "BO_LIST of a BO and an unknown handle", errno.ENOENT, refused)


@behaviour("O72", "a submission that is refused for what it waits for holds nothing", rule=RULE)
def test_refused_submission_holds_nothing(gpu: Gpu, must: Must) -> None:
    """Its list of buffers is made before the syncobjs are looked up."""
    queue = gpu.compute
    with gpu.syncobj() as empty:

        def refused(buffer: Buffer) -> object:
            return queue.submit(queue.packets.nop(), buffers=[buffer], wait=[empty])

        hold_nothing(gpu, must, "CS that lists a BO and waits for an empty syncobj", errno.EINVAL, refused)
