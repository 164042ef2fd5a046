# SPDX-License-Identifier: MIT
"""Ranges and the four operations of GEM_VA, with every way to synchronise them."""

from __future__ import annotations

import errno
from itertools import pairwise
from typing import Any

import pytest

from amdgpu_hw import BackgroundCall, Buffer, DrmError, FeatureMissing, Gpu, KiB, MiB, Operation, Range
from amdgpu_hw.address_space import MapOptions
from amdgpu_hw.packets import Sdma
from amdgpu_hw.uapi import amdgpu_drm as uapi
from tests.mock.device.cases.gates import Gate

SERIES = ("series-v1", "series-fixed")


def gpu_reads(gpu: Gpu, va: int, *buffers: Buffer) -> int:
    """The dword at an address, read by the copy engine (safe on PRT holes from SDMA 4 on, PACKETS.md 5.5)."""
    with gpu.alloc(4 * KiB) as result, gpu.reserve(4 * KiB) as window:
        result.fill(0x77777777)
        window.map(result)
        packets = gpu.sdma.packets
        assert isinstance(packets, Sdma)
        copy = packets.copy(va, window.va, 4)
        gpu.sdma.submit(copy, buffers=[result, *buffers]).wait()
        return result.read_u32()


def test_reserved_ranges_do_not_overlap(gpu: Gpu) -> None:
    """Each has addresses of its own, aligned as asked, inside the GPU's limits."""
    ranges = [gpu.reserve(3 * MiB, 2 * MiB) for _ in range(8)]
    assert all(item.va % (2 * MiB) == 0 for item in ranges)
    starts = sorted(item.va for item in ranges)
    assert all(later - earlier >= 3 * MiB for earlier, later in pairwise(starts))
    identity = gpu.identity
    assert all(identity.va_start <= va < identity.va_end or va >= identity.high_va_start for va in starts)


@pytest.mark.parametrize("size", [0, -4096, 100])
def test_a_range_is_whole_pages(gpu: Gpu, size: int) -> None:
    """Anything else is a caller's mistake."""
    with pytest.raises(ValueError, match="multiple of 4096"):
        gpu.reserve(size)


def test_a_part_is_inside_its_range(gpu: Gpu) -> None:
    """It has the addresses of its place and cannot reach beyond."""
    with gpu.reserve(64 * KiB) as reserved:
        part = reserved.part(16 * KiB, 8 * KiB)
        assert (part.va, part.size) == (reserved.va + 16 * KiB, 8 * KiB)
        with pytest.raises(ValueError, match="no part of"):
            reserved.part(60 * KiB, 8 * KiB)


def test_page_options_are_the_flags_of_map_and_replace(gpu: Gpu) -> None:
    """Readable and writeable unless told otherwise; each option is its bit, and both operations take the same."""
    cases: list[tuple[MapOptions, int]] = [
        ({}, uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_WRITEABLE),
        ({"readable": False}, uapi.AMDGPU_VM_PAGE_WRITEABLE),
        (
            {"writeable": False, "executable": True, "mtype": uapi.AMDGPU_VM_MTYPE_UC},
            uapi.AMDGPU_VM_PAGE_READABLE | uapi.AMDGPU_VM_PAGE_EXECUTABLE | uapi.AMDGPU_VM_MTYPE_UC,
        ),
        (
            {"readable": False, "noalloc": True, "delay": True},
            uapi.AMDGPU_VM_PAGE_WRITEABLE | uapi.AMDGPU_VM_PAGE_NOALLOC | uapi.AMDGPU_VM_DELAY_UPDATE,
        ),
    ]
    with gpu.alloc(4 * KiB) as buffer, gpu.reserve(4 * KiB) as place:
        for options, flags in cases:
            assert place.map(buffer, **options).flags == flags
            assert place.replace(buffer, **options).flags == flags
            place.clear()


def test_an_option_that_nobody_knows_is_refused(gpu: Gpu) -> None:
    """A misspelt explicit_sync must not make an implicit update of it: nothing is sent."""
    misspelt: Any = {"explicit": True}
    with gpu.alloc(4 * KiB) as buffer, gpu.reserve(4 * KiB) as place:
        for update in (place.map_prt, place.replace_prt, place.unmap_prt, place.clear):
            with pytest.raises(TypeError, match="has no option explicit"):
                update(**misspelt)
        for update_of in (place.map, place.replace, place.unmap):
            with pytest.raises(TypeError, match="has no option explicit"):
                update_of(buffer, **misspelt)
        with pytest.raises(DrmError) as caught:
            place.unmap_prt()
    assert caught.value.errno == errno.ENOENT, "a refused call mapped something"


