# SPDX-License-Identifier: MIT
"""Building amdgpu.ko alone, from Debian's kernel source or a built tree, with patches applied first.

There is one copy of the source for each kernel. Only files whose content changes are written, so that make compiles
what a patch touches and no more.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from amdgpu_hw.atomic_file import replace_file
from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.debian import Archive
from amdgpu_hw.guest.patched_source import patch_source
from amdgpu_hw.guest.places import cache
from amdgpu_hw.guest.source_edits import EditFile
from amdgpu_hw.guest.toolchain import BuildRoot

__all__ = ("UAPI_HEADERS", "Source", "build_directory", "build_module", "debian_source", "tree_source")

AMD = PurePosixPath("drivers/gpu/drm/amd")
_HEADERS = PurePosixPath("include")
UAPI_HEADERS = (_HEADERS / "uapi/drm/amdgpu_drm.h",)

# What a guest machine's GPU has no use for, and what is most of the driver's code.
_LEFT_OUT = ("DRM_AMD_DC", "DRM_AMD_ACP", "DRM_AMD_ISP", "DRM_AMDGPU_SI", "DRM_AMDGPU_CIK", "HSA_AMD")
_MAKE_TIMEOUT_S = 4 * 3600
_ERROR_LINES = 12


@dataclass(frozen=True, slots=True)
class Source:
    """amdgpu as it is without patches."""

    root: Path
    """Has the directories of a kernel tree, as far as they belong to amdgpu."""
    headers: tuple[PurePosixPath, ...]
    """The kernel's headers that belong to it, which patches may change as well."""


def debian_source(root: BuildRoot, series: str, suite: str, archive: Archive) -> Source:
    """amdgpu of Debian's package linux-source, of the same version as the headers."""
    target = cache("build", root.release, "source")
    if not (target / AMD / "amdgpu").is_dir():
        (package,) = archive.fetch([f"linux-source-{series}"], suite, archive.packages / "source", alone=True)
        _extract(package, series, target)
    for header in UAPI_HEADERS:
        if not (target / header).is_file():
            (target / header).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root.common / header, target / header)
    return Source(target, UAPI_HEADERS)


def tree_source(tree: Path, headers: tuple[PurePosixPath, ...] = ()) -> Source:
    """amdgpu of a tree, which is not touched. Raises `HarnessError`.

    ``headers`` are those of the tree that count where it is built for another kernel: `UAPI_HEADERS`, or none.
    """
    if not (tree / AMD / "amdgpu/Makefile").is_file():
        raise HarnessError(f"{tree} is no kernel tree: it has no {AMD}/amdgpu")
    for header in headers:
        if not (tree / header).is_file():
            raise HarnessError(f"{tree} is no kernel tree: it has no {header}")
    return Source(tree, headers)


def _extract(package: Path, series: str, target: Path) -> None:
    """The part of a source package that belongs to amdgpu."""
    beside = target.with_name("source.new")
    shutil.rmtree(beside, ignore_errors=True)
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    wanted = f"linux-source-{series}/{AMD}/"
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as outer:
            for entry in outer:
                if not entry.name.endswith(f"linux-source-{series}.tar.xz"):
                    continue
                content = outer.extractfile(entry)
                with tarfile.open(fileobj=content, mode="r|xz") as inner:
                    for member in inner:
                        if member.isfile() and member.name.startswith(wanted) and ".." not in member.name.split("/"):
                            _write(inner.extractfile(member), beside / member.name)
    found = beside / f"linux-source-{series}"
    if not found.is_dir():
        raise HarnessError(f"{package} has no source of amdgpu")
    shutil.rmtree(target, ignore_errors=True)
    found.rename(target)
    shutil.rmtree(beside, ignore_errors=True)


def _write(content: IO[bytes] | None, target: Path) -> None:
    assert content is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(content, file)


# ---- the build ----


def build_module(
    root: BuildRoot,
    source: Source,
    patches: Sequence[Path],
    name: str,
    say: Callable[[str], None],
    edits: Sequence[EditFile] = (),
) -> Path:
    """Build amdgpu.ko with patches applied to its source; the path of the module, which is kept by name and content.

    What it was made of is kept beside it (`amdgpu_hw.guest.patched_source.read_recipe`). Raises `HarnessError` where a
    patch or an edit does not apply, or something does not compile.
    """
    with _alone(root, say):
        work = cache("build", root.release, "wanted")
        shutil.rmtree(work, ignore_errors=True)
        _copy(source, work)
        recipe = patch_source(work, root.release, patches, edits, _may_change(source), say)
        target = cache("modules", f"amdgpu-{root.release}-{name}-{_content(work)[:12]}.ko")
        if not target.is_file():
            build = build_directory(root)
            changed = _bring(work, build, root)
            say(f"{changed} files are new or changed; building, which takes minutes from nothing (log: {_log(root)})")
            _make(root, build)
            replace_file(target, (build / "amdgpu/amdgpu.ko").read_bytes())
        shutil.rmtree(work, ignore_errors=True)
        recipe.write(target)
    return target


