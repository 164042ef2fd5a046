# SPDX-License-Identifier: MIT
"""Parts of the mock kernel in which nothing is a mistake that somebody could see: `no_behaviour.toml`."""

from __future__ import annotations

import ast
import fnmatch
import functools
from dataclasses import dataclass
from pathlib import Path

from mutate.tables import entries_with_reasons

__all__ = ("NO_BEHAVIOUR", "Part", "read_parts")

NO_BEHAVIOUR = Path(__file__).parent / "no_behaviour.toml"


@dataclass(frozen=True, slots=True)
class Part:
    """In ``files`` (a shell pattern), the expressions and simple statements whose text matches ``text`` (another)."""

    files: str
    text: str

    def covers(self, node: ast.AST) -> bool:
        """Whether a node of one of the files is such a part."""
        simple = isinstance(node, ast.expr | ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Return)
        return simple and fnmatch.fnmatchcase(ast.unparse(node), self.text)


@functools.cache
def read_parts(path: Path = NO_BEHAVIOUR) -> tuple[Part, ...]:
    """Return all parts of a file, which is read once. Raises `HarnessError` as `entries_with_reasons` does."""
    entries = entries_with_reasons(path, "part", {"files", "text"}, "a part has files, texts")
    return tuple(Part(entry["files"], text) for entry in entries for text in entry["text"])
