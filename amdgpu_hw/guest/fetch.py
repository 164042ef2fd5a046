# SPDX-License-Identifier: MIT
"""``python -m amdgpu_hw.guest.fetch``: what ``scripts/setup guest`` gets for guest machines.

Programs, where the distribution's are missing or too old, and Debian's kernels of three ages. Everything goes into our
cache; sizes are told before anything is fetched, and nothing is done where it is all there.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.guest.boot_image import boot_image
from amdgpu_hw.guest.debian import Archive, Download
from amdgpu_hw.guest.kernels import fetched_kernels, find_kernel, unpack_packages
from amdgpu_hw.guest.modules import ModuleSet
from amdgpu_hw.guest.places import cache
from amdgpu_hw.guest.tools import find_tools, tools_root

__all__ = ("main",)

_TOOLS = ("qemu-system-x86", "virtiofsd", "busybox-static")
_TOOLS_SUITE = "trixie-backports"
_NOT_NEEDED = ("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/info", "var", "etc")


@dataclass(frozen=True, slots=True)
class StockKernel:
    """A series of Debian's kernels, of which the last one is wanted."""

    series: str
    suite: str
    pattern: str
    """The names of its packages, of which the numbers tell which is the newest."""
    parts: Sequence[str]
    """The packages that have to be fetched, as templates for the kernel's release."""


STOCK_KERNELS = (
    StockKernel(
        "7.3",
        "trixie-backports",
        r"linux-image-7\.3\.\d+\+deb13-amd64",
        ("linux-base-{}", "linux-binary-{}", "linux-modules-{}"),
    ),
    StockKernel("6.12", "trixie", r"linux-image-6\.12\.\d+\+deb13-amd64", ("linux-image-{}",)),
    StockKernel("6.1", "bookworm", r"linux-image-6\.1\.0-\d+-amd64", ("linux-image-{}",)),
)


def main() -> int:
    """Fetch what is missing; the exit status is 2 with one sentence where that cannot be done."""
    try:
        fetch(sys.argv[1:] or [kernel.series for kernel in STOCK_KERNELS])
    except HarnessError as error:
        say(str(error))
        return ExitStatus.UNUSABLE
    return 0


def say(text: str) -> None:
    """A line for whoever waits."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


def fetch(series: Sequence[str]) -> None:
    """Fetch the programs and the kernels of these series, as far as they are missing."""
    unknown = [name for name in series if name not in {kernel.series for kernel in STOCK_KERNELS}]
    if unknown:
        raise HarnessError(f"no stock kernel is known as {', '.join(unknown)}")
    if shutil.which("apt-get") is None:
        find_tools()
        say("everything for guest machines is here but kernels, which only apt-get can fetch: name yours (--linux)")
        return
    need_tools = not _have_tools()
    have = {kernel.release for kernel in fetched_kernels()}
    wanted = [
        kernel
        for kernel in STOCK_KERNELS
        if kernel.series in series and not any(_is_of(release, kernel.series) for release in have)
    ]
    if not need_tools and not wanted:
        return
    say(f"reading Debian's lists of packages (10 MB) into {cache('apt')}")
    archive = Archive()
    archive.update()
    releases = {kernel.series: _release(archive, kernel) for kernel in wanted}
    _announce(archive, need_tools, wanted, releases)
    if need_tools:
        _get_tools(archive)
    for kernel in wanted:
        _get_kernel(archive, kernel, releases[kernel.series])
    shutil.rmtree(cache("apt"), ignore_errors=True)


def _is_of(release: str, series: str) -> bool:
    return release.startswith(f"{series}.")


def _have_tools() -> bool:
    try:
        find_tools()
    except HarnessError:
        return False
    return True


def _release(archive: Archive, kernel: StockKernel) -> str:
    name = archive.newest(kernel.pattern)
    if name is None:
        raise HarnessError(f"Debian's archive has no kernel {kernel.series} in {kernel.suite}")
    return name.removeprefix("linux-image-")


def _parts(kernel: StockKernel, release: str) -> list[str]:
    return [part.format(release) for part in kernel.parts]


def _announce(archive: Archive, tools: bool, wanted: Sequence[StockKernel], releases: dict[str, str]) -> None:
    downloads: list[Download] = []
    names = []
    if tools:
        downloads += archive.needs(_TOOLS, _TOOLS_SUITE)
        names.append("QEMU, virtiofsd, busybox and their libraries")
    for kernel in wanted:
        downloads += archive.needs(_parts(kernel, releases[kernel.series]), kernel.suite, alone=True)
        names.append(f"Linux {releases[kernel.series]}")
    size = sum(download.size for download in downloads) / 1e6
    say(f"fetching {', '.join(names)}: {size:.0f} MB, and some {_times(size):.0f} MB in {cache()} when unpacked")
    say("this takes one to five minutes, as fast as your network is; it is done once")


def _times(megabytes: float) -> float:
    """Programs and old kernels grow threefold when they are unpacked, compressed modules do not."""
    return megabytes * 2.5


def _get_tools(archive: Archive) -> None:
    packages = archive.fetch(_TOOLS, _TOOLS_SUITE, archive.packages)
    unpack_packages(packages, tools_root())
    for name in _NOT_NEEDED:
        shutil.rmtree(tools_root() / name, ignore_errors=True)
    tools = find_tools()
    say(f"QEMU {tools.qemu_version} is in {tools_root()}")


def _get_kernel(archive: Archive, kernel: StockKernel, release: str) -> None:
    packages = archive.fetch(_parts(kernel, release), kernel.suite, archive.packages / kernel.series, alone=True)
    root = cache("kernels", release)
    unpack_packages(packages, root)
    found = find_kernel(release)
    # What the first run would otherwise wait for.
    modules = ModuleSet(found.modules, found.release)
    modules.closure(("overlay", "vgem", "amdgpu"))
    boot_image(found.image)
    say(f"Linux {found.release} is in {_short(root)}")


def _short(path: Path) -> str:
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)


if __name__ == "__main__":
    sys.exit(main())
