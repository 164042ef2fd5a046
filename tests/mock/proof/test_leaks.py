# SPDX-License-Identifier: MIT
"""What a process holds: memory and handles that it keeps are told, and so are slab objects beyond the noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from amdgpu_hw.evidence import slabinfo
from amdgpu_hw.evidence.slabinfo import SlabCache
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
    """A GPU, and slab caches that may be read, but not be shrunk."""
    monkeypatch.setattr(slabinfo, "SLABINFO", tmp_path / "slabinfo")
    monkeypatch.setattr(slabinfo, "SLABS", tmp_path)
    slab(tmp_path, 100)
    return _Gpu()


def slab(directory: Path, objects: int, name: str = "amdgpu_sync_entry") -> None:
    """Let the cache of sync entries have so many objects, 64 in each slab."""
    (directory / "slabinfo").write_text(
        f"slabinfo - version: 2.1\n# name ...\n{name} {objects} 9999 64 64 1 : tunables\n"
    )


def shrinkable(directory: Path) -> None:
    """Let the cache be shrunk."""
    (directory / "amdgpu_sync_entry").mkdir()
    (directory / "amdgpu_sync_entry" / "shrink").touch()


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


def test_slab_objects_are_told_beyond_what_the_cpus_keep(gpu: _Gpu, tmp_path: Path) -> None:
    """One per round is a leak; too few rounds tell nothing, and then the cache is not among what was looked at."""
    before, rounds = holdings(gpu), SlabCache.find("amdgpu_sync_entry").rounds
    slab(tmp_path, 100 + rounds)
    assert before.more(rounds, PAGE, settle_s=0) == [f"{rounds} more objects of the slab cache amdgpu_sync_entry"]
    assert before.more(rounds - 1, PAGE, settle_s=0) == []
    assert "amdgpu_sync_entry" in before.words(rounds)
    assert "slab" not in before.words(rounds - 1)
    slab(tmp_path, 100 + rounds // 2)
    assert before.more(rounds, PAGE, settle_s=0) == []


def test_a_few_rounds_tell_where_the_cache_can_be_shrunk(gpu: _Gpu, tmp_path: Path) -> None:
    """Then the count is exact."""
    shrinkable(tmp_path)
    before = holdings(gpu)
    assert (tmp_path / "amdgpu_sync_entry" / "shrink").read_text() == "1\n"
    slab(tmp_path, 116)
    assert before.more(16, PAGE, settle_s=0) == ["16 more objects of the slab cache amdgpu_sync_entry"]


def test_the_grain_is_what_all_cpus_may_keep() -> None:
    """Slabs before 7.0 (6 of 64 small objects for each CPU), sheaves since."""
    one = SlabCache("x", 64, 64, 1, 1)
    assert one.grain == 6 * 64 + (3 + 10) * 64
    assert SlabCache("x", 64, 64, 16, 2).grain == 16 * 6 * 64 + (16 * 3 + 2 * 10) * 64
    assert SlabCache("x", 512, 32, 1, 1).grain < one.grain


def test_a_cache_is_found_by_the_name_that_it_had_before(gpu: _Gpu, tmp_path: Path) -> None:
    """Linux 6.1 has another one for sync entries."""
    slab(tmp_path, 7, "amdgpu_sync")
    assert SlabCache.find(*leaks.SYNC_ENTRIES).active() == 7


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
    assert holdings(gpu).words(10_000) == "2 counts of memory in fdinfo, GEM handles, system memory"


def test_fences_that_the_drivers_pools_keep_are_no_leak(gpu: _Gpu, tmp_path: Path) -> None:
    """They stay with the pool's memory until that has come round, so only many rounds tell."""
    (tmp_path / "drm_sched_fence").mkdir()
    (tmp_path / "drm_sched_fence" / "shrink").touch()
    slab(tmp_path, 100, "drm_sched_fence")
    before = holdings(gpu)
    slab(tmp_path, 603, "drm_sched_fence")
    assert before.more(250, PAGE, settle_s=0) == []
    slab(tmp_path, 10_100, "drm_sched_fence")
    assert before.more(10_000, PAGE, settle_s=0) == ["10000 more objects of the slab cache drm_sched_fence"]
