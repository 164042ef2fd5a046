# SPDX-License-Identifier: MIT
"""What a kernel developer may take for its neighbour: objects of one type, constants of one family.

In C neither is told apart by the compiler. Each name below may be taken for the next one of its group, the last for the
first.
"""

from __future__ import annotations

__all__ = ("CONSTANTS", "MEMBERS", "NAMES", "RELEASES")

MEMBERS = (
    ("freed", "delayed_freed"),
    ("immediate", "delayed"),
    ("evicted", "moved", "invalidated"),
    ("valids", "invalids"),
    ("last_update", "last_unlocked", "last_tlb_flush"),
    ("resv", "root_resv"),
    ("start", "last"),
    ("va_address", "offset_in_bo", "map_size"),
    ("scheduled", "finished"),
)
"""Members of structures."""

NAMES = (
    ("first", "last"),
    ("src_handle", "dst_handle"),
    ("src_point", "dst_point"),
    ("prev", "fence"),
    ("fence", "link"),
)
"""Parameters and locals, where a function has both."""

CONSTANTS = (
    ("DMA_RESV_USAGE_KERNEL", "DMA_RESV_USAGE_WRITE", "DMA_RESV_USAGE_READ", "DMA_RESV_USAGE_BOOKKEEP"),
    ("AMDGPU_SYNC_ALWAYS", "AMDGPU_SYNC_NE_OWNER", "AMDGPU_SYNC_EQ_OWNER", "AMDGPU_SYNC_EXPLICIT"),
    ("AMDGPU_FENCE_OWNER_UNDEFINED", "AMDGPU_FENCE_OWNER_VM", "AMDGPU_FENCE_OWNER_KFD"),
    ("AMDGPU_VA_OP_MAP", "AMDGPU_VA_OP_UNMAP", "AMDGPU_VA_OP_CLEAR", "AMDGPU_VA_OP_REPLACE"),
    (
        "AMDGPU_VM_PAGE_READABLE",
        "AMDGPU_VM_PAGE_WRITEABLE",
        "AMDGPU_VM_PAGE_EXECUTABLE",
        "AMDGPU_VM_PAGE_PRT",
        "AMDGPU_VM_DELAY_UPDATE",
        "AMDGPU_VM_EXPLICIT_SYNC",
    ),
    ("EINVAL", "ENOENT"),
)
"""Constants, wherever a module has imported them from."""

RELEASES = ("put", "unlock", "fini", "release", "remove", "cancel", "drop", "clear", "pop", "remove_listener")
"""How the names of functions end that give something back: to drop such a call is to keep a lock or a reference."""
