# SPDX-License-Identifier: MIT
"""What a process holds: memory and handles that it keeps are told, and so are slab objects beyond the noise."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from amdgpu_hw.gpu import Gpu
from amdgpu_hw.proof import leaks
from amdgpu_hw.proof.leaks import Holdings
from amdgpu_hw.uapi.amdgpu_info import AMDGPU_INFO_GTT_USAGE

PAGE = 4096

FDINFO = "pos:\t0\ndrm-driver:\tamdgpu\ndrm-total-gtt:\t{mib} MiB\ndrm-memory-vram:\t{kib} KiB\ndrm-engine-gfx:\t5 ns\n"


class _Buffer:
    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __enter__(self) -> _Buffer:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Gpu:
    """Answers what `Holdings` asks."""

    mib, kib, handle = 3, 64, 7
    gtt = 1 << 30
    """Bytes that all processes use."""

    def fdinfo(self) -> str:
        return FDINFO.format(mib=self.mib, kib=self.kib)

    def query_info(self, query: int, size: int) -> bytes:
        assert query == AMDGPU_INFO_GTT_USAGE
        return self.gtt.to_bytes(size, "little")

    def alloc(self, size: int) -> Any:
        return _Buffer(self.handle)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> _Gpu:
    """A GPU, and slab caches that may be read."""
    monkeypatch.setattr(leaks, "_SLABINFO", tmp_path / "slabinfo")
    slab(tmp_path, 100)
    return _Gpu()


def slab(directory: Path, objects: int) -> None:
    """Let the cache of sync entries have so many objects, 4 in each slab."""
    (directory / "slabinfo").write_text(
        f"slabinfo - version: 2.1\namdgpu_sync_entry {objects} 9999 32 4 1 : tunables\n"
    )


def holdings(gpu: _Gpu) -> Holdings:
    """What is held now."""
    return Holdings(cast(Gpu, gpu))


def test_what_is_given_back_is_not_held(gpu: _Gpu) -> None:
    """Nor is what was given back beyond that; engine times are no holdings."""
    before = holdings(gpu)
    assert before.own == {"drm-total-gtt": 3 << 20, "drm-memory-vram": 64 << 10, "the next GEM handle": 7}
    gpu.mib = 2
    assert before.more(100, PAGE, settle_s=0) == []


def test_memory_and_handles_that_stay_are_told(gpu: _Gpu) -> None:
    """With how many there were and are."""
    before = holdings(gpu)
    gpu.kib, gpu.handle = 128, 8
    assert before.more(100, PAGE, settle_s=0) == [
        "drm-memory-vram went from 65536 to 131072",
        "the next GEM handle went from 7 to 8",
    ]


def test_slab_objects_are_told_beyond_the_noise_of_the_cpus(gpu: _Gpu, tmp_path: Path) -> None:
    """One per round is a leak, a few are what CPUs keep at hand; too few rounds tell nothing."""
    before = holdings(gpu)
    noise = 2 * 4 * (os.cpu_count() or 1)
    slab(tmp_path, 100 + 10 * noise)
    leak = f"{10 * noise} more objects of the slab cache amdgpu_sync_entry"
    assert before.more(10 * noise, PAGE, settle_s=0) == [leak]
    slab(tmp_path, 100 + noise)
    assert before.more(10 * noise, PAGE, settle_s=0) == []
    assert before.more(noise, PAGE, settle_s=0) == []


def test_memory_that_no_descriptor_shows_is_told_if_most_rounds_left_some(gpu: _Gpu) -> None:
    """Others allocate as well: what could be theirs is no leak."""
    before = holdings(gpu)
    gpu.gtt += 50 * PAGE
    assert before.more(100, PAGE, settle_s=0) == []
    gpu.gtt += PAGE
    assert before.more(100, PAGE, settle_s=0) == ["system memory in use went from 1 GiB to 1048780 KiB"]


def test_without_the_right_to_read_slab_caches_the_rest_still_counts(gpu: _Gpu, tmp_path: Path) -> None:
    """Only root may."""
    (tmp_path / "slabinfo").unlink()
    assert holdings(gpu).slabs == {}
    assert holdings(gpu).words == "2 counts of memory in fdinfo, GEM handles, system memory"
