# SPDX-License-Identifier: MIT
"""What amdgpu.ko is built with: a kernel's headers and the compiler that the kernel was built with.

Debian's header packages depend on exactly that compiler. All of it is unpacked into our cache, and its programs are
made to run there: with the loader and the libraries that came with them, and headers that name where they are now.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.debian import Archive
from amdgpu_hw.guest.kernels import unpack_packages
from amdgpu_hw.guest.places import cache

__all__ = ("BuildRoot", "build_root", "built_tree")

_LOADER = "usr/lib64/ld-linux-x86-64.so.2"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_PROGRAMS = ("usr/bin", "usr/libexec/gcc", "usr/lib/linux-kbuild-*")
_READY = "ready"
_DYNAMIC = b"/lib64/ld-linux-x86-64.so.2\0"
# argv[0] is where gcc looks for its parts from.
_START = """\
#!/bin/sh
exec '{loader}' --argv0 "$0" --library-path '{libraries}' '{program}' "$@"
"""


@dataclass(frozen=True, slots=True)
class BuildRoot:
    """Where a module can be built."""

    headers: Path
    """What make is started in, as /lib/modules/VERSION/build."""
    common: Path
    """Where the kernel's own Makefile and include directory are; the same for a built tree."""
    release: str
    programs: Path | None
    """Goes in front of PATH; None for what the system has."""

    def environment(self) -> dict[str, str]:
        """For make."""
        environment = dict(os.environ)
        if self.programs is not None:
            environment["PATH"] = f"{self.programs}:{environment.get('PATH', '')}"
        return environment


def built_tree(tree: Path) -> BuildRoot:
    """A kernel tree that was built here is its own build root."""
    try:
        release = (tree / "include/config/kernel.release").read_text().strip()
    except OSError:
        raise HarnessError(
            f"{tree} is not built, not even prepared: it has no include/config/kernel.release (make modules_prepare)"
        ) from None
    if not (tree / "Module.symvers").is_file():
        raise HarnessError(f"{tree} has no Module.symvers: build the kernel first, so that its symbols are known")
    return BuildRoot(tree, tree, release, None)


def build_root(release: str, suite: str, archive: Archive) -> BuildRoot:
    """The headers of one of Debian's kernels with their compiler; fetched and made ready when it is asked for first."""
    root = cache("build", release)
    if not (root / _READY).is_file():
        packages = archive.fetch([f"linux-headers-{release}", "make"], suite, archive.packages / f"headers-{release}")
        unpack_packages(packages, root)
        _make_programs_run(root)
        _make_headers_stand(root, release)
        (root / _READY).touch()
    headers = root / f"usr/src/linux-headers-{release}"
    return BuildRoot(headers, _common(root, headers), release, root / "usr/bin")


def _make_programs_run(root: Path) -> None:
    """Put a script in the place of every program that starts it with the loader and the libraries that came with it.

    Not all of them survive patchelf: cc1 does not.
    """
    for program in list(_dynamic_programs(root)):
        moved = program.rename(program.with_name(f"{program.name}.elf"))
        program.write_text(_START.format(loader=root / _LOADER, libraries=root / _LIBRARIES, program=moved))
        program.chmod(0o755)
    for name in ("as", "ld"):
        (root / "usr/bin" / name).symlink_to(f"x86_64-linux-gnu-{name}")


def _dynamic_programs(root: Path) -> Iterator[Path]:
    for place in _PROGRAMS:
        for top in root.glob(place):
            for folder, _, names in os.walk(top):
                for name in names:
                    path = Path(folder, name)
                    if not path.is_symlink() and os.access(path, os.X_OK) and _is_dynamic(path):
                        yield path


def _is_dynamic(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(4096)
    return head[:4] == b"\x7fELF" and _DYNAMIC in head


def _make_headers_stand(root: Path, release: str) -> None:
    """Their Makefile names directories of an installed system."""
    makefile = root / f"usr/src/linux-headers-{release}/Makefile"
    makefile.write_text(makefile.read_text().replace("/usr/src/", f"{root}/usr/src/"))


def _common(root: Path, headers: Path) -> Path:
    """The directory that the headers' Makefile includes the kernel's from."""
    for line in (headers / "Makefile").read_text().splitlines():
        if line.startswith("include ") and line.endswith("/Makefile"):
            return Path(line.removeprefix("include ").removesuffix("/Makefile"))
    raise HarnessError(f"the headers in {root} do not say where the kernel's Makefile is")
