# SPDX-License-Identifier: MIT
"""/proc/slabinfo (mm/slab_common.c) as on a kernel that was booted with slab_nomerge, and lets everybody read it.

It lists the caches whose objects the model counts, and no others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.file import TextFile
from amdgpu_hw.mock.kernel.page import PAGE_SIZE

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("SLABINFO", "probe")

SLABINFO = "/proc/slabinfo"

_HEADER = (
    "slabinfo - version: 2.1\n"
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
    " : tunables <limit> <batchcount> <sharedfactor>"
    " : slabdata <active_slabs> <num_slabs> <sharedavail>\n"
)


def probe(kernel: Kernel, caches: dict[str, tuple[int, Callable[[], int]]]) -> None:
    """Make the file readable; ``caches``: name -> bytes of an object, and what counts those in use."""

    def show() -> bytes:
        return (_HEADER + "".join(_line(name, size, count()) for name, (size, count) in caches.items())).encode()

    kernel.register_node(SLABINFO, 0, 0, lambda _caller, _flags: TextFile(SLABINFO, show()))


def _line(name: str, size: int, active: int) -> str:
    per_slab = PAGE_SIZE // size
    slabs = -(-active // per_slab)
    return (
        f"{name:<17} {active:6} {slabs * per_slab:6} {size:6} {per_slab:4} {1:4}"
        f" : tunables {0:4} {0:4} {0:4} : slabdata {slabs:6} {slabs:6} {0:6}\n"
    )
