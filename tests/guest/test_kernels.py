# SPDX-License-Identifier: MIT
"""Kernels: each way to name one finds it with its modules, and what is none is refused in a sentence."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.kernels import fetched_kernels, find_kernel, image_release


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setenv("AMDGPU_HW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def bzimage(path: Path, release: str) -> Path:
    """A file with a boot header as the kernel's build makes it, and nothing behind."""
    image = bytearray(0x1000)
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x20E, 0x300)
    text = f"{release} (someone@somewhere) #1 SMP\0".encode()
    image[0x500 : 0x500 + len(text)] = text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image)
    return path


def unpacked(root: Path, release: str, merged: bool = True) -> Path:
    """A kernel package as it is unpacked, with the image in /usr/lib/modules or in /boot."""
    modules = root / ("usr/lib/modules" if merged else "lib/modules") / release
    bzimage(modules / "vmlinuz" if merged else root / "boot" / f"vmlinuz-{release}", release)
    modules.mkdir(parents=True, exist_ok=True)
    (modules / "modules.order").touch()
    return root


def test_without_a_name_it_is_the_newest_that_was_fetched(own_cache: Path) -> None:
    """By number, not by letter."""
    for release in ("6.12.117+deb13-amd64", "6.1.0-50-amd64", "6.9.1"):
        unpacked(own_cache / "kernels" / release, release, merged=release != "6.9.1")
    assert [kernel.release for kernel in fetched_kernels()] == ["6.12.117+deb13-amd64", "6.9.1", "6.1.0-50-amd64"]
    assert find_kernel().release == "6.12.117+deb13-amd64"


@pytest.mark.parametrize(
    ("named", "found"), [("6.1", "6.1.0-50-amd64"), ("6.12", "6.12.117"), ("6.12.117", "6.12.117")]
)
def test_the_beginning_of_a_version_will_do(own_cache: Path, named: str, found: str) -> None:
    """6.1 is not 6.12."""
    for release in ("6.12.117", "6.1.0-50-amd64"):
        unpacked(own_cache / "kernels" / release, release)
    assert find_kernel(named).release == found


def test_an_unknown_version_is_answered_with_what_there_is(own_cache: Path) -> None:
    """In one sentence."""
    unpacked(own_cache / "kernels/6.1", "6.1.0-50-amd64")
    with pytest.raises(HarnessError, match=r"'6\.2' is no kernel.*6\.1\.0-50-amd64"):
        find_kernel("6.2")


def test_a_built_tree_is_named_by_its_directory(tmp_path: Path) -> None:
    """Its modules are in it, its release is what the build wrote."""
    tree = tmp_path / "linux"
    image = bzimage(tree / "arch/x86/boot/bzImage", "7.0.0-rc1")
    (tree / "include/config").mkdir(parents=True)
    (tree / "include/config/kernel.release").write_text("7.0.0-rc1-mine+\n")
    kernel = find_kernel(str(tree))
    assert (kernel.image, kernel.modules, kernel.release) == (image, tree, "7.0.0-rc1-mine+")


def test_a_bzimage_tells_its_release_and_takes_modules_that_are_named(tmp_path: Path) -> None:
    """The modules may be anywhere."""
    image = bzimage(tmp_path / "vmlinuz", "7.0.0-rc1")
    (tmp_path / "mods").mkdir()
    kernel = find_kernel(str(image), tmp_path / "mods")
    assert (kernel.release, kernel.modules) == ("7.0.0-rc1", tmp_path / "mods")
    with pytest.raises(HarnessError, match="no directory"):
        find_kernel(str(image), tmp_path / "nowhere")


def test_a_bzimage_of_a_tree_finds_the_trees_modules(tmp_path: Path) -> None:
    """Named by its image, it is still that tree."""
    image = bzimage(tmp_path / "arch/x86/boot/bzImage", "7.0.0")
    (tmp_path / "modules.order").touch()
    assert find_kernel(str(image)).modules == tmp_path


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", bytes(0x1000)], ids=["empty", "script", "zeros"])
def test_a_file_that_is_no_kernel_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    """Before QEMU is started with it."""
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(HarnessError, match="is no bzImage"):
        image_release(tmp_path / "file")


def test_a_directory_that_is_no_kernel_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """E.g. a tree that was not built yet."""
    with pytest.raises(HarnessError, match="neither a built kernel tree"):
        find_kernel(str(tmp_path))


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is missing: no package can be made")
class TestPackages:
    @staticmethod
    def package(directory: Path, name: str, content: Path) -> Path:
        """Build a Debian package of a file tree."""
        (content / "DEBIAN").mkdir()
        (content / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: test\n"
        )
        file = directory / f"{name}_1_amd64.deb"
        subprocess.run(["dpkg-deb", "-Znone", "-b", content, file], check=True, capture_output=True)
        return file

    def test_a_package_is_unpacked_once(self, tmp_path: Path, own_cache: Path) -> None:
        """Into our cache; it is not among those that set-up fetched."""
        package = self.package(tmp_path, "linux-image-6.1.0-1", unpacked(tmp_path / "x", "6.1.0-1", merged=False))
        kernel = find_kernel(str(package))
        assert kernel.release == "6.1.0-1"
        assert kernel.image.is_relative_to(own_cache)
        assert find_kernel(str(package)).image.stat().st_ino == kernel.image.stat().st_ino
        assert fetched_kernels() == []

    def test_a_kernel_in_several_packages_is_put_together(self, tmp_path: Path) -> None:
        """Those of the same version that are in the same directory."""
        whole = unpacked(tmp_path / "x", "7.3.4")
        (tmp_path / "y/usr/lib/modules/7.3.4").mkdir(parents=True)
        (whole / "usr/lib/modules/7.3.4/modules.order").rename(tmp_path / "y/usr/lib/modules/7.3.4/modules.order")
        package = self.package(tmp_path, "linux-binary-7.3.4", whole)
        with pytest.raises(HarnessError, match="several packages"):
            find_kernel(str(package))
        self.package(tmp_path, "linux-modules-7.3.4", tmp_path / "y")
        assert find_kernel(str(package)).release == "7.3.4"

    def test_a_package_that_is_none_is_refused_in_a_sentence(self, tmp_path: Path, own_cache: Path) -> None:
        """And leaves nothing behind."""
        (tmp_path / "linux-image-1_1_amd64.deb").write_bytes(b"nonsense")
        with pytest.raises(HarnessError, match="cannot be unpacked"):
            find_kernel(str(tmp_path / "linux-image-1_1_amd64.deb"))
        assert list((own_cache / "kernels").iterdir()) == []
