# SPDX-License-Identifier: MIT
"""How many objects of one kind the kernel has allocated: /proc/slabinfo, for finding leaks."""

from __future__ import annotations

from pathlib import Path

from amdgpu_hw.errors import FeatureMissing

__all__ = ("active_objects",)

_FILE = Path("/proc/slabinfo")


def active_objects(cache: str) -> int:
    """Objects of a slab cache that are in use, by everybody on the machine.

    Raises `FeatureMissing` where that cannot be known: the file is for root, and unless the kernel was booted with
    ``slab_nomerge`` caches of objects of the same size are one.
    """
    try:
        text = _FILE.read_text(encoding="ascii")
    except OSError as error:
        raise FeatureMissing(f"{_FILE} cannot be read: {error.strerror} (it is for root)") from None
    for line in text.splitlines():
        fields = line.split()
        if fields and fields[0] == cache:
            return int(fields[1])
    raise FeatureMissing(f"{_FILE} has no {cache}: it is merged with others, boot with slab_nomerge")
