# SPDX-License-Identifier: MIT
"""Kernels without their decompressor: the very file that was packed, or the bzImage itself."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from amdgpu_hw.guest.boot_image import boot_image, unpack_bzimage
from amdgpu_hw.guest.kernels import fetched_kernels

PVH = struct.pack("<III", 4, 8, 18) + b"Xen\0" + bytes(8)
KERNEL = b"\x7fELF" + bytes(range(256)) * 40


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own for a test."""
    monkeypatch.setenv("AMDGPU_HW_CACHE", str(tmp_path / "cache"))


def zstd(data: bytes) -> bytes:
    """As the kernel's build packs Debian's."""
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def bzimage(payload: bytes, sectors: int = 27, version: int = 0x020F) -> bytes:
    """A bzImage: boot sector, setup code of so many sectors, then the payload behind some code."""
    head = bytearray((sectors + 1) * 512 + 100)
    head[0x1F1] = sectors
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x206, version)
    behind = payload + struct.pack("<I", len(KERNEL))
    struct.pack_into("<II", head, 0x248, 100, len(behind))
    return bytes(head) + behind + b"what follows"


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
        pytest.param(zstd, marks=pytest.mark.skipif(shutil.which("zstd") is None, reason="no program zstd")),
    ],
    ids=["gzip", "bzip2", "xz", "lzma", "zstd"],
)
def test_what_was_packed_comes_out(pack: Callable[[bytes], bytes]) -> None:
    """However a kernel was configured to pack it."""
    assert unpack_bzimage(bzimage(pack(KERNEL))) == KERNEL


@pytest.mark.usefixtures("own_cache")
def test_a_kernel_with_a_pvh_entry_is_started_directly(tmp_path: Path) -> None:
    """Unpacked once."""
    (tmp_path / "bzImage").write_bytes(bzimage(gzip.compress(KERNEL + PVH)))
    image = boot_image(tmp_path / "bzImage")
    assert image.read_bytes() == KERNEL + PVH
    before = image.stat().st_mtime_ns
    assert boot_image(tmp_path / "bzImage").stat().st_mtime_ns == before


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize(
    "content",
    [
        bzimage(gzip.compress(KERNEL)),
        bzimage(gzip.compress(b"no kernel" + PVH)),
        bzimage(b"packed in an unknown way"),
        bzimage(gzip.compress(KERNEL + PVH)[:-30]),
        bzimage(gzip.compress(KERNEL + PVH), version=0x0207),
        b"MZ",
    ],
    ids=["no-pvh", "no-elf", "unknown", "damaged", "old", "short"],
)
def test_anything_else_is_booted_as_it_is(tmp_path: Path, content: bytes) -> None:
    """QEMU and the kernel's own decompressor know more."""
    (tmp_path / "bzImage").write_bytes(content)
    for _ in range(2):
        assert boot_image(tmp_path / "bzImage") == tmp_path / "bzImage"


@pytest.mark.parametrize("release", [kernel.release for kernel in fetched_kernels()])
def test_the_stock_kernels_can_all_be_started_directly(release: str) -> None:
    """Those that set-up fetched."""
    (kernel,) = (kernel for kernel in fetched_kernels() if kernel.release == release)
    assert boot_image(kernel.image) != kernel.image
