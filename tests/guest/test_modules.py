# SPDX-License-Identifier: MIT
"""Modules: found, ordered by what they depend on, and made small without being changed in what they do."""

from __future__ import annotations

import gzip
import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.modules import ModuleSet, modinfo, prepare
from tests.guest.modules_of_c import RELEASE, compile_module


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setenv("AMDGPU_HW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The modules of a kernel as they are installed: some compressed, one part of the kernel."""
    top = tmp_path / "modules"
    amdgpu = compile_module(top / "kernel/gpu/amdgpu.ko", "drm,gpu-sched,i2c-core")
    amdgpu.with_suffix(".ko.xz").write_bytes(lzma.compress(amdgpu.read_bytes()))
    amdgpu.unlink()
    sched = compile_module(top / "kernel/gpu/gpu-sched.ko", "drm")
    sched.with_suffix(".ko.gz").write_bytes(gzip.compress(sched.read_bytes()))
    sched.unlink()
    compile_module(top / "kernel/gpu/drm.ko")
    (top / "modules.builtin").write_text("kernel/drivers/i2c/i2c-core.ko\n")
    return top


def test_modules_come_after_what_they_depend_on(installed: Path) -> None:
    """Whatever they are compressed with, and whether their names have '-' or '_'; what is built in is left out."""
    order = [module.name for module in ModuleSet(installed, RELEASE).closure(["amdgpu"])]
    assert order == ["drm", "gpu_sched", "amdgpu"]


def test_a_given_module_replaces_the_kernels_own(installed: Path, tmp_path: Path) -> None:
    """And what it depends on is asked of itself."""
    given = compile_module(tmp_path / "mine/amdgpu.ko", "drm", "other")
    amdgpu = ModuleSet(installed, RELEASE, {"amdgpu": given}).closure(["amdgpu"])[-1]
    assert (amdgpu.release, amdgpu.depends) == ("other", ("drm",))


@pytest.mark.parametrize("missing", ["gpu-sched.ko.gz", "drm.ko"])
def test_a_missing_module_is_named_with_who_needs_it(installed: Path, missing: str) -> None:
    """In one sentence."""
    next(installed.rglob(missing)).unlink()
    with pytest.raises(HarnessError, match=rf"has no module '{missing[:3]}\w*', which \w+ depends on"):
        ModuleSet(installed, RELEASE).closure(["amdgpu"])


def test_modules_that_depend_on_each_other_are_an_error(tmp_path: Path) -> None:
    """Not a recursion without end."""
    compile_module(tmp_path / "m/a.ko", "b")
    compile_module(tmp_path / "m/b.ko", "a")
    with pytest.raises(HarnessError, match="depend on each other"):
        ModuleSet(tmp_path / "m", RELEASE).closure(["a"])


def sections(file: Path) -> str:
    """What binutils says about its sections and symbols."""
    return subprocess.run(["objdump", "-ht", file], capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(shutil.which("objcopy") is None, reason="binutils is missing: nothing is taken away then")
def test_a_prepared_module_lacks_only_what_costs_time(tmp_path: Path) -> None:
    """Debugging information, types and places to trace go; code, symbols and what it says of itself stay."""
    file = compile_module(tmp_path / "x.ko", "y")
    small, whole = sections(prepare("x", file).path), sections(prepare("x", file, whole=True).path)
    for gone in (".debug_info", "__mcount_loc", ".BTF"):
        assert gone in whole
        assert gone not in small
    for kept in (".text", ".modinfo", "function"):
        assert kept in small
    assert prepare("x", file).depends == ("y",)


def test_a_module_is_prepared_once_until_it_changes(tmp_path: Path, own_cache: Path) -> None:
    """A module that was built again is another one."""
    file = compile_module(tmp_path / "x.ko")
    first = prepare("x", file).path
    before = first.stat().st_mtime_ns
    assert prepare("x", file).path.stat().st_mtime_ns == before
    compile_module(file, "longer_than_before")
    assert prepare("x", file).depends == ("longer_than_before",)
    assert len(list((own_cache / "prepared").iterdir())) == 2


@pytest.mark.parametrize("content", [b"", b"text", b"\x7fELF\x02", bytes(200)], ids=["empty", "text", "cut", "zeros"])
def test_what_is_no_module_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    """With the file's name."""
    file = tmp_path / "x.ko"
    file.write_bytes(content)
    with pytest.raises(HarnessError, match=r"x\.ko cannot be loaded: it is no kernel module"):
        prepare("x", file)
    with pytest.raises(HarnessError, match="no kernel module"):
        modinfo(content)


def test_a_damaged_compressed_module_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """As a broken download leaves it."""
    file = tmp_path / "x.ko.xz"
    file.write_bytes(lzma.compress(b"x" * 1000)[:40] + b"garbage")
    with pytest.raises(HarnessError, match="cannot be uncompressed"):
        prepare("x", file)


def test_a_built_tree_tells_its_modules_without_being_walked(tmp_path: Path) -> None:
    """modules.order has .o names since Linux 6.3, .ko before."""
    (tmp_path / "Makefile").touch()
    compile_module(tmp_path / "drivers/new.ko")
    compile_module(tmp_path / "drivers/old.ko")
    compile_module(tmp_path / "drivers/left_over.ko")
    (tmp_path / "modules.order").write_text("drivers/new.o\ndrivers/old.ko\n")
    modules = ModuleSet(tmp_path, RELEASE)
    assert [modules.has(name) for name in ("new", "old", "left_over")] == [True, True, False]
