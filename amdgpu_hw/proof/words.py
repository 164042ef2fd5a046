# SPDX-License-Identifier: MIT
"""Updates in words, as a kernel developer writes them."""

from __future__ import annotations

from amdgpu_hw.address_space import Mapping, Operation, Update
from amdgpu_hw.proof.units import address
from amdgpu_hw.uapi import amdgpu_drm as uapi
from amdgpu_hw.uapi.layout import flag_names

__all__ = ("flag_words", "update_words")


def update_words(update: Update) -> str:
    """One GEM_VA, e.g. ``explicit REPLACE by PRT at 0x8000_0400_0000+64 MiB``."""
    words = [update.operation.name]
    if update.flags & uapi.AMDGPU_VM_EXPLICIT_SYNC:
        words.insert(0, "explicit")
    if update.flags & uapi.AMDGPU_VM_DELAY_UPDATE:
        words.insert(0, "delayed")
    if isinstance(update, Mapping):
        words.append("by" if update.operation is Operation.REPLACE else "of")
        words.append("PRT" if update.is_prt else _buffer_words(update))
    elif update.flags & uapi.AMDGPU_VM_PAGE_PRT:
        words.append("of PRT")
    words += ["at", address(update.va, update.size)]
    return " ".join(words)


def flag_words(flags: int) -> str:
    """A flag word of GEM_VA by the kernel's names."""
    mtype = flags & uapi.AMDGPU_VM_MTYPE_MASK
    names = flag_names(flags & ~uapi.AMDGPU_VM_MTYPE_MASK, uapi.VM_FLAGS) if flags & ~mtype or not mtype else ""
    return "|".join(filter(None, (names, f"MTYPE({mtype >> 5})" if mtype else "")))


def _buffer_words(mapping: Mapping) -> str:
    return "an always-valid BO" if mapping.buffer is not None and mapping.buffer.always_valid else "an ordinary BO"
