# SPDX-License-Identifier: MIT
"""A kernel as QEMU starts it soonest: without its decompressor, which takes 2 seconds of an emulated processor.

What is packed in a bzImage is the kernel's ELF file. QEMU starts it where it has a PVH entry (CONFIG_PVH), at the
addresses that it was linked for.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.guest.places import cache

__all__ = ("boot_image", "unpack_bzimage")

# Documentation/arch/x86/boot.rst; the payload's place counts from where the protected-mode code begins.
_SETUP_SECTORS, _MAGIC, _VERSION, _PAYLOAD = 0x1F1, 0x202, 0x206, 0x248
_DEFAULT_SECTORS = 4
_PAYLOAD_SINCE = 0x0208
_SECTOR = 512
_LENGTH_BEHIND = 4
"""The kernel's build puts the unpacked length behind what it packs."""

# XEN_ELFNOTE_PHYS32_ENTRY of include/xen/interface/elfnote.h: name size, type, name; the size between them varies.
_PVH_NOTE = struct.pack("<I", 18) + b"Xen\0"
_ZSTD_TIMEOUT_S = 120


def boot_image(image: Path) -> Path:
    """The file to give to QEMU for a bzImage: the kernel in it, kept in our cache, or itself where that cannot be."""
    status = image.stat()
    identity = f"{image.absolute()} {status.st_size} {status.st_mtime_ns}"
    target = cache("prepared", f"vmlinux-{hashlib.sha256(identity.encode()).hexdigest()[:16]}")
    if not target.is_file():
        kernel = unpack_bzimage(image.read_bytes())
        # An empty file says that there is nothing to be had.
        replace_file(target, kernel if kernel is not None and _has_pvh_entry(kernel) else b"")
    return target if target.stat().st_size else image


def unpack_bzimage(image: bytes) -> bytes | None:
    """The ELF file in a bzImage; None where it has none that we can unpack."""
    if image[_MAGIC : _MAGIC + 4] != b"HdrS" or len(image) < _PAYLOAD + 8:
        return None
    if struct.unpack_from("<H", image, _VERSION)[0] < _PAYLOAD_SINCE:
        return None
    sectors = image[_SETUP_SECTORS] or _DEFAULT_SECTORS
    offset, length = struct.unpack_from("<II", image, _PAYLOAD)
    start = (sectors + 1) * _SECTOR + offset
    kernel = _uncompress(image[start : start + length - _LENGTH_BEHIND])
    return kernel if kernel is not None and kernel[:4] == b"\x7fELF" else None


def _uncompress(payload: bytes) -> bytes | None:
    try:
        if payload.startswith(b"\x1f\x8b"):
            return zlib.decompress(payload, wbits=31)
        if payload.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
            return lzma.decompress(payload)
        if payload.startswith(b"BZh"):
            return bz2.decompress(payload)
    except (zlib.error, lzma.LZMAError, OSError):
        return None
    if payload.startswith(b"\x28\xb5\x2f\xfd") and shutil.which("zstd"):
        done = subprocess.run(
            ["zstd", "-dcq"], input=payload, capture_output=True, check=False, timeout=_ZSTD_TIMEOUT_S
        )
        return done.stdout if done.returncode == 0 else None
    return None


def _has_pvh_entry(kernel: bytes) -> bool:
    return _PVH_NOTE in kernel
