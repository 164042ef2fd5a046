# SPDX-License-Identifier: MIT
"""Fences, arrays and chains."""

from __future__ import annotations

import errno
import time
from typing import Any

import pytest

from amdgpu_hw.mock.kernel.dma_buf.dma_fence import (
    DmaFence,
    dma_fence_context_alloc,
    dma_fence_get_stub,
    dma_fence_wait,
    wait_for_any_fence,
)
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_array import DmaFenceArray
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_chain import DmaFenceChain, dma_fence_chain_find_seqno
from amdgpu_hw.mock.kernel.dma_buf.dma_fence_unwrap import dma_fence_unwrap_for_each, dma_fence_unwrap_merge
from amdgpu_hw.mock.kernel.errno_ import ERESTARTSYS, KernelError
from tests.mock.kernel.fake_caller import Call, FakeCaller, boot


def fence(seqno: int = 1, context: int | None = None) -> DmaFence:
    """A fence, on a timeline of its own if none is named."""
    return DmaFence(dma_fence_context_alloc() if context is None else context, seqno)


def sleeper(function: Any) -> Call:
    """A system call that runs ``function`` in a kernel of its own."""
    return Call(FakeCaller(boot()), function)


def test_callbacks_run_once_and_not_when_late() -> None:
    """add_callback() says whether the callback will come; a removed one does not."""
    f = fence()
    seen: list[DmaFence] = []
    assert f.add_callback(seen.append)
    removed: list[DmaFence] = []
    f.add_callback(removed.append)
    assert f.remove_callback(removed.append)
    assert not f.remove_callback(removed.append)
    assert f.signal(-errno.EIO)
    assert not f.signal(), "signalled twice"
    assert (seen, removed) == ([f], [])
    assert not f.add_callback(seen.append)
    assert (f.error, f.get_status()) == (-errno.EIO, -errno.EIO)
    assert 0 < f.timestamp <= time.monotonic_ns()


def test_stub_is_signalled() -> None:
    """The stub is what GEM_VA gives when there is nothing to wait for."""
    assert dma_fence_get_stub().signaled
    assert dma_fence_get_stub().get_status() == 1


def test_wait_is_woken_by_the_signal() -> None:
    """dma_fence_wait() sleeps until the fence signals."""
    f = fence()
    call = sleeper(lambda: dma_fence_wait(f)).settle()
    assert not call.done
    f.signal()
    assert call.settle().value is True


def test_wait_times_out_and_can_be_interrupted() -> None:
    """False at the deadline; a past deadline does not sleep; a signal ends only an interruptible wait."""
    f = fence()
    assert sleeper(lambda: dma_fence_wait(f, deadline=time.monotonic_ns() + 2_000_000)).wait().value is False
    assert sleeper(lambda: dma_fence_wait(f, deadline=1)).value is False
    assert sleeper(lambda: dma_fence_wait(f)).interrupt().error == ERESTARTSYS
    assert not sleeper(lambda: dma_fence_wait(f, interruptible=False)).interrupt().done


def test_wait_for_any_of_several() -> None:
    """The index of the fence that signalled."""
    fences = [fence(), fence(), fence()]
    call = sleeper(lambda: wait_for_any_fence(fences))
    fences[1].signal()
    assert call.settle().value == 1


def test_array_waits_for_all_and_takes_the_first_error() -> None:
    """An array tells by itself, and to those who listen, when its last fence is done."""
    parts = [fence(), fence(), fence()]
    array = DmaFenceArray(parts, dma_fence_context_alloc(), 1)
    seen: list[DmaFence] = []
    array.add_callback(seen.append)
    parts[2].signal(-errno.ETIME)
    parts[0].signal()
    assert not array.signaled
    parts[1].signal(-errno.EIO)
    assert seen == [array]
    assert array.error == -errno.EIO
    assert DmaFenceArray(parts, 1, 1).signaled, "nobody listened, yet it is done"


def test_chain_node_needs_all_earlier_nodes() -> None:
    """KERNEL.md 1.5 'chain trap': point 5 does not signal before point 1, whatever its own fence does."""
    first, second = fence(), fence()
    chain = DmaFenceChain(DmaFenceChain(None, first, 1), second, 5)
    seen: list[DmaFence] = []
    chain.add_callback(seen.append)
    second.signal()
    assert not chain.signaled
    assert seen == []
    first.signal()
    assert seen == [chain]
    assert chain.signaled


def test_find_seqno() -> None:
    """The node that completes a point: the next one at or after it; done points are gone; later ones are EINVAL."""
    fences = [fence(), fence(), fence()]
    one = DmaFenceChain(None, fences[0], 1)
    three = DmaFenceChain(one, fences[1], 3)
    nine = DmaFenceChain(three, fences[2], 9)
    assert [dma_fence_chain_find_seqno(nine, point) for point in (0, 1, 2, 3, 4, 9)] == [
        nine,
        one,
        three,
        three,
        nine,
        nine,
    ]
    with pytest.raises(KernelError):
        dma_fence_chain_find_seqno(nine, 10)
    with pytest.raises(KernelError):
        dma_fence_chain_find_seqno(fences[0], 1)
    fences[0].signal()
    assert dma_fence_chain_find_seqno(nine, 1) is None, "a point that is done has no node any more"
    assert nine.prev is three
    assert three.prev is None, "the finished node was not dropped"


def test_long_chain_signals_without_recursion() -> None:
    """Ten thousand points behind one fence, each with a listener."""
    gate = fence()
    chain: DmaFence | None = None
    seen: list[DmaFence] = []
    for point in range(1, 10_001):
        chain = DmaFenceChain(chain, gate if point == 1 else dma_fence_get_stub(), point)
        chain.add_callback(seen.append)
    gate.signal()
    assert len(seen) == 10_000


def test_unordered_point_starts_another_context() -> None:
    """dma_fence_chain_init: a point that is not later gets the earlier seqno and a context of its own."""
    five = DmaFenceChain(None, fence(), 5)
    three = DmaFenceChain(five, fence(), 3)
    assert three.seqno == 5
    assert three.context != five.context


def test_merge_keeps_the_latest_of_each_context() -> None:
    """dma_fence_unwrap_merge: containers opened, done ones dropped, one pending fence returned itself."""
    context = dma_fence_context_alloc()
    early, late, other, done = fence(1, context), fence(2, context), fence(), fence()
    done.signal()
    merged = dma_fence_unwrap_merge(DmaFenceChain(DmaFenceChain(None, early, 1), other, 2), late, done)
    assert set(dma_fence_unwrap_for_each(merged)) == {late, other}
    assert dma_fence_unwrap_merge(early, done) is early
    nothing = dma_fence_unwrap_merge(done)
    assert nothing.signaled
    assert nothing.timestamp == done.timestamp
