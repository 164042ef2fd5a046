# SPDX-License-Identifier: MIT
"""Which files of the mock kernel are mutated."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from mutate.mutants import KERNEL
from mutate.report import FileGroup

__all__ = ("file_groups",)

_HEURISTICS = frozenset({"amdgpu/amdgpu_cs/mm_stats.py"})
"""How much memory a submission may move is a guess about how much is worth while: nothing that a row may hold it to."""

_GROUPS = (
    ("amdgpu_vm", ("amdgpu/amdgpu_vm/*.py", "amdgpu/amdgpu_vm_*.py"), 95),
    ("amdgpu_gem_va", ("amdgpu/amdgpu_gem/va.py",), 95),
    ("amdgpu_sync", ("amdgpu/amdgpu_sync.py",), 95),
    ("amdgpu_cs", ("amdgpu/amdgpu_cs/*.py",), 85),
    ("drm_syncobj", ("drm/drm_syncobj/*.py",), 85),
    ("scheduler", ("scheduler/*.py",), 85),
)
"""What rows are about, and how many in a hundred mutants of it they have to notice."""


def file_groups(patterns: Sequence[str]) -> list[FileGroup]:
    """Return the groups, of their files those that match one of these shell patterns; ValueError if one matches none.

    A pattern is held against the name of the group, and against the path below mock/kernel and its ends.
    """
    groups = [FileGroup(name, _files(paths), goal) for name, paths, goal in _GROUPS]
    for pattern in patterns:
        if not any(_matches(pattern, group.name, file) for group in groups for file in group.files):
            names = ", ".join(group.name for group in groups)
            raise ValueError(f"no file that is mutated matches '{pattern}'; there are the groups {names}")
    chosen = [
        FileGroup(
            group.name,
            tuple(f for f in group.files if not patterns or any(_matches(p, group.name, f) for p in patterns)),
            group.goal,
        )
        for group in groups
    ]
    return [group for group in chosen if group.files]


def _files(patterns: Sequence[str]) -> tuple[str, ...]:
    paths = [path for pattern in patterns for path in sorted(KERNEL.glob(pattern)) if path.name != "__init__.py"]
    files = (str(path.relative_to(KERNEL)) for path in paths)
    return tuple(file for file in files if file not in _HEURISTICS)


def _matches(pattern: str, group: str, file: str) -> bool:
    return any(fnmatch.fnmatch(name, form) for name in (group, file) for form in (pattern, f"*/{pattern}"))
