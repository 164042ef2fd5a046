# SPDX-License-Identifier: MIT
"""``python -m amdgpu_hw.guest.build``: what ``scripts/build_module`` does."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from amdgpu_hw.errors import HarnessError
from amdgpu_hw.exit_status import ExitStatus
from amdgpu_hw.guest.debian import Archive
from amdgpu_hw.guest.fetch import STOCK_KERNELS, StockKernel
from amdgpu_hw.guest.kernels import find_kernel
from amdgpu_hw.guest.module_build import UAPI_HEADERS, Source, build_module, debian_source, tree_source
from amdgpu_hw.guest.places import cache
from amdgpu_hw.guest.source_edits import find_edits
from amdgpu_hw.guest.toolchain import BuildRoot, build_root, built_tree

__all__ = ("main", "sources")

_STOCK_NAME = "stock"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a module; prints its path. 2 with one sentence where that cannot be done."""
    given = _arguments(arguments)
    try:
        edits = [find_edits(each) for each in given.edits]
        root, source = sources(given.linux, given.source)
        module = build_module(root, source, given.patch, _name(given), _say, edits)
    except HarnessError as error:
        print(f"build_module: {error}", file=sys.stderr)
        return ExitStatus.UNUSABLE
    except KeyboardInterrupt:
        print("build_module: interrupted; what is compiled is kept", file=sys.stderr)
        return ExitStatus.INCOMPLETE
    _say(f"run it: amdgpu-hw validate --guest {root.release} --module {module}")
    print(module)
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/build_module",
        description="Builds only amdgpu.ko, with patches applied first, for 'amdgpu-hw guest --module'.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--linux",
        metavar="VERSION|TREE",
        help="a kernel that set-up fetched (its beginning will do; default: the newest), or a tree that is built",
    )
    parser.add_argument(
        "--source",
        metavar="TREE",
        type=Path,
        help="build the driver of this kernel tree, which need not be built, for a kernel that set-up fetched",
    )
    parser.add_argument(
        "--patch",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a diff, a mail or a mailbox to be applied first; repeatable, in this order",
    )
    parser.add_argument(
        "--edits",
        metavar="NAME|FILE",
        action="append",
        default=[],
        help="edits that the patches need on this kernel, by the name of those that come with this package or as a "
        "file; repeatable, in this order",
    )
    parser.add_argument("--name", help="what the module is called (default: after the last edits, or the patches)")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(f"build_module: {text}", file=sys.stderr, flush=True)


def _name(given: argparse.Namespace) -> str:
    """What a person recognizes the module by."""
    words = [Path(each).name.removesuffix(".toml") for each in given.edits[-1:]] or [
        patch.stem for patch in given.patch
    ]
    name = given.name or "+".join(words) or (given.source.absolute().name if given.source else _STOCK_NAME)
    return re.sub(r"[^\w.+-]+", "-", name)[:60]


def sources(linux: str | None, driver: Path | None = None) -> tuple[BuildRoot, Source]:
    """Where to build, and what: a kernel that set-up fetched, or a tree; or for either the ``driver`` of another tree.

    Raises `HarnessError`.
    """
    if linux is not None and "/" in linux and driver is not None:
        raise HarnessError("--source is built for a kernel that set-up fetched: name one with --linux, not a tree")
    if linux is not None and "/" in linux:
        tree = Path(linux).absolute()
        return built_tree(tree), tree_source(tree)
    release = find_kernel(linux).release
    stock = _stock(release)
    archive = Archive()
    fetched = cache("build", release, "ready").is_file()
    if not fetched or (driver is None and not cache("build", release, "source").is_dir()):
        _say(f"fetching the headers, the compiler and the source of Linux {release}: 240 MB, 600 MB unpacked")
        archive.update()
    root = build_root(release, stock.suite, archive)
    if driver is None:
        source = debian_source(root, stock.series, stock.suite, archive)
    else:
        source = tree_source(driver.absolute(), UAPI_HEADERS)
    shutil.rmtree(archive.packages, ignore_errors=True)
    return root, source


def _stock(release: str) -> StockKernel:
    for stock in STOCK_KERNELS:
        if release.startswith(f"{stock.series}."):
            return stock
    raise HarnessError(
        f"the source of {release} is not Debian's: name the tree that it was built in (--linux), or one of "
        f"{', '.join(stock.series for stock in STOCK_KERNELS)}"
    )


if __name__ == "__main__":
    sys.exit(main())
