# SPDX-License-Identifier: MIT
"""/proc/slabinfo (mm/slab_common.c) as on a kernel that was booted with slab_nomerge, and lets everybody read it.

It lists the caches whose objects the model counts, and no others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from amdgpu_hw.mock.kernel.file import TextFile
from amdgpu_hw.mock.kernel.page import PAGE_SIZE

if TYPE_CHECKING:
    from amdgpu_hw.mock.kernel.kernel import Kernel

__all__ = ("SLABINFO", "KmemCache", "probe")

SLABINFO = "/proc/slabinfo"

_HEADER = (
    "slabinfo - version: 2.1\n"
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
    " : tunables <limit> <batchcount> <sharedfactor>"
    " : slabdata <active_slabs> <num_slabs> <sharedavail>\n"
)


class KmemCache:
    """A cache as SLUB counts it (get_slabinfo): each CPU's slab counts as full, until the cache has been shrunk.

    ``in_use`` counts the objects that are; ``cpus`` is how many CPUs keep a slab.
    """

    def __init__(self, name: str, size: int, in_use: Callable[[], int], cpus: int) -> None:
        self.name = name
        self._size = size
        self._in_use = in_use
        self._cpus = cpus
        self._flushed = False

    @property
    def shrink_file(self) -> str:
        """What a 1 is written to for `shrink`."""
        return f"/sys/kernel/slab/{self.name}/shrink"

    def shrink(self) -> None:
        """Have the CPUs give back what they keep (kmem_cache_shrink): the next count is exact."""
        self._flushed = True

    def line(self) -> str:
        """The cache's line in /proc/slabinfo, after which it counts in whole slabs again."""
        flushed, self._flushed = self._flushed, False
        in_use, per_slab = self._in_use(), PAGE_SIZE // self._size
        slabs = -(-in_use // per_slab)
        active = in_use if flushed else (slabs + self._cpus) * per_slab
        slabs += 0 if flushed else self._cpus
        return (
            f"{self.name:<17} {active:6} {slabs * per_slab:6} {self._size:6} {per_slab:4} {1:4}"
            f" : tunables {0:4} {0:4} {0:4} : slabdata {slabs:6} {slabs:6} {0:6}\n"
        )


def probe(kernel: Kernel, caches: Sequence[KmemCache]) -> None:
    """Make the file readable."""

    def show() -> bytes:
        return (_HEADER + "".join(cache.line() for cache in caches)).encode()

    kernel.register_node(SLABINFO, 0, 0, lambda _caller, _flags: TextFile(SLABINFO, show()))
