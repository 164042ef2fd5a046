# SPDX-License-Identifier: MIT
"""Reservation objects: which fence replaces which, who sees which, and the lock."""

from __future__ import annotations

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import DmaFence, dma_fence_context_alloc
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_array import DmaFenceArray
from amdgpu_hw.mock.kernel.dma_buf.dma_resv import (
    DMA_RESV_USAGE_BOOKKEEP,
    DMA_RESV_USAGE_KERNEL,
    DMA_RESV_USAGE_READ,
    DMA_RESV_USAGE_WRITE,
    DmaResv,
    dma_resv_usage_rw,
)
from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS
from tests.mock.kernel.fake_caller import Call, FakeCaller, boot


def fence(seqno: int = 1, context: int | None = None) -> DmaFence:
    """A fence, on a timeline of its own if none is named."""
    return DmaFence(dma_fence_context_alloc() if context is None else context, seqno)


def test_usages_are_ordered() -> None:
    """KERNEL.md 4.1: asking for a usage gives all that are lower or equal."""
    resv = DmaResv()
    fences = [fence() for _ in range(4)]
    for usage, f in enumerate(fences):
        resv.add_fence(f, usage)
    for usage in range(4):
        assert list(resv.iter(usage)) == fences[: usage + 1]
    assert dma_resv_usage_rw(write=True) == DMA_RESV_USAGE_READ
    assert dma_resv_usage_rw(write=False) == DMA_RESV_USAGE_WRITE


def test_same_context_is_replaced_by_a_stronger_use_only() -> None:
    """dma_resv_add_fence: later and not weaker replaces; a weaker use is kept beside."""
    resv, context = DmaResv(), dma_fence_context_alloc()
    write, read, later = fence(1, context), fence(2, context), fence(3, context)
    resv.add_fence(write, DMA_RESV_USAGE_WRITE)
    resv.add_fence(read, DMA_RESV_USAGE_READ)
    assert list(resv.iter(DMA_RESV_USAGE_READ)) == [write, read], "a later read must not hide the write"
    resv.add_fence(later, DMA_RESV_USAGE_WRITE)
    assert list(resv.iter(DMA_RESV_USAGE_WRITE)) == [later]


def test_signalled_fences_are_not_seen_and_their_slot_is_used() -> None:
    """A resv with many short jobs does not grow."""
    resv = DmaResv()
    for _ in range(100):
        f = fence()
        resv.add_fence(f, DMA_RESV_USAGE_WRITE)
        f.signal()
    assert list(resv.iter(DMA_RESV_USAGE_BOOKKEEP)) == []
    assert resv.test_signaled(DMA_RESV_USAGE_BOOKKEEP)
    assert len(resv._fences) == 1


def test_singleton() -> None:
    """None, the fence itself, or an array of several."""
    resv = DmaResv()
    assert resv.get_singleton(DMA_RESV_USAGE_READ) is None
    first, second = fence(), fence()
    resv.add_fence(first, DMA_RESV_USAGE_KERNEL)
    assert resv.get_singleton(DMA_RESV_USAGE_READ) is first
    resv.add_fence(second, DMA_RESV_USAGE_READ)
    both = resv.get_singleton(DMA_RESV_USAGE_READ)
    assert isinstance(both, DmaFenceArray)
    assert both.fences == (first, second)


def test_copy_and_replace() -> None:
    """A freed buffer copies its shared resv; an eviction fence is replaced by what ends the access."""
    source, copy = DmaResv(), DmaResv()
    job, done, replacement = fence(), fence(), fence()
    source.add_fence(job, DMA_RESV_USAGE_BOOKKEEP)
    source.add_fence(done, DMA_RESV_USAGE_READ)
    done.signal()
    copy.copy_fences(source)
    assert copy.entries(DMA_RESV_USAGE_BOOKKEEP) == [(job, DMA_RESV_USAGE_BOOKKEEP)]
    copy.replace_fences(job.context, replacement, DMA_RESV_USAGE_READ)
    assert copy.entries(DMA_RESV_USAGE_BOOKKEEP) == [(replacement, DMA_RESV_USAGE_READ)]
    assert source.entries(DMA_RESV_USAGE_BOOKKEEP) == [(job, DMA_RESV_USAGE_BOOKKEEP)]


def test_lock_makes_others_sleep() -> None:
    """The second caller sleeps until the first unlocks; a signal ends an interruptible wait without the lock."""
    resv, caller = DmaResv(), FakeCaller(boot())
    assert resv.trylock()
    assert not resv.trylock()
    interrupted = Call(caller, lambda: resv.lock(interruptible=True))
    waiting = Call(caller, lambda: resv.lock(interruptible=False)).settle()
    assert not waiting.done
    assert interrupted.interrupt().error == ERESTARTSYS
    resv.unlock()
    assert waiting.settle().done
    assert resv.locked
