# SPDX-License-Identifier: MIT
"""The programs a guest machine is run with, and where they are.

QEMU speaks vfio-user from 10.1 on. Where the distribution's is older, set-up unpacks one of a later Debian into our
cache; such a program is started through the loader that came with it, so that it needs neither root nor the
libraries of this system.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.places import cache

__all__ = ("OLDEST_QEMU", "Tools", "find_tools", "tools_root")

OLDEST_QEMU = (10, 1)
"""The first QEMU with a vfio-user client."""

_LOADER = "usr/lib64/ld-linux-x86-64.so.2"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_FIRMWARE = ("usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu")
_VIRTIOFSD_PLACES = ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd")
_VERSION_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Tools:
    """How each program is started: the first words of its command line."""

    qemu: tuple[str, ...]
    virtiofsd: tuple[str, ...]
    busybox: Path
    """A static one: it goes into the guest's first file system."""
    qemu_version: str


def tools_root() -> Path:
    """Where set-up unpacks the programs that the distribution does not have."""
    return cache("tools", "root")


def find_tools() -> Tools:
    """The programs, the distribution's before ours; raises `HarnessError` naming everything that is missing."""
    lacking = []
    qemu = _first(_system_qemu(), _unpacked_qemu())
    if qemu is None:
        lacking.append(f"QEMU {'.'.join(map(str, OLDEST_QEMU))} or later")
    virtiofsd = _first(_system_virtiofsd(), _unpacked("usr/libexec/virtiofsd"))
    if virtiofsd is None:
        lacking.append("virtiofsd")
    busybox = _busybox()
    if busybox is None:
        lacking.append("a static busybox")
    if qemu is None or virtiofsd is None or busybox is None:
        raise HarnessError(f"a guest machine needs {', '.join(lacking)}: run 'scripts/setup guest', which gets it")
    return Tools(qemu, virtiofsd, busybox, qemu_version(qemu) or "unknown")


@functools.cache
def qemu_version(command: tuple[str, ...]) -> str | None:
    """What a QEMU says that it is, e.g. "11.1.3"; None where it does not run."""
    try:
        answer = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, check=False, timeout=_VERSION_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"version (\d+(?:\.\d+)+)", answer.stdout)
    return found[1] if answer.returncode == 0 and found else None


def is_new_enough(version: str | None) -> bool:
    """Whether a QEMU of this version can be given a device over vfio-user."""
    return version is not None and tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_QEMU


def _first(*candidates: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return next((candidate for candidate in candidates if candidate is not None), None)


def _system_qemu() -> tuple[str, ...] | None:
    path = shutil.which("qemu-system-x86_64")
    return (path,) if path and is_new_enough(qemu_version((path,))) else None


def _unpacked_qemu() -> tuple[str, ...] | None:
    command = _unpacked("usr/bin/qemu-system-x86_64")
    if command is None or not is_new_enough(qemu_version(command)):
        return None
    return (*command, *(word for place in _FIRMWARE for word in ("-L", str(tools_root() / place))))


def _system_virtiofsd() -> tuple[str, ...] | None:
    path = shutil.which("virtiofsd") or next((place for place in _VIRTIOFSD_PLACES if Path(place).is_file()), None)
    if path is None:
        return None
    # The one in C of QEMU 5 to 7 has the same name and other options.
    answer = subprocess.run([path, "--help"], capture_output=True, text=True, check=False, timeout=_VERSION_TIMEOUT_S)
    return (path,) if "--readonly" in answer.stdout else None


def _unpacked(program: str) -> tuple[str, ...] | None:
    root = tools_root()
    if not (root / program).is_file():
        return None
    return (str(root / _LOADER), "--library-path", str(root / _LIBRARIES), str(root / program))


def _busybox() -> Path | None:
    for path in (shutil.which("busybox"), str(tools_root() / "usr/bin/busybox")):
        if path and Path(path).is_file() and _is_static(Path(path)):
            return Path(path)
    return None


def _is_static(program: Path) -> bool:
    """Whether an ELF file names no program interpreter."""
    with program.open("rb") as file:
        head = file.read(4096)
    return head[:4] == b"\x7fELF" and b"/ld-linux" not in head and b"/ld-musl" not in head