def test_map_unmap_clear_replace(gpu: Gpu) -> None:
    """The four operations do to the GPU's view of memory what their names say."""
    with gpu.alloc(64 * KiB) as first, gpu.alloc(64 * KiB) as second, gpu.reserve(64 * KiB) as place:
        first.fill(0x11111111)
        second.fill(0x22222222)
        mapping = place.map(first)
        assert (mapping.operation, mapping.va, mapping.size) == (Operation.MAP, place.va, 64 * KiB)
        assert gpu_reads(gpu, place.va, first, second) == 0x11111111
        assert place.replace(second).operation is Operation.REPLACE
        assert gpu_reads(gpu, place.va, first, second) == 0x22222222
        tile = place.part(16 * KiB, 16 * KiB)
        assert tile.replace_prt().is_prt
        assert gpu_reads(gpu, tile.va, second) == 0, "a PRT hole reads as zero"
        assert gpu_reads(gpu, place.va, second) == 0x22222222, "the neighbours of the hole stay"
        assert place.clear().operation is Operation.CLEAR
        assert place.map(first, executable=True, noalloc=True).unmap().operation is Operation.UNMAP
        place.map_prt()
        place.unmap_prt()
        place.map(second)
        place.unmap(second)


def test_a_buffer_is_mapped_from_an_offset(gpu: Gpu) -> None:
    """The range's size of the buffer, from there on."""
    with gpu.alloc(64 * KiB) as buffer, gpu.reserve(8 * KiB) as place:
        buffer.write_u32(0xABCD, 32 * KiB)
        place.map(buffer, 32 * KiB)
        assert gpu_reads(gpu, place.va, buffer) == 0xABCD


def test_what_the_kernel_refuses(gpu: Gpu) -> None:
    """An occupied place is EINVAL, a mapping that is not there ENOENT; the message has the flags and address in hex."""
    with gpu.alloc(4 * KiB) as buffer, gpu.reserve(8 * KiB) as place:
        place.map_prt()
        with pytest.raises(DrmError) as caught:
            place.part(4 * KiB, 4 * KiB).map(buffer)
        assert caught.value.errno == errno.EINVAL
        assert f"va_address={place.va + 4 * KiB:#x}" in str(caught.value)
        with pytest.raises(DrmError) as caught:
            place.unmap(buffer)
        assert caught.value.errno == errno.ENOENT


def test_raw_calls_take_garbage(gpu: Gpu) -> None:
    """For matrices of errnos: handles, operations and flags as they are."""
    with gpu.reserve(4 * KiB) as place:

        def errno_of(**fields: int) -> int | None:
            try:
                gpu.gem_va_raw(**({"va": place.va, "size": 4 * KiB, "operation": 1} | fields))
            except DrmError as error:
                return error.errno
            return 0

        assert errno_of(handle=0xBAD) == errno.ENOENT
        assert errno_of(operation=9) == errno.EINVAL
        assert errno_of(flags=1 << 11) == errno.EINVAL
        assert errno_of(va=0) == errno.EINVAL
        assert errno_of(handle=0xBAD, flags=uapi.AMDGPU_VM_PAGE_PRT) == 0, "PRT ignores the handle"
        assert errno_of(operation=uapi.AMDGPU_VA_OP_CLEAR, pad=0xFFFFFFFF) == 0, "the padding is not looked at"


def test_every_update_has_a_fence_where_the_kernel_has_them(gpu: Gpu, kernel: str) -> None:
    """A syncobj of its own each; on kernels before 6.16 none, and waiting says so."""
    with gpu.reserve(64 * KiB) as place:
        updates = [place.map_prt(), place.clear()]
        assert all(update.ioctl_ns > 0 for update in updates)
        if kernel == "6.12":
            assert [update.fence for update in updates] == [None, None]
            with pytest.raises(FeatureMissing, match="no update fence"):
                updates[0].wait()
        else:
            assert all(update.wait() and update.signaled() for update in updates)
            assert updates[0].fence != updates[1].fence
        assert str(updates[0]) == f"MAP {place.va:#x}+0x10000 (PRT)"


