#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which of the mock kernel's names are the kernel's, and in which of its files they are defined.

    scripts/kernel_names.py PATH_TO_LINUX_SOURCE...

writes tests/mock/kernel/kernel_names.toml, which tests/mock/kernel/test_names.py holds the mock kernel to: to be run
after a function has got a kernel name. It takes all kernels that are modelled and at hand, the oldest first. Of a
source tree it reads Makefile, drivers/base, drivers/dma-buf, drivers/gpu/drm and include.

Only names that the mock kernel uses are written, with nothing but the stems of the files that define them. Names that
none of the kernels has are printed: either a patch brings them (the test knows those of the series), or they have to
lose their prefix.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
MOCK_KERNEL = ROOT / "amdgpu_hw" / "mock" / "kernel"
DATA = ROOT / "tests" / "mock" / "kernel" / "kernel_names.toml"

KINDS = ("functions", "events", "types", "constants")
"""Tables of the file that is written: functions, macros and variables; tracepoints; structures and the like."""

_SUBSYSTEMS = r"amdgpu|drm|ttm|dma|sync_file|sw_sync|syncobj|vgem|gmc|gfx_v\d+_\d+|sdma_v\d+_\d+|devcd"
_FUNCTION_PREFIX = re.compile(rf"(?:to_)?(?:{_SUBSYSTEMS})_|dev_coredump", re.IGNORECASE)
_TYPE_PREFIX = re.compile(rf"(?:{_SUBSYSTEMS})(?:_|$)")
_FILE_PREFIX = re.compile(r"(?:amdgpu|drm|ttm|dma|sync_file|sw_sync|vgem|gmc|gfx|sdma|sched)(?:_|$)")

_SOURCES = (
    "drivers/base/*.c",
    "drivers/dma-buf/*.[ch]",
    "drivers/gpu/drm/*.[ch]",
    "drivers/gpu/drm/scheduler/*.[ch]",
    "drivers/gpu/drm/ttm/*.[ch]",
    "drivers/gpu/drm/vgem/*.[ch]",
    "drivers/gpu/drm/amd/amdgpu/*.[ch]",
    "include/drm/**/*.h",
    "include/linux/*.h",
    "include/uapi/drm/*.h",
    "include/uapi/linux/*.h",
)

_FUNCTION = re.compile(r"^(?:[a-zA-Z_][\w \t*]*?[ \t*\n])?(\w+)\(", re.MULTILINE)
_BODY = re.compile(r"(?:\s*__\w+(?:\([^()]*\))?)*\s*\{")
_MACRO = re.compile(r"^#[ \t]*define[ \t]+(\w+)(\()?", re.MULTILINE)
_EVENT = re.compile(r"^(?:TRACE_EVENT\(|DEFINE_EVENT\(\w+,\s*)(\w+)", re.MULTILINE)
_TYPE = re.compile(r"^(?:typedef )?(?:struct|enum|union)\s+(\w+)\s*\{", re.MULTILINE)
_TYPEDEF = re.compile(r"^typedef\b[^;{}()]*?(?:\(\*)?(\w+)\)?(?:\([^;]*\))?;", re.MULTILINE)
_ENUMERATOR = re.compile(r"^\s+([A-Z]\w+)\s*(?:=[^,\n]*)?,?\s*(?:/[/*].*)?$", re.MULTILINE)
_VARIABLE = re.compile(
    r"^(?:static |const |unsigned |struct \w+ |int |bool )+\*?(\w+)(?:\[\w*\])?(?: =|;)", re.MULTILINE
)


class Name(NamedTuple):
    """A name that the mock kernel defines: ``name`` as the kernel would spell it, ``own`` as it is spelled here."""

    kind: str
    name: str
    own: str
    path: Path
    """Below the mock kernel."""

    @property
    def stems(self) -> frozenset[str]:
        """The kernel file that the name stands in, by our file's name or that of the package it is part of."""
        return frozenset(self.path.with_suffix("").parts[-2:] if len(self.path.parts) > 2 else (self.path.stem,))


# -- the mock kernel ----------------------------------------------------------------------------------------------


def prefixed_names(root: Path = MOCK_KERNEL) -> Iterator[Name]:
    """Find what is defined with a prefix of the kernel's, a leading underscore or not."""
    for path in sorted(root.rglob("*.py")):
        for name in _names(ast.parse(path.read_text(encoding="utf-8")), path.relative_to(root)):
            prefix = _TYPE_PREFIX if name.kind == "types" else _FUNCTION_PREFIX
            if prefix.match(name.name):
                yield name