@contextlib.contextmanager
def _alone(root: BuildRoot, say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other process builds for this kernel: there is one copy of its source."""
    path = cache("build", root.release, "lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another build for {root.release} to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _may_change(source: Source) -> Callable[[PurePosixPath], bool]:
    def may(path: PurePosixPath) -> bool:
        return path.is_relative_to(AMD) or path in source.headers

    return may


def _copy(source: Source, target: Path) -> None:
    shutil.copytree(source.root / AMD, target / AMD, ignore=shutil.ignore_patterns("*.o", "*.ko", "*.cmd", "*.mod*"))
    for header in source.headers:
        (target / header).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source.root / header, target / header)


def _content(tree: Path) -> str:
    """A name for everything that is in a tree."""
    total = hashlib.sha256()
    for path in sorted(path for path in tree.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(tree)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def build_directory(root: BuildRoot) -> Path:
    """Where the copy of amd/ is that is compiled.

    In Debian's headers it is where the kernel has it: amdgpu's trace header is looked for there
    (include/trace/define_trace.h). They are a copy of ours; a user's tree is not.
    """
    if root.programs is None:
        return cache("build", root.release, "amd")
    return root.common / AMD


def _bring(wanted: Path, build: Path, root: BuildRoot) -> int:
    """Make the copy that is compiled the same as what is wanted; how many files had to be written."""
    changed = _same(wanted / AMD, build)
    if root.programs is not None:
        changed += _same(wanted / _HEADERS, root.common / _HEADERS, remove=False)
        _leave_out(root.headers)
    return changed


def _same(wanted: Path, there: Path, remove: bool = True) -> int:
    changed = 0
    files = {path.relative_to(wanted) for path in wanted.rglob("*") if path.is_file()}
    for name in files:
        content = (wanted / name).read_bytes()
        target = there / name
        if not target.is_file() or target.read_bytes() != content:
            replace_file(target, content)
            changed += 1
    if remove:
        for path in there.rglob("*"):
            if path.suffix in (".c", ".h") and path.is_file() and path.relative_to(there) not in files:
                path.unlink()
                changed += 1
    return changed


def _leave_out(headers: Path) -> None:
    """Switch off what amdgpu does not need here; the files are written only when that changes them."""
    name = "|".join(_LEFT_OUT)
    for file, line in (
        (headers / "include/config/auto.conf", rf"^CONFIG_(?:{name})(?:_\w+)?=.*\n"),
        (headers / "include/generated/autoconf.h", rf"^#define CONFIG_(?:{name})(?:_\w+)? .*\n"),
    ):
        before = file.read_text()
        after = re.sub(line, "", before, flags=re.MULTILINE)
        if after != before:
            replace_file(file, after.encode())


def _log(root: BuildRoot) -> Path:
    return cache("build", root.release, "make.log")


def _make(root: BuildRoot, build: Path) -> None:
    command = [
        *("nice", "make", "-C", str(root.headers), f"M={build / 'amdgpu'}", f"-j{os.cpu_count() or 1}"),
        *("CONFIG_DRM_AMDGPU=m", f"FULL_AMD_PATH={build}", "KCFLAGS=-g0", "CONFIG_DEBUG_INFO_BTF_MODULES="),
        "modules",
    ]
    with _log(root).open("wb") as log:
        try:
            done = subprocess.run(
                command,
                env=root.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                timeout=_MAKE_TIMEOUT_S,
            )
        except FileNotFoundError:
            raise HarnessError("the program make is not installed") from None
    if done.returncode:
        lines = _log(root).read_text(errors="replace").splitlines()
        errors = [line for line in lines if " error: " in line or "Error " in line or line.startswith("ERROR")]
        told = "\n".join((errors or lines)[:_ERROR_LINES])
        raise HarnessError(f"amdgpu.ko cannot be built; the log is {_log(root)}:\n{told}")
