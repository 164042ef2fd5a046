# SPDX-License-Identifier: MIT
"""A name with a prefix of the kernel's is one that the kernel has, and stands where the kernel has it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import kernel_names
import pytest
from kernel_names import DATA, KINDS, Name, definitions, prefixed_files, prefixed_names

SERIES = {
    "functions": {
        "amdgpu_vm_delayed_free": ["amdgpu_vm"],
        "amdgpu_vm_update_ctx_add_freed_mapping": ["amdgpu_vm"],
        "amdgpu_vm_update_ctx_ensure_unmap_synced": ["amdgpu_vm"],
        "amdgpu_vm_update_ctx_fini": ["amdgpu_vm"],
    },
    "types": {"amdgpu_vm_update_ctx": ["amdgpu_vm"]},
}
"""What patches 1 and 2 of the series bring (docs/reference/patch-2-of-3.txt, KERNEL.md 5)."""

ELSEWHERE = {
    "drm_to_adev": "inline in amdgpu.h, which has something of everything; it stands by the class that it returns",
}
"""Functions that do not stand in the file of the kernel's that defines them, and why."""


def load() -> dict[str, Any]:
    """Return the kernel's names, with those of the series."""
    names: dict[str, Any] = tomllib.loads(DATA.read_text(encoding="utf-8"))
    for kind, added in SERIES.items():
        names[kind] |= added
    return names