def _names(tree: ast.Module, path: Path) -> Iterator[Name]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            # The methods of our trace.py are the tracepoints.
            yield Name("events" if path.stem == "trace" else "functions", node.name.lstrip("_"), node.name, path)
        elif isinstance(node, ast.ClassDef):
            yield Name("types", _snake(node.name), node.name, path)
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
                if isinstance(target, ast.Name):
                    yield _variable(target.id, path)


def _variable(own: str, path: Path) -> Name:
    name = own.lstrip("_")
    if name.isupper():
        return Name("constants", name, own, path)
    if name.islower():
        return Name("functions", name, own, path)
    return Name("types", _snake(name), own, path)


def _snake(camel: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", camel.lstrip("_")).lower()


def prefixed_files(root: Path = MOCK_KERNEL) -> list[Path]:
    """List the files and packages that have a prefix of the kernel's, but for its own folders."""
    return sorted(
        path.relative_to(root)
        for path in root.rglob("*")
        if (path.suffix == ".py" or ((path / "__init__.py").exists() and path.parent != root))
        and _FILE_PREFIX.match(path.stem)
    )


# -- the kernel ---------------------------------------------------------------------------------------------------


def definitions(text: str) -> Iterator[tuple[str, str]]:
    """Find what a file of the kernel defines: kind and name. Prototypes do not count."""
    for match in _FUNCTION.finditer(text):
        if _BODY.match(text, _after_parentheses(text, match.end() - 1)):
            yield "functions", match.group(1)
    for match in _MACRO.finditer(text):
        yield "functions" if match.group(2) else "constants", match.group(1)
        yield "constants", match.group(1)
    for kind, pattern in (
        ("functions", _VARIABLE),
        ("events", _EVENT),
        ("types", _TYPE),
        ("types", _TYPEDEF),
        ("types", _VARIABLE),  # a table of functions is a class here
        ("constants", _ENUMERATOR),
    ):
        for match in pattern.finditer(text):
            yield kind, match.group(1)


def _after_parentheses(text: str, start: int) -> int:
    depth = 0
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if not depth:
            return index + 1
    return len(text)


def read_kernels(trees: Iterable[Path]) -> tuple[dict[tuple[str, str], set[str]], set[str]]:
    """Return in which files the kernels define a (kind, name), and the stems of all files."""
    where: dict[tuple[str, str], set[str]] = defaultdict(set)
    files: set[str] = set()
    for tree in trees:
        for pattern in _SOURCES:
            for path in tree.glob(pattern):
                stem = path.stem.replace("-", "_")
                files.add(stem)
                for kind, name in definitions(path.read_text(encoding="utf-8", errors="replace")):
                    where[kind, name].add(stem)
    return where, files


def release(tree: Path) -> str:
    """Return the version in a kernel's Makefile."""
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", (tree / "Makefile").read_text(), re.MULTILINE))
    return f"{found['VERSION']}.{found['PATCHLEVEL']}.{found['SUBLEVEL']}"


# -- the file -----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None, root: Path = MOCK_KERNEL, data: Path = DATA) -> int:
    """Write the file of names; returns 2 when an argument is no source tree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", nargs="+", type=Path, help="a source tree of Linux")
    trees: list[Path] = parser.parse_args(arguments).tree
    for tree in trees:
        if not (tree / "Makefile").is_file() or not (tree / "drivers/gpu/drm").is_dir():
            print(f"{tree} is no source tree of Linux: it has no Makefile or no drivers/gpu/drm", file=sys.stderr)
            return 2
    where, kernel_files = read_kernels(trees)
    tables: dict[str, dict[str, set[str]]] = {kind: {} for kind in KINDS}
    for name in prefixed_names(root):
        found = where.get((name.kind, name.name))
        if found:
            tables[name.kind][name.name] = found
        else:
            print(f"{name.path}: {name.own} is in none of these kernels")
    lines = [
        "# SPDX-License-Identifier: MIT",
        "# Written by scripts/kernel_names.py: names of these kernels that the mock kernel uses, and the files that",
        "# define them.",
        f"kernels = {_array(release(tree) for tree in trees)}",
        f"files = {_array(sorted({path.stem for path in prefixed_files(root)} & kernel_files))}",
    ]
    for kind, names in tables.items():
        lines += ["", f"[{kind}]", *(f"{name} = {_array(sorted(names[name]))}" for name in sorted(names))]
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def _array(words: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


if __name__ == "__main__":
    sys.exit(main())