def test_a_fence_can_be_declined(gpu: Gpu) -> None:
    """With out=None nothing is asked for; a delayed update asks for nothing by itself."""
    with gpu.reserve(64 * KiB) as place:
        assert place.map_prt(out=None).fence is None
        assert place.clear(delay=True).fence is None
        assert place.clear(delay=True).flags == uapi.AMDGPU_VM_DELAY_UPDATE


def test_the_fence_goes_where_it_is_told(gpu: Gpu) -> None:
    """Into a syncobj of the caller's, or as a point of its timeline."""
    if not gpu.capabilities.update_fence:
        pytest.skip(str(gpu.capabilities.update_fence))
    with gpu.syncobj() as binary, gpu.syncobj() as timeline, gpu.reserve(64 * KiB) as place:
        assert place.map_prt(out=binary).wait()
        assert binary.signaled()
        update = place.clear(out=(timeline, 7))
        assert update.fence is not None
        assert update.fence.point == 7
        assert update.wait()
        assert timeline.query() == 7


def test_explicit_sync_is_a_flag_of_the_update(gpu: Gpu, kernel: str) -> None:
    """The series' kernels take it on all four operations, others refuse it."""
    with gpu.reserve(64 * KiB) as place:
        if kernel in SERIES:
            update = place.map_prt(explicit_sync=True)
            assert update.flags == uapi.AMDGPU_VM_EXPLICIT_SYNC | uapi.AMDGPU_VM_PAGE_PRT
            assert update.unmap(explicit_sync=True).wait()
            assert place.clear(explicit_sync=True).wait()
            assert place.replace_prt(explicit_sync=True).wait()
        else:
            with pytest.raises(DrmError, match=r"flags=0x410.*EINVAL"):
                place.map_prt(explicit_sync=True)


def test_an_implicit_unmap_waits_for_work_in_flight(gpu: Gpu, gate: Gate) -> None:
    """Its fence signals only after the gate was opened."""
    if not gpu.capabilities.update_fence:
        pytest.skip(str(gpu.capabilities.update_fence))
    with gpu.reserve(64 * KiB) as place:
        mapping = place.map_prt()
        assert mapping.wait()
        job = gate.job(gpu.compute)
        update = mapping.unmap()
        assert not update.wait(50_000_000)
        gate.open()
        assert job.wait()
        assert update.wait()


def test_an_explicit_unmap_does_not(gpu: Gpu, gate: Gate) -> None:
    """Its fence signals while the job is in flight."""
    if not gpu.capabilities.explicit_sync:
        pytest.skip(str(gpu.capabilities.explicit_sync))
    with gpu.reserve(64 * KiB) as place:
        mapping = place.map_prt()
        assert mapping.wait()
        job = gate.job(gpu.compute)
        assert mapping.unmap(explicit_sync=True).wait()
        assert not job.signaled()


def test_an_update_waits_for_its_input_fences(gpu: Gpu, gate: Gate, kernel: str) -> None:
    """In the background on the series' kernels, inside the call on those before; older ones do not look."""
    with gpu.reserve(64 * KiB) as place:
        with BackgroundCall(lambda: place.map_prt(inputs=[gate.syncobj])) as call:
            returned = call.wait(100_000_000)
            assert returned == (kernel != "base"), "only base blocks in the ioctl"
            if kernel in SERIES:
                assert not call.result().signaled()
            gate.open()
        if kernel != "6.12":
            assert call.result().wait()


def test_a_closed_range_leaves_nothing_behind(gpu: Gpu) -> None:
    """Its addresses can be had again, and are free."""
    with gpu.reserve(64 * KiB) as place:
        place.map_prt()
        va = place.va
    with gpu.reserve(64 * KiB) as again:
        assert again.va == va, "libdrm hands the first fit out"
        again.map_prt()
    place.close()


def test_unused_ranges_are_closed_with_the_gpu(gpu: Gpu) -> None:
    """Closing one afterwards does nothing."""
    place: Range = gpu.reserve(64 * KiB)
    place.map_prt()
    gpu.close()
    place.close()
