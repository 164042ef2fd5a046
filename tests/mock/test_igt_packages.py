# SPDX-License-Identifier: MIT
"""IGT from a private root: only the programs asked for, each made once, with loader and libraries of the root."""

from __future__ import annotations

from pathlib import Path

import pytest
from clients import igt_packages

from amdgpu_hw.errors import HarnessError

LOADER = """#!/bin/sh
# --library-path DIR PROGRAM ARGUMENTS
shift 2
exec "$@"
"""
PATCHELF = """#!/bin/sh
while [ $# -gt 1 ]; do
    [ "$1" = --output ] && out=$2
    [ "$1" = --set-rpath ] && libraries=$2
    shift
done
grep -q damaged "$1" && { echo 'not an ELF executable' >&2; exit 1; }
echo "$libraries" > "$out"
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root that was fetched before, with two programs in it and one that nothing can be made of."""
    monkeypatch.setenv("AMDGPU_HW_CACHE", str(tmp_path))
    root = tmp_path / "clients" / f"igt-{igt_packages.SUITE}"
    files = {
        "version": "2.5-1\n",
        "usr/lib64/ld-linux-x86-64.so.2": LOADER,
        "usr/bin/patchelf": PATCHELF,
        "usr/libexec/igt-gpu-tools/amdgpu/amd_bo": "one",
        "usr/libexec/igt-gpu-tools/core_auth": "two",
        "usr/libexec/igt-gpu-tools/damaged": "damaged",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return root


def test_the_programs_that_are_asked_for_are_made_once(root: Path) -> None:
    """At any depth; what was made before is not made again."""
    made, version = igt_packages.igt_programs({"amd_bo"})
    assert version == "2.5-1"
    assert [path.name for path in made.iterdir()] == ["amd_bo"]
    assert (made / "amd_bo").read_text() == f"{root}/usr/lib/x86_64-linux-gnu\n"
    (made / "amd_bo").write_text("mine")
    igt_packages.igt_programs({"amd_bo", "core_auth"})
    assert sorted(path.name for path in made.iterdir()) == ["amd_bo", "core_auth"]
    assert (made / "amd_bo").read_text() == "mine"


def test_a_program_that_nothing_can_be_made_of_is_told(root: Path) -> None:
    """In patchelf's words; nothing is left of it."""
    with pytest.raises(HarnessError, match="damaged cannot be made to run here: not an ELF executable"):
        igt_packages.igt_programs({"damaged"})
    assert not list((root / "programs").iterdir())
