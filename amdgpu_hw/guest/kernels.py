# SPDX-License-Identifier: MIT
"""Finding the kernel that a guest machine is to run.

What a person can name: an installed version, one that set-up fetched (or the beginning of its version), a Debian
package, a built kernel tree, or a bzImage with its modules.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.guest.places import cache

__all__ = ("STOCK", "GuestKernel", "fetched_kernels", "find_kernel", "unpack_packages")

STOCK = "stock"
"""How the kernel is called that there is without a name."""

_UNPACK_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class GuestKernel:
    """A kernel that can be booted."""

    image: Path
    """A bzImage."""
    modules: Path | None
    """The directory below which its modules are."""
    release: str
    """As uname gives it."""
    origin: str
    """Where it was found, for a person."""


def find_kernel(what: str | None = None, modules: Path | None = None) -> GuestKernel:
    """The kernel that ``what`` names, or the one there is without a name; raises `HarnessError`.

    ``modules`` overrides where its modules are looked for.
    """
    if what is None or what == STOCK:
        kernel = _stock()
    elif Path(what).exists() and ("/" in what or Path(what).is_file()):
        kernel = _at(Path(what).absolute())
    else:
        kernel = _named(what)
    if modules is None:
        return kernel
    if not modules.is_dir():
        raise HarnessError(f"there is no directory {modules} with the kernel's modules")
    return GuestKernel(kernel.image, modules.absolute(), kernel.release, kernel.origin)


def fetched_kernels() -> list[GuestKernel]:
    """Those that set-up fetched, newest first."""
    found = []
    for root in cache("kernels").glob("*"):
        kernel = _unpacked(root, "fetched by set-up")
        if kernel is not None and not root.name.startswith("."):
            found.append(kernel)
    return sorted(found, key=lambda kernel: _sortable(kernel.release), reverse=True)


def _sortable(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)]


def _stock() -> GuestKernel:
    """The newest that set-up fetched; where it cannot fetch any, this machine's own."""
    kernel = next(iter(fetched_kernels()), None) or _installed(platform.release())
    if kernel is None:
        raise HarnessError(
            "there is no kernel for a guest machine yet: run 'scripts/setup guest', or name one (--linux)"
        )
    return kernel


def _named(what: str) -> GuestKernel:
    installed = _installed(what)
    if installed is not None:
        return installed
    fetched = fetched_kernels()
    for kernel in fetched:
        if kernel.release == what or re.match(rf"{re.escape(what)}(?!\d)", kernel.release):
            return kernel
    known = ", ".join(kernel.release for kernel in fetched) or "none"
    raise HarnessError(
        f"'{what}' is no kernel: neither an installed version, nor one that set-up fetched ({known}), nor a file or "
        "directory (a path with a '/')"
    )


def _installed(release: str) -> GuestKernel | None:
    modules = Path("/lib/modules", release)
    for image in (Path("/boot", f"vmlinuz-{release}"), modules / "vmlinuz"):
        if image.is_file() and modules.is_dir():
            return GuestKernel(image, modules, release, "installed")
    return None


def _at(path: Path) -> GuestKernel:
    if path.is_dir():
        kernel = _tree(path) or _unpacked(path, str(path))
        if kernel is None:
            raise HarnessError(
                f"{path} is neither a built kernel tree (no arch/x86/boot/bzImage) nor an unpacked kernel package"
            )
        return kernel
    if path.suffix == ".deb":
        return _package(path)
    release = image_release(path)
    return GuestKernel(path, _modules_of(path, release), release, str(path))


def _tree(tree: Path) -> GuestKernel | None:
    image = tree / "arch/x86/boot/bzImage"
    if not image.is_file():
        return None
    try:
        release = (tree / "include/config/kernel.release").read_text().strip()
    except OSError:
        release = image_release(image)
    return GuestKernel(image, tree, release, f"built in {tree}")


def _modules_of(image: Path, release: str) -> Path | None:
    candidates = [parent / f"lib/modules/{release}" for parent in (image.parent, *image.parents[1:3])]
    if image.parent.parts[-3:] == ("arch", "x86", "boot"):
        candidates.insert(0, image.parents[3])
    candidates += [image.parent, Path("/lib/modules", release)]
    return next((path for path in candidates if (path / "modules.order").is_file()), None)


def image_release(image: Path) -> str:
    """The version in a bzImage's header (Documentation/arch/x86/boot.rst); raises `HarnessError` if it is none."""
    try:
        with image.open("rb") as file:
            head = file.read(0x8200)
    except OSError as error:
        raise HarnessError(f"the kernel {image} cannot be read: {error.strerror}") from None
    if len(head) < 0x210 or head[0x202:0x206] != b"HdrS":
        raise HarnessError(f"{image} is no bzImage: it has no boot header")
    (pointer,) = struct.unpack_from("<H", head, 0x20E)
    start = pointer + 0x200
    words = head[start : head.find(b"\0", start)].decode("ascii", "replace").split()
    if not words:
        raise HarnessError(f"the kernel {image} does not tell its version")
    return words[0]


def _unpacked(root: Path, origin: str) -> GuestKernel | None:
    """A kernel in a directory laid out as a file system, e.g. unpacked packages."""
    for parent in (root / "usr/lib/modules", root / "lib/modules"):
        for modules in sorted(parent.glob("*")):
            release = modules.name
            for image in (modules / "vmlinuz", root / "boot" / f"vmlinuz-{release}"):
                if image.is_file() and (modules / "modules.order").is_file():
                    return GuestKernel(image, modules, release, origin)
    return None


_KERNEL_PACKAGE = re.compile(r"linux-(?:image|binary|modules|base)-(?P<release>\d[^_]*)_(?P<rest>.+)\.deb")


def _package(package: Path) -> GuestKernel:
    """Newer kernels come in several packages: the others are looked for beside the one that is named."""
    named = _KERNEL_PACKAGE.fullmatch(package.name)
    packages = [package]
    if named:
        for other in sorted(package.parent.glob(f"linux-*-{named['release']}_{named['rest']}.deb")):
            if _KERNEL_PACKAGE.fullmatch(other.name) and other != package:
                packages.append(other)
    identity = " ".join(f"{each} {each.stat().st_size} {each.stat().st_mtime_ns}" for each in packages)
    root = cache("kernels", f".{package.stem}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}")
    if not root.is_dir():
        unpack_packages(packages, root)
    kernel = _unpacked(root, str(package))
    if kernel is None:
        raise HarnessError(
            f"{package} has no kernel with its modules; newer kernels come in several packages (linux-binary, "
            "linux-modules), which must be in the same directory"
        )
    return kernel


def unpack_packages(packages: list[Path], root: Path) -> None:
    """Unpack Debian packages into a new directory, all or nothing; raises `HarnessError`."""
    if shutil.which("dpkg-deb") is None:
        raise HarnessError("Debian packages are unpacked by dpkg-deb, which is not here: install the package dpkg")
    root.parent.mkdir(parents=True, exist_ok=True)
    beside = root.with_name(f"{root.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        for package in packages:
            command = ["dpkg-deb", "-x", str(package), str(beside)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_UNPACK_TIMEOUT_S)
            if done.returncode:
                raise HarnessError(f"{package} cannot be unpacked: {done.stderr.strip()}")
        shutil.rmtree(root, ignore_errors=True)
        beside.rename(root)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
