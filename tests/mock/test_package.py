# SPDX-License-Identifier: MIT
"""What `import amdgpu_hw` offers, and what its classes are called."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import amdgpu_hw

ROOT = Path(__file__).parents[2]

SHARED_NAMES = {
    "SyncFile": "struct sync_file in the mock kernel; to user space, and in the public API, the descriptor of one",
}
"""Names of two public classes, and why neither can have another."""


def test_every_exported_name_exists() -> None:
    """The lazy exports and the list of them agree."""
    for name in amdgpu_hw.__all__:
        assert getattr(amdgpu_hw, name) is not None
    assert sorted(amdgpu_hw.__all__) == sorted(amdgpu_hw._MODULE_OF)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """hasattr() and typos behave as with any module."""
    with pytest.raises(AttributeError, match="nonsense"):
        _ = amdgpu_hw.nonsense


def public_classes() -> Iterator[tuple[str, str]]:
    """Name and file of every class, in the package and the scripts, whose name has no underscore in front."""
    for top in ("amdgpu_hw", "scripts"):
        for path in sorted((ROOT / top).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    yield node.name, str(path.relative_to(ROOT))


def test_no_two_public_classes_have_one_name() -> None:
    """Whoever reads a name in a traceback or a signature knows which class that is; exceptions say why."""
    files = defaultdict(list)
    for name, path in public_classes():
        files[name].append(path)
    assert len(files) > 300, "the classes were not found"
    shared = {name: paths for name, paths in files.items() if len(paths) > 1}
    surprises = [f"{name} is in {', '.join(paths)}" for name, paths in shared.items() if name not in SHARED_NAMES]
    assert not surprises, f"rename one of them after what it is: {'; '.join(surprises)}"
    assert shared.keys() == SHARED_NAMES.keys(), "an exception that is none any more"
