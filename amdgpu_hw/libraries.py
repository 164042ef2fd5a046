# SPDX-License-Identifier: MIT
"""Which libraries stand between a test and the kernel: those that this process has loaded, not the packaged ones."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ("LoadedLibrary", "installed_libdrm_version", "loaded_library", "mesa_version")

_MAPS = Path("/proc/self/maps")
_QUERY_S = 10

_DPKG_LISTS = Path("/var/lib/dpkg/info")
_DPKG_STATUS = Path("/var/lib/dpkg/status")

_PACKAGES = {
    "libdrm_amdgpu.so": ("libdrm-amdgpu1",),
    "libdrm.so": ("libdrm2",),
    "libvulkan_radeon.so": ("mesa-vulkan-drivers",),
    "radeonsi_dri.so": ("libgl1-mesa-dri",),
}
"""Debian's packages with these files."""

_LIBDRM_FILE = re.compile(r"\.so\.\d+\.(\d+)\.\d+$")
_PKG_CONFIG_VERSION = re.compile(r"^Version: *(\S+)", re.MULTILINE)
_GALLIUM_FILE = re.compile(r"libgallium-(.+)\.so$")


class LoadedLibrary(NamedTuple):
    """A library that is mapped into this process."""

    path: str
    version: str
    """Empty where neither the file's name nor a package that owns it tells."""

    def to_json(self) -> dict[str, Any]:
        """The form it has in a result file."""
        return {"path": self.path, "version": self.version}


def loaded_library(name: str) -> LoadedLibrary | None:
    """The library whose file begins with ``name``, e.g. ``libdrm_amdgpu.so``; None if none is loaded."""
    for line in _MAPS.read_text(encoding="utf-8", errors="replace").splitlines():
        path = Path(line.partition("/")[2] and f"/{line.partition('/')[2]}")
        if path.name.startswith(name):
            return LoadedLibrary(str(path), _version_of(path))
    return None


def _version_of(path: Path) -> str:
    """libdrm 2.4.N calls its files ``libdrm.so.2.N.0`` from 2.4.123 on; else a file beside or a package may know."""
    number = _LIBDRM_FILE.search(path.resolve().name)
    if number is not None and int(number[1]) > 4:
        return f"2.4.{number[1]}"
    return _version_beside(path) or _packaged(path)


def _version_beside(path: Path) -> str:
    """What pkg-config would say of a library in a directory of its own."""
    file = path.parent / "pkgconfig" / f"{path.name.partition('.')[0]}.pc"
    try:
        found = _PKG_CONFIG_VERSION.search(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return found[1] if found is not None else ""


def installed_libdrm_version() -> str:
    """The version of the libdrm_amdgpu that programs would be built with, or load; empty if nothing knows."""
    return _answer(["pkg-config", "--modversion", "libdrm_amdgpu"]) or _installed_version("libdrm-amdgpu1")


def _packaged(path: Path) -> str:
    """The version of the distribution's package that owns a file; empty if none does, or it is not known which may."""
    # Asking dpkg-query first would read the lists of all packages: long in an emulated guest.
    names = {str(path), str(path).removeprefix("/usr")}  # with merged directories dpkg knows a library by either
    names.add(str(path.resolve()))
    for package in next((packages for stem, packages in _PACKAGES.items() if path.name.startswith(stem)), ()):
        for listed in sorted(_DPKG_LISTS.glob(f"{package}*.list")):
            if listed.name.partition(":")[0].removesuffix(".list") == package and names & _lines(listed):
                return _installed_version(package)
    owner = _answer(["dpkg-query", "--search", str(path)]).partition(":")[0]
    if owner:
        return _installed_version(owner)
    return _answer(["rpm", "-qf", "--queryformat=%{VERSION}", str(path)])


def _installed_version(package: str) -> str:
    """The version in dpkg's database, read here: starting dpkg-query takes seconds on emulated processors."""
    try:
        status = _DPKG_STATUS.read_bytes()
    except OSError:
        return ""
    found = re.search(rb"^Package: %b\n(?:.+\n)*?Version: (.+)$" % re.escape(package.encode()), status, re.MULTILINE)
    return found[1].decode(errors="replace") if found is not None else ""


def _lines(path: Path) -> set[str]:
    try:
        return set(path.read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return set()


@cache
def mesa_version() -> str:
    """Mesa's version where it is installed: its programs may share the GPU; empty if not."""
    for directory in (*Path("/usr/lib").glob("*-linux-gnu"), Path("/usr/lib64"), Path("/usr/lib")):
        for file in directory.glob("libgallium-*.so"):
            found = _GALLIUM_FILE.search(file.name)
            if found is not None:
                return found[1]
        for name in ("libvulkan_radeon.so", "dri/radeonsi_dri.so"):
            if (directory / name).exists():
                return _packaged(directory / name) or "of unknown version"
    return ""


def _answer(command: Sequence[str]) -> str:
    """The first line that a program prints; empty where there is no such program, or it fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_QUERY_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip().partition("\n")[0]
