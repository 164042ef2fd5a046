# SPDX-License-Identifier: MIT
"""How many objects of one kind the kernel has allocated: /proc/slabinfo, for finding leaks.

SLUB counts as active what its CPUs keep at hand, whole slabs (before 7.0) or sheaves of free objects: only the free
objects of slabs on a node's partial list are left out (get_slabinfo in mm/slub.c). Shrinking the cache first gives all
of that back (kmem_cache_shrink: flush_all), and the number is then exact; where that is not allowed the number is so
much off as `SlabCache.grain` says.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from amdgpu_hw.errors import FeatureMissing

__all__ = ("SlabCache",)

SLABINFO = Path("/proc/slabinfo")
SLABS = Path("/sys/kernel/slab")

_KEPT = ((4096, 6), (1024, 24), (256, 52), (0, 120))
"""Objects that a CPU keeps beside its slab, by the least size of an object in bytes (set_cpu_partial)."""

_SHEAVES_PER_CPU, _SHEAVES_PER_NODE, _IN_A_SHEAF = 3, 10, 64
"""Main, spare and rcu_free (struct slub_percpu_sheaves); MAX_FULL_SHEAVES; calculate_sheaf_capacity at most."""


@dataclass(frozen=True, slots=True)
class SlabCache:
    """A slab cache of the running kernel. ``cpus`` and ``nodes`` are those of the machine."""

    name: str
    object_size: int
    objects_per_slab: int
    cpus: int
    nodes: int

    @classmethod
    def find(cls, *names: str) -> Self:
        """The first of these that there is: what is one cache has had several names.

        Raises `FeatureMissing` where nobody can tell: the file is for root, and unless the kernel was booted with
        ``slab_nomerge`` caches of objects of the same size are one.
        """
        caches = _caches()
        for name in names:
            if name in caches:
                _, size, per_slab = caches[name]
                nodes = len(list(Path("/sys/devices/system/node").glob("node[0-9]*"))) or 1
                return cls(name, size, per_slab, os.cpu_count() or 1, nodes)
        raise FeatureMissing(
            f"{SLABINFO} has no {' or '.join(names)}: it is merged with others, boot with slab_nomerge"
        )

    def active(self) -> int:
        """Objects in use, by everybody on the machine, give or take `grain`; shrinks the cache where that may be."""
        with contextlib.suppress(OSError):  # then the number has its grain
            (SLABS / self.name / "shrink").write_text("1\n", encoding="ascii")
        return _caches()[self.name][0]

    @property
    def grain(self) -> int:
        """How many objects may be counted that are in nobody's use; 0 where the cache can be shrunk."""
        if os.access(SLABS / self.name / "shrink", os.W_OK):
            return 0
        kept = next(objects for least, objects in _KEPT if self.object_size >= least)
        slabs = 2 + -(-2 * kept // self.objects_per_slab)
        sheaves = (_SHEAVES_PER_CPU * self.cpus + _SHEAVES_PER_NODE * self.nodes) * _IN_A_SHEAF
        return slabs * self.objects_per_slab * self.cpus + sheaves

    @property
    def rounds(self) -> int:
        """How many rounds that leak an object each stand out from the grain, and from what others do meanwhile."""
        return 16 + 2 * self.grain


def _caches() -> dict[str, tuple[int, int, int]]:
    """Active objects, bytes of one, and objects in a slab, by the cache's name."""
    try:
        text = SLABINFO.read_text(encoding="ascii")
    except OSError as error:
        raise FeatureMissing(f"{SLABINFO} cannot be read: {error.strerror} (it is for root)") from None
    found = {}
    for line in text.splitlines()[1:]:
        fields = line.split()
        if not line.startswith("#") and len(fields) > 4:
            found[fields[0]] = int(fields[1]), int(fields[3]), int(fields[4])
    return found
