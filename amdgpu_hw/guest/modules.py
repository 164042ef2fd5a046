# SPDX-License-Identifier: MIT
"""Kernel modules for a guest machine: which ones, in which order, and as small as they can be.

The guest needs no depmod or modprobe: each module tells in its ``.modinfo`` section what it depends on. Debian's
amdgpu.ko is 50 MB when it is unpacked and 17 MB without debugging information, which is most of what loading it takes
on an emulated processor; so modules are prepared once, and kept.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.places import cache

__all__ = ("ModuleSet", "modinfo", "prepare")

_SUFFIXES = (".ko", ".ko.xz", ".ko.gz", ".ko.zst")
_ZSTD_TIMEOUT_S = 120
_STRIP_TIMEOUT_S = 120

_NOT_LOADED = ("__mcount_loc", ".rela__mcount_loc", ".BTF")
"""Sections that take emulated time and that no verdict needs. For each of the 17 000 places where functions of amdgpu
can be traced, ftrace looks through all of the module's symbols: 18 of the 21 seconds that loading takes. Trace events,
symbols and what backtraces need stay."""

_ELF64 = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")


def modinfo(image: bytes) -> dict[str, list[str]]:
    """What an uncompressed module says of itself, by key; raises `HarnessError` if it is no module."""
    try:
        section = _section(image, b".modinfo")
    except (struct.error, IndexError):
        section = None
    if section is None:
        raise HarnessError("it is no kernel module for a 64-bit machine: it has no .modinfo section")
    told: dict[str, list[str]] = {}
    for line in section.split(b"\0"):
        key, found, value = line.partition(b"=")
        if found:
            told.setdefault(key.decode("ascii", "replace"), []).append(value.decode("utf-8", "replace"))
    return told


def _section(image: bytes, wanted: bytes) -> bytes | None:
    header = _ELF64.unpack_from(image)
    if header[0][:5] != b"\x7fELF\x02":
        return None
    at, size, count, names_index = header[6], header[11], header[12], header[13]
    sections = [_SECTION.unpack_from(image, at + size * index) for index in range(count)]
    names_at = sections[names_index][4]
    for name, _, _, _, offset, length, *_ in sections:
        start = names_at + name
        if image[start : image.index(b"\0", start)] == wanted:
            return image[offset : offset + length]
    return None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A module as the guest loads it."""

    name: str
    path: Path
    depends: tuple[str, ...]
    release: str
    """The kernel it was built for, the first word of its version magic."""


class ModuleSet:
    """The modules of one kernel, found below `directory`: an installed kernel's, or a built tree.

    ``builtin`` are the names of those that are part of the kernel itself. ``given`` replaces or adds modules by name.
    ``whole`` leaves in them what makes them slow to load (`prepare`).
    """

    def __init__(
        self, directory: Path | None, release: str, given: Mapping[str, Path] | None = None, whole: bool = False
    ) -> None:
        self.release = release
        self._whole = whole
        self._files = {} if directory is None else dict(_module_files(directory))
        self._builtin = set() if directory is None else _builtin(directory)
        self._files |= given or {}

    def has(self, name: str) -> bool:
        """Whether this kernel has it, as a module or built in."""
        return _key(name) in self._builtin or _key(name) in self._files

    def closure(self, names: Collection[str]) -> list[Prepared]:
        """These and what they depend on, in the order to load them; what is built in is left out."""
        order: dict[str, Prepared] = {}
        for name in names:
            self._visit(_key(name), order, ())
        return list(order.values())

    def _visit(self, name: str, order: dict[str, Prepared], above: Sequence[str]) -> None:
        if name in order or (name in self._builtin and name not in self._files):
            return
        if name in above:
            raise HarnessError(f"the modules {' and '.join(above)} depend on each other")
        file = self._files.get(name)
        if file is None:
            needed = f", which {above[-1]} depends on" if above else ""
            raise HarnessError(f"the kernel {self.release} has no module '{name}'{needed}")
        module = prepare(name, file, self._whole)
        for each in module.depends:
            self._visit(_key(each), order, (*above, name))
        order[name] = module


def prepare(name: str, file: Path, whole: bool = False) -> Prepared:
    """Uncompress a module and take away what only costs time, unless it is to stay ``whole``. The result is kept."""
    try:
        status = file.stat()
    except OSError as error:
        raise HarnessError(f"the module {file} cannot be read: {error.strerror}") from None
    identity = f"{file.absolute()} {status.st_size} {status.st_mtime_ns} {'whole' if whole else _NOT_LOADED}"
    target = cache("prepared", f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.ko")
    if not target.is_file():
        image = _uncompress(file)
        _told(image, file)
        replace_file(target, image)
        if not whole:
            _strip(target)
    told = _told(target.read_bytes(), file)
    depends = tuple(each for each in told.get("depends", [""])[0].split(",") if each)
    release = (told.get("vermagic", [""])[0].split() or [""])[0]
    return Prepared(name, target, depends, release)


def _told(image: bytes, file: Path) -> dict[str, list[str]]:
    try:
        return modinfo(image)
    except HarnessError as error:
        raise HarnessError(f"{file} cannot be loaded: {error}") from None


def _uncompress(file: Path) -> bytes:
    content = file.read_bytes()
    try:
        match file.suffix:
            case ".xz":
                return lzma.decompress(content)
            case ".gz":
                return zlib.decompress(content, wbits=31)
            case ".zst":
                return _zstd(file)
    except (lzma.LZMAError, zlib.error) as error:
        raise HarnessError(f"the module {file} cannot be uncompressed: {error}") from None
    return content


def _zstd(file: Path) -> bytes:
    if shutil.which("zstd") is None:
        raise HarnessError(f"the module {file} is compressed with zstd: install the package zstd")
    done = subprocess.run(["zstd", "-dcq", file], capture_output=True, check=False, timeout=_ZSTD_TIMEOUT_S)
    if done.returncode:
        raise HarnessError(f"the module {file} cannot be uncompressed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _strip(module: Path) -> None:
    """Without what only costs time to load, where there is a program for that; the module works either way."""
    program = shutil.which("objcopy")
    if program is None:
        return
    beside = module.with_suffix(".stripped")
    dropped = [word for section in _NOT_LOADED for word in ("--remove-section", section)]
    command = [program, "--strip-debug", *dropped, str(module), str(beside)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=_STRIP_TIMEOUT_S)
    if done.returncode == 0:
        beside.replace(module)


def _key(name: str) -> str:
    """The kernel takes '-' and '_' in a module's name for the same."""
    return name.replace("-", "_")


def _module_files(directory: Path) -> Iterator[tuple[str, Path]]:
    for file in _listed(directory) or _walked(directory):
        name = file.name.partition(".")[0]
        yield _key(name), file


def _listed(tree: Path) -> list[Path]:
    """A built tree lists its modules, as .ko before Linux 6.3 and as .o since; walking it would take seconds."""
    if not (tree / "Makefile").is_file():
        return []
    try:
        lines = (tree / "modules.order").read_text().split()
    except OSError:
        return []
    return [file for line in lines if (file := (tree / line).with_suffix(".ko")).is_file()]


def _walked(directory: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(directory):
        for name in names:
            if name.endswith(_SUFFIXES):
                yield Path(folder, name)


def _builtin(directory: Path) -> set[str]:
    try:
        lines = (directory / "modules.builtin").read_text().split()
    except OSError:
        return set()
    return {_key(Path(line).name.partition(".")[0]) for line in lines}
