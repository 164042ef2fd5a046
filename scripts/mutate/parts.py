# SPDX-License-Identifier: MIT
"""Parts of the mock kernel in which nothing is a mistake that somebody could see: `no_behaviour.toml`."""

from __future__ import annotations

import ast
import fnmatch
import tomllib
from dataclasses import dataclass
from pathlib import Path

from amdgpu_hw.errors import HarnessError

__all__ = ("NO_BEHAVIOUR", "Part", "read_parts")

NO_BEHAVIOUR = Path(__file__).parent / "no_behaviour.toml"
_SHORTEST_REASON = 20


@dataclass(frozen=True, slots=True)
class Part:
    """In ``files`` (a shell pattern), the expressions and simple statements whose text matches ``text`` (another)."""

    files: str
    text: str
    reason: str

    def covers(self, node: ast.AST) -> bool:
        """Whether a node of one of the files is such a part."""
        simple = isinstance(node, ast.expr | ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Return)
        return simple and fnmatch.fnmatchcase(ast.unparse(node), self.text)


def read_parts(path: Path = NO_BEHAVIOUR) -> tuple[Part, ...]:
    """Return all parts of a file. Raises `HarnessError` for what has no files, texts and reason."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise HarnessError(f"{path} cannot be read: {error}") from None
    parts: list[Part] = []
    for entry in content.pop("part", []):
        if set(entry) != {"files", "text", "reason"} or len(entry["reason"]) < _SHORTEST_REASON or not entry["text"]:
            raise HarnessError(f"{path}: a part has files, texts and a reason that says why, not {entry}")
        parts += [Part(entry["files"], text, entry["reason"]) for text in entry["text"]]
    if content:
        raise HarnessError(f"{path} has something else than [[part]] tables: {', '.join(content)}")
    return tuple(parts)