def strangers(found: Sequence[Name], names: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    """Name what no kernel has, with what to do about it."""
    return [
        f"{name.path}: {name.own} is none of the kernel's {name.kind}: give it a name without the prefix that says "
        f"what it does; or, if a kernel has it, run scripts/kernel_names.py on that kernel's sources"
        for name in found
        if name.name not in names[name.kind]
    ]


def misplaced(found: Sequence[Name], names: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    """Name functions that stand in another file than the kernel's, with what to do about it."""
    return [
        f"{name.path}: {name.own} belongs to {' or '.join(names['functions'][name.name])} (.py, or a package of that "
        f"name): move it there; where that makes an import cycle, say so in ELSEWHERE"
        for name in found
        if name.kind == "functions"
        and name.name not in ELSEWHERE
        and not name.stems & set(names["functions"].get(name.name, name.stems))
    ]


@pytest.fixture(scope="module")
def found() -> list[Name]:
    """Every name of the mock kernel with a prefix."""
    return list(prefixed_names())


def test_names_with_a_kernel_prefix_are_the_kernels(found: list[Name]) -> None:
    """Functions, tracepoints, classes (structures) and constants: what is ours is recognisable as ours."""
    wrong = strangers(found, load())
    assert not wrong, "\n".join(wrong)


def test_functions_stand_in_the_file_of_the_kernel(found: list[Name]) -> None:
    """Who knows the kernel finds them; an inline function of a header belongs to the file of the header's name."""
    wrong = misplaced(found, load())
    assert not wrong, "\n".join(wrong)


def test_files_with_a_kernel_prefix_are_kernel_files() -> None:
    """Also packages, which stand for one large file."""
    kernel_files = set(load()["files"])
    wrong = [
        f"{path} is no file of the kernel: give it a name without the prefix, or make it part of a package"
        for path in prefixed_files()
        if path.stem not in kernel_files
    ]
    assert not wrong, "\n".join(wrong)


def test_exceptions_and_data_are_needed(found: list[Name]) -> None:
    """What is declared for a function that has gone, or has moved to where it belongs, must go too."""
    names = load()
    used = {kind: {name.name for name in found if name.kind == kind} for kind in KINDS}
    assert {kind: set(names[kind]) - used[kind] for kind in KINDS} == {kind: set() for kind in KINDS}
    at_home = {name.name for name in found if name.stems & set(names[name.kind].get(name.name, ()))}
    assert not at_home & set(ELSEWHERE)
    assert set(ELSEWHERE) <= used["functions"]
    assert set(names["files"]) == {path.stem for path in prefixed_files()}


# -- the checks and the script themselves -------------------------------------------------------------------------


@pytest.fixture
def mock_kernel(tmp_path: Path) -> Path:
    """A mock kernel with one function that is right and one of each kind of mistake."""
    package = tmp_path / "mock" / "dma_buf"
    package.mkdir(parents=True)
    (package / "dma_fence.py").write_text(
        "def dma_fence_wait(): ...\n"
        "def _dma_fence_wait_twice(): ...\n"
        "class DmaFencing: ...\n"
        "DMA_FENCE_PATIENCE = 1\n"
        "def wait_for_all_fences(): ...\n"
    )
    (package / "dma_resv.py").write_text("class DmaResv:\n    def dma_fence_is_later(self): ...\n")
    (package / "dma_waiting.py").write_text("")
    (package / "waiting.py").write_text("")
    return tmp_path / "mock"


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    """A source tree of a small kernel."""
    tree = tmp_path / "linux"
    for folder in ("drivers/gpu/drm", "drivers/dma-buf", "include/linux"):
        (tree / folder).mkdir(parents=True)
    (tree / "Makefile").write_text("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n")
    (tree / "drivers/dma-buf/dma-fence.c").write_text("long dma_fence_wait(struct dma_fence *fence)\n{\n}\n")
    (tree / "drivers/dma-buf/dma-resv.c").write_text("\n")
    (tree / "include/linux/dma-fence.h").write_text(
        "long dma_fence_wait_twice(void);\n\nstatic inline bool dma_fence_is_later(int a,\n\t\tint b)\n{\n}\n"
    )
    (tree / "include/linux/dma-resv.h").write_text("struct dma_resv {\n};\n")
    return tree


def test_mistakes_are_found(mock_kernel: Path) -> None:
    """A name that the kernel lacks, also behind an underscore; a method in the wrong file; a file that is none."""
    kernel = {
        "functions": {"dma_fence_wait": ["dma_fence"], "dma_fence_is_later": ["dma_fence"]},
        "types": {"dma_resv": ["dma_resv"]},
        "constants": {},
        "events": {},
    }
    found = list(prefixed_names(mock_kernel))
    assert [line.split()[1] for line in strangers(found, kernel)] == [
        "_dma_fence_wait_twice",
        "DmaFencing",
        "DMA_FENCE_PATIENCE",
    ]
    assert [line.split(":")[:2] for line in misplaced(found, kernel)] == [
        [
            "dma_buf/dma_resv.py",
            " dma_fence_is_later belongs to dma_fence (.py, or a package of that name)",
        ]
    ]
    assert [str(path) for path in prefixed_files(mock_kernel)] == [
        "dma_buf/dma_fence.py",
        "dma_buf/dma_resv.py",
        "dma_buf/dma_waiting.py",
    ]


def test_the_script_writes_what_the_kernel_defines(
    mock_kernel: Path, linux: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A prototype does not count as a definition; what no kernel has is printed, and nothing but names is written."""
    data = tmp_path / "names.toml"
    assert kernel_names.main([str(linux)], mock_kernel, data) == 0
    assert tomllib.loads(data.read_text()) == {
        "kernels": ["7.3.4"],
        "files": ["dma_fence", "dma_resv"],
        "functions": {"dma_fence_is_later": ["dma_fence"], "dma_fence_wait": ["dma_fence"]},
        "events": {},
        "types": {"dma_resv": ["dma_resv"]},
        "constants": {},
    }
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == [
        "_dma_fence_wait_twice",
        "DmaFencing",
        "DMA_FENCE_PATIENCE",
    ]


def test_the_script_refuses_what_is_no_source_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, and nothing is written."""
    data = tmp_path / "names.toml"
    assert kernel_names.main([str(tmp_path)], data=data) == 2
    assert "is no source tree of Linux" in capsys.readouterr().err
    assert not data.exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("static int drm_a(int b)\n{\n", {("functions", "drm_a")}),
        ("int drm_a(int b);\n", set()),
        ("\tdrm_a(b);\n", set()),
        ("void\ndrm_a(int (*b)(void))\n\t__must_hold(&c)\n{\n", {("functions", "drm_a")}),
        ("#define drm_a(b) b\n", {("functions", "drm_a"), ("constants", "drm_a")}),
        ("#define DRM_A 1\n", {("constants", "DRM_A")}),
        (
            "enum drm_a {\n\tDRM_B,\n\tDRM_C = 1, /* c */\n};\n",
            {("types", "drm_a"), *((("constants", c)) for c in ("DRM_B", "DRM_C"))},
        ),
        ("TRACE_EVENT(drm_a,\n", {("events", "drm_a")}),
        ("DEFINE_EVENT(drm_a, drm_b,\n", {("events", "drm_b")}),
        ("const unsigned int drm_a[B] = {\n", {("functions", "drm_a"), ("types", "drm_a")}),
        ("typedef int drm_a_t(struct b *c, int d);\n", {("types", "drm_a_t")}),
    ],
)
def test_definitions_are_told_from_uses(text: str, expected: set[tuple[str, str]]) -> None:
    """Function, macro, constant, structure, tracepoint and table, as the kernel's sources write them."""
    assert set(definitions(text)) == expected
