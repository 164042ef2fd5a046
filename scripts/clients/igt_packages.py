# SPDX-License-Identifier: MIT
"""Debian's packages of IGT in a private root: fetched without root, unpacked beside the system, never installed.

They are of a newer distribution than this one may be. So the libraries that they depend on come with them, and the
programs are made to find these: not by LD_LIBRARY_PATH, which the system's own programs that they start (sh, cat) would
follow as well, but by what is written in the program (patchelf). So they also can start themselves anew.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.debian import Archive
from amdgpu_hw.guest.kernels import unpack_packages
from amdgpu_hw.guest.places import cache

__all__ = ("SUITE", "igt_programs")

SUITE = "sid"
_TESTS = "igt-gpu-tools-tests"
_PATCHELF = "patchelf"
_NOT_NEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/zoneinfo", "var")
_PROGRAMS = "usr/libexec/igt-gpu-tools"
_LOADER = "usr/lib64/ld-linux-x86-64.so.2"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_TIMEOUT_S = 120.0


def igt_programs(names: Collection[str]) -> tuple[Path, str]:
    """A directory with those of IGT's programs that have these names, and IGT's version; fetched when asked for first.

    Raises `HarnessError`.
    """
    root = cache("clients", f"igt-{SUITE}")
    version, ready = root / "version", root / "programs"
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_suffix(".lock").open("w", encoding="ascii") as lock:
        # Two runs at a time would unpack over each other.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not version.is_file():
            _fetch(root, version)
        ready.mkdir(exist_ok=True)
        for path in _files(root / _PROGRAMS):
            if path.name in names and not (ready / path.name).is_file():
                _make_it_run(root, path, ready / path.name)
    return ready, version.read_text(encoding="utf-8").strip()


def _fetch(root: Path, version: Path) -> None:
    lists = cache("clients", f"apt-{SUITE}")
    archive = Archive((SUITE,), directory=lists)
    archive.update()
    packages = archive.fetch((_TESTS, _PATCHELF), SUITE, archive.packages / "igt")
    unpack_packages(packages, root)
    for name in _NOT_NEEDED:
        shutil.rmtree(root / name, ignore_errors=True)
    (package,) = (path.name for path in packages if path.name.startswith(f"{_TESTS}_"))
    version.write_text(f"{package.split('_')[1]}\n", encoding="utf-8")
    shutil.rmtree(lists, ignore_errors=True)


def _files(top: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(top):
        subfolders.sort()
        yield from (Path(folder, name) for name in sorted(names))


def _make_it_run(root: Path, program: Path, made: Path) -> None:
    """Write a program that has the loader and the libraries of the root; appears whole or not at all."""
    loader, libraries = root / _LOADER, root / _LIBRARIES
    new = made.with_suffix(".new")
    # RPATH and not RUNPATH: it holds for what the libraries need, too.
    options = ("--set-interpreter", loader, "--force-rpath", "--set-rpath", libraries, "--output", new, program)
    command: list[str | Path] = [loader, "--library-path", libraries, root / "usr/bin/patchelf", *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HarnessError(f"{program.name} cannot be made to run here: {error}") from None
    if done.returncode:
        raise HarnessError(f"{program.name} cannot be made to run here: {done.stderr.strip()}")
    new.chmod(0o755)
    new.rename(made)
